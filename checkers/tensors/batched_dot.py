"""`tensors.batched_dot`: the dot product of the vectors that stand at the same place."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("batched_dot", forbid=["linalg_vecdot"], batch=["a", "b", "cotangent"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (batch, length, width), spread in [
        ("ordinary numbers", (2, 3, 5), 1),
        ("a batch of one", (1, 4, 6), 1),
        ("vectors of one number", (3, 5, 1), 1),
        ("one position", (4, 1, 7), 1),
        ("large numbers", (3, 2, 6), 1e5),
        ("small numbers", (2, 6, 4), 1e-4),
    ]:
        yield Case(
            name,
            a=rng.normal((batch, length, width), spread=spread),
            b=rng.normal((batch, length, width), spread=spread),
            cotangent=rng.normal((batch, length)),
        )


ask.checks(
    equal("dots", title="multiplies the vectors at each place and adds up over width", weight=2),
    equal("gradient", title="gradients reach both inputs"),
)

WHOLE = 'torch.einsum("bpw,bpw->bp", a, b)'
CUT = "{} was cut from the graph (detach, .data, .item or numpy): gradients must reach both inputs."

ask.mistakes(
    edit('"bpw,bpw->bp"', '"bpw,bpw->bw"', "The sum runs over positions: a dot product adds up over width."),
    edit('"bpw,bpw->bp"', '"bpw,bpw->pw"', "The sum runs over the batch: a dot product adds up over width."),
    edit(
        '"bpw,bpw->bp"',
        '"bpw,bqw->bpq"',
        "Every position of a meets every position of b: only the two vectors at the same place belong together.",
    ),
    edit(
        '"bpw,bpw->bp"',
        '"bpw,cqw->bpcq"',
        "Every vector of a meets every vector of b, across the batch, too: "
        "only the two at the same place belong together.",
    ),
    edit(
        '"bpw,bpw->bp"',
        '"bpw,bpw->b"',
        "The sum runs over positions as well as width: each position keeps a number of its own.",
    ),
    edit('"bpw,bpw->bp"', '"bpw,bpw->"', "Everything is added up to one number: return one for each place."),
    edit('"bpw,bpw->bp"', '"bpw,bpw->bpw"', "The products are not added up yet: sum over the last axis."),
    edit(WHOLE, "(a * b).sum(-1, keepdim=True)", "The summed axis is kept with length 1: return (batch, position)."),
    edit(WHOLE, "(a * b).mean(-1)", "The products are averaged: a dot product is their sum."),
    edit(
        WHOLE,
        "torch.cosine_similarity(a, b, dim=-1)",
        "The dot product is divided by the lengths of both vectors, which makes it a cosine: leave it undivided.",
    ),
    edit(", a, b)", ", a, b[:1].expand_as(b))", "The first sequence of b serves for all: each has vectors of its own."),
    edit(
        f"return {WHOLE}",
        "a *= b\n    return a.sum(-1)",
        "a *= b writes the products into a, which its owner still needs: a * b makes a new tensor.",
    ),
    edit(", a, b)", ", a.detach(), b)", CUT.format("a")),
    edit(", a, b)", ", a, b.detach())", CUT.format("b")),
    edit(WHOLE, WHOLE + ".detach()", CUT.format("The result")),
)

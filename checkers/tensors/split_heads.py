"""`tensors.split_heads`: one axis becomes heads and their widths, and back."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("split_heads", "merge_heads", batch=["x", "heads", "split_cotangent", "merge_cotangent"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (batch, length, heads, width) in [
        ("three heads", (2, 5, 3, 4)),
        ("more heads than positions", (3, 2, 6, 5)),
        ("one head", (3, 4, 1, 6)),
        ("a batch of one", (1, 7, 2, 5)),
        ("one position", (4, 1, 2, 3)),
        ("heads of width one", (2, 3, 4, 1)),
    ]:
        joined, split = (batch, length, heads * width), (batch, heads, length, width)
        yield Case(
            name,
            n_heads=heads,
            x=rng.normal(joined),
            heads=rng.normal(split),
            split_cotangent=rng.normal(split),
            merge_cotangent=rng.normal(joined),
        )


ask.checks(
    equal("split", title="split_heads: each head gets its own d_head neighbouring numbers", weight=2),
    equal("merged", title="merge_heads: puts the heads' numbers beside each other again", weight=2),
    equal("gradient of split_heads", title="gradients pass through split_heads"),
    equal("gradient of merge_heads", title="gradients pass through merge_heads"),
)

SPLIT = "heads = x.unflatten(2, (n_heads, -1))"
MERGE = "joined = x.transpose(1, 2)"
CUT = "The result of {} was cut from the graph (detach, .data or numpy): gradients must pass through."

ask.mistakes(
    edit(
        f"{SPLIT}  # (batch, position, head, d_head)\n    return heads.transpose(1, 2)",
        "return x.reshape(len(x), n_heads, x.shape[1], -1)",
        "A reshape straight to (batch, head, position, d_head) mixes positions with heads: "
        "split the last axis, then move the axis of heads.",
    ),
    edit(
        f"{SPLIT}  # (batch, position, head, d_head)\n    return heads.transpose(1, 2)",
        "return x.unflatten(2, (-1, n_heads)).permute(0, 3, 1, 2)",
        "Head and d_head are swapped, as in (d_head head): each head owns d_head neighbouring numbers, (head d_head).",
    ),
    edit(
        "(n_heads, -1)",
        "(-1, n_heads)",
        "n_heads is used as d_head: it is the number of heads, each d_model / n_heads wide.",
    ),
    edit(
        "return heads.transpose(1, 2)",
        "return heads",
        "The heads still stand behind the positions: return (batch, head, position, d_head).",
    ),
    edit(
        "return heads.transpose(1, 2)",
        "return heads.permute(0, 2, 3, 1)",
        "Position and d_head are swapped: return (batch, head, position, d_head).",
    ),
    edit("(n_heads, -1)", "(2, -1)", "The number of heads is written into the code: use n_heads."),
    edit("return heads.transpose(1, 2)", "return heads.transpose(1, 2).detach()", CUT.format("split_heads")),
    edit(
        "return joined.flatten(2)",
        "return x.reshape(joined.shape[0], joined.shape[1], -1)",
        "The axis of heads was not moved back before the reshape, so positions and heads are mixed: "
        "first (batch, position, head, d_head), then join the last two.",
    ),
    edit(
        MERGE,
        "joined = x.permute(0, 2, 3, 1)",
        "The heads' numbers alternate, as in (d_head head): all numbers of head 0 come first, then those of head 1.",
    ),
    edit("return joined.flatten(2)", "return joined", "Heads and d_head are still two axes: join them to one."),
    edit("return joined.flatten(2)", "return joined.sum(2)", "The heads are added up: put their numbers side by side."),
    edit("return joined.flatten(2)", "return joined.flatten(2).detach()", CUT.format("merge_heads")),
)

"""`ioi.subspace_patch`: the part of an activation in a subspace, from another run."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("subspace_patch", batch=["value", "donor", "cotangent"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, shape, count, spread in [
        ("two directions that are not orthogonal", (3, 4, 7), 2, 1),
        ("one long direction", (5, 6), 1, 4),
        ("one short direction", (2, 3, 8), 1, 0.2),
        ("as many directions as axes", (4, 5), 5, 1),
        ("four directions, one vector a prompt", (3, 9), 4, 2),
    ]:
        directions = spread * rng.normal((count, shape[-1]))
        if count > 1:
            directions[1] += 2 * directions[0]  # far from orthogonal, and of other lengths
        inputs = {"value": rng.normal(shape), "donor": rng.normal(shape, 1, 2), "directions": directions}
        yield Case(name, **inputs, cotangent=rng.normal(shape))


ask.checks(
    equal("patched", title="takes the part in the subspace from the donor, and nothing else", weight=3),
    equal("gradient", title="gradients reach the activation and the donor"),
)

BASIS = "basis = torch.linalg.qr(directions.T).Q"
RESULT = "return value + (donor - value) @ basis @ basis.T"

ask.mistakes(
    edit(
        BASIS,
        "basis = directions.T",
        "The directions are used as they come: they need be neither of length 1 nor orthogonal, so make an orthonormal "
        "basis of their span first.",
    ),
    edit(
        BASIS,
        "basis = (directions / directions.norm(dim=-1, keepdim=True)).T",
        "The directions are made of length 1, but not orthogonal: what two of them share is counted twice.",
    ),
    edit(
        BASIS,
        "basis = torch.linalg.qr(directions[:1].T).Q",
        "Only the first direction is patched: the subspace is spanned by all of them.",
    ),
    edit(
        RESULT,
        "return donor + (value - donor) @ basis @ basis.T",
        "This is the donor with the value's part: everything outside the subspace was replaced. Exchange the two.",
    ),
    edit(
        RESULT,
        "return value + donor @ basis @ basis.T",
        "The donor's part is added to what is there already: take the value's own part out first.",
    ),
    edit(
        RESULT,
        "return donor @ basis @ basis.T",
        "The rest of the activation is gone: only the part in the subspace is replaced.",
    ),
    edit(
        RESULT,
        "return value - value @ basis @ basis.T",
        "The part is taken out and nothing put in its place: that is an ablation. Put in the donor's part.",
    ),
    edit(
        RESULT,
        "return value + (donor - value).mean(0, keepdim=True) @ basis @ basis.T",
        "Every prompt is moved by the mean over the prompts: each is given its own donor's part.",
    ),
    edit(RESULT, "return donor", "The whole activation is replaced: only its part in the subspace is."),
    edit(
        RESULT,
        "return value + ((donor - value) @ basis @ basis.T).detach()",
        "The change was cut from the graph (detach, .data, .item or no_grad): gradients must reach the donor.",
    ),
)

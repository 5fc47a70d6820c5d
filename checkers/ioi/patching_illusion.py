"""`ioi.patching_illusion`: a direction patched whole, and only where anybody reads it."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("patching_illusion", batch=["value", "donor", "cotangent"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, batch, d_in, d_out, rank in [
        ("a site with a null space", 4, 9, 5, 5),
        ("more outputs than inputs, and a null space", 3, 6, 8, 4),
        ("everything is read", 5, 4, 7, 4),
        ("one number is read", 3, 7, 2, 1),
    ]:
        W = rng.normal((d_in, rank)) @ rng.normal((rank, d_out))
        inputs = {"value": rng.normal((batch, d_in)), "donor": rng.normal((batch, d_in), 1, 2)}
        direction = rng.normal((d_in,), spread=2)
        yield Case(name, **inputs, direction=direction, W=W, cotangent=rng.normal((batch, 2, d_out)))


ask.checks(
    equal("whole", title="gives what is read after a patch of the whole direction", weight=2),
    equal("read part", title="gives what is read after a patch of the part that is read", weight=2),
    equal("gradient", title="gradients reach the activation and the donor"),
)

READ = "read_part = W @ (torch.linalg.pinv(W) @ direction)"
AMOUNT = "amount = (donor - value) @ along / along.square().sum()"
RESULT = "return patched(direction), patched(read_part)"

ask.mistakes(
    edit(
        READ,
        "read_part = direction - W @ (torch.linalg.pinv(W) @ direction)",
        "The part in the null space is patched as the control, which nobody reads: patch the other part.",
    ),
    edit(
        READ,
        "read_part = W @ (W.T @ direction)",
        "W W^T is no projection: it stretches some directions more than others. Use the pseudo-inverse of W, or an "
        "orthonormal basis of its columns.",
    ),
    edit(
        READ,
        "read_part = direction",
        "The control does what the whole patch does: project the direction on what W reads, and measure along the "
        "projection by how much value and donor differ.",
    ),
    edit(
        READ,
        "basis = torch.linalg.qr(W).Q\n    read_part = basis @ (basis.T @ direction)",
        "As many directions are kept as W has columns, or rows: its rank may be smaller, and then some of them are not "
        "read.",
    ),
    edit(
        RESULT,
        "return donor @ W, patched(read_part)",
        "The whole activation is the donor's: patch its part along the direction alone.",
    ),
    edit(
        AMOUNT,
        "amount = (donor - value) @ along",
        "The direction's length is left out: the amount along a direction is a product divided by its squared length.",
    ),
    edit(
        AMOUNT,
        "amount = (donor - value) @ along / along.norm()",
        "The amount is divided by the length once: the direction is multiplied in again, so divide by its square.",
    ),
    edit(
        AMOUNT,
        "amount = donor @ along / along.square().sum()",
        "The donor's part is added to what is there already: the patch adds the difference of the two.",
    ),
    edit(
        RESULT, "return patched(read_part), patched(direction)", "The two have changed places: the whole comes first."
    ),
    edit(
        "return (value + amount[:, None] * along) @ W",
        "return amount[:, None] * along @ W",
        "These are the changes: return what W gives after the patch.",
    ),
    edit(
        "return (value + amount[:, None] * along) @ W",
        "return (value + amount.mean() * along) @ W",
        "Every prompt is moved by the mean amount: each by its own.",
    ),
    edit(
        "return (value + amount[:, None] * along) @ W",
        "return (value + amount[:, None].detach() * along) @ W",
        "The amount was cut from the graph (detach, .data, .item or no_grad): gradients must reach value and donor.",
    ),
)

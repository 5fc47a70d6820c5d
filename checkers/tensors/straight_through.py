"""`tensors.straight_through`: a hard step forward, the identity backward."""

from collections.abc import Iterator
from typing import Any

from headwork.checkers.checks import equal, satisfies
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("straight_through", batch=["x", "cotangent"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, shape, threshold, spread in [
        ("threshold 0.5", (7, 30), 0.5, 1),
        ("threshold 0, three axes", (2, 3, 5), 0.0, 1),
        ("a negative threshold, many numbers", (6, 40), -1.25, 1),
        ("a batch of one", (1, 9), 0.25, 1),
        ("large numbers", (5, 8), 1024.0, 1e5),
        ("numbers close to the threshold", (3, 4), 2.0, 1e-3),
    ]:
        x = (threshold if spread < 1 else 0) + rng.normal(shape, spread=spread)
        x.view(-1)[:: x.shape[-1]] = threshold  # the first of each row lies on the threshold exactly
        yield Case(name, x=x, threshold=threshold, cotangent=rng.normal(shape))


def _soft(value: Any, case: Case) -> str:
    odd = [number for number in value if number not in (0, 1)] if isinstance(value, list) else []
    return f"the output holds {odd[0]!r}, which is neither 0 nor 1" if odd else ""


ask.checks(
    equal("step", title="gives 1 above the threshold and 0 elsewhere, on the threshold too", weight=2),
    equal("gradient", title="passes every gradient on as it is"),
    satisfies("values that occur", _soft, title="the output holds exact zeros and ones, rounding or not"),
)

RETURN = "return step + (x - x.detach())"
FLIPPED = "The gradient has its sign flipped: add x - x.detach(), and do not take it away."
MINUS = "Entries below the threshold give -1: they give 0."

ask.mistakes(
    edit(
        RETURN,
        "return step",
        "A step has no gradient: let x into the result in a way that adds nothing, such as x - x.detach().",
    ),
    edit(
        RETURN,
        "return x + (step - x).detach()",
        "x + (step - x).detach() is rounded, so the output is not always exactly 0 or 1: "
        "add x - x.detach(), which is exactly 0, to the step.",
    ),
    edit(
        RETURN,
        "soft = (x - threshold).sigmoid()\n    return step + (soft - soft.detach())",
        "The gradient is that of a sigmoid: backward, the function is to look like the identity.",
    ),
    edit(
        RETURN,
        "return (x - threshold).sigmoid()",
        "This is a sigmoid: forward, the output is to be 0 or 1.",
    ),
    edit(
        RETURN,
        "return step + (x - x.detach()) * step",
        "Only entries above the threshold get a gradient: all entries get theirs.",
    ),
    edit(
        RETURN,
        "near = ((x - threshold).abs() < 1).to(x.dtype)\n    return step + (x - x.detach()) * near",
        "Only entries near the threshold get a gradient: all entries get theirs.",
    ),
    edit(
        RETURN,
        "near = (x.abs() <= 1).to(x.dtype)\n    return step + (x - x.detach()) * near",
        "Only entries between -1 and 1 get a gradient: all entries get theirs.",
    ),
    edit("x > threshold", "x >= threshold", "An entry on the threshold gives 1: only entries above it do."),
    edit("x > threshold", "x > 0.5", "0.5 is written into the code: use the threshold that is passed."),
    edit("x > threshold", "x > 0", "The threshold is not used: compare x with it, not with 0."),
    edit("x > threshold", "x < threshold", "The step is the wrong way round: 1 stands above the threshold."),
    edit(
        RETURN,
        "return step + 0.5 * (x - x.detach())",
        "The gradient is scaled: pass it on as it is.",
    ),
    edit(
        RETURN,
        "return step + x - x.detach()",
        "step + x is rounded before x is taken away again, so the output is not always exactly 0 or 1: put brackets "
        "around x - x.detach().",
    ),
    edit(RETURN, "return step - (x - x.detach())", FLIPPED),
    edit(RETURN, "return step + x.detach() - x", FLIPPED),
    edit(RETURN, "return step * 2 - 1 + (x - x.detach())", MINUS),
    edit(RETURN, "return torch.sign(x - threshold) + (x - x.detach())", MINUS),
    edit(
        RETURN,
        "return step * x + (x * (1 - step) - (x * (1 - step)).detach())",
        "Entries above the threshold keep their value: they become 1.",
    ),
    edit(
        RETURN,
        "return x.copy_(step) + (x - x.detach())",
        "x is changed in place: make a new tensor, whoever passed x in still needs it.",
    ),
)

"""`tensors.log_softmax`: log-probabilities that stay finite where the probabilities underflow."""

from collections.abc import Iterator

import torch

from headwork.checkers.checks import equal, stable
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case
from headwork.checkers.tensors.softmax import ALONG_AN_AXIS

ask = Exercise(
    "log_softmax", forbid=["_log_softmax", "_softmax", "_safe_softmax", "_masked_softmax"], batch=["x", "cotangent"]
)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, shape, axis, centre, spread in [
        *ALONG_AN_AXIS,
        ("probabilities that underflow", (4, 2, 7), -1, 0, 3000),
    ]:
        yield Case(name, x=rng.normal(shape, centre, spread), axis=axis, cotangent=rng.normal(shape))
    x = rng.normal((3, 4, 6)) + 3000 * rng.permutation(12).reshape(3, 4, 1)
    yield Case("rows far from each other", x=x, axis=-1, cotangent=rng.normal(x.shape))
    x = rng.normal((3, 5, 6)).masked_fill(torch.ones(5, 6, dtype=torch.bool).triu(1), float("-inf"))
    yield Case("masked scores, minus infinity", x=x, axis=2, cotangent=rng.normal(x.shape))


ask.checks(
    equal(
        "log_softmax", title="gives log-probabilities along the axis, also where the probabilities underflow", weight=2
    ),
    equal("gradient", title="gradients reach the input"),
    stable(
        "log_softmax",
        on=["probabilities that underflow"],
        title="keeps its precision in float32 where entries lie far apart",
    ),
)

SHIFTED = "shifted = x - x.amax(axis, keepdim=True)"
RETURN = "return shifted - shifted.exp().sum(axis, keepdim=True).log()"
CUT = (
    "The log of the sum was cut from the graph (detach, .data, .item or no_grad): the gradient must flow "
    "through it, too."
)

ask.mistakes(
    edit(
        RETURN,
        "return (shifted.exp() / shifted.exp().sum(axis, keepdim=True)).log()",
        "This is the log of a softmax: a probability that underflows to 0 becomes minus infinity. "
        "Subtract the log of the sum from x instead.",
    ),
    *(
        edit(
            RETURN,
            f"return (shifted.exp() / shifted.exp().sum(axis, keepdim=True) + {small}).log()",
            "A small number hides the underflow: every log-probability below its logarithm is wrong. "
            "Subtract the log of the sum from x instead.",
        )
        for small in ("1e-8", "1e-10", "1e-12")
    ),
    edit(
        RETURN,
        "return (shifted.exp() / shifted.exp().sum(axis, keepdim=True)).clamp_min(1e-12).log()",
        "A lower bound hides the underflow: every log-probability below its logarithm is wrong. "
        "Subtract the log of the sum from x instead.",
    ),
    edit(
        SHIFTED,
        "shifted = x",
        "The exponentials overflow, or all become 0: subtract the maximum along the axis first.",
    ),
    edit(
        f"{SHIFTED}\n    {RETURN}",
        "shifted = x - x.amax(-1, keepdim=True)\n    return shifted - shifted.exp().sum(-1, keepdim=True).log()",
        "The last axis is written into the code: use the axis that is passed, everywhere.",
    ),
    edit(
        "sum(axis, keepdim=True)",
        "sum(-1, keepdim=True)",
        "The sum always runs along the last axis: use the axis that is passed.",
    ),
    edit(
        "x.amax(axis, keepdim=True)",
        "x.amax(-1, keepdim=True)",
        "The maximum is always taken along the last axis, so what is subtracted differs within a softmax: "
        "use the axis that is passed.",
    ),
    edit(
        "x.amax(axis, keepdim=True)",
        "x.amax()",
        "One maximum serves the whole tensor: where all numbers lie far below it, their sum underflows. "
        "Take the maximum along the axis.",
    ),
    edit(
        "return shifted -",
        "return x -",
        "The maximum is taken from the sum and not from x: subtract it in both places, or add it back to the log.",
    ),
    edit(
        "keepdim=True).log()",
        "keepdim=True)",
        "The sum itself is subtracted: subtract its logarithm.",
    ),
    edit(
        RETURN,
        "return shifted.exp() / shifted.exp().sum(axis, keepdim=True)",
        "These are probabilities: return their logarithms.",
    ),
    edit(
        RETURN,
        "return shifted.exp().sum(axis, keepdim=True).log() - shifted",
        "The sign is flipped: a log-probability is never above 0.",
    ),
    edit(
        RETURN,
        "return (shifted - shifted.exp().sum(axis, keepdim=True).log()) / 0.6931471805599453",
        "This is in bits: return natural logarithms.",
    ),
    edit(
        "shifted.exp().sum(",
        "shifted.exp().mean(",
        "The exponentials are averaged, which is off by the log of their number: add them up.",
    ),
    edit(RETURN, "return shifted - shifted.exp().sum(axis, keepdim=True).log().detach()", CUT),
    edit(
        f"{SHIFTED}\n    {RETURN}",
        "shifted = x - x.amax(axis, keepdim=True).detach()\n"
        "    return shifted - shifted.exp().sum(axis, keepdim=True).log().detach()",
        CUT,
    ),
    edit(
        f"{SHIFTED}\n    {RETURN}",
        "shifted = x - x.max()\n    return shifted - shifted.exp().sum().log()",
        "Maximum and sum run over the whole tensor: every slice along the axis has its own.",
    ),
    edit(
        RETURN,
        "return (shifted - shifted.exp().sum(axis, keepdim=True).log()).detach()",
        "The result was cut from the graph (detach, .data, .item or no_grad): gradients must reach x.",
    ),
    edit(
        SHIFTED,
        "shifted = x.sub_(x.amax(axis, keepdim=True))",
        "x is changed in place: make a new tensor, whoever passed x in still needs it.",
    ),
)

"""`tensors.softmax`: exponentials divided by their sum, along any axis."""

from collections.abc import Iterator

import torch

from headwork.checkers.checks import equal, stable
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise(
    "softmax", forbid=["_softmax", "_log_softmax", "_safe_softmax", "_masked_softmax"], batch=["x", "cotangent"]
)

ALONG_AN_AXIS: list[tuple[str, tuple[int, ...], int, float, float]] = [  # name, shape, axis, centre, spread
    ("the last axis", (2, 4, 5), -1, 0, 1),
    ("the last axis of four, counted from the front", (2, 3, 4, 5), 3, 0, 2),
    ("the first axis", (4, 3), 0, 0, 1),
    ("an axis in the middle", (3, 6, 2), 1, 0, 2),
    ("the last but one of four axes", (3, 2, 5, 4), -2, 1, 1),
    ("a batch of one", (1, 3, 7), 2, 0, 3),
    ("numbers around 1000", (3, 2, 6), -1, 1000, 2),
    ("numbers around -1000", (5, 3, 2), 0, -1000, 2),
]


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, shape, axis, centre, spread in ALONG_AN_AXIS:
        yield Case(name, x=rng.normal(shape, centre, spread), axis=axis, cotangent=rng.normal(shape))
    x = rng.normal((3, 4, 6)) + 3000 * rng.permutation(12).reshape(3, 4, 1)
    yield Case("rows far from each other", x=x, axis=-1, cotangent=rng.normal(x.shape))
    x = rng.normal((4, 2, 7))
    x[..., 1::2] -= 1500
    yield Case("entries far from each other", x=x, axis=-1, cotangent=rng.normal(x.shape))
    x = rng.normal((3, 5, 6)).masked_fill(torch.ones(5, 6, dtype=torch.bool).triu(1), float("-inf"))
    yield Case("masked scores, minus infinity", x=x, axis=2, cotangent=rng.normal(x.shape))


ask.checks(
    equal("softmax", title="gives probabilities along the axis, whatever the size of the numbers", weight=2),
    equal("gradient", title="gradients reach the input"),
    stable(
        "softmax",
        on=["entries far from each other"],
        title="keeps its precision in float32 where entries lie far apart",
    ),
)

AXIS = "The last axis is written into the code: use the axis that is passed, everywhere."
ONE_FOR_ALL = (
    "One maximum serves the whole tensor: where all numbers lie far below it, 0 is divided by 0. "
    "Take the maximum along the axis."
)
SMALL = "A small number is added to the sum, which is never below 1 here: the probabilities no longer sum to 1."

ask.mistakes(
    edit(
        "(x - maximum).exp()",
        "x.exp()",
        "The exponentials overflow, or all become 0: subtract the maximum along the axis first.",
    ),
    edit(
        "maximum = x.amax(axis, keepdim=True)\n    powers = (x - maximum).exp()  # between 0 and 1\n"
        "    return powers / powers.sum(axis, keepdim=True)",
        "powers = (x - x.amax(-1, keepdim=True)).exp()\n    return powers / powers.sum(-1, keepdim=True)",
        AXIS,
    ),
    edit(
        "powers.sum(axis, keepdim=True)",
        "powers.sum(-1, keepdim=True)",
        "The sum always runs along the last axis: use the axis that is passed.",
    ),
    edit(
        "x.amax(axis, keepdim=True)",
        "x.amax(-1, keepdim=True)",
        "The maximum is always taken along the last axis, so what is subtracted differs within a softmax: "
        "use the axis that is passed.",
    ),
    edit("x.amax(axis, keepdim=True)", "x.amax()", ONE_FOR_ALL),
    edit("x.amax(axis, keepdim=True)", "x.max()", ONE_FOR_ALL),
    edit(
        "x.amax(axis, keepdim=True)",
        "x.amin(axis, keepdim=True)",
        "The minimum is subtracted, so the exponentials can still overflow: subtract the maximum.",
    ),
    edit(
        "x.amax(axis, keepdim=True)",
        "x.abs().amax(axis, keepdim=True)",
        "The largest absolute value is subtracted: very negative numbers then underflow. Subtract the maximum.",
    ),
    edit(
        "powers.sum(axis, keepdim=True)",
        "powers.sum()",
        "The sum runs over the whole tensor: every slice along the axis has a sum of its own.",
    ),
    edit("powers / powers.sum(axis, keepdim=True)", "powers", "The exponentials are never divided by their sum."),
    edit(
        "(x - maximum).exp()",
        "(maximum - x).exp()",
        "The sign is flipped: the largest number must get the largest probability.",
    ),
    edit("(x - maximum).exp()", "(x - maximum).exp2()", "These are powers of 2: a softmax takes powers of e."),
    edit(
        "powers.sum(axis, keepdim=True)",
        "powers.norm(dim=axis, keepdim=True)",
        "This divides by the length of the vector: divide by the sum, so that the probabilities sum to 1.",
    ),
    edit("powers.sum(axis, keepdim=True)", "(powers.sum(axis, keepdim=True) + 1e-6)", SMALL),
    edit("powers.sum(axis, keepdim=True)", "(powers.sum(axis, keepdim=True) + 1e-8)", SMALL),
    edit(
        "powers / powers.sum(axis, keepdim=True)",
        "powers / powers.sum(axis, keepdim=True).detach()",
        "The sum was cut from the graph (detach, .data, .item or no_grad): the gradient must flow through it, too.",
    ),
    edit(
        "return powers / powers.sum(axis, keepdim=True)",
        "return (powers / powers.sum(axis, keepdim=True)).detach()",
        "The result was cut from the graph (detach, .data, .item or no_grad): gradients must reach x.",
    ),
    edit(
        "(x - maximum).exp()",
        "x.sub_(maximum).exp()",
        "x is changed in place: make a new tensor, whoever passed x in still needs it.",
    ),
)

ask.survives(
    "maximum = x.amax(axis, keepdim=True)",
    "maximum = x.amax(axis, keepdim=True).detach()",
    "a constant subtracted changes nothing, so no gradient passes through the maximum in all",
)

"""`tensors.batched_logsumexp`: the logarithm of a sum of exponentials that never overflows."""

from collections.abc import Iterator

import torch
from torch import Tensor

from headwork.checkers.checks import equal, stable
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise(
    "batched_logsumexp",
    forbid=["logsumexp", "logcumsumexp", "_logcumsumexp", "logaddexp", "logaddexp2", "_softmax", "_log_softmax"],
    batch=["x", "cotangent"],
)
INFINITY = float("inf")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    def case(name: str, x: Tensor) -> Case:
        return Case(name, x=x, cotangent=rng.normal(x.shape[:2]))

    yield case("ordinary numbers", rng.normal((2, 4, 5)))
    yield case("a batch of one", rng.normal((1, 3, 7), spread=3))
    yield case("numbers around 10,000", rng.normal((3, 2, 6), 10_000, 2))
    yield case("numbers around -10,000", rng.normal((2, 5, 3), -10_000, 2))
    yield case("rows far from each other", rng.normal((3, 4, 6)) + 3000 * rng.permutation(12).reshape(3, 4, 1))
    yield case("entries far from each other", rng.normal((2, 3, 5), spread=1000))
    yield case("one entry a row", rng.normal((4, 3, 1)))
    yield case("some entries minus infinity", _some_hidden(rng, rng.normal((4, 2, 8), spread=2)))
    nothing = rng.normal((5, 3, 4))
    nothing[[0, 3, 4], [1, 0, 2]] = -INFINITY
    yield case("rows of nothing but minus infinity", nothing)


def _some_hidden(rng: Rng, x: Tensor) -> Tensor:
    """About a third of the entries become minus infinity, at least one and never all of a row."""
    hidden = rng.uniform(x.shape) < 1 / 3
    hidden[..., 2], hidden[..., 3] = True, False
    return torch.where(hidden, -INFINITY, x)


ask.checks(
    equal("logsumexp", title="gives each row's log-sum-exp, whatever the size of its numbers", weight=2),
    equal("gradient", title="gradients reach every row that holds a finite number"),
    stable(
        "logsumexp",
        on=["numbers around 10,000", "numbers around -10,000", "rows far from each other"],
        title="keeps its precision with large numbers in float32",
    ),
)

OVERFLOW = "The exponentials overflow or underflow: subtract each row's maximum first, and add it back at the end."
ONE_FOR_ALL = (
    "One maximum is subtracted from all rows: rows far below it underflow to minus infinity. Take each row's own."
)

ask.mistakes(
    edit(
        "(x - maximum).exp().sum(-1)  # (batch, position)\n    return total.log() + maximum.squeeze(-1)",
        "x.exp().sum(-1)\n    return total.log()",
        OVERFLOW,
    ),
    edit(
        '    maximum = maximum.masked_fill(maximum == float("-inf"), 0)',
        "    pass  #",
        "A row of nothing but minus infinity gives NaN: its maximum is minus infinity, and subtracting that from "
        "itself is undefined. Subtract 0 there.",
    ),
    edit("x.amax(-1, keepdim=True)", "x.amax().expand(*x.shape[:2], 1)", ONE_FOR_ALL),
    edit("x.amax(-1, keepdim=True)", "x.max().expand(*x.shape[:2], 1)", ONE_FOR_ALL),
    edit(
        "maximum = x.amax(-1, keepdim=True)",
        "x = x.clamp(min=-1e9)\n    maximum = x.amax(-1, keepdim=True)",
        "A large negative number stands in for minus infinity, and comes out where a row holds nothing else: "
        "there the result is minus infinity.",
    ),
    edit(
        "x.amax(-1, keepdim=True)",
        "x.amax((1, 2), keepdim=True).expand(*x.shape[:2], 1)",
        "One maximum serves all positions of a sequence: rows far below it underflow. Take each row's own.",
    ),
    edit(
        "x.amax(-1, keepdim=True)",
        "x.amin(-1, keepdim=True)",
        "The minimum is subtracted: what remains can still overflow, and minus infinity is lost. Subtract the maximum.",
    ),
    edit(
        "x.amax(-1, keepdim=True)",
        "x.abs().amax(-1, keepdim=True)",
        "The largest absolute value is subtracted: rows of very negative numbers underflow. Subtract the maximum.",
    ),
    edit(
        "total.log() + maximum.squeeze(-1)",
        "total.log()",
        "The maximum that was subtracted is never added back.",
    ),
    edit(
        "total.log() + maximum.squeeze(-1)",
        "total.log() - maximum.squeeze(-1)",
        "The maximum is subtracted a second time at the end: add it back.",
    ),
    edit(
        "total.log() + maximum.squeeze(-1)",
        "total + maximum.squeeze(-1)",
        "The logarithm is missing: it is the log of the sum of the exponentials.",
    ),
    edit("total.log()", "total.log2()", "This logarithm has base 2: exp and the natural logarithm belong together."),
    edit(
        ".exp().sum(-1)",
        ".exp().mean(-1)",
        "The exponentials are averaged, which is off by the log of their number: add them up.",
    ),
    edit(
        "total.log()",
        "(total + 1e-9).log()",
        "A small number is added before the logarithm: it shifts every row, and the log of nothing is not minus "
        "infinity any more. Leave it out.",
    ),
    edit(
        "return total.log() + maximum.squeeze(-1)",
        "return maximum.squeeze(-1)",
        "This is the maximum alone: the other entries of a row count, too.",
    ),
    edit(
        ".sum(-1)  # (batch, position)",
        ".sum(-1).detach()",
        "The sum was cut from the graph (detach, .data, .item or no_grad): gradients must reach every entry of a row.",
    ),
    edit(
        "return total.log() + maximum.squeeze(-1)",
        "return (total.log() + maximum.squeeze(-1)).detach()",
        "The result was cut from the graph (detach, .data, .item or no_grad): gradients must reach x.",
    ),
    edit(
        "(x - maximum).exp()",
        "x.sub_(maximum).exp()",
        "x is changed in place: make a new tensor, whoever passed x in still needs it.",
    ),
)

for LINE in (
    "maximum = x.amax(-1, keepdim=True)",
    'maximum = maximum.masked_fill(maximum == float("-inf"), 0)',
):
    ask.survives(
        LINE,
        f"{LINE}.detach()",
        "what is subtracted is added again, so no gradient passes through the maximum in all",
    )
for NUMBER in (1, -1):
    ask.survives(
        'maximum = maximum.masked_fill(maximum == float("-inf"), 0)',
        f'maximum = maximum.masked_fill(maximum == float("-inf"), {NUMBER})',
        "any finite number does where all entries are minus infinity",
    )

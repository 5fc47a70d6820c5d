"""Chapter `tensors`: from logits to probabilities and to a loss, without overflow.

Shapes are given with the axes' names: `batch` sequences, `position` in a sequence, `vocab` tokens to choose from.
"""

from torch import Tensor


def batched_logsumexp(x: Tensor) -> Tensor:
    """The logarithm of the sum of the exponentials of each row.

    x: (batch, position, vocab); entries may be minus infinity. Returns (batch, position): minus infinity for a row
    of nothing else.
    """
    ### BEGIN SOLUTION
    maximum = x.amax(-1, keepdim=True)  # (batch, position, 1)
    maximum = maximum.masked_fill(maximum == float("-inf"), 0)  # -inf minus -inf would be NaN
    total = (x - maximum).exp().sum(-1)  # (batch, position)
    return total.log() + maximum.squeeze(-1)
    ### END SOLUTION


def softmax(x: Tensor, axis: int) -> Tensor:
    """Probabilities in proportion to the exponentials of `x`: they sum to 1 along `axis`. The shape of `x`."""
    ### BEGIN SOLUTION
    maximum = x.amax(axis, keepdim=True)
    powers = (x - maximum).exp()  # between 0 and 1
    return powers / powers.sum(axis, keepdim=True)
    ### END SOLUTION


def log_softmax(x: Tensor, axis: int) -> Tensor:
    """The natural logarithms of the softmax of `x` along `axis`. The shape of `x`."""
    ### BEGIN SOLUTION
    shifted = x - x.amax(axis, keepdim=True)
    return shifted - shifted.exp().sum(axis, keepdim=True).log()
    ### END SOLUTION


def cross_entropy(logits: Tensor, targets: Tensor, ignore: int = -100) -> Tensor:
    """The mean of minus the log-probability of each target, in nats, over the targets that are not `ignore`.

    logits: (batch, position, vocab). targets: (batch, position), integers. Returns a tensor without axes.
    """
    ### BEGIN SOLUTION
    kept = targets != ignore  # (batch, position)
    index = targets.masked_fill(~kept, 0).unsqueeze(-1)  # (batch, position, 1)
    chosen = log_softmax(logits, -1).gather(-1, index).squeeze(-1)  # (batch, position)
    return -chosen.masked_fill(~kept, 0).sum() / kept.sum()
    ### END SOLUTION

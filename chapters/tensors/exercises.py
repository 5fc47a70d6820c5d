"""The exercises of chapter `tensors`: The tools of the trade.

What to write, and why, stands in the chapter's text. Put your code in place of `raise NotImplementedError`;
names and parameters stay as they are, and helpers of your own are welcome.
`headwork check tensors.rearrange_images` checks one of them.
"""

import torch
from torch import Tensor


# tensors.rearrange_images: A contact sheet
# 3 points, about 5 minutes. Check it with: headwork check tensors.rearrange_images
def rearrange_images(images: Tensor, columns: int) -> Tensor:
    """A contact sheet: the images side by side, `columns` of them in a row, row after row.

    images: (image, channel, height, width), their number a multiple of `columns`.
    Returns (channel, rows * height, columns * width).
    """
    raise NotImplementedError("write rearrange_images")


# tensors.batched_dot: Dot products, place by place
# 2 points, about 3 minutes. Check it with: headwork check tensors.batched_dot
def batched_dot(a: Tensor, b: Tensor) -> Tensor:
    """The dot product of each vector in `a` with the one at the same place in `b`.

    a, b: (batch, position, width). Returns (batch, position).
    """
    raise NotImplementedError("write batched_dot")


# tensors.outer_and_trace: Outer product and trace
# 2 points, about 4 minutes. Check it with: headwork check tensors.outer_and_trace
def outer(a: Tensor, b: Tensor) -> Tensor:
    """Every entry of one vector times every entry of another, for each pair in a batch.

    a: (batch, row). b: (batch, column). Returns (batch, row, column).
    """
    raise NotImplementedError("write outer")


def trace(matrices: Tensor) -> Tensor:
    """The sum along the diagonal of each square matrix in a batch.

    matrices: (batch, row, column), as many rows as columns. Returns (batch,).
    """
    raise NotImplementedError("write trace")


# tensors.split_heads: Splitting and merging heads
# 2 points, about 5 minutes. Check it with: headwork check tensors.split_heads
def split_heads(x: Tensor, n_heads: int) -> Tensor:
    """Cuts the last axis into heads: the first d_head numbers belong to head 0, the next to head 1, and so on.

    x: (batch, position, d_model), d_model = n_heads * d_head. Returns (batch, head, position, d_head).
    """
    raise NotImplementedError("write split_heads")


def merge_heads(x: Tensor) -> Tensor:
    """Undoes `split_heads`.

    x: (batch, head, position, d_head). Returns (batch, position, d_model), d_model = heads * d_head.
    """
    raise NotImplementedError("write merge_heads")


# tensors.gather_2d: Entries by row and column
# 3 points, about 4 minutes. Check it with: headwork check tensors.gather_2d
def gather_2d(values: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Picks entries of each matrix in a batch by row and column.

    values: (batch, row, column). rows, columns: (batch, pick), integers. Returns (batch, pick).
    """
    raise NotImplementedError("write gather_2d")


# tensors.last_token: The last token of each sentence
# 2 points, about 3 minutes. Check it with: headwork check tensors.last_token
def last_token(residual: Tensor, lengths: Tensor) -> Tensor:
    """The vector at the last token of each sequence, of which the first `lengths` positions are real.

    residual: (batch, position, width). lengths: (batch,), integers from 1 to position. Returns (batch, width).
    """
    raise NotImplementedError("write last_token")


# tensors.one_hot: One-hot vectors
# 2 points, about 3 minutes. Check it with: headwork check tensors.one_hot
def one_hot(tokens: Tensor, d_vocab: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """A row of zeros for each token, with a one in the place of its number.

    tokens: integers below `d_vocab`, any number of axes. Returns the same axes and one more, of length `d_vocab`.
    """
    raise NotImplementedError("write one_hot")


# tensors.causal_indices: All pairs a query may see
# 2 points, about 4 minutes. Check it with: headwork check tensors.causal_indices
def causal_indices(length: int, device: torch.device | str | None = None) -> Tensor:
    """Every pair (query, key) with key <= query, in reading order: by query, then by key.

    Returns integers, (pair, 2), length * (length + 1) / 2 pairs.
    """
    raise NotImplementedError("write causal_indices")


# tensors.next_token_shift: Inputs, targets and a mask
# 2 points, about 4 minutes. Check it with: headwork check tensors.next_token_shift
def next_token_shift(tokens: Tensor, pad: int) -> tuple[Tensor, Tensor, Tensor]:
    """What a language model reads, what it must predict there, and where there is anything to predict.

    tokens: (batch, position), with `pad` where a sequence has no token.
    Returns inputs, targets and mask, all (batch, position): the inputs are the tokens; the target at a position is
    the next token, `pad` at the last position; the mask is True where the target is a token, not `pad`.
    """
    raise NotImplementedError("write next_token_shift")


# tensors.batched_logsumexp: A log-sum-exp that does not overflow
# 2 points, about 5 minutes. Check it with: headwork check tensors.batched_logsumexp
def batched_logsumexp(x: Tensor) -> Tensor:
    """The logarithm of the sum of the exponentials of each row.

    x: (batch, position, vocab); entries may be minus infinity. Returns (batch, position): minus infinity for a row
    of nothing else.
    """
    raise NotImplementedError("write batched_logsumexp")


# tensors.softmax: Softmax along any axis
# 2 points, about 4 minutes. Check it with: headwork check tensors.softmax
def softmax(x: Tensor, axis: int) -> Tensor:
    """Probabilities in proportion to the exponentials of `x`: they sum to 1 along `axis`. The shape of `x`."""
    raise NotImplementedError("write softmax")


# tensors.log_softmax: Log-probabilities
# 2 points, about 3 minutes. Check it with: headwork check tensors.log_softmax
def log_softmax(x: Tensor, axis: int) -> Tensor:
    """The natural logarithms of the softmax of `x` along `axis`. The shape of `x`."""
    raise NotImplementedError("write log_softmax")


# tensors.cross_entropy: Cross-entropy with targets to ignore
# 2 points, about 6 minutes. Check it with: headwork check tensors.cross_entropy
def cross_entropy(logits: Tensor, targets: Tensor, ignore: int = -100) -> Tensor:
    """The mean of minus the log-probability of each target, in nats, over the targets that are not `ignore`.

    logits: (batch, position, vocab). targets: (batch, position), integers. Returns a tensor without axes.
    """
    raise NotImplementedError("write cross_entropy")


# tensors.as_strided_windows: Sliding windows as a view
# 2 points, about 6 minutes. Check it with: headwork check tensors.as_strided_windows
def windows(x: Tensor, width: int, step: int = 1) -> Tensor:
    """Every window of `width` neighbouring positions, `step` positions apart, as a view of `x`.

    x: (batch, position), in any memory layout. Returns (batch, window, width).
    """
    raise NotImplementedError("write windows")


# tensors.toeplitz: A pattern's diagonals, and back
# 3 points, about 7 minutes. Check it with: headwork check tensors.toeplitz
def toeplitz(values: Tensor) -> Tensor:
    """The matrices that are constant along their diagonals.

    values: (batch, 2 * length - 1), for the offsets row - column from -(length - 1) to length - 1.
    Returns (batch, length, length).
    """
    raise NotImplementedError("write toeplitz")


def diagonals(pattern: Tensor) -> Tensor:
    """The mean attention at each offset: how much the queries give to the key `offset` positions before them.

    pattern: (batch, query, key), as many keys as queries. Returns (batch, offset), for offsets 0 to length - 1;
    keys after the query do not count.
    """
    raise NotImplementedError("write diagonals")


# tensors.topk_mask: The k largest, in their places
# 2 points, about 4 minutes. Check it with: headwork check tensors.topk_mask
def topk_mask(x: Tensor, k: int) -> Tensor:
    """The `k` largest entries of each row, in their places; 0 everywhere else. x: (row, width). The shape of `x`."""
    raise NotImplementedError("write topk_mask")


# tensors.sample_categorical: Draws by inverse running sum
# 3 points, about 6 minutes. Check it with: headwork check tensors.sample_categorical
def sample_categorical(probabilities: Tensor, count: int, generator: torch.Generator | None = None) -> Tensor:
    """Draws `count` tokens from each row, independently, by inverting the running sum of its probabilities.

    probabilities: (row, vocab), each row sums to 1. Returns (row, count), integers. Randomness comes from
    `generator` alone.
    """
    raise NotImplementedError("write sample_categorical")


# tensors.straight_through: The straight-through estimator
# 2 points, about 4 minutes. Check it with: headwork check tensors.straight_through
def straight_through(x: Tensor, threshold: float) -> Tensor:
    """1 where `x` is above `threshold`, else 0; the gradient passes as if this function returned `x`. Any shape."""
    raise NotImplementedError("write straight_through")

"""Chapter `tensors`: tensors taken apart, put together and multiplied, with every axis named.

Shapes are given with the axes' names; `batch` always comes first.
"""

import torch
from torch import Tensor


def rearrange_images(images: Tensor, columns: int) -> Tensor:
    """A contact sheet: the images side by side, `columns` of them in a row, row after row.

    images: (image, channel, height, width), their number a multiple of `columns`.
    Returns (channel, rows * height, columns * width).
    """
    ### BEGIN SOLUTION
    grid = images.unflatten(0, (-1, columns))  # (row, column, channel, height, width)
    sheet = grid.permute(2, 0, 3, 1, 4)  # (channel, row, height, column, width)
    return sheet.flatten(3, 4).flatten(1, 2)  # (channel, row * height, column * width)
    ### END SOLUTION


def batched_dot(a: Tensor, b: Tensor) -> Tensor:
    """The dot product of each vector in `a` with the one at the same place in `b`.

    a, b: (batch, position, width). Returns (batch, position).
    """
    ### BEGIN SOLUTION
    return torch.einsum("bpw,bpw->bp", a, b)
    ### END SOLUTION


def outer(a: Tensor, b: Tensor) -> Tensor:
    """Every entry of one vector times every entry of another, for each pair in a batch.

    a: (batch, row). b: (batch, column). Returns (batch, row, column).
    """
    ### BEGIN SOLUTION
    return a[:, :, None] * b[:, None, :]
    ### END SOLUTION


def trace(matrices: Tensor) -> Tensor:
    """The sum along the diagonal of each square matrix in a batch.

    matrices: (batch, row, column), as many rows as columns. Returns (batch,).
    """
    ### BEGIN SOLUTION
    return matrices.diagonal(dim1=1, dim2=2).sum(-1)
    ### END SOLUTION


def split_heads(x: Tensor, n_heads: int) -> Tensor:
    """Cuts the last axis into heads: the first d_head numbers belong to head 0, the next to head 1, and so on.

    x: (batch, position, d_model), d_model = n_heads * d_head. Returns (batch, head, position, d_head).
    """
    ### BEGIN SOLUTION
    heads = x.unflatten(2, (n_heads, -1))  # (batch, position, head, d_head)
    return heads.transpose(1, 2)  # (batch, head, position, d_head)
    ### END SOLUTION


def merge_heads(x: Tensor) -> Tensor:
    """Undoes `split_heads`.

    x: (batch, head, position, d_head). Returns (batch, position, d_model), d_model = heads * d_head.
    """
    ### BEGIN SOLUTION
    joined = x.transpose(1, 2)  # (batch, position, head, d_head)
    return joined.flatten(2)  # (batch, position, d_model)
    ### END SOLUTION

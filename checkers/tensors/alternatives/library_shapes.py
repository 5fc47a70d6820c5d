"""Shapes and products of chapter `tensors` with einops, matrix products and vmap."""

import torch
from einops import einsum, rearrange


def rearrange_images(images, columns):
    return rearrange(images, "(row column) c h w -> c (row h) (column w)", column=columns)


def batched_dot(a, b):
    return (a.unsqueeze(-2) @ b.unsqueeze(-1)).squeeze(-1).squeeze(-1)


def outer(a, b):
    return torch.bmm(a.unsqueeze(2), b.unsqueeze(1))


def trace(matrices):
    return torch.vmap(lambda matrix: matrix.diag().sum())(matrices)


def split_heads(x, n_heads):
    return rearrange(x, "b p (head d) -> b head p d", head=n_heads)


def merge_heads(x):
    return einsum(x, torch.ones((), dtype=x.dtype, device=x.device), "b h p d, -> b p h d").flatten(-2)

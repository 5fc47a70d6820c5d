"""Shapes and products of chapter `tensors` in loops."""

import torch


def rearrange_images(images, columns):
    rows = []
    for start in range(0, len(images), columns):
        row = images[start : start + columns]
        rows.append(torch.cat([image for image in row], dim=2))
    return torch.cat(rows, dim=1)


def batched_dot(a, b):
    batch, length, _ = a.shape
    out = torch.zeros(batch, length, dtype=a.dtype, device=a.device)
    for i in range(batch):
        for j in range(length):
            out[i, j] = torch.dot(a[i, j], b[i, j])
    return out


def outer(a, b):
    out = []
    for x, y in zip(a, b):
        out.append(torch.stack([number * y for number in x]))
    return torch.stack(out)


def trace(matrices):
    total = torch.zeros(matrices.shape[0], dtype=matrices.dtype, device=matrices.device)
    for i in range(matrices.shape[1]):
        total = total + matrices[:, i, i]
    return total


def split_heads(x, n_heads):
    d_head = x.shape[-1] // n_heads
    heads = []
    for head in range(n_heads):
        heads.append(x[:, :, head * d_head : (head + 1) * d_head])
    return torch.stack(heads, dim=1)


def merge_heads(x):
    return torch.cat([x[:, head] for head in range(x.shape[1])], dim=-1)

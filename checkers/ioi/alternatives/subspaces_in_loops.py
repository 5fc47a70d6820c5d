"""Subspaces by Gram and Schmidt, one direction at a time."""

import torch


def orthonormal(vectors, tolerance=1e-9):
    basis = []
    for v in vectors:
        w = v
        for _ in range(2):  # twice, for precision
            for b in basis:
                w = w - (w @ b) * b
        if w.norm() > tolerance * v.norm():
            basis.append(w / w.norm())
    return basis


def subspace_patch(value, donor, directions):
    out = value
    for b in orthonormal(directions):
        out = out + (((donor - value) * b).sum(-1, keepdim=True)) * b
    return out


def patching_illusion(value, donor, direction, W):
    read = torch.zeros_like(direction)
    for b in orthonormal(W.T):
        read = read + (direction @ b) * b

    def along(d):
        P = torch.outer(d, d) / (d @ d)
        return (value - value @ P + donor @ P) @ W

    return along(direction), along(read)

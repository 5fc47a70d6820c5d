"""Subspaces by normal equations, and the null space by a singular value decomposition."""

import torch


def subspace_patch(value, donor, directions):
    gram = directions @ directions.T
    coordinates = torch.linalg.solve(gram, directions @ (donor - value).flatten(0, -2).T)
    moved = (directions.T @ coordinates).T
    return value + moved.view_as(value)


def patching_illusion(value, donor, direction, W):
    U, S, _ = torch.linalg.svd(W, full_matrices=False)
    U = U[:, S > 1e-10 * S[0]]
    read = U @ (U.T @ direction)
    out = []
    for d in (direction, read):
        unit = d / d.norm()
        coefficient = (donor @ unit - value @ unit).unsqueeze(-1)
        out.append((value + coefficient * unit) @ W)
    return tuple(out)

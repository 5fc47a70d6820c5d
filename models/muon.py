"""Muon: momentum, made orthogonal, for the matrices of blocks (Jordan et al. 2024)."""

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class Muon(Optimizer):
    """Steps of the same length along every singular direction of a matrix: those seldom met move like the others.

    Parameters are matrices (in, out), or one for each head: (head, d_model, d_head) or (head, d_head, d_model). The
    heads of a layer are taken as the one matrix that GPT-2 stores.
    """

    def __init__(
        self, parameters: Iterable[Tensor], lr: float, *, momentum: float = 0.95, weight_decay: float = 0.1
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Parameters without a gradient stay as they are."""
        for group in self.param_groups:
            moving = sorted((p for p in group["params"] if p.grad is not None), key=lambda p: p.shape)
            for _, alike in groupby(moving, key=lambda p: p.shape):  # one product for all of a shape
                self._move(list(alike), group)

    def _move(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        ahead = []
        for parameter in parameters:
            state, gradient = self.state[parameter], parameter.grad
            assert gradient is not None
            if not state:
                state["momentum"] = torch.zeros_like(parameter)
            state["momentum"].mul_(group["momentum"]).add_(gradient)
            ahead.append(joined(gradient + group["momentum"] * state["momentum"]))  # Nesterov's
        directions = orthogonal(torch.stack(ahead))  # (parameter, in, out)
        scale = max(1, directions.shape[2] / directions.shape[1]) ** 0.5
        for parameter, direction in zip(parameters, directions, strict=True):
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.sub_(cut(direction, parameter.shape), alpha=group["lr"] * scale)


def joined(tensor: Tensor) -> Tensor:
    """The matrix (in, out) of a tensor, of all heads where it has heads."""
    if tensor.dim() == 2:
        return tensor
    heads, first, last = tensor.shape
    writes = first < last  # what heads read is wider than a head
    return tensor.reshape(heads * first, last) if writes else tensor.transpose(0, 1).reshape(first, heads * last)


def cut(matrix: Tensor, shape: torch.Size) -> Tensor:
    """The tensor of this shape that `joined` makes into the matrix."""
    if len(shape) == 2 or shape[1] < shape[2]:
        return matrix.reshape(shape)
    return matrix.reshape(shape[1], shape[0], shape[2]).transpose(0, 1)


def orthogonal(matrices: Tensor) -> Tensor:
    """About the nearest orthogonal matrices, by five Newton-Schulz steps in bfloat16: singular values 0.7 to 1.2."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = (x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)).bfloat16()
    for _ in range(5):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return (x.mT if tall else x).float()

"""Addition modulo a prime: all pairs of numbers, cut into those that are learned from and those that are held out."""

import torch
from torch import Tensor

PRIME = 53
EQUALS = PRIME  # the token after the two numbers; at its place the answer is read
SHARE = 0.4  # of the pairs that are learned from


def pairs() -> Tensor:
    """Every pair of numbers as a prompt `a b =`: (PRIME * PRIME, 3), the second number running fastest."""
    first, second = torch.meshgrid(torch.arange(PRIME), torch.arange(PRIME), indexing="ij")
    return torch.stack([first.flatten(), second.flatten(), torch.full((PRIME * PRIME,), EQUALS)], 1)


def sums(prompts: Tensor) -> Tensor:
    """prompts: (prompt, 3). Returns the answers, (prompt,)."""
    return (prompts[:, 0] + prompts[:, 1]) % PRIME


def split() -> tuple[Tensor, Tensor]:
    """The prompts that are learned from, and those held out, (prompt, 3) each: the same for models of any seed."""
    order = torch.randperm(PRIME * PRIME, generator=torch.Generator().manual_seed(0))
    learned = int(SHARE * PRIME * PRIME)
    return pairs()[order[:learned]], pairs()[order[learned:]]

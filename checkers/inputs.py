"""Random inputs for cases: float64, reproducible from a text, never all zero."""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor


class Rng:
    """A source of inputs. The same `key` gives the same inputs on every machine."""

    def __init__(self, key: str):
        seed = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=7).digest(), "little")
        self.generator = torch.Generator().manual_seed(seed)

    def normal(self, shape: Sequence[int], centre: float = 0, spread: float = 1) -> Tensor:
        """Normal numbers in float64."""
        return centre + spread * torch.randn(tuple(shape), generator=self.generator, dtype=torch.float64)

    def uniform(self, shape: Sequence[int], low: float = 0, high: float = 1) -> Tensor:
        """Uniform numbers in float64."""
        return low + (high - low) * torch.rand(tuple(shape), generator=self.generator, dtype=torch.float64)

    def integers(self, shape: Sequence[int], high: int, low: int = 0) -> Tensor:
        """Integers from `low` up to, but not including, `high`."""
        return torch.randint(low, high, tuple(shape), generator=self.generator)

    def permutation(self, length: int) -> Tensor:
        """The integers below `length` in random order."""
        return torch.randperm(length, generator=self.generator)

    def seed(self) -> int:
        """A seed for a generator on the other side."""
        return int(self.integers((), 1 << 31))


def weights(rng: Rng, spread: float = 1, /, **shapes: int | Sequence[int]) -> dict[str, Tensor]:
    """Parameters by name, none of them trivial: `weights(rng, w=6, b=6)`."""
    sizes = {name: (shape,) if isinstance(shape, int) else tuple(shape) for name, shape in shapes.items()}
    return {name: rng.normal(size, spread=spread) for name, size in sizes.items()}

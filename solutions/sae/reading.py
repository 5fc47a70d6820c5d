"""Chapter `sae`: what latents do on a text, in numbers.

Source: Bricken et al. 2023 (density histograms).
"""

from collections.abc import Iterable

import torch
from torch import Tensor


def l0_and_density(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """How many latents are active for an input, on average, and for which share of all inputs each latent is.

    batches: latents, each (batch, latent), none negative; the batches may differ in size and are read once, one at a
    time. Returns a number and (latent,), floats.
    """
    ### BEGIN SOLUTION
    active, inputs = torch.zeros(()), 0
    for latents in batches:
        active = active.to(latents) + (latents > 0).sum(0)  # (latent,)
        inputs += len(latents)
    density = active / inputs
    return density.sum(), density
    ### END SOLUTION

"""Chapter `sae`: latents that no longer fire, and two ways to choose which do.

Sources: Bricken et al. 2023 (resampling); Rajamanoharan et al. 2024 (relative reconstruction bias).
"""

import torch
from torch import Tensor, nn

from headwork.solutions.sae.autoencoders import SAE


def shrinkage(x: Tensor, reconstruction: Tensor, centre: Tensor) -> Tensor:
    """By which factor the reconstruction is too small: 1 when it is not, below 1 when it is.

    x, reconstruction: (batch, d_model). centre: (d_model,), b_dec of the autoencoder. Returns a number: the mean square
    of what is reconstructed over its mean product with the input, both counted from the centre.
    """
    ### BEGIN SOLUTION
    made, there = reconstruction - centre, x - centre  # (batch, d_model)
    return made.square().sum() / (made * there).sum()
    ### END SOLUTION


def threshold_or_bias(pre: Tensor, threshold: Tensor) -> tuple[Tensor, Tensor]:
    """Two ways to silence weak latents: a bias, which shifts all, and a threshold, which leaves the rest as it was.

    pre: (batch, latent). threshold: (latent,), positive. Returns (batch, latent) of either.
    """
    ### BEGIN SOLUTION
    shifted = torch.relu(pre - threshold)
    kept = pre * (pre > threshold)
    return shifted, kept
    ### END SOLUTION


class DeadLatents:
    """Counts for each latent how many inputs have passed since it was last active, and calls it dead after `window`."""

    def __init__(self, latents: int, window: int):
        self.window = window
        self.silent = torch.zeros(latents, dtype=torch.long)

    def update(self, latents: Tensor) -> None:
        """latents: (batch, latent). A latent that is active for any input of the batch begins to count anew."""
        ### BEGIN SOLUTION
        active = (latents > 0).any(0)  # (latent,)
        self.silent = (self.silent.to(active.device) + len(latents)) * ~active
        ### END SOLUTION

    def dead(self) -> Tensor:
        """Which latents have been silent for `window` inputs or more: (latent,), booleans."""
        ### BEGIN SOLUTION
        return self.silent >= self.window
        ### END SOLUTION


@torch.no_grad()
def resample_dead(
    sae: SAE, optimiser: torch.optim.Adam, dead: Tensor, x: Tensor, losses: Tensor, generator: torch.Generator
) -> None:
    """Points dead latents at inputs that are badly reconstructed, in place, and lets Adam forget them.

    dead: (latent,), booleans. x: (batch, d_model). losses: (batch,), how badly each input fares. Each dead latent draws
    an input of its own, with a chance in proportion to the square of its loss, from `generator` alone.
    """
    ### BEGIN SOLUTION
    drawn = torch.multinomial(losses.square(), len(dead), replacement=True, generator=generator)  # living ones unused
    directions = nn.functional.normalize(x[drawn] - sae.b_dec, dim=-1)  # (latent, d_model)
    lengths = sae.W_enc.norm(dim=0) * ~dead  # (latent,)
    size = 0.2 * lengths.sum() / (~dead).sum()
    for parameter, fresh, rows in (
        (sae.W_dec, directions, dead[:, None]),
        (sae.W_enc, size * directions.T, dead),
        (sae.b_enc, torch.zeros_like(sae.b_enc), dead),
    ):
        parameter.copy_(torch.where(rows, fresh, parameter))
        state = optimiser.state.get(parameter, {})
        for moment in ("exp_avg", "exp_avg_sq"):
            if moment in state:  # there are none before the first step
                state[moment].masked_fill_(rows, 0)
    ### END SOLUTION

"""Chapter `sae`: what an autoencoder costs a network, and what its latents do on a text, in numbers.

Source: Bricken et al. 2023 (density histograms).
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from headwork.solutions.sae.autoencoders import SAE


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


def loss_recovered(run: Callable[[Callable[[Tensor], Tensor]], Tensor], sae: SAE, mean: Tensor) -> dict[str, Tensor]:
    """What a network's loss says of an autoencoder that takes an activation's place.

    run: called with a function, runs the network with that function applied to the activation, (batch, position,
    d_model), and gives the loss of each token, (batch, position - 1). sae: takes (batch, d_model). mean: (d_model,).
    Returns numbers: 'added', in nats, and the shares 'recovered from zero' and 'recovered from the mean'.
    """
    ### BEGIN SOLUTION
    clean = run(lambda x: x).mean()
    made = run(lambda x: sae(x.flatten(0, -2))[0].reshape(x.shape)).mean()
    zero = run(torch.zeros_like).mean()
    middle = run(lambda x: mean.expand(x.shape)).mean()
    return {
        "added": made - clean,
        "recovered from zero": (zero - made) / (zero - clean),
        "recovered from the mean": (middle - made) / (middle - clean),
    }
    ### END SOLUTION

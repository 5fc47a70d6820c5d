"""Chapter `sae`: training an autoencoder on a network's activations.

Sources: Gao et al. 2024 (TopK, AuxK, its weight); Bricken et al. 2023 (rows of unit length).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from headwork.solutions.sae.keeping import DeadLatents
from headwork.solutions.sae.losses import normalise_decoder, project_gradient
from headwork.solutions.sae.variants import TopK, aux_k


def train_sae(
    sae: TopK,
    make_batch: Callable[[int], Tensor],
    steps: int,
    learning_rate: float,
    window: int,
    aux: int = 32,
    aux_weight: float = 1 / 32,
) -> Tensor:
    """Trains `sae` in place by Adam; the learning rate falls to 0 over the last fifth of the steps, in a line.

    make_batch: called with each step's number, gives (batch, d_model). window: after how many inputs a silent latent
    is dead. Dead ones learn by `aux_k` with k = `aux`, times `aux_weight`. Rows of W_dec have length 1 after each step.
    Returns each step's squared error from before it, (step,), the mean over the batch, without a graph.
    """
    ### BEGIN SOLUTION
    optimiser = torch.optim.Adam(sae.parameters(), lr=learning_rate)
    watch = DeadLatents(len(sae.b_enc), window)
    errors = []
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate * min(1, 5 * (steps - step) / steps)
        x = make_batch(step)
        reconstruction, latents = sae(x)
        error = (x - reconstruction).square().sum(-1).mean()
        loss, dead = error, watch.dead()
        if dead.any():
            pre = (x - sae.b_dec) @ sae.W_enc + sae.b_enc  # (batch, latent)
            loss = error + aux_weight * aux_k(x, reconstruction, pre, dead, sae.W_dec, aux)
        optimiser.zero_grad()
        loss.backward()
        project_gradient(sae.W_dec)
        optimiser.step()
        normalise_decoder(sae.W_dec)
        watch.update(latents.detach())
        errors.append(error.detach())
    return torch.stack(errors)
    ### END SOLUTION

"""Chapter `sae`: whether the network uses what a latent reads, and whether a label says when the latent is active.

A network is given as a function `run`: called with a change of one activation, (batch, position, d_model), it gives
the logits, (batch, position, vocab).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from headwork.solutions.sae.autoencoders import SAE

Run = Callable[[Callable[[Tensor], Tensor]], Tensor]


def ablate_and_steer(run: Run, sae: SAE, latent: int, strength: float, directions: Tensor) -> dict[str, Tensor]:
    """What taking a latent out, and putting it in, does to the predictions; and what random directions do instead.

    sae: takes (batch, d_model), gives a reconstruction and latents, and has `W_dec`. strength: how much of the latent
    is put in, at every position. directions: (control, d_model), of any length. Returns Kullback-Leibler divergences
    from the unchanged predictions, in nats: 'ablated', a number, over the positions where the latent is active;
    'ablated at random', (control,); 'steered', over all positions; and 'steered at random', (control,).
    """
    ### BEGIN SOLUTION
    row = sae.W_dec[latent]  # (d_model,)
    controls = directions / directions.norm(dim=-1, keepdim=True) * row.norm()  # (control, d_model)
    found = {}

    def active(x: Tensor) -> Tensor:
        return sae(x.flatten(0, -2))[1][:, latent].reshape(*x.shape[:-1], 1)  # (batch, position, 1)

    def look(x: Tensor) -> Tensor:
        found["strength"] = active(x)
        return x

    clean = run(look).log_softmax(-1)  # (batch, position, vocab)
    fires = (found["strength"][..., 0] > 0).to(clean)  # (batch, position)

    def divergence(change: Callable[[Tensor], Tensor], where: Tensor) -> Tensor:
        each = (clean.exp() * (clean - run(change).log_softmax(-1))).sum(-1)  # (batch, position)
        return (each * where).sum() / where.sum().clamp(min=1)

    def ablated(direction: Tensor) -> Tensor:
        return divergence(lambda x: x - active(x) * direction, fires)

    def steered(direction: Tensor) -> Tensor:
        return divergence(lambda x: x + strength * direction, torch.ones_like(fires))

    return {
        "ablated": ablated(row),
        "ablated at random": torch.stack([ablated(each) for each in controls]),
        "steered": steered(row),
        "steered at random": torch.stack([steered(each) for each in controls]),
    }
    ### END SOLUTION


def draw_latents(density: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Different latents drawn evenly from all that are ever active: (count,), or fewer where there are fewer.

    density: (latent,), 0 for a dead one. All randomness comes from `generator`.
    """
    ### BEGIN SOLUTION
    alive = (density > 0).nonzero().flatten()
    return alive[torch.randperm(len(alive), generator=generator)[:count]]
    ### END SOLUTION


def label_and_predict(
    label: Callable[[Tensor], float], activity: Tensor, tokens: Tensor, count: int, generator: torch.Generator
) -> float:
    """How well a label tells where a latent is active: the chance that it puts an active place above a silent one.

    label: called with a text up to and with a token, (length,), gives a number, larger where the latent should be
    active. activity: (text, position). tokens: (text, position). `count` active places are drawn and `count` silent
    ones, or all where there are fewer. A pair that the label finds equal counts one half.
    """
    ### BEGIN SOLUTION
    scores = []
    for kind in (activity > 0, activity <= 0):
        places = kind.nonzero()
        drawn = places[torch.randperm(len(places), generator=generator)[:count]].tolist()
        found = [float(label(tokens[text, : position + 1])) for text, position in drawn]
        scores.append(torch.tensor(found, dtype=torch.float64))
    above = scores[0][:, None] - scores[1]  # (active, silent)
    return float(((above > 0).double() + (above == 0) / 2).mean())
    ### END SOLUTION

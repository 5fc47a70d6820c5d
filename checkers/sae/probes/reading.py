"""What is asked of answers in chapter `sae`: what latents do on a text.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.probing import Answer, Case, load
from headwork.checkers.sae.probes.losses import Decoy


def l0_and_density(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """The batches come from a generator, as activations do: they can be read once."""
    count, density = answer.l0_and_density(batch for batch in case.batches)
    yield "l0", count
    yield "density", density


class _Flat(Decoy):
    """Our decoy of an autoencoder, which takes activations in a row and in no other shape."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if x.dim() != 2:
            raise ValueError(f"an autoencoder takes (batch, d_model), and was given {tuple(x.shape)}")
        return super().forward(x)


def loss_recovered(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """The network behind the activation is a bend and an unembedding, and its inputs must stay as they are."""
    sae = load(_Flat(*case.weights["W_enc"].shape), case.weights)

    def run(change: Callable[[Tensor], Tensor]) -> Tensor:
        logits = (change(case.x) + case.around).tanh() @ case.W_U  # (batch, position, vocab)
        chosen = logits[:, :-1].log_softmax(-1).gather(-1, case.tokens[:, 1:, None])
        return -chosen.squeeze(-1)

    with torch.no_grad():
        yield "numbers", answer.loss_recovered(run, sae, case.mean)

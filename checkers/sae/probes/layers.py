"""What is asked of answers in chapter `sae`: transcoders, and an MLP as a matrix.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from headwork.checkers.probing import Answer, Case, Unfit, gradient, load


class Plain(nn.Module):
    """Holds a transcoder's parameters and computes nothing."""

    def __init__(self, W_enc: Tensor, W_dec: Tensor):
        super().__init__()
        self.W_enc, self.W_dec = nn.Parameter(W_enc.clone()), nn.Parameter(W_dec.clone())
        self.b_enc, self.b_dec = nn.Parameter(W_enc.new_ones(W_enc.shape[1])), nn.Parameter(W_dec.new_ones(1))


def transcoder(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """The forward pass with gradients, the loss with gradients, and connections of two transcoders."""
    d_in, latents = case.weights["W_enc"].shape
    model = load(answer.Transcoder(d_in, case.weights["W_dec"].shape[1], latents), case.weights)
    found = model(case.x)
    if not isinstance(found, tuple) or len(found) != 2:
        raise Unfit("`Transcoder` has to return two tensors, what is written and the latents")
    yield "written", found[0]
    yield "latents", found[1]

    class First(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model

        def forward(self, x: Tensor) -> Any:
            return self.inner(x)[0]

    yield "gradient of written", gradient(First(), case.cotangent, x=case.x)
    yield "connections", answer.latent_connections(model, Plain(case.later, case.later_rows))

    def loss(written: Tensor, made: Tensor, latents: Tensor, W_dec: Tensor) -> Any:
        return answer.transcoder_loss(written, made, latents, W_dec, case.coefficient)

    parts = {
        "written": case.written,
        "made": case.made,
        "latents": case.code,
        "W_dec": case.weights["W_dec"],
    }
    yield "loss", loss(**parts)
    yield "gradient of loss", gradient(loss, torch.tensor(0.7).to(case.x), **parts)


def linearise_mlp(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    def both(index: int, x: Tensor, directions: Tensor) -> Any:
        found = answer.linearise_mlp(x, directions, case.W_in, case.b_in, case.W_out)
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise Unfit("`linearise_mlp` has to return two tensors")
        return found[index]

    for index, name in enumerate(("linear", "exact")):
        yield name, both(index, case.x, case.directions)
    yield (
        "gradient of linear",
        gradient(lambda directions: both(0, case.x, directions), case.cotangent, directions=case.directions),
    )

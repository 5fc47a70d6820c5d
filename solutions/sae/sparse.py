"""Chapter `sae`: a TopK autoencoder whose backward pass touches only the latents that are active.

Of `latent` pre-activations an input keeps `k`. The others have no gradient, so the matrices' gradients are products of
a sparse matrix with `k` numbers an input, and a dense (batch, latent) matrix is made in the forward pass alone.
Source: Gao et al. 2024, section on systems.
"""

import warnings
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from headwork.solutions.sae.variants import TopK

ROWS = 256  # inputs whose decoder rows are gathered at once, (ROWS, k, d_model)


class SparseTopK(TopK):
    """The same values as `TopK`, and the same gradients of its parameters; the latents it returns carry none."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x: (batch, d_model), data, which gets no gradient. Returns the reconstruction and the latents."""
        made, values, places = self.reconstruct(x)
        return made, values.new_zeros(len(x), len(self.b_enc)).scatter_(-1, places, values)

    def reconstruct(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The reconstruction, (batch, d_model), the values of its latents and which they are, both (batch, k)."""
        offset = self.b_enc - self.b_dec @ self.W_enc  # (latent,): b_dec reaches the encoder by a vector alone
        made, values, places = _KeepAndDecode.apply(x, self.W_enc, offset, self.W_dec, self.k)
        return made + self.b_dec, values, places


class _KeepAndDecode(torch.autograd.Function):
    """x, W_enc, offset, W_dec to the `k` largest latents, and the sum of their decoder rows."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, W_enc: Tensor, offset: Tensor, W_dec: Tensor, k: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        values, places = torch.addmm(offset, x, W_enc).topk(k, dim=-1, sorted=False)  # (batch, k)
        values = torch.relu(values)
        ctx.save_for_backward(x, W_dec, values, places)
        ctx.mark_non_differentiable(values, places)
        return F.embedding_bag(places, W_dec, per_sample_weights=values, mode="sum"), values, places

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        x, W_dec, values, places = ctx.saved_tensors
        made, latents = grads[0], len(W_dec)  # (batch, d_model)
        pieces = zip(places.split(ROWS), made.split(ROWS), strict=True)
        strengths = torch.cat([torch.bmm(F.embedding(rows, W_dec), grad[..., None])[..., 0] for rows, grad in pieces])
        strengths = strengths * (values > 0)
        latent, order = places.flatten().sort(stable=True)
        starts = torch.searchsorted(latent, torch.arange(latents + 1, device=x.device))
        inputs = order // places.shape[1]  # which input each pair belongs to

        def summed(weights: Tensor, rows: Tensor) -> Tensor:
            """For each latent the sum of the inputs' rows, weighted: (latent, d_model)."""
            size = (latents, len(x))
            with warnings.catch_warnings(action="ignore"):  # PyTorch says once that sparse tensors are in beta
                by_latent = torch.sparse_csr_tensor(
                    starts, inputs, weights.flatten()[order], size, check_invariants=False
                )
            total: Tensor = by_latent @ rows
            return total

        offset = torch.zeros_like(W_dec[:, 0]).index_add_(0, places.flatten(), strengths.flatten())
        return None, summed(strengths, x).T, offset, summed(values, made), None

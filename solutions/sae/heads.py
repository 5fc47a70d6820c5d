"""Chapter `sae`: autoencoders of what a layer's heads have gathered, `hook_z`, heads put side by side.

Source: Kissane et al. 2024, Interpreting Attention Layer Outputs with Sparse Autoencoders.
"""

import torch
from torch import Tensor


def attention_output_sae(
    W_enc: Tensor, W_dec: Tensor, b_dec: Tensor, W_O: Tensor, z: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Whose each latent is, what it writes, and which head made it fire.

    W_enc: (head * d_head, latent). W_dec: (latent, head * d_head). b_dec: (head * d_head,). W_O: (head, d_head,
    d_model). z: (batch, position, head, d_head). Returns each head's share in each latent, (latent, head); what a unit
    of each latent writes, (latent, d_model); and each head's part of the pre-activations, (batch, position, head,
    latent), without b_enc.
    """
    ### BEGIN SOLUTION
    sizes = W_O.shape[:2]
    rows = W_dec.unflatten(-1, sizes)  # (latent, head, d_head)
    squares = rows.square().sum(-1)  # (latent, head)
    shares = squares / squares.sum(-1, keepdim=True)
    writes = torch.einsum("lhd,hdm->lm", rows, W_O)
    centred = z - b_dec.unflatten(0, sizes)  # (batch, position, head, d_head)
    parts = torch.einsum("bphd,hdl->bphl", centred, W_enc.unflatten(0, sizes))
    return shares, writes, parts
    ### END SOLUTION

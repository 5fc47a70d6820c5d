"""What heads have to do with latents, by matrix products of reshaped tensors."""

import einops


def attention_output_sae(W_enc, W_dec, b_dec, W_O, z):
    h = W_O.shape[0]
    d = einops.rearrange(W_dec, "l (h d) -> l h d", h=h)
    e = einops.rearrange(W_enc, "(h d) l -> h d l", h=h)
    b = einops.rearrange(b_dec, "(h d) -> h d", h=h)
    length = d.norm(dim=-1) / W_dec.norm(dim=-1, keepdim=True)
    writes = W_dec @ W_O.flatten(0, 1)
    parts = ((z - b).unsqueeze(-2) @ e).squeeze(-2)
    return [length**2, writes, parts]

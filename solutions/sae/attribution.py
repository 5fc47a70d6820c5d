"""Chapter `sae`: by which heads, and from where, an earlier latent reaches a later one.

Sources: Dunefsky et al. 2024 (attribution through frozen attention); Kissane et al. 2024 (latents of `hook_z`).
"""

import torch
from torch import Tensor

from headwork.models import GPT2
from headwork.solutions.sae.autoencoders import SAE


def latent_circuit(model: GPT2, tokens: Tensor, layer: int, sae: SAE, column: Tensor, query: int) -> dict[str, Tensor]:
    """What a latent of a layer's `hook_z` reads at one position, taken apart, with attention and norm as they are.

    tokens: (position,), one text. sae: takes the stream before block `layer`, (position, d_model), gives a
    reconstruction and latents, and has `W_dec`. column: (head * d_head,), the later latent's column of `W_enc`. Returns
    'latents', (position, head, latent), what each earlier latent brings from each position by each head; 'others',
    (position, head), what all else of the stream brings; and 'biases', a number. Their sum is z at `query` times
    `column`.
    """
    ### BEGIN SOLUTION
    at = f"blocks.{layer}."
    _, cache = model.run_with_cache(tokens[None], lambda name: name.startswith(at))
    x = cache[f"{at}hook_resid_pre"][0]  # (position, d_model)
    weight = cache[f"{at}attn.hook_pattern"][0, :, query].T  # (position, head)
    block = model.blocks[layer]
    pieces = column.unflatten(0, block.attn.W_V.shape[::2])  # (head, d_head)
    reads = torch.einsum("hmd,hd->hm", block.attn.W_V, pieces)  # (head, d_model), of a normalised stream
    biases = (block.attn.b_V * pieces).sum()
    if model.config.layer_norm:
        biases = biases + (reads @ block.ln1.b).sum()
        reads = reads * block.ln1.w
        reads = reads - reads.mean(-1, keepdim=True)  # the same as to centre what is read
        weight = weight / cache[f"{at}ln1.hook_scale"][0]
    strengths = sae(x)[1]  # (position, latent)
    written = sae.W_dec @ reads.T  # (latent, head)
    return {
        "latents": torch.einsum("pl,lh,ph->phl", strengths, written, weight),
        "others": (x - strengths @ sae.W_dec) @ reads.T * weight,
        "biases": biases,
    }
    ### END SOLUTION

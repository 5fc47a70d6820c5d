"""What latents bring, by differences of a copy of the layer whose pattern and scale are constants."""

import torch


def latent_circuit(model, tokens, layer, sae, column, query):
    block, name = model.blocks[layer], f"blocks.{layer}.attn.hook_pattern"
    _, cache = model.run_with_cache(tokens[None], [name, f"blocks.{layer}.hook_resid_pre"])
    x = cache[f"blocks.{layer}.hook_resid_pre"][0]
    pattern = cache[name][0, :, query]
    variance = x.var(-1, correction=0, keepdim=True)

    def each_head(stream):
        """What each head brings from each position, and together with the biases: (position, head)."""
        if model.config.layer_norm:
            stream = (stream - stream.mean(-1, keepdim=True)) / (variance + block.ln1.eps).sqrt() * block.ln1.w
            stream = stream + block.ln1.b
        values = torch.einsum("pm,hmd->phd", stream, block.attn.W_V) + block.attn.b_V
        return (values * column.view(block.attn.b_V.shape)).sum(-1) * pattern.T

    nothing = each_head(torch.zeros_like(x))
    strengths = sae(x)[1]
    one_by_one = []
    for latent, row in enumerate(sae.W_dec):
        one_by_one.append(each_head(strengths[:, latent, None] * row) - nothing)
    latents = torch.stack(one_by_one, -1)
    return {"latents": latents, "others": each_head(x) - nothing - latents.sum(-1), "biases": nothing.sum()}

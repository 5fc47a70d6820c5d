"""What latents bring, one head and one position at a time."""

import torch


def latent_circuit(model, tokens, layer, sae, column, query):
    block = model.blocks[layer]
    x = model(tokens[None], stop_at_layer=layer)[0]
    _, cache = model.run_with_cache(tokens[None], f"blocks.{layer}.attn.hook_pattern")
    pattern = cache[f"blocks.{layer}.attn.hook_pattern"][0]
    heads, _, size = block.attn.W_V.shape
    strengths = sae(x)[1]

    def normed(vector, place):
        if not model.config.layer_norm:
            return vector
        centred = x[place] - x[place].mean()
        scale = (centred.pow(2).mean() + block.ln1.eps) ** 0.5
        return (vector - vector.mean()) / scale * block.ln1.w

    latents, others, biases = [], [], 0
    for place in range(len(tokens)):
        rest = x[place] - sum(f * d for f, d in zip(strengths[place], sae.W_dec, strict=True))
        for head in range(heads):
            wanted = column[head * size : (head + 1) * size]
            seen = pattern[head, query, place]

            def brought(vector, place=place, head=head, wanted=wanted, seen=seen):
                return seen * (normed(vector, place) @ block.attn.W_V[head] @ wanted)

            rows = [f * brought(d) for f, d in zip(strengths[place], sae.W_dec, strict=True)]
            latents.append(torch.stack(rows))
            others.append(brought(rest))
            bias = block.attn.b_V[head]
            if model.config.layer_norm:
                bias = bias + block.ln1.b @ block.attn.W_V[head]
            biases = biases + seen * (bias @ wanted)
    shape = (len(tokens), heads)
    return {
        "latents": torch.stack(latents).reshape(*shape, -1),
        "others": torch.stack(others).reshape(shape),
        "biases": biases,
    }

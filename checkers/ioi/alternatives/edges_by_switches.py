"""`edge_attribution` by a network written out node by node: the gradient for a switch on every edge."""

import torch

from headwork.models.edges import every_edge


def forward(model, tokens, swap):
    """The logits, and what each node wrote. swap(edge, value) is what the receiver gets in place of the value."""
    c = model.config
    wrote = {"embed": model.embed(tokens), "pos": model.pos_embed(tokens)}
    biases = torch.zeros(c.d_model, dtype=wrote["embed"].dtype)

    def read(receiver, part=""):
        total = biases
        for sender, value in wrote.items():
            total = total + swap((sender, receiver, part), value)
        return total

    for i in range(c.n_layers):
        block = model.blocks[i]
        heads = {}
        for h in range(c.n_heads):
            q, k, v = (
                block.ln1(read(f"head {i}.{h}", p)) @ getattr(block.attn, "W_" + p.upper())[h]
                + getattr(block.attn, "b_" + p.upper())[h]
                for p in "qkv"
            )
            scores = q @ k.transpose(1, 2) / c.d_head**0.5
            mask = torch.triu(torch.full(scores.shape[-2:], -1e9, dtype=scores.dtype), 1)
            heads[f"head {i}.{h}"] = (scores + mask).softmax(-1) @ v @ block.attn.W_O[h]
        wrote.update(heads)
        biases = biases + block.attn.b_O
        if not c.attn_only:
            wrote[f"mlp {i}"] = block.mlp(block.ln2(read(f"mlp {i}"))) - block.mlp.b_out
            biases = biases + block.mlp.b_out
    return model.unembed(model.ln_final(read("logits"))), wrote


def edge_attribution(model, clean, corrupted, end, metric):
    batch = len(end)
    with torch.no_grad():
        _, other = forward(model, corrupted, lambda edge, value: value)
    switches = {
        tuple(edge): torch.zeros(batch, 1, 1, dtype=model.embed.W_E.dtype, requires_grad=True)
        for edge in every_edge(model.config)
    }
    logits, _ = forward(model, clean, lambda edge, value: value + switches[edge] * (other[edge[0]] - value))
    total = metric(logits[torch.arange(batch), end]).sum()
    slopes = torch.autograd.grad(total, list(switches.values()))
    return {edge: slope.flatten() for edge, slope in zip(switches, slopes, strict=True)}

"""`edge_attribution` from the slopes of what each node makes, taken back through the node by a product of its own."""

import torch

from headwork.models.edges import Edge


def edge_attribution(model, clean, corrupted, end, metric):
    c = model.config
    keep = [
        n for n in model.hook_points if n.split("_")[-1] in ("embed", "q", "k", "v", "pre", "mid", "post", "out", "z")
    ]
    with torch.no_grad():
        _, donor = model.run_with_cache(corrupted, keep)
    logits, base = model.run_with_cache(clean, keep)
    m = metric(logits[torch.arange(len(end)), end]).sum()

    def back(make, at, slope):
        """The slope for what is read, where `make` turns it into something of this slope."""
        x = base[at].detach().requires_grad_()
        return torch.autograd.grad(make(x), x, slope)[0]

    changes = {
        "embed": donor["hook_embed"] - base["hook_embed"].detach(),
        "pos": donor["hook_pos_embed"] - base["hook_pos_embed"].detach(),
    }
    found = {}

    def score(receiver, part, slope):
        for sender, change in changes.items():
            found[Edge(sender, receiver, part)] = torch.einsum("bpm,bpm->b", change, slope)

    for i in range(c.n_layers):
        block, at, new = model.blocks[i], f"blocks.{i}.", {}
        for part in "qkv":
            (slope,) = torch.autograd.grad(m, [base[at + "attn.hook_" + part]], retain_graph=True)
            W = getattr(block.attn, "W_" + part.upper()).detach()
            for h in range(c.n_heads):
                one = back(lambda x, W=W, h=h, block=block: block.ln1(x) @ W[h], at + "hook_resid_pre", slope[:, :, h])
                score(f"head {i}.{h}", part, one)
        z = donor[at + "attn.hook_z"] - base[at + "attn.hook_z"].detach()
        for h in range(c.n_heads):
            new[f"head {i}.{h}"] = z[:, :, h] @ block.attn.W_O[h].detach()
        changes.update(new)
        if not c.attn_only:
            (slope,) = torch.autograd.grad(m, [base[at + "hook_mlp_out"]], retain_graph=True)
            score(f"mlp {i}", "", back(lambda x, block=block: block.mlp(block.ln2(x)), at + "hook_resid_mid", slope))
            changes[f"mlp {i}"] = donor[at + "hook_mlp_out"] - base[at + "hook_mlp_out"].detach()
    (slope,) = torch.autograd.grad(m, [base[f"blocks.{c.n_layers - 1}.hook_resid_post"]])
    score("logits", "", slope)
    return found

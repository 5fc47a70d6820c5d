"""Chapter `induction`: ablations one head, one run and one edge at a time."""

import torch
import torch.nn.functional as F


def ablation_values(values, how, generator=None):
    new = torch.zeros_like(values)
    n = values.shape[0]
    if how == "mean":
        new = new + values.mean(dim=(0, 1))
    elif how == "position mean":
        new = new + values.mean(dim=0)
    elif how == "resample":
        rows = []
        for i in range(n):
            others = [j for j in range(n) if j != i]
            j = others[int(torch.randint(len(others), (1,), generator=generator))]
            rows.append(values[j])
        new = torch.stack(rows)
    return new


def ablate_heads(model, tokens, heads, values, positions=None):
    hooks = []
    for layer, head in heads:
        name = f"blocks.{layer}.attn.hook_z"

        def hook(z, point, head=head, name=name):
            z = z.clone()
            if positions is None:
                z[:, :, head] = values[name][:, :, head]
            else:
                for p in positions:
                    z[:, p, head] = values[name][:, p, head]
            return z

        hooks.append((name, hook))
    return model.run_with_hooks(tokens, hooks)


def ablate_pairs(model, tokens, heads, values, start):
    def loss(chosen):
        logits = ablate_heads(model, tokens, chosen, values)
        losses = F.cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")
        return losses[:, start:].mean()

    whole = loss([])
    table = [[loss([a] if a == b else [a, b]) - whole for b in heads] for a in heads]
    return torch.tensor(table, dtype=whole.dtype)


def cut_edges(model, tokens, edges, values):
    written = {}
    hooks = []
    for (layer, head), (later, to), kind in edges:
        if later <= layer:
            raise ValueError("the receiver is not later than the sender")
        name = f"blocks.{layer}.attn.hook_z"

        def sender(z, point, layer=layer, head=head, name=name):
            W_O = model.blocks[layer].attn.W_O[head]
            written[layer, head] = z[:, :, head] @ W_O, values[name][:, :, head] @ W_O

        def receiver(x, point, source=(layer, head), to=to):
            x = x.clone()
            old, new = written[source]
            x[:, :, to] = x[:, :, to] - old + new
            return x

        hooks.append((name, sender))
        hooks.append((f"blocks.{later}.hook_{kind}_input", receiver))
    return model.run_with_hooks(tokens, hooks)

"""Chapter `induction`: ablations by masks and by hook_result."""

from collections import defaultdict
from itertools import combinations

import torch
from einops import reduce


def ablation_values(values, how, generator=None):
    if how == "resample":
        n = len(values)
        table = (1 - torch.eye(n)).to(torch.float64)
        return values[torch.multinomial(table, 1, generator=generator)[:, 0]].clone()
    means = {
        "zero": lambda v: v * 0,
        "mean": lambda v: reduce(v, "b p ... -> 1 1 ...", "mean"),
        "position mean": lambda v: reduce(v, "b p ... -> 1 p ...", "mean"),
    }
    return means[how](values) * torch.ones_like(values)


def ablate_heads(model, tokens, heads, values, positions=None):
    by_layer = defaultdict(list)
    for layer, head in heads:
        by_layer[f"blocks.{layer}.attn.hook_z"].append(head)
    positions = list(range(tokens.shape[1])) if positions is None else positions

    def hook(z, point):
        mask = torch.zeros(z.shape[1], z.shape[2], 1).to(z)
        for head in by_layer[point.name]:
            mask[positions, head] = 1
        return z * (1 - mask) + values[point.name] * mask

    return model.run_with_hooks(tokens, [(list(by_layer), hook)])


@torch.no_grad()
def ablate_pairs(model, tokens, heads, values, start):
    def loss(*chosen):
        log_probs = torch.log_softmax(ablate_heads(model, tokens, list(chosen), values), -1)
        picked = log_probs[:, start:-1].gather(2, tokens[:, start + 1 :].unsqueeze(2))
        return -picked.mean().item()

    whole = loss()
    table = torch.zeros(len(heads), len(heads), dtype=model.embed.W_E.dtype)
    for i, head in enumerate(heads):
        table[i, i] = loss(head) - whole
    for (i, a), (j, b) in combinations(enumerate(heads), 2):
        table[i, j] = table[j, i] = loss(a, b) - whole
    return table


def cut_edges(model, tokens, edges, values):
    for sender, receiver, _ in edges:
        if sender[0] >= receiver[0]:
            raise ValueError(f"{receiver} does not read {sender}")
    results = {}

    def keep(result, point):
        results[int(point.name.split(".")[1])] = result

    def change(x, point):
        for sender, receiver, kind in edges:
            if point.name == f"blocks.{receiver[0]}.hook_{kind}_input":
                layer, head = sender
                z = values[f"blocks.{layer}.attn.hook_z"][:, :, head]
                difference = z @ model.blocks[layer].attn.W_O[head] - results[layer][:, :, head]
                pick = torch.zeros(x.shape[2], 1).to(x)
                pick[receiver[1]] = 1
                x = x + difference[:, :, None] * pick
        return x

    layers = {sender[0] for sender, _, _ in edges}
    names = {f"blocks.{receiver[0]}.hook_{kind}_input" for _, receiver, kind in edges}
    hooks = [([f"blocks.{layer}.attn.hook_result" for layer in layers], keep), (names, change)]
    return model.run_with_hooks(tokens, hooks)

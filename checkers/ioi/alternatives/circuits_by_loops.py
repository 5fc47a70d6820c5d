"""Chapter `ioi`: circuits judged prompt by prompt and set by set, in loops."""

import torch


@torch.no_grad()
def mean_ablate_by_template(model, tokens, template, end, abc, abc_template, kept):
    n_layers, n_heads = model.config.n_layers, model.config.n_heads
    answers = []
    means = {}
    for t in set(template.tolist()):
        _, cache = model.run_with_cache(abc[abc_template == t])
        means[t] = [cache[f"blocks.{layer}.attn.hook_z"].mean(0) for layer in range(n_layers)]
    for row in range(len(tokens)):
        mean = means[template[row].item()]
        hooks = []
        for layer in range(n_layers):

            def hook(z, point, layer=layer):
                z = z.clone()
                for head in range(n_heads):
                    gone = ~kept[row, layer, head]
                    z[0, gone, head] = mean[layer][gone, head]
                return z

            hooks.append((f"blocks.{layer}.attn.hook_z", hook))
        logits = model.run_with_hooks(tokens[row : row + 1], hooks)
        answers.append(logits[0, end[row]])
    return torch.stack(answers)


def faithfulness(circuit, whole, none):
    usual, worst = [], None
    for c, n in zip(circuit, none):
        row = []
        for metric in range(len(whole)):
            m = whole[metric]
            row.append((c[metric].mean() - n[metric].mean()) / (m.mean() - n[metric].mean()))
            error = torch.linalg.vector_norm(c[metric] - m, 1) / torch.linalg.vector_norm(n[metric] - m, 1)
            worst = error if worst is None else torch.maximum(worst, error)
        usual.append(torch.stack(row))
    return torch.stack(usual), 1 - worst


def completeness(run, circuit, sets):
    none = run(torch.zeros_like(circuit))
    whole = run(torch.ones_like(circuit))
    found = []
    for K in sets:
        shares = []
        for a, b, m, n in zip(run(circuit & ~K), run(~K), whole, none):
            shares.append((a - b).abs().mean() / (m - n).abs().mean())
        found.append(max(shares))
    return torch.stack(found)


def minimality(run, circuit, sets):
    n = run(torch.zeros_like(circuit)).mean(-1)
    m = run(torch.ones_like(circuit)).mean(-1)
    found = torch.zeros(len(circuit), dtype=m.dtype)
    for v in range(len(circuit)):
        if not circuit[v]:
            continue
        for K in sets:
            if K[v]:
                continue
            kept = circuit.clone()
            kept[K] = False
            before = run(kept).mean(-1)
            kept[v] = False
            effect = ((run(kept).mean(-1) - before) / (m - n)).abs().max()
            found[v] = max(found[v], effect)
    return found

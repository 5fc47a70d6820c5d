"""Chapter `ioi`: the sweeps with a hook for every patch, one full run each."""

from functools import partial

import torch


def logit_difference(logits, correct, wrong, end):
    out = []
    for row, right, other, last in zip(logits, correct, wrong, end, strict=True):
        out.append(row[last, right] - row[last, other])
    return torch.stack(out)


def name_retrieval(logits, correct, absent, end):
    out = []
    for i in range(len(correct)):
        scores = logits[i, end[i]]
        others = sum(scores[name] for name in absent[i]) / len(absent[i])
        out.append(scores[correct[i]] - others)
    return torch.stack(out)


def normalise_metric(patched, clean, corrupted, noising):
    top, bottom = clean.mean(), corrupted.mean()
    share = (patched.mean(dim=-1) - bottom) / (top - bottom)
    if noising:
        share = share - 1
    return share


def swap(value, hook, donor, index):
    new = value.clone()
    new[index] = donor[hook.name][index]
    return new


def run(model, tokens, end, metric, hooks):
    with torch.no_grad():
        logits = model.run_with_hooks(tokens, hooks)
    last = torch.stack([logits[i, end[i]] for i in range(len(end))])
    return metric(last)


def patch_residual(model, clean, corrupted, end, metric):
    _, donor = model.run_with_cache(clean)
    batch, length = clean.shape
    out = torch.zeros(model.config.n_layers, length, batch, dtype=next(model.parameters()).dtype, device=clean.device)
    for layer in range(model.config.n_layers):
        for position in range(length):
            hook = partial(swap, donor=donor, index=(slice(None), position))
            out[layer, position] = run(model, corrupted, end, metric, [(f"blocks.{layer}.hook_resid_pre", hook)])
    return out


def patch_heads(model, clean, corrupted, end, metric):
    _, donor = model.run_with_cache(clean)
    rows = []
    for layer in range(model.config.n_layers):
        row = []
        for head in range(model.config.n_heads):
            hook = partial(swap, donor=donor, index=(slice(None), slice(None), head))
            row.append(run(model, corrupted, end, metric, [(f"blocks.{layer}.attn.hook_z", hook)]))
        rows.append(torch.stack(row))
    return torch.stack(rows)


def patch_head_inputs(model, clean, corrupted, end, metric, part):
    _, donor = model.run_with_cache(clean)
    rows = []
    for layer in range(model.config.n_layers):
        row = []
        for head in range(model.config.n_heads):
            index = (slice(None), head) if part == "pattern" else (slice(None), slice(None), head)
            hook = partial(swap, donor=donor, index=index)
            row.append(run(model, corrupted, end, metric, [(f"blocks.{layer}.attn.hook_{part}", hook)]))
        rows.append(torch.stack(row))
    return torch.stack(rows)


def attribute_layers(model, tokens, end, correct, wrong, frozen):
    depth = model.config.n_layers
    streams = [model(tokens, stop_at_layer=layer) for layer in range(depth + 1)]
    norm = model.ln_final
    out = []
    for stream in streams:
        row = []
        for i in range(len(tokens)):
            x, last = stream[i, end[i]], streams[-1][i, end[i]]
            if frozen and model.config.layer_norm:
                size = torch.sqrt(((last - last.mean()) ** 2).mean() + norm.eps)
                x = norm.w * (x - x.mean()) / size + norm.b
            else:
                x = norm(x)
            logits = x @ model.unembed.W_U + model.unembed.b_U
            row.append(logits[correct[i]] - logits[wrong[i]])
        out.append(torch.stack(row))
    return torch.stack(out)


def attribute_heads(model, tokens, end, correct, wrong):
    points = [f"blocks.{layer}.attn.hook_result" for layer in range(model.config.n_layers)]
    points += ["ln_final.hook_scale"] if model.config.layer_norm else []
    _, cache = model.run_with_cache(tokens, points)
    out = torch.zeros(model.config.n_layers, model.config.n_heads, len(tokens), dtype=model.embed.W_E.dtype)
    for layer in range(model.config.n_layers):
        for head in range(model.config.n_heads):
            for i in range(len(tokens)):
                x = cache[points[layer]][i, end[i], head]
                if model.config.layer_norm:
                    x = (x - x.mean()) / cache["ln_final.hook_scale"][i, end[i]] * model.ln_final.w
                out[layer, head, i] = x @ model.unembed.W_U[:, correct[i]] - x @ model.unembed.W_U[:, wrong[i]]
    return out


def path_patch_by_hand(sender, middle, output, clean, corrupted):
    def run(to_middle, to_output):
        b = middle(clean, sender(corrupted if to_middle else clean))
        return output(clean, sender(corrupted if to_output else clean), b)

    return [run(True, True), run(False, True), run(True, False)]


def _frozen_run(model, base, donor, tokens, layer, head, mlps, extra=()):
    """A run with every head frozen but the sender; its logits."""

    def freeze_z(z, hook):
        z = base[hook.name].clone()
        if hook.name == f"blocks.{layer}.attn.hook_z":
            z[:, :, head] = donor[hook.name][:, :, head]
        return z

    hooks = [(lambda name: name.endswith("hook_z"), freeze_z), *extra]
    if not mlps:
        hooks.append((lambda name: name.endswith("mlp_out"), lambda value, hook: base[hook.name]))
    return model.run_with_hooks(tokens, hooks)


def path_patch(model, clean, corrupted, end, metric, mlps):
    out = []
    with torch.no_grad():
        base, donor = model.run_with_cache(clean)[1], model.run_with_cache(corrupted)[1]
        for layer in range(model.config.n_layers):
            for head in range(model.config.n_heads):
                logits = _frozen_run(model, base, donor, clean, layer, head, mlps)
                out.append(metric(torch.stack([row[last] for row, last in zip(logits, end, strict=True)])))
    return torch.stack(out).reshape(model.config.n_layers, model.config.n_heads, -1)


def path_patch_through(model, clean, corrupted, end, metric, receivers, mlps):
    out = []
    with torch.no_grad():
        base, donor = model.run_with_cache(clean)[1], model.run_with_cache(corrupted)[1]
        for layer in range(model.config.n_layers):
            for head in range(model.config.n_heads):
                if not any(later > layer for later, _, _ in receivers):
                    out.append(run(model, clean, end, metric, []))
                    continue
                seen = {}

                def keep(value, hook, seen=seen):
                    seen[hook.name] = value.clone()

                watch = [(f"blocks.{place}.attn.hook_{part}", keep) for place, _, part in receivers]
                _frozen_run(model, base, donor, clean, layer, head, mlps, watch)
                hooks = []
                for place, receiver, part in receivers:
                    index = (slice(None), slice(None), receiver)
                    hooks.append((f"blocks.{place}.attn.hook_{part}", partial(swap, donor=seen, index=index)))
                out.append(run(model, clean, end, metric, hooks))
    return torch.stack(out).reshape(model.config.n_layers, model.config.n_heads, -1)


def attribution_patch(model, clean, corrupted, end, metric):
    _, donor = model.run_with_cache(clean)
    held = {}

    def hold(value, hook):
        held[hook.name] = value
        value.retain_grad()

    names = lambda name: name.endswith(("resid_pre", "hook_z"))  # noqa: E731
    logits = model.run_with_hooks(corrupted, [(names, hold)])
    metric(logits[torch.arange(len(end)), end]).sum().backward()
    for parameter in model.parameters():
        parameter.grad = None
    streams, heads = [], []
    for layer in range(model.config.n_layers):
        x, z = held[f"blocks.{layer}.hook_resid_pre"], held[f"blocks.{layer}.attn.hook_z"]
        streams.append(((donor[f"blocks.{layer}.hook_resid_pre"] - x) * x.grad).sum(-1).T.detach())
        heads.append(torch.einsum("bphd,bphd->hb", donor[f"blocks.{layer}.attn.hook_z"] - z, z.grad).detach())
    return torch.stack(streams), torch.stack(heads)


def attribution_patch_qk(model, clean, corrupted, end, metric):
    _, donor = model.run_with_cache(clean)
    logits, base = model.run_with_cache(corrupted)
    total = metric(logits[torch.arange(len(end)), end]).sum()
    c, (batch, length) = model.config, clean.shape
    out = torch.zeros(2, c.n_layers, c.n_heads, length, batch, dtype=total.dtype)
    for layer in range(c.n_layers):
        at = f"blocks.{layer}.attn.hook_"
        (slope,) = torch.autograd.grad(total, [base[at + "pattern"]], retain_graph=True)
        q, k = base[at + "q"].detach(), base[at + "k"].detach()
        for position in range(length):
            for which, part in enumerate("qk"):
                new = {"q": q.clone(), "k": k.clone()}
                new[part][:, position] = donor[at + part].detach()[:, position]
                scores = torch.einsum("bqhd,bkhd->bhqk", new["q"], new["k"]) / c.d_head**0.5
                scores = scores + torch.full((length, length), -1e9, dtype=scores.dtype).triu(1)
                change = scores.softmax(-1) - base[at + "pattern"].detach()
                out[which, layer, :, position] = (change * slope).sum((2, 3)).T
    return out[0], out[1]


def bootstrap_interval(values, confidence, n_resamples, generator):
    n = len(values)
    means = []
    for _ in range(n_resamples):
        counts = torch.bincount(torch.randint(0, n, (n,), generator=generator), minlength=n)
        means.append((counts[:, None] * values).sum(0) / n)
    ordered = torch.stack(means).sort(0).values
    left_out = int((1 - confidence) / 2 * n_resamples)
    return ordered[left_out], ordered[-left_out - 1]

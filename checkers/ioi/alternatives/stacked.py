"""Chapter `ioi`: every patch of a layer in one run, stacked along the batch."""

import einops
import torch


def logit_difference(logits, correct, wrong, end):
    last = logits.gather(1, end[:, None, None].expand(-1, 1, logits.shape[-1])).squeeze(1)
    names = last.gather(-1, torch.stack([correct, wrong], -1))
    return names[:, 0] - names[:, 1]


def name_retrieval(logits, correct, absent, end):
    at_end = torch.nn.functional.one_hot(end, logits.shape[1]).to(logits.dtype)
    # a log-softmax shifts all logits of a prompt alike, which a difference does not see
    last = torch.einsum("bpv,bp->bv", logits, at_end).log_softmax(-1)
    return torch.take_along_dim(last, correct[:, None], 1)[:, 0] - torch.take_along_dim(last, absent, 1).mean(-1)


def normalise_metric(patched, clean, corrupted, noising):
    scale = clean.sum() - corrupted.sum()
    zero = clean.sum() if noising else corrupted.sum()
    return (patched.sum(-1) - zero) / scale


def _stacked(model, clean, corrupted, end, metric, point, count, axis):
    """Runs `count` patches of each layer at once; patch i changes index i of `axis`."""
    batch = len(clean)
    again = corrupted.repeat(count, 1)
    rows = torch.arange(count * batch)
    values = []
    with torch.no_grad():
        for layer in range(model.config.n_layers):
            name = f"blocks.{layer}.{point}"
            donor = model.run_with_cache(clean, name)[1][name]

            def patch(value, hook, donor=donor):
                value = einops.rearrange(value, "(n b) ... -> n b ...", n=count).clone()
                for i in range(count):
                    value[i].select(axis, i).copy_(donor.select(axis, i))
                return value.flatten(0, 1)

            logits = model.run_with_hooks(again, [(name, patch)])
            last = logits[rows, end.repeat(count)]
            values.append(metric(last.reshape(count, batch, -1)))
    return torch.stack(values)


def patch_residual(model, clean, corrupted, end, metric):
    return _stacked(model, clean, corrupted, end, metric, "hook_resid_pre", clean.shape[1], 1)


def patch_heads(model, clean, corrupted, end, metric):
    return _stacked(model, clean, corrupted, end, metric, "attn.hook_z", model.config.n_heads, 2)


def patch_head_inputs(model, clean, corrupted, end, metric, part):
    axis = 1 if part == "pattern" else 2
    return _stacked(model, clean, corrupted, end, metric, f"attn.hook_{part}", model.config.n_heads, axis)


def attribute_layers(model, tokens, end, correct, wrong, frozen):
    depth, rows = model.config.n_layers, torch.arange(len(tokens))
    hooks = []
    logits, cache = model.run_with_cache(tokens)
    streams = [cache[f"blocks.{layer}.hook_resid_pre"] for layer in range(depth)]
    streams.append(cache[f"blocks.{depth - 1}.hook_resid_post"])
    if frozen and model.config.layer_norm:
        hooks = [("ln_final.hook_scale", lambda scale, hook: cache["ln_final.hook_scale"])]
    values = []
    for stream in streams:
        last = model.run_with_hooks(stream, hooks, start_at_layer=depth)[rows, end]
        values.append(last[rows, correct] - last[rows, wrong])
    return torch.stack(values).detach()


def attribute_heads(model, tokens, end, correct, wrong):
    names = [f"blocks.{layer}.attn.hook_z" for layer in range(model.config.n_layers)]
    rows = torch.arange(len(tokens))
    last = model(tokens, stop_at_layer=model.config.n_layers)[rows, end]
    direction = model.unembed.W_U.T[correct] - model.unembed.W_U.T[wrong]
    if model.config.layer_norm:
        # instead of centring what the heads write, centre the direction that reads it
        direction = direction * model.ln_final.w
        direction = direction - direction.mean(-1, keepdim=True)
        direction = direction / torch.sqrt(last.var(-1, unbiased=False, keepdim=True) + model.ln_final.eps)
    cache = model.run_with_cache(tokens, names)[1]
    per_layer = []
    for layer, name in enumerate(names):
        back = einops.einsum(model.blocks[layer].attn.W_O, direction, "h d m, b m -> b h d")
        per_layer.append(einops.einsum(cache[name][rows, end], back, "b h d, b h d -> h b"))
    return torch.stack(per_layer)


def path_patch_by_hand(sender, middle, output, clean, corrupted):
    values = {}
    a_clean, a_bad = sender(clean), sender(corrupted)
    for name, to_output, to_middle in [("all", a_bad, a_bad), ("direct", a_bad, a_clean), ("way", a_clean, a_bad)]:
        values[name] = output(clean, to_output, middle(clean, to_middle))
    return tuple(values.values())


def path_patch(model, clean, corrupted, end, metric, mlps):
    """All heads frozen, so only the residual stream at the end has to be followed."""
    rows, c = torch.arange(len(end)), model.config
    with torch.no_grad():
        base, donor = model.run_with_cache(clean)[1], model.run_with_cache(corrupted)[1]
        values = []
        for sender in range(c.n_layers):
            for head in range(c.n_heads):
                change = 0
                for layer in range(sender, c.n_layers):
                    block = model.blocks[layer]
                    if layer == sender:
                        z = [run[f"blocks.{layer}.attn.hook_z"][rows, end, head] for run in (donor, base)]
                        change = change + (z[0] - z[1]) @ block.attn.W_O[head]
                    if mlps and not c.attn_only:
                        mid = base[f"blocks.{layer}.hook_resid_mid"][rows, end]
                        change = change + block.mlp(block.ln2(mid + change)) - block.mlp(block.ln2(mid))
                final = base[f"blocks.{c.n_layers - 1}.hook_resid_post"][rows, end] + change
                values.append(metric(model.unembed(model.ln_final(final))))
        return torch.stack(values).unflatten(0, (c.n_layers, c.n_heads))


def path_patch_through(model, clean, corrupted, end, metric, receivers, mlps):
    """Every sender of a layer in one run, stacked along the batch."""
    rows, c, batch = torch.arange(len(end)), model.config, len(clean)
    many = clean.repeat(c.n_heads, 1)
    out = []
    with torch.no_grad():
        base, donor = model.run_with_cache(clean)[1], model.run_with_cache(corrupted)[1]
        for sender in range(c.n_layers):
            seen = {}

            def frozen(value, hook, sender=sender):
                new = base[hook.name].repeat(c.n_heads, *[1] * (value.dim() - 1))
                if hook.name == f"blocks.{sender}.attn.hook_z":
                    for head in range(c.n_heads):
                        new[head * batch : (head + 1) * batch, :, head] = donor[hook.name][:, :, head]
                return new

            def look(value, hook, seen=seen):
                seen[hook.name] = value.clone()

            def put(value, hook, seen=seen):
                value = value.clone()
                for layer, head, part in receivers:
                    if hook.name == f"blocks.{layer}.attn.hook_{part}":
                        value[:, :, head] = seen[hook.name][:, :, head]
                return value

            at = {f"blocks.{layer}.attn.hook_{part}" for layer, _, part in receivers}
            which = [n for n in base if n.endswith("hook_z") or (not mlps and n.endswith("mlp_out"))]
            model.run_with_hooks(many, [(which, frozen), (at, look)])
            logits = model.run_with_hooks(many, [(at, put)])
            out.append(metric(logits.unflatten(0, (c.n_heads, batch))[:, rows, end]))
    return torch.stack(out)


def attribution_patch(model, clean, corrupted, end, metric):
    def names(kind):
        return [f"blocks.{layer}.{kind}" for layer in range(model.config.n_layers)]

    found = []
    for kind, axes in (("hook_resid_pre", "l b p m -> l p b"), ("attn.hook_z", "l b p h d -> l h b")):
        with torch.no_grad():
            donor = model.run_with_cache(clean, names(kind))[1]
        logits, base = model.run_with_cache(corrupted, names(kind))
        effect = metric(logits[torch.arange(len(end)), end]).sum()
        slopes = torch.autograd.grad(effect, list(base.values()))
        moved = torch.stack([donor[name] - base[name].detach() for name in base])
        found.append(einops.reduce(moved * torch.stack(slopes), axes, "sum"))
    return tuple(found)


def attribution_patch_qk(model, clean, corrupted, end, metric):
    """By the gradient at z: the pattern's gradient is that of z times the values."""
    c, length = model.config, clean.shape[1]
    with torch.no_grad():
        donor = model.run_with_cache(clean)[1]
    logits, base = model.run_with_cache(corrupted)
    zs = [base[f"blocks.{layer}.attn.hook_z"] for layer in range(c.n_layers)]
    slopes = torch.autograd.grad(metric(logits[torch.arange(len(end)), end]).sum(), zs)
    mask = torch.ones(length, length, dtype=torch.bool).tril()
    all_queries, all_keys = [], []
    for layer in range(c.n_layers):
        q, k, v = (base[f"blocks.{layer}.attn.hook_{part}"].detach().transpose(1, 2) for part in "qkv")
        new_q, new_k = (donor[f"blocks.{layer}.attn.hook_{part}"].transpose(1, 2) for part in "qk")
        slope = slopes[layer].transpose(1, 2) @ v.transpose(-1, -2)  # (batch, head, query, key)
        scale = c.d_head**-0.5
        old = (q @ k.mT * scale).masked_fill(~mask, -torch.inf)
        by_query = (new_q @ k.mT * scale).masked_fill(~mask, -torch.inf).softmax(-1) - old.softmax(-1)
        all_queries.append(torch.einsum("bhqk,bhqk->hqb", by_query, slope))
        new = (q @ new_k.mT * scale).masked_fill(~mask, -torch.inf)
        columns = []
        for key in range(length):
            one = torch.cat([old[..., :key], new[..., key : key + 1], old[..., key + 1 :]], -1).softmax(-1)
            columns.append(torch.einsum("bhqk,bhqk->hb", one - old.softmax(-1), slope))
        all_keys.append(torch.stack(columns, 1))
    return torch.stack(all_queries), torch.stack(all_keys)


def bootstrap_interval(values, confidence, n_resamples, generator):
    n = values.shape[0]
    chance = torch.full((n_resamples, n), 1 / n, device=values.device)
    drawn = torch.multinomial(chance, n, replacement=True, generator=generator)
    means = values[drawn.flatten()].unflatten(0, (n_resamples, n)).mean(1)
    ends = torch.tensor([0.5 - confidence / 2, 0.5 + confidence / 2], dtype=values.dtype, device=values.device)
    low, high = torch.quantile(means, ends, dim=0, interpolation="nearest")
    return low, high

"""Answers to the first half of chapter `induction` as people write them, right and wrong, that no checker was made from."""

# ruff: noqa: E501 (the lines are as long as people write them)

import pytest

from headwork.tests.natural import answers, assert_passed, assert_rejected, grade

RIGHT = {
    "hook_point": [
        """
class HookPoint(nn.Module):
    def __init__(self):
        super().__init__()
        self.hooks, self.n = {}, 0

    def add(self, hook):
        self.n += 1
        me = self.n
        self.hooks[me] = hook
        return lambda: self.hooks.pop(me, None)

    def forward(self, x):
        for key in sorted(self.hooks):
            out = self.hooks[key](x, self)
            x = x if out is None else out
        return x
""",
    ],
    "run_with_cache": [
        """
def run_with_cache(model, tokens, names=None):
    pick = (lambda n: True) if names is None else names if callable(names) else list(names).__contains__
    if names is not None and not callable(names):
        for n in names:
            model.hook_points[n]
    kept, handles = {}, []
    for n, p in model.hook_points.items():
        if pick(n):
            def f(m, i, o, n=n):
                kept[n] = o * 1
                return kept[n] * 1
            handles.append(p.register_forward_hook(f))
    try:
        return model(tokens), kept
    finally:
        [h.remove() for h in handles]
""",
    ],
    "repeated_tokens": [
        """
def repeated_tokens(batch, period, d_vocab, bos, generator):
    pool = [t for t in range(d_vocab) if t != bos]
    out = []
    for b in range(batch):
        perm = torch.randperm(len(pool), generator=generator)
        half = [pool[i] for i in perm[:period].tolist()]
        out.append(torch.tensor([bos, *half, *half]))
    return torch.stack(out)
""",
    ],
    "loss_per_token": [
        """
def loss_per_token(model, tokens):
    p = torch.softmax(model(tokens), dim=-1)
    p = torch.stack([p[:, i, :][torch.arange(len(tokens)), tokens[:, i + 1]] for i in range(tokens.shape[1] - 1)], 1)
    return -torch.log(p)
""",
    ],
    "pattern_scores": [
        """
def pattern_scores(patterns):
    p = patterns.mean(1)[:, :, 1:]
    n = p.shape[-1]
    rows = torch.arange(n - 1)
    return dict(previous=p[:, :, rows, rows].mean(-1), current=p[:, :, rows, rows + 1].mean(-1), first=p[..., 0].mean(-1))
""",
    ],
    "prefix_matching_score": [
        """
def prefix_matching_score(patterns, period, start):
    block = patterns[..., start + period : start + 2 * period, start + 1 : start + 1 + period]
    return block.diagonal(dim1=-2, dim2=-1).mean(-1).mean(1)
""",
    ],
    "copying_score": [
        """
def copying_score(model, tokens):
    out = []
    _, cache = model.run_with_cache(tokens, lambda n: "hook_v" in n and "input" not in n)
    for l, b in enumerate(model.blocks):
        u = torch.einsum("bphd,hdm->hbpm", cache[f"blocks.{l}.attn.hook_v"], b.attn.W_O)
        if model.config.layer_norm:
            u = (u - u.mean(-1, True)) * model.ln_final.w
        row = []
        for h in range(len(u)):
            logits = (u[h] @ model.unembed.W_U).flatten(0, 1)
            own = logits[torch.arange(len(logits)), tokens.flatten()]
            row.append(((own - logits.mean(1)) / logits.std(1, correction=0)).mean())
        out.append(torch.stack(row))
    return torch.stack(out)
""",
    ],
    "in_context_learning_score": [
        """
def in_context_learning_score(losses, early, late):
    padded = F.pad(losses, (1, 0))
    return torch.mean(padded[:, late]) - torch.mean(padded[:, early])
""",
    ],
    "head_outputs": [
        """
def head_outputs(model, tokens):
    _, c = model.run_with_cache(tokens)
    out = {"embed": c["hook_embed"], "pos_embed": c["hook_pos_embed"]}
    for l in range(model.config.n_layers):
        a = model.blocks[l].attn
        total = 0
        for h in range(model.config.n_heads):
            out[f"{l}.{h}"] = torch.matmul(c[f"blocks.{l}.attn.hook_z"][..., h, :], a.W_O[h])
            total = total + out[f"{l}.{h}"]
        out[f"{l}.bias"] = c[f"blocks.{l}.hook_attn_out"] - total
        if hasattr(model.blocks[l], "mlp"):
            out[f"{l}.mlp"] = c[f"blocks.{l}.hook_mlp_out"]
    return out
""",
    ],
    "logit_attribution": [
        """
def logit_attribution(model, parts, residual, targets):
    W = einops.rearrange(model.unembed.W_U[:, targets], "m b p -> b p m")
    if not model.config.layer_norm:
        return (parts * W).sum(-1), model.unembed.b_U[targets] * 1.0
    ln = model.ln_final
    s = torch.sqrt(torch.var(residual, dim=-1, unbiased=False) + ln.eps)
    shares = ((parts - parts.mean(-1, keepdim=True)) * ln.w * W).sum(-1) / s
    return shares, (ln.b * W).sum(-1) + model.unembed.b_U[targets]
""",
    ],
    "ablation_values": [
        """
def ablation_values(values, how, generator=None):
    if how == "resample":
        n = len(values)
        order = torch.randperm(n, generator=generator)
        donors = torch.empty_like(order)
        donors[order] = order.roll(1)
        return values[donors]
    if how == "zero":
        return 0 * values
    m = values.mean(0, keepdim=True)
    if how == "mean":
        m = m.mean(1, keepdim=True)
    return m + 0 * values
""",
    ],
    "ablate_heads": [
        """
def ablate_heads(model, tokens, heads, values, positions=None):
    ps = range(tokens.shape[1]) if positions is None else positions
    def make(l, h):
        def hook(z, point):
            rows = [values[point.name][:, p, h] if p in ps else z[:, p, h] for p in range(z.shape[1])]
            new = torch.stack(rows, 1)
            return torch.cat([z[:, :, :h], new[:, :, None], z[:, :, h + 1 :]], 2)
        return hook
    return model.run_with_hooks(tokens, [(f"blocks.{l}.attn.hook_z", make(l, h)) for l, h in heads])
""",
    ],
    "cut_edges": [
        """
def cut_edges(model, tokens, edges, values):
    for (a, _), (b, _), _ in edges:
        if not a < b:
            raise ValueError("not later")
    z = {}
    def see(v, p):
        z[p.name] = v
    def change(x, p):
        parts = list(x.unbind(2))
        for (a, h), (b, r), kind in edges:
            if p.name == f"blocks.{b}.hook_{kind}_input":
                name = f"blocks.{a}.attn.hook_z"
                parts[r] = parts[r] + (values[name] - z[name])[:, :, h] @ model.blocks[a].attn.W_O[h]
        return torch.stack(parts, 2)
    hooks = [(lambda n: n.endswith("attn.hook_z"), see)]
    hooks += [(n, change) for n in {f"blocks.{b}.hook_{k}_input" for _, (b, _), k in edges}]
    return model.run_with_hooks(tokens, hooks)
""",
    ],
}

WRONG = {
    "hook_point": [
        (
            "a list of the class",
            """
class HookPoint(nn.Module):
    hooks = []

    def __init__(self):
        super().__init__()

    def add(self, hook):
        self.hooks.append(hook)
        return lambda: self.hooks.remove(hook) if hook in self.hooks else None

    def forward(self, x):
        for hook in list(self.hooks):
            out = hook(x, self)
            x = x if out is None else out
        return x
""",
        ),
        (
            "removes the first of two alike",
            """
class HookPoint(nn.Module):
    def __init__(self):
        super().__init__()
        self.hooks = []

    def add(self, hook):
        self.hooks.append(hook)
        return lambda: self.hooks.remove(hook) if hook in self.hooks else None

    def forward(self, x):
        for hook in list(self.hooks):
            out = hook(x, self)
            x = x if out is None else out
        return x
""",
        ),
        (
            "the last replacement only",
            """
class HookPoint(nn.Module):
    def __init__(self):
        super().__init__()
        self.hooks = {}

    def add(self, hook):
        key = object()
        self.hooks[key] = hook
        return lambda: self.hooks.pop(key, None)

    def forward(self, x):
        results = [hook(x, self) for hook in list(self.hooks.values())]
        results = [r for r in results if r is not None]
        return results[-1] if results else x
""",
        ),
        (
            "writes into the activation",
            """
class HookPoint(nn.Module):
    def __init__(self):
        super().__init__()
        self.hooks = {}

    def add(self, hook):
        key = object()
        self.hooks[key] = hook
        return lambda: self.hooks.pop(key, None)

    def forward(self, x):
        for hook in list(self.hooks.values()):
            out = hook(x, self)
            if out is not None:
                x.data.copy_(out)
        return x
""",
        ),
    ],
    "run_with_cache": [
        (
            "keeps the tensor itself",
            """
def run_with_cache(model, tokens, names=None):
    cache, handles = {}, []
    for n, p in model.hook_points.items():
        if names is None or (callable(names) and names(n)) or (not callable(names) and n in names):
            handles.append(p.register_forward_hook(lambda m, i, o, n=n: cache.__setitem__(n, o)))
    out = model(tokens)
    for h in handles:
        h.remove()
    return out, cache
""",
        ),
        (
            "a copy put aside",
            """
def run_with_cache(model, tokens, names=None):
    points = model.hook_points
    chosen = points if names is None else [n for n in points if names(n)] if callable(names) else names
    cache, handles = {}, []
    try:
        for n in chosen:
            def f(m, i, o, n=n):
                cache[n] = o.clone()
            handles.append(points[n].register_forward_hook(f))
        return model(tokens), cache
    finally:
        for h in handles:
            h.remove()
""",
        ),
        (
            "no gradients at all",
            """
@torch.no_grad()
def run_with_cache(model, tokens, names=None):
    points = model.hook_points
    chosen = points if names is None else [n for n in points if names(n)] if callable(names) else names
    chosen = [(n, points[n]) for n in chosen]
    cache, handles = {}, []
    try:
        for n, p in chosen:
            def f(m, i, o, n=n):
                cache[n] = o.clone()
            handles.append(p.register_forward_hook(f))
        return model(tokens), cache
    finally:
        for h in handles:
            h.remove()
""",
        ),
    ],
    "repeated_tokens": [
        (
            "randint",
            """
def repeated_tokens(batch, period, d_vocab, bos, generator):
    half = torch.randint(0, d_vocab, (batch, period), generator=generator)
    return torch.cat([torch.full((batch, 1), bos), half, half], 1)
""",
        ),
        (
            "global seed",
            """
def repeated_tokens(batch, period, d_vocab, bos, generator):
    w = torch.ones(batch, d_vocab)
    w[:, bos] = 0
    half = torch.multinomial(w, period)
    return torch.cat([torch.full((batch, 1), bos), half, half], 1)
""",
        ),
        (
            "starts at token 1",
            """
def repeated_tokens(batch, period, d_vocab, bos, generator):
    half = torch.stack([torch.randperm(d_vocab - 1, generator=generator)[:period] + 1 for _ in range(batch)])
    return torch.cat([torch.full((batch, 1), bos), half, half], 1)
""",
        ),
        (
            "windows of one permutation",
            """
def repeated_tokens(batch, period, d_vocab, bos, generator):
    others = torch.tensor([t for t in range(d_vocab) if t != bos])
    first = int(torch.randint(len(others), (1,), generator=generator))
    half = torch.stack([others.roll(-first - i)[:period] for i in range(batch)])
    return torch.cat([torch.full((batch, 1), bos), half, half], 1)
""",
        ),
    ],
    "loss_per_token": [
        (
            "one number",
            """
def loss_per_token(model, tokens):
    logits = model(tokens)
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
""",
        ),
        (
            "last logits kept",
            """
def loss_per_token(model, tokens):
    logp = model(tokens).log_softmax(-1)
    return -logp[:, 1:].gather(-1, tokens[:, :-1, None])[..., 0]
""",
        ),
        (
            "reads tokens as columns of the wrong text",
            """
def loss_per_token(model, tokens):
    logp = model(tokens).log_softmax(-1)
    return -logp[0, torch.arange(tokens.shape[1] - 1), tokens[:, 1:]]
""",
        ),
    ],
    "pattern_scores": [
        (
            "trace over n",
            """
def pattern_scores(patterns):
    p = patterns.mean(1)
    n = p.shape[-1]
    return {"previous": p.diagonal(-1, -2, -1).sum(-1) / n, "current": p.diagonal(0, -2, -1).mean(-1), "first": p[..., 0].mean(-1)}
""",
        ),
        (
            "above the diagonal",
            """
def pattern_scores(patterns):
    p = patterns.mean(1)
    return {"previous": p.diagonal(1, -2, -1).mean(-1), "current": p.diagonal(0, -2, -1)[..., 1:].mean(-1), "first": p[:, :, 1:, 0].mean(-1)}
""",
        ),
        (
            "first query",
            """
def pattern_scores(patterns):
    p = patterns.mean(1)
    return {"previous": p.diagonal(-1, -2, -1).mean(-1), "current": p.diagonal(0, -2, -1)[..., 1:].mean(-1), "first": p[:, :, 0, 1:].mean(-1)}
""",
        ),
    ],
    "prefix_matching_score": [
        (
            "the whole diagonal",
            """
def prefix_matching_score(patterns, period, start):
    return patterns.diagonal(-(period - 1), -2, -1).mean(-1).mean(1)
""",
        ),
        (
            "the diagonal's end",
            """
def prefix_matching_score(patterns, period, start):
    return patterns.diagonal(-(period - 1), -2, -1)[..., -period:].mean(-1).mean(1)
""",
        ),
        (
            "the diagonal at distance L",
            """
def prefix_matching_score(patterns, period, start):
    return patterns.diagonal(-period, -2, -1)[..., start:start + period].mean(-1).mean(1)
""",
        ),
        (
            "skips the last token",
            """
def prefix_matching_score(patterns, period, start):
    s = 0
    for j in range(period - 1):
        s = s + patterns[..., start + period + j, start + j + 1]
    return (s / (period - 1)).mean(1)
""",
        ),
        (
            "half of the length",
            """
def prefix_matching_score(patterns, period, start):
    half = (patterns.shape[-1] - 1) // 2
    q = torch.arange(half + 1, 2 * half + 1)
    return patterns[..., q, q - half + 1].mean(-1).mean(1)
""",
        ),
        (
            "numpy",
            """
def prefix_matching_score(patterns, period, start):
    p = patterns.detach().numpy()
    q = np.arange(start + period, start + 2 * period)
    return torch.from_numpy(p[..., q, q - period + 1].mean(-1).mean(1))
""",
        ),
    ],
    "copying_score": [
        (
            "by z",
            """
def copying_score(model, tokens):
    _, cache = model.run_with_cache(tokens)
    rows = []
    for l, b in enumerate(model.blocks):
        u = torch.einsum("bphd,hdm->bphm", cache[f"blocks.{l}.attn.hook_z"], b.attn.W_O)
        if model.config.layer_norm:
            u = (u - u.mean(-1, True)) * model.ln_final.w
        logits = u @ model.unembed.W_U
        own = logits.gather(-1, tokens[:, :, None, None].expand(-1, -1, logits.shape[2], 1))[..., 0]
        rows.append(((own - logits.mean(-1)) / logits.std(-1, correction=0)).mean((0, 1)))
    return torch.stack(rows)
""",
        ),
        (
            "through the whole final norm",
            """
def copying_score(model, tokens):
    _, cache = model.run_with_cache(tokens)
    rows = []
    for l, b in enumerate(model.blocks):
        u = torch.einsum("bphd,hdm->bphm", cache[f"blocks.{l}.attn.hook_v"], b.attn.W_O)
        logits = model.ln_final(u) @ model.unembed.W_U
        own = logits.gather(-1, tokens[:, :, None, None].expand(-1, -1, logits.shape[2], 1))[..., 0]
        rows.append(((own - logits.mean(-1)) / logits.std(-1, correction=0)).mean((0, 1)))
    return torch.stack(rows)
""",
        ),
        (
            "torch's std",
            """
def copying_score(model, tokens):
    _, cache = model.run_with_cache(tokens)
    rows = []
    for l, b in enumerate(model.blocks):
        u = torch.einsum("bphd,hdm->bphm", cache[f"blocks.{l}.attn.hook_v"], b.attn.W_O)
        if model.config.layer_norm:
            u = (u - u.mean(-1, True)) * model.ln_final.w
        logits = u @ model.unembed.W_U
        own = logits.gather(-1, tokens[:, :, None, None].expand(-1, -1, logits.shape[2], 1))[..., 0]
        rows.append(((own - logits.mean(-1)) / logits.std(-1)).mean((0, 1)))
    return torch.stack(rows)
""",
        ),
    ],
    "in_context_learning_score": [
        (
            "columns as positions",
            "def in_context_learning_score(losses, early, late):\n    late = min(late, losses.shape[1] - 1)\n    return (losses[:, late] - losses[:, early]).mean()\n",
        ),
        (
            "early minus late",
            "def in_context_learning_score(losses, early, late):\n    return losses[:, early - 1].mean() - losses[:, late - 1].mean()\n",
        ),
        (
            "a plain number",
            "def in_context_learning_score(losses, early, late):\n    return (losses[:, late - 1] - losses[:, early - 1]).mean().item()\n",
        ),
    ],
    "head_outputs": [
        (
            "the layer's output shared out",
            """
def head_outputs(model, tokens):
    _, c = model.run_with_cache(tokens)
    out = {"embed": c["hook_embed"], "pos_embed": c["hook_pos_embed"]}
    for l in range(model.config.n_layers):
        for h in range(model.config.n_heads):
            out[f"{l}.{h}"] = (c[f"blocks.{l}.hook_attn_out"] - model.blocks[l].attn.b_O) / model.config.n_heads
        out[f"{l}.bias"] = torch.zeros_like(c["hook_embed"]) + model.blocks[l].attn.b_O
        if not model.config.attn_only:
            out[f"{l}.mlp"] = c[f"blocks.{l}.hook_mlp_out"]
    return out
""",
        ),
        (
            "MLPs taken for granted",
            """
def head_outputs(model, tokens):
    _, c = model.run_with_cache(tokens)
    out = {"embed": c["hook_embed"], "pos_embed": c["hook_pos_embed"]}
    for l in range(model.config.n_layers):
        for h in range(model.config.n_heads):
            out[f"{l}.{h}"] = c[f"blocks.{l}.attn.hook_z"][:, :, h] @ model.blocks[l].attn.W_O[h]
        out[f"{l}.bias"] = torch.zeros_like(c["hook_embed"]) + model.blocks[l].attn.b_O
        out[f"{l}.mlp"] = c[f"blocks.{l}.hook_mlp_out"]
    return out
""",
        ),
    ],
    "logit_attribution": [
        (
            "the norm of each part",
            """
def logit_attribution(model, parts, residual, targets):
    W = model.unembed.W_U.T[targets]
    return (model.ln_final(parts) * W).sum(-1), model.unembed.b_U[targets]
""",
        ),
        (
            "no centring",
            """
def logit_attribution(model, parts, residual, targets):
    W = model.unembed.W_U.T[targets]
    if not model.config.layer_norm:
        return (parts * W).sum(-1), model.unembed.b_U[targets]
    s = (residual.var(-1, correction=0, keepdim=True) + model.ln_final.eps).sqrt()
    return (parts / s * model.ln_final.w * W).sum(-1), (model.ln_final.b * W).sum(-1) + model.unembed.b_U[targets]
""",
        ),
        (
            "biases forgotten",
            """
def logit_attribution(model, parts, residual, targets):
    W = model.unembed.W_U.T[targets]
    bias = torch.zeros(targets.shape, dtype=parts.dtype)
    if not model.config.layer_norm:
        return (parts * W).sum(-1), bias
    s = (residual.var(-1, correction=0, keepdim=True) + model.ln_final.eps).sqrt()
    return ((parts - parts.mean(-1, keepdim=True)) / s * model.ln_final.w * W).sum(-1), bias
""",
        ),
    ],
    "ablation_values": [
        (
            "a permutation",
            """
def ablation_values(values, how, generator=None):
    if how == "zero": return torch.zeros_like(values)
    if how == "mean": return values.mean((0, 1)).expand_as(values)
    if how == "position mean": return values.mean(0).expand_as(values)
    return values[torch.randperm(len(values), generator=generator)]
""",
        ),
        (
            "means exchanged",
            """
def ablation_values(values, how, generator=None):
    if how == "zero": return torch.zeros_like(values)
    if how == "mean": return values.mean(0).expand_as(values)
    if how == "position mean": return values.mean((0, 1)).expand_as(values)
    n = len(values)
    return values[(torch.arange(n) + torch.randint(1, n, (n,), generator=generator)) % n]
""",
        ),
        (
            "never its neighbour twice",
            """
def ablation_values(values, how, generator=None):
    if how == "zero": return torch.zeros_like(values)
    if how == "mean": return values.mean((0, 1)).expand_as(values)
    if how == "position mean": return values.mean(0).expand_as(values)
    return values.roll(1, 0)
""",
        ),
    ],
    "ablate_heads": [
        (
            "a dict by layer",
            """
def ablate_heads(model, tokens, heads, values, positions=None):
    hooks = {}
    for l, h in heads:
        def f(z, p, h=h):
            z = z.clone()
            ps = slice(None) if positions is None else positions
            z[:, ps, h] = values[p.name][:, ps, h]
            return z
        hooks[f"blocks.{l}.attn.hook_z"] = f
    return model.run_with_hooks(tokens, list(hooks.items()))
""",
        ),
        (
            "a late h",
            """
def ablate_heads(model, tokens, heads, values, positions=None):
    hooks = []
    for l, h in heads:
        def f(z, p):
            z = z.clone()
            ps = slice(None) if positions is None else positions
            z[:, ps, h] = values[p.name][:, ps, h]
            return z
        hooks.append((f"blocks.{l}.attn.hook_z", f))
    return model.run_with_hooks(tokens, hooks)
""",
        ),
        (
            "positions falsy",
            """
def ablate_heads(model, tokens, heads, values, positions=None):
    hooks = []
    for l, h in heads:
        def f(z, p, h=h):
            z = z.clone()
            ps = slice(None) if positions is None else slice(min(positions), max(positions) + 1)
            z[:, ps, h] = values[p.name][:, ps, h]
            return z
        hooks.append((f"blocks.{l}.attn.hook_z", f))
    return model.run_with_hooks(tokens, hooks)
""",
        ),
    ],
    "ablate_pairs": [
        (
            "upper triangle only",
            """
def ablate_pairs(model, tokens, heads, values, start):
    def loss(hs):
        def f(z, p):
            z = z.clone()
            for l, h in hs:
                if p.name.startswith(f"blocks.{l}."):
                    z[:, :, h] = values[p.name][:, :, h]
            return z
        logits = model.run_with_hooks(tokens, [(lambda n: n.endswith("hook_z"), f)])
        return -logits[:, :-1].log_softmax(-1).gather(-1, tokens[:, 1:, None])[:, start:].mean()
    t = torch.zeros(len(heads), len(heads), dtype=torch.float64)
    for i in range(len(heads)):
        for j in range(i, len(heads)):
            t[i, j] = loss([heads[i], heads[j]]) - loss([])
    return t
""",
        ),
        (
            "all tokens",
            """
def ablate_pairs(model, tokens, heads, values, start):
    def loss(hs):
        def f(z, p):
            z = z.clone()
            for l, h in hs:
                if p.name.startswith(f"blocks.{l}."):
                    z[:, :, h] = values[p.name][:, :, h]
            return z
        logits = model.run_with_hooks(tokens, [(lambda n: n.endswith("hook_z"), f)])
        return -logits[:, :-1].log_softmax(-1).gather(-1, tokens[:, 1:, None]).mean()
    return torch.stack([torch.stack([loss([a, b]) - loss([]) for b in heads]) for a in heads])
""",
        ),
    ],
    "cut_edges": [
        (
            "ablates the sender",
            """
def cut_edges(model, tokens, edges, values):
    hooks = []
    for (l, h), (r, _), _ in edges:
        if r <= l:
            raise ValueError
        def f(z, p, h=h):
            z = z.clone()
            z[:, :, h] = values[p.name][:, :, h]
            return z
        hooks.append((f"blocks.{l}.attn.hook_z", f))
    return model.run_with_hooks(tokens, hooks)
""",
        ),
        (
            "the clean run's words",
            """
def cut_edges(model, tokens, edges, values):
    if any(r[0] <= s[0] for s, r, _ in edges):
        raise ValueError
    _, clean = model.run_with_cache(tokens, lambda n: n.endswith("hook_z"))
    hooks = []
    for (l, h), (r, to), kind in edges:
        name = f"blocks.{l}.attn.hook_z"
        delta = (values[name] - clean[name])[:, :, h] @ model.blocks[l].attn.W_O[h]
        def f(x, p, to=to, delta=delta):
            x = x.clone()
            x[:, :, to] = x[:, :, to] + delta
            return x
        hooks.append((f"blocks.{r}.hook_{kind}_input", f))
    return model.run_with_hooks(tokens, hooks)
""",
        ),
        (
            "every head of the receiver's layer",
            """
def cut_edges(model, tokens, edges, values):
    if any(r[0] <= s[0] for s, r, _ in edges):
        raise ValueError
    now, hooks = {}, []
    for (l, h), (r, to), kind in edges:
        name = f"blocks.{l}.attn.hook_z"
        hooks.append((name, lambda z, p: now.__setitem__(p.name, z)))
        def f(x, p, l=l, h=h, name=name):
            return x + ((values[name] - now[name])[:, :, h] @ model.blocks[l].attn.W_O[h])[:, :, None]
        hooks.append((f"blocks.{r}.hook_{kind}_input", f))
    return model.run_with_hooks(tokens, hooks)
""",
        ),
    ],
}


@pytest.mark.parametrize(("name", "text"), answers(RIGHT))
def test_a_right_answer_passes_however_it_is_written(grader, name, text):
    assert_passed(grade(grader, f"induction.{name}", text))


@pytest.mark.parametrize(("name", "text"), answers(WRONG))
def test_a_wrong_answer_is_rejected_with_a_sentence(grader, name, text):
    assert_rejected(grade(grader, f"induction.{name}", text))

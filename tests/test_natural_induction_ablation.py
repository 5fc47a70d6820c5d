"""Parts of the stream, ablations and cuts as people write them, right and wrong, that no checker was made from."""

# ruff: noqa: E501 (the lines are as long as people write them)

import pytest

from headwork.tests.natural import answers, assert_passed, assert_rejected, grade, with_said

RIGHT = {
    "head_outputs": [
        (
            "loops over layers",
            """
def head_outputs(model, tokens):
    logits, cache = model.run_with_cache(tokens)
    b, n = tokens.shape
    out = {}
    out["embed"] = model.embed.W_E[tokens]
    out["pos_embed"] = model.pos_embed.W_pos[:n].expand(b, n, -1)
    for l, block in enumerate(model.blocks):
        for h in range(model.config.n_heads):
            out[f"{l}.{h}"] = torch.einsum("bpd,dm->bpm", cache[f"blocks.{l}.attn.hook_z"][:, :, h], block.attn.W_O[h])
        out[f"{l}.bias"] = block.attn.b_O[None, None].repeat(b, n, 1)
        if not model.config.attn_only:
            out[f"{l}.mlp"] = cache[f"blocks.{l}.hook_mlp_out"]
    return out
""",
        ),
        (
            "own hooks",
            """
def head_outputs(model, tokens):
    seen = {}
    def keep(x, point):
        seen[point.name] = x
    wanted = lambda n: n in ("hook_embed", "hook_pos_embed") or n.endswith("hook_mlp_out") or n.endswith("attn.hook_z")
    model.run_with_hooks(tokens, [(wanted, keep)])
    d = {"embed": seen["hook_embed"], "pos_embed": seen["hook_pos_embed"] + 0 * seen["hook_embed"]}
    for l in range(model.config.n_layers):
        a = model.blocks[l].attn
        r = torch.einsum("bphd,hdm->hbpm", seen[f"blocks.{l}.attn.hook_z"], a.W_O)
        d.update({f"{l}.{h}": r[h] for h in range(len(r))})
        d[f"{l}.bias"] = a.b_O + torch.zeros_like(d["embed"])
        if f"blocks.{l}.hook_mlp_out" in seen:
            d[f"{l}.mlp"] = seen[f"blocks.{l}.hook_mlp_out"]
    return d
""",
        ),
        (
            "hook_result",
            """
def head_outputs(model, tokens):
    L = model.config.n_layers
    names = ["hook_embed", "hook_pos_embed"] + [f"blocks.{l}.attn.hook_result" for l in range(L)]
    if not model.config.attn_only:
        names += [f"blocks.{l}.hook_mlp_out" for l in range(L)]
    _, c = model.run_with_cache(tokens, names)
    out = {"embed": c["hook_embed"], "pos_embed": c["hook_pos_embed"]}
    for l in range(L):
        for h in range(model.config.n_heads):
            out[f"{l}.{h}"] = c[f"blocks.{l}.attn.hook_result"][:, :, h]
        out[f"{l}.bias"] = model.blocks[l].attn.b_O.view(1, 1, -1).expand(*tokens.shape, -1)
        if not model.config.attn_only:
            out[f"{l}.mlp"] = c[f"blocks.{l}.hook_mlp_out"]
    return out
""",
        ),
    ],
    "logit_attribution": [
        (
            "by the norm's jacobian, loops",
            """
def logit_attribution(model, parts, residual, targets):
    U = model.unembed.W_U
    out = torch.zeros(parts.shape[:3], dtype=parts.dtype)
    rows = []
    for c in range(parts.shape[0]):
        x = parts[c]
        if model.config.layer_norm:
            mu = residual.mean(-1, keepdim=True)
            sd = (((residual - mu) ** 2).mean(-1, keepdim=True) + model.ln_final.eps) ** 0.5
            x = (x - x.mean(-1, keepdim=True)) / sd * model.ln_final.w
        rows.append((x @ U).gather(-1, targets.unsqueeze(-1)).squeeze(-1))
    b = model.unembed.b_U[targets]
    if model.config.layer_norm:
        b = b + (model.ln_final.b @ U)[targets]
    return torch.stack(rows), b
""",
        ),
        (
            "one-hot",
            """
def logit_attribution(model, parts, residual, targets):
    hot = F.one_hot(targets, model.unembed.W_U.shape[1]).to(parts.dtype)
    def read(x):
        return ((x @ model.unembed.W_U) * hot).sum(-1)
    zero = torch.zeros_like(residual)
    bias = (hot * model.unembed.b_U).sum(-1)
    if model.config.layer_norm:
        sigma = torch.sqrt(residual.var(-1, unbiased=False, keepdim=True) + model.ln_final.eps)
        parts = (parts - parts.mean(-1, keepdim=True)).div(sigma).mul(model.ln_final.w)
        bias = bias + read(zero + model.ln_final.b)
    return read(parts), bias
""",
        ),
        (
            "a list back",
            """
def logit_attribution(model, parts, residual, targets):
    w = model.unembed.W_U.T[targets]
    b = model.unembed.b_U[targets]
    if model.config.layer_norm:
        ln = model.ln_final
        v, m = torch.var_mean(residual, dim=-1, correction=0, keepdim=True)
        b = b + (w * ln.b).sum(-1)
        w = w * ln.w
        w = (w - w.mean(-1, keepdim=True)) / torch.sqrt(v + ln.eps)
    return [(parts * w).sum(-1), b]
""",
        ),
    ],
    "ablation_values": [
        (
            "one shift for all",
            """
def ablation_values(values, how, generator=None):
    if how == "zero":
        return torch.zeros(values.shape, dtype=values.dtype, device=values.device)
    if how == "mean":
        return values.mean(dim=(0, 1), keepdim=True).repeat(values.shape[0], values.shape[1], *[1] * (values.dim() - 2))
    if how == "position mean":
        return values.mean(dim=0).unsqueeze(0).repeat(values.shape[0], *[1] * (values.dim() - 1))
    n = values.shape[0]
    shift = int(torch.randint(1, n, (), generator=generator))
    return torch.roll(values, shift, dims=0)
""",
        ),
        (
            "random derangement by rejection",
            """
def ablation_values(values, how, generator=None):
    match how:
        case "zero":
            return values * 0
        case "mean":
            return torch.ones_like(values) * values.flatten(0, 1).mean(0)
        case "position mean":
            return torch.ones_like(values) * values.mean(0)
        case "resample":
            n = len(values)
            while True:
                perm = torch.randperm(n, generator=generator)
                if not (perm == torch.arange(n)).any():
                    return values[perm].clone()
""",
        ),
        (
            "skip over oneself",
            """
def ablation_values(values, how, generator=None):
    if how == "resample":
        n = values.size(0)
        donor = torch.randint(n - 1, (n,), generator=generator)
        donor = donor + (donor >= torch.arange(n)).long()
        return torch.index_select(values, 0, donor)
    axes = {"mean": (0, 1), "position mean": (0,)}
    if how in axes:
        return values.mean(axes[how], keepdim=True).expand(values.shape).clone()
    return torch.zeros_like(values)
""",
        ),
    ],
    "ablate_heads": [
        (
            "index_put by a mask",
            """
def ablate_heads(model, tokens, heads, values, positions=None):
    layers = sorted({l for l, _ in heads})
    if positions is None:
        positions = list(range(tokens.shape[1]))
    def make(l):
        chosen = [h for ll, h in heads if ll == l]
        def hook(z, hook_point):
            out = z.clone()
            for p in positions:
                for h in chosen:
                    out[:, p, h, :] = values[f"blocks.{l}.attn.hook_z"][:, p, h, :]
            return out
        return hook
    return model.run_with_hooks(tokens, [(f"blocks.{l}.attn.hook_z", make(l)) for l in layers])
""",
        ),
        (
            "with model.hooks",
            """
def ablate_heads(model, tokens, heads, values, positions=None):
    pos = slice(None) if positions is None else list(positions)
    def hook(z, point):
        l = int(point.name.split(".")[1])
        new = z.clone()
        for layer, head in heads:
            if layer == l:
                new[:, pos, head] = values[point.name][:, pos, head]
        return new
    with model.hooks([(lambda n: n.endswith("attn.hook_z"), hook)]):
        return model(tokens)
""",
        ),
        (
            "arithmetic mask",
            """
def ablate_heads(model, tokens, heads, values, positions=None):
    n = tokens.shape[1]
    hooks = []
    for layer, head in heads:
        mask = torch.zeros(1, n, model.config.n_heads, 1, dtype=torch.float64)
        for p in (range(n) if positions is None else positions):
            mask[0, p, head] = 1
        def hook(z, point, mask=mask):
            m = mask.to(z)
            return z * (1 - m) + values[point.name] * m
        hooks.append((f"blocks.{layer}.attn.hook_z", hook))
    return model.run_with_hooks(tokens, hooks)
""",
        ),
    ],
    "ablate_pairs": [
        (
            "loops",
            """
def ablate_pairs(model, tokens, heads, values, start):
    def loss(pair):
        def hook(z, point):
            z = z.clone()
            for l, h in pair:
                if f"blocks.{l}.attn.hook_z" == point.name:
                    z[:, :, h] = values[point.name][:, :, h]
            return z
        names = {f"blocks.{l}.attn.hook_z" for l, _ in pair}
        logits = model.run_with_hooks(tokens, [(n, hook) for n in names])
        lp = logits.log_softmax(-1)
        out = []
        for p in range(start, tokens.shape[1] - 1):
            out.append(-lp[:, p].gather(-1, tokens[:, p + 1, None]))
        return torch.cat(out, 1).mean()
    base = loss([])
    n = len(heads)
    result = torch.empty(n, n, dtype=base.dtype)
    for i in range(n):
        for j in range(n):
            result[i, j] = loss({heads[i], heads[j]}) - base
    return result
""",
        ),
        (
            "numpy",
            """
def ablate_pairs(model, tokens, heads, values, start):
    import itertools
    def run(chosen):
        def hook(z, point):
            z = z.clone()
            l = int(point.name.split(".")[1])
            for ll, h in chosen:
                if ll == l:
                    z[:, :, h] = values[point.name][:, :, h]
            return z
        logits = model.run_with_hooks(tokens, [(lambda n: n.endswith("attn.hook_z"), hook)])
        x = logits[:, :-1].detach().numpy()
        m = x.max(-1, keepdims=True)
        lse = m[..., 0] + np.log(np.exp(x - m).sum(-1))
        own = np.take_along_axis(x, tokens[:, 1:, None].numpy(), -1)[..., 0]
        return (lse - own)[:, start:].mean()
    base = run([])
    out = np.zeros((len(heads), len(heads)))
    for i, j in itertools.product(range(len(heads)), repeat=2):
        out[i, j] = run([heads[i], heads[j]]) - base
    return torch.from_numpy(out)
""",
        ),
        (
            "cross-entropy",
            """
def ablate_pairs(model, tokens, heads, values, start):
    def loss(*chosen):
        hooks = []
        for l, h in chosen:
            def hook(z, point, h=h):
                z = z.clone()
                z[:, :, h] = values[point.name][:, :, h]
                return z
            hooks.append((f"blocks.{l}.attn.hook_z", hook))
        logits = model.run_with_hooks(tokens, hooks)
        return F.cross_entropy(logits[:, start:-1].flatten(0, 1), tokens[:, start + 1:].flatten())
    base = loss()
    singles = torch.stack([loss(h) - base for h in heads])
    table = torch.diag(singles)
    for i in range(len(heads)):
        for j in range(i):
            table[i, j] = table[j, i] = loss(heads[i], heads[j]) - base
    return table
""",
        ),
    ],
    "cut_edges": [
        (
            "delta per edge",
            """
def cut_edges(model, tokens, edges, values):
    for s, r, k in edges:
        if r[0] <= s[0]:
            raise ValueError(f"{r} is not later than {s}")
    lost = {}
    def look(z, point):
        l = int(point.name.split(".")[1])
        for (sl, sh) in {s for s, _, _ in edges}:
            if sl == l:
                W = model.blocks[l].attn.W_O[sh]
                lost[sl, sh] = z[:, :, sh] @ W - values[point.name][:, :, sh] @ W
    hooks = [(f"blocks.{l}.attn.hook_z", look) for l in {s[0] for s, _, _ in edges}]
    def change(x, point):
        x = x.clone()
        for s, r, k in edges:
            if point.name == f"blocks.{r[0]}.hook_{k}_input":
                x[:, :, r[1]] -= lost[s]
        return x
    hooks += [(n, change) for n in {f"blocks.{r[0]}.hook_{k}_input" for _, r, k in edges}]
    return model.run_with_hooks(tokens, hooks)
""",
        ),
        (
            "hook_result",
            """
def cut_edges(model, tokens, edges, values):
    if not all(s[0] < r[0] for s, r, _ in edges):
        raise ValueError("the receiver must be later")
    now, hooks = {}, []
    for l in sorted({s[0] for s, _, _ in edges}):
        hooks.append((f"blocks.{l}.attn.hook_result", lambda x, p, l=l: now.update({l: x})))
    for s, r, k in edges:
        def f(x, p, s=s, r=r):
            other = torch.einsum("bpd,dm->bpm", values[f"blocks.{s[0]}.attn.hook_z"][:, :, s[1]], model.blocks[s[0]].attn.W_O[s[1]])
            head = F.one_hot(torch.tensor(r[1]), x.shape[2]).to(x)[:, None]
            return x + (other - now[s[0]][:, :, s[1]]).unsqueeze(2) * head
        hooks.append((f"blocks.{r[0]}.hook_{k}_input", f))
    return model.run_with_hooks(tokens, hooks)
""",
        ),
        (
            "two passes by layers, with a cache that grows",
            """
def cut_edges(model, tokens, edges, values):
    z = {}
    hooks = []
    for sender, receiver, kind in edges:
        sl, sh = sender
        rl, rh = receiver
        if not sl < rl:
            raise ValueError
        key = f"blocks.{sl}.attn.hook_z"
        def record(act, point):
            z[point.name] = act.clone()
        def patch(act, point, key=key, sl=sl, sh=sh, rh=rh):
            d = (values[key][:, :, sh, :] - z[key][:, :, sh, :]) @ model.blocks[sl].attn.W_O[sh]
            pieces = [act[:, :, i] + d if i == rh else act[:, :, i] for i in range(act.shape[2])]
            return torch.stack(pieces, dim=2)
        hooks.append((key, record))
        hooks.append((f"blocks.{rl}.hook_{kind}_input", patch))
    return model.run_with_hooks(tokens, hooks)
""",
        ),
    ],
}
HO = """
def head_outputs(model, tokens):
    _, c = model.run_with_cache(tokens)
    out = {"embed": c["hook_embed"], "pos_embed": c["hook_pos_embed"]}
    for l in range(model.config.n_layers):
        a = model.blocks[l].attn
        for h in range(model.config.n_heads):
            out[f"{l}.{h}"] = %s
        out[f"{l}.bias"] = %s
        if not model.config.attn_only:
            out[f"{l}.mlp"] = %s
    return out
"""
Z, B, M = (
    'c[f"blocks.{l}.attn.hook_z"][:, :, h] @ a.W_O[h]',
    'a.b_O.expand_as(c["hook_embed"])',
    'c[f"blocks.{l}.hook_mlp_out"]',
)
LA = """
def logit_attribution(model, parts, residual, targets):
    W = model.unembed.W_U.T[targets]
    bias = model.unembed.b_U[targets]
    if model.config.layer_norm:
        ln = model.ln_final
        s = %s
        bias = bias + (W * ln.b).sum(-1)
        parts = %s
    return (parts * W).sum(-1), bias
"""
S, P = (
    "(residual.var(-1, correction=0, keepdim=True) + ln.eps).sqrt()",
    "(parts - parts.mean(-1, keepdim=True)) / s * ln.w",
)
AH = """
def ablate_heads(model, tokens, heads, values, positions=None):
    hooks = []
    for l, h in heads:
        def f(z, p, h=h):
            z = z.clone()
            %s
            return z
        hooks.append((f"blocks.{l}.attn.hook_z", f))
    return %s
"""
RUN = "model.run_with_hooks(tokens, hooks)"
PUT = """ps = slice(None) if positions is None else positions
            z[:, ps, h] = values[p.name][:, ps, h]"""
AP = """
def ablate_pairs(model, tokens, heads, values, start):
    def loss(hs):
        def f(z, p):
            z = z.clone()
            for l, h in hs:
                if p.name == f"blocks.{l}.attn.hook_z":
                    z[:, :, h] = values[p.name][:, :, h]
            return z
        logits = model.run_with_hooks(tokens, [(lambda n: n.endswith("attn.hook_z"), f)])
        losses = -logits[:, :-1].log_softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0]
        return %s
    n = len(heads)
    t = torch.zeros(n, n, dtype=torch.float64)
    for i in range(n):
        for j in range(n):
            t[i, j] = %s
    return t
"""
CE = """
def cut_edges(model, tokens, edges, values):
    for s, r, k in edges:
        if r[0] %s s[0]:
            raise ValueError
    now, hooks = {}, []
    for s, r, k in edges:
        name = f"blocks.{s[0]}.attn.hook_z"
        def keep(z, p):
            now[p.name] = z
        def put(x, p, s=s, r=r, name=name):
            x = x.clone()
            %s
            return x
        hooks += [(name, keep), (f"blocks.{r[0]}.hook_{k}_input", put)]
    return model.run_with_hooks(tokens, hooks)
"""
D = """x[:, :, r[1]] = x[:, :, r[1]] + (values[name] - now[name])[:, :, s[1]] @ model.blocks[s[0]].attn.W_O[s[1]]"""
WRONG = {
    "head_outputs": [
        ("z of the next head", HO % (Z.replace("[:, :, h] @", "[:, :, (h + 1) % model.config.n_heads] @"), B, M)),
        ("values for z", HO % (Z.replace("hook_z", "hook_v"), B, M)),
        ("bias in the first head", HO % (Z + " + (a.b_O if h == 0 else 0)", 'torch.zeros_like(c["hook_embed"])', M)),
        ("mlp without its bias", HO % (Z, B, 'c[f"blocks.{l}.mlp.hook_post"] @ model.blocks[l].mlp.W_out')),
        ("detached", HO % (Z.replace("[:, :, h]", "[:, :, h].detach()"), B, M)),
        (
            "residuals for the embedding",
            (HO % (Z, B, M)).replace('c["hook_embed"], "pos', 'c["blocks.0.hook_resid_pre"], "pos'),
        ),
        (
            "mlp before the bias",
            """
def head_outputs(model, tokens):
    _, c = model.run_with_cache(tokens)
    out = {"embed": c["hook_embed"], "pos_embed": c["hook_pos_embed"]}
    for l in range(model.config.n_layers):
        a = model.blocks[l].attn
        if not model.config.attn_only:
            out[f"{l}.mlp"] = c[f"blocks.{l}.hook_mlp_out"]
        for h in range(model.config.n_heads):
            out[f"{l}.{h}"] = c[f"blocks.{l}.attn.hook_z"][:, :, h] @ a.W_O[h]
        out[f"{l}.bias"] = a.b_O.expand_as(c["hook_embed"])
    return out
""",
        ),
        (
            "no bias without biases",
            (HO % (Z, B, M)).replace('        out[f"{l}.bias"]', '        if model.config.biases: out[f"{l}.bias"]'),
        ),
    ],
    "logit_attribution": [
        ("own scale", LA % (S.replace("residual", "parts"), P)),
        ("eps outside the root", LA % ("residual.std(-1, correction=0, keepdim=True) + ln.eps", P)),
        ("centred by the stream", LA % (S, "(parts - residual.mean(-1, keepdim=True)) / s * ln.w")),
        ("gain before centring", LA % (S, "(parts * ln.w - (parts * ln.w).mean(-1, keepdim=True)) / s")),
        ("no norm bias", (LA % (S, P)).replace("        bias = bias + (W * ln.b).sum(-1)\n", "")),
        (
            "no unembedding bias",
            (LA % (S, P)).replace(
                "bias = model.unembed.b_U[targets]", "bias = torch.zeros(targets.shape, dtype=parts.dtype)"
            ),
        ),
        ("bias in each part", (LA % (S, P + " + ln.b"))),
        ("W_E for W_U", (LA % (S, P)).replace("model.unembed.W_U.T[targets]", "model.embed.W_E[targets]")),
        ("next targets", (LA % (S, P)).replace("W_U.T[targets]", "W_U.T[targets.roll(-1, 1)]")),
        ("ln on each", (LA % (S, "ln(parts) - ln.b"))),
        ("bias over parts", (LA % (S, P)).replace(".sum(-1), bias", ".sum(-1) + bias / len(parts), bias")),
    ],
    "ablation_values": [
        (
            "retry once",
            """
def ablation_values(values, how, generator=None):
    if how == "zero": return torch.zeros_like(values)
    if how == "mean": return values.mean((0, 1)).expand_as(values)
    if how == "position mean": return values.mean(0).expand_as(values)
    n = len(values)
    d = torch.randint(n, (n,), generator=generator)
    d = torch.where(d == torch.arange(n), torch.randint(n, (n,), generator=generator), d)
    return values[d]
""",
        ),
        (
            "own moved to the next",
            """
def ablation_values(values, how, generator=None):
    if how == "zero": return torch.zeros_like(values)
    if how == "mean": return values.mean((0, 1)).expand_as(values)
    if how == "position mean": return values.mean(0).expand_as(values)
    n = len(values)
    d = torch.randint(n, (n,), generator=generator)
    d = torch.where(d == torch.arange(n), (d + 1) % n, d)
    return values[d]
""",
        ),
        (
            "one donor for all",
            """
def ablation_values(values, how, generator=None):
    if how == "zero": return torch.zeros_like(values)
    if how == "mean": return values.mean((0, 1)).expand_as(values)
    if how == "position mean": return values.mean(0).expand_as(values)
    d = int(torch.randint(len(values), (1,), generator=generator))
    return values[d].expand_as(values)
""",
        ),
        (
            "each position its own donor",
            """
def ablation_values(values, how, generator=None):
    if how == "zero": return torch.zeros_like(values)
    if how == "mean": return values.mean((0, 1)).expand_as(values)
    if how == "position mean": return values.mean(0).expand_as(values)
    n, p = values.shape[:2]
    steps = torch.randint(1, n, (n, p), generator=generator)
    d = (torch.arange(n)[:, None] + steps) % n
    return values[d, torch.arange(p)]
""",
        ),
        (
            "each head its own donor",
            """
def ablation_values(values, how, generator=None):
    if how == "zero": return torch.zeros_like(values)
    if how == "mean": return values.mean((0, 1)).expand_as(values)
    if how == "position mean": return values.mean(0).expand_as(values)
    n = len(values)
    if values.dim() < 4:
        return values[(torch.arange(n) + torch.randint(1, n, (n,), generator=generator)) % n]
    cols = [values[(torch.arange(n) + torch.randint(1, n, (n,), generator=generator)) % n][:, :, h] for h in range(values.shape[2])]
    return torch.stack(cols, 2)
""",
        ),
        (
            "positions shuffled",
            """
def ablation_values(values, how, generator=None):
    if how == "zero": return torch.zeros_like(values)
    if how == "mean": return values.mean((0, 1)).expand_as(values)
    if how == "position mean": return values.mean(0).expand_as(values)
    return values[:, torch.randperm(values.shape[1], generator=generator)]
""",
        ),
        (
            "mean of everything",
            """
def ablation_values(values, how, generator=None):
    if how == "zero": return torch.zeros_like(values)
    if how == "mean": return values.mean().expand_as(values)
    if how == "position mean": return values.mean(0).expand_as(values)
    n = len(values)
    return values[(torch.arange(n) + torch.randint(1, n, (n,), generator=generator)) % n]
""",
        ),
        (
            "mean per text",
            """
def ablation_values(values, how, generator=None):
    if how == "zero": return torch.zeros_like(values)
    if how == "mean": return values.mean(1, keepdim=True).expand_as(values)
    if how == "position mean": return values.mean(0).expand_as(values)
    n = len(values)
    return values[(torch.arange(n) + torch.randint(1, n, (n,), generator=generator)) % n]
""",
        ),
        (
            "no grad",
            """
@torch.no_grad()
def ablation_values(values, how, generator=None):
    if how == "zero": return torch.zeros_like(values)
    if how == "mean": return values.mean((0, 1)).expand_as(values)
    if how == "position mean": return values.mean(0).expand_as(values)
    n = len(values)
    return values[(torch.arange(n) + torch.randint(1, n, (n,), generator=generator)) % n]
""",
        ),
        (
            "the mean of the others",
            """
def ablation_values(values, how, generator=None):
    n = len(values)
    if how == "zero": return torch.zeros_like(values)
    if how == "mean": return values.mean((0, 1)).expand_as(values)
    if how == "position mean": return (values.sum(0) - values) / max(n - 1, 1)
    return values[(torch.arange(n) + torch.randint(1, n, (n,), generator=generator)) % n]
""",
        ),
        (
            "shape lost",
            """
def ablation_values(values, how, generator=None):
    n = len(values)
    if how == "zero": return torch.zeros_like(values)
    if how == "mean": return values.mean((0, 1))
    if how == "position mean": return values.mean(0)
    return values[(torch.arange(n) + torch.randint(1, n, (n,), generator=generator)) % n]
""",
        ),
    ],
    "ablate_heads": [
        ("every text the first", AH % (PUT.replace("values[p.name][:, ps, h]", "values[p.name][0, ps, h]"), RUN)),
        ("zeros", AH % (PUT.replace("values[p.name][:, ps, h]", "0"), RUN)),
        (
            "from the first position on",
            AH
            % (
                """ps = slice(None) if positions is None else slice(min(positions, default=0), None)
            z[:, ps, h] = values[p.name][:, ps, h]""",
                RUN,
            ),
        ),
        (
            "falsy positions",
            AH
            % (
                """ps = positions or slice(None)
            z[:, ps, h] = values[p.name][:, ps, h]""",
                RUN,
            ),
        ),
        (
            "head and position swapped",
            AH
            % (
                """ps = slice(None) if positions is None else positions
            z[:, h, ps] = values[p.name][:, h, ps]""",
                RUN,
            ),
        ),
        ("all heads of the layer", AH % (PUT.replace(", ps, h]", ", ps]"), RUN)),
        ("all layers", (AH % (PUT, RUN)).replace('f"blocks.{l}.attn.hook_z"', 'lambda n: n.endswith("attn.hook_z")')),
        ("head layer swapped", (AH % (PUT, RUN)).replace("for l, h in heads", "for h, l in heads")),
        ("adds", AH % (PUT.replace("z[:, ps, h] = ", "z[:, ps, h] += "), RUN)),
        ("last position", AH % (PUT, RUN + "[:, -1]")),
        ("no grad", "@torch.no_grad()" + AH % (PUT, RUN)),
    ],
    "ablate_pairs": [
        ("loss itself", AP % ("losses[:, start:].mean()", "loss([heads[i], heads[j]])")),
        ("sign", AP % ("losses[:, start:].mean()", "loss([]) - loss([heads[i], heads[j]])")),
        ("start + 1", AP % ("losses[:, start + 1:].mean()", "loss([heads[i], heads[j]]) - loss([])")),
        ("start - 1", AP % ("losses[:, max(0, start - 1):].mean()", "loss([heads[i], heads[j]]) - loss([])")),
        ("sum", AP % ("losses[:, start:].sum()", "loss([heads[i], heads[j]]) - loss([])")),
    ],
    "cut_edges": [
        (
            "b_O taken out too",
            """def cut_edges(model, tokens, edges, values):
    for (ls, hs), (lr, hr), part in edges:
        if lr <= ls:
            raise ValueError("no path")
    now = {}
    def save(z, hook):
        now[hook.name] = z
    hooks = [(f"blocks.{l}.attn.hook_z", save) for l in range(model.config.n_layers)]
    for (ls, hs), (lr, hr), part in edges:
        def cut(x, hook, ls=ls, hs=hs, hr=hr):
            n = f"blocks.{ls}.attn.hook_z"
            d = (values[n][:, :, hs] - now[n][:, :, hs]) @ model.blocks[ls].attn.W_O[hs] - model.blocks[ls].attn.b_O
            x = x.clone()
            x[:, :, hr] = x[:, :, hr] + d
            return x
        hooks.append((f"blocks.{lr}.hook_{part}_input", cut))
    return model.run_with_hooks(tokens, hooks)
""",
        ),
        (
            "edges overwrite",
            """def cut_edges(model, tokens, edges, values):
    for (ls, hs), (lr, hr), part in edges:
        if lr <= ls:
            raise ValueError("no path")
    now = {}
    def save(z, hook):
        now[hook.name] = z
    hooks = [(f"blocks.{l}.attn.hook_z", save) for l in range(model.config.n_layers)]
    for (ls, hs), (lr, hr), part in edges:
        def cut(x, hook, ls=ls, hs=hs, hr=hr):
            n = f"blocks.{ls}.attn.hook_z"
            d = (values[n][:, :, hs] - now[n][:, :, hs]) @ model.blocks[ls].attn.W_O[hs]
            x = x.clone()
            x[:, :, hr] = x[:, :, hr] + d
            return x
        hooks = [h for h in hooks if h[0] != f"blocks.{lr}.hook_{part}_input"] + [(f"blocks.{lr}.hook_{part}_input", cut)]
    return model.run_with_hooks(tokens, hooks)
""",
        ),
        ("same layer allowed", CE % ("<", D)),
        ("sender only removed", CE % ("<=", D.replace("(values[name] - now[name])", "(-now[name])"))),
        ("overwritten by the last", CE % ("<=", D.replace("x[:, :, r[1]] + (", "x.detach()[:, :, r[1]] + ("))),
        (
            "all heads of the layer",
            CE
            % (
                "<=",
                D.replace(
                    "x[:, :, r[1]] = x[:, :, r[1]] + (values[name] - now[name])[:, :, s[1]] @ model.blocks[s[0]].attn.W_O[s[1]]",
                    "x = x + ((values[name] - now[name])[:, :, s[1]] @ model.blocks[s[0]].attn.W_O[s[1]])[:, :, None]",
                ),
            ),
        ),
        (
            "all senders",
            CE
            % (
                "<=",
                "x[:, :, r[1]] = x[:, :, r[1]] + torch.einsum('bphd,hdm->bpm', values[name] - now[name], model.blocks[s[0]].attn.W_O)",
            ),
        ),
        ("receiver's W_O", CE % ("<=", D.replace("model.blocks[s[0]]", "model.blocks[r[0]]"))),
        ("receiver's head of W_O", CE % ("<=", D.replace("W_O[s[1]]", "W_O[r[1]]"))),
        ("sign", CE % ("<=", D.replace("values[name] - now[name]", "now[name] - values[name]"))),
        ("late binding", (CE % ("<=", D)).replace("def put(x, p, s=s, r=r, name=name)", "def put(x, p)")),
        ("keys only", (CE % ("<=", D)).replace("hook_{k}_input", "hook_k_input")),
        (
            "all three",
            (CE % ("<=", D)).replace(
                '(f"blocks.{r[0]}.hook_{k}_input", put)]', '*[(f"blocks.{r[0]}.hook_{i}_input", put) for i in "qkv"]]'
            ),
        ),
        ("raises KeyError", (CE % ("<=", D)).replace("raise ValueError", "raise KeyError(r)")),
        (
            "ablates in q itself",
            """
def cut_edges(model, tokens, edges, values):
    for s, r, k in edges:
        if r[0] <= s[0]: raise ValueError
    def without(s):
        def f(z, p):
            z = z.clone(); z[:, :, s[1]] = values[p.name][:, :, s[1]]
            return z
        return f
    hooks = []
    for s, r, k in edges:
        name = f"blocks.{r[0]}.attn.hook_{k}"
        with model.hooks([(f"blocks.{s[0]}.attn.hook_z", without(s))]):
            _, c = model.run_with_cache(tokens, [name])
        def g(x, p, r=r, new=c[name]):
            x = x.clone(); x[:, :, r[1]] = new[:, :, r[1]]
            return x
        hooks.append((name, g))
    return model.run_with_hooks(tokens, hooks)
""",
        ),
        (
            "after the norm",
            """
def cut_edges(model, tokens, edges, values):
    for s, r, k in edges:
        if r[0] <= s[0]: raise ValueError
    now, hooks = {}, []
    for s, r, k in edges:
        name = f"blocks.{s[0]}.attn.hook_z"
        hooks.append((name, lambda z, p: now.__setitem__(p.name, z)))
        def g(x, p, s=s, r=r, k=k, name=name):
            x = x.clone()
            d = (values[name] - now[name])[:, :, s[1]] @ model.blocks[s[0]].attn.W_O[s[1]]
            x[:, :, r[1]] = x[:, :, r[1]] + d @ getattr(model.blocks[r[0]].attn, "W_" + k.upper())[r[1]]
            return x
        hooks.append((f"blocks.{r[0]}.attn.hook_{k}", g))
    return model.run_with_hooks(tokens, hooks)
""",
        ),
    ],
}


# What its author is told; '' where no known mistake does the same.
SAID = {
    ("head_outputs", "z of the next head"): "",
    (
        "head_outputs",
        "values for z",
    ): "These are values before the pattern has averaged them, hook_v: what a head writes comes from hook_z.",
    ("head_outputs", "bias in the first head"): "",
    ("head_outputs", "mlp without its bias"): "The MLP's bias b_out is missing: what the MLP writes includes it.",
    (
        "head_outputs",
        "detached",
    ): "What the heads write was cut from the graph (detach, .data or no_grad): gradients must reach the parameters.",
    (
        "head_outputs",
        "residuals for the embedding",
    ): "The positions are in the token's part as well: hook_embed is the token's vector alone.",
    ("head_outputs", "mlp before the bias"): "",
    ("head_outputs", "no bias without biases"): "",
    (
        "logit_attribution",
        "own scale",
    ): "Every part is divided by its own scale, as if it were alone: all are divided by that of the whole stream.",
    (
        "logit_attribution",
        "eps outside the root",
    ): "eps is added to the root of the variance: it is added to the variance.",
    (
        "logit_attribution",
        "centred by the stream",
    ): "Every part has the whole stream's mean taken off, so it is taken off many times: each loses its own.",
    (
        "logit_attribution",
        "gain before centring",
    ): "The gain is multiplied in before the mean is taken off: the norm centres first.",
    ("logit_attribution", "no norm bias"): "The final norm's bias, ln_final.b, is missing in what the biases add.",
    (
        "logit_attribution",
        "no unembedding bias",
    ): "The bias of the unembedding, b_U, is missing in what the biases add.",
    (
        "logit_attribution",
        "bias in each part",
    ): "Every part gets the final norm's bias: it is added once, so it belongs to what the biases add.",
    (
        "logit_attribution",
        "W_E for W_U",
    ): "The parts are read by rows of the embedding: an untied model unembeds with columns of its own, those of W_U.",
    ("logit_attribution", "next targets"): "",
    (
        "logit_attribution",
        "ln on each",
    ): "Every part is divided by its own scale, as if it were alone: all are divided by that of the whole stream.",
    (
        "logit_attribution",
        "bias over parts",
    ): "The biases' share is dealt out to the parts: it belongs to none of them.",
    (
        "ablation_values",
        "retry once",
    ): "A text may get its own values back, and is then not ablated: draw among the other texts.",
    (
        "ablation_values",
        "own moved to the next",
    ): "A text that would get its own values gets its neighbour's, who is so drawn twice as often: draw a step from 1 to batch - 1, or among the others.",
    (
        "ablation_values",
        "one donor for all",
    ): "A text may get its own values back, and is then not ablated: draw among the other texts.",
    (
        "ablation_values",
        "each position its own donor",
    ): "A text does not get one other text's values, each at its own position: move whole texts.",
    (
        "ablation_values",
        "each head its own donor",
    ): "A text does not get one other text's values, each at its own position: move whole texts.",
    (
        "ablation_values",
        "positions shuffled",
    ): "Each text keeps its own values, with its positions shuffled: take those of another text, each at its own position.",
    (
        "ablation_values",
        "mean of everything",
    ): "'mean' averages over everything, heads and their dimensions too: only over batch and positions.",
    (
        "ablation_values",
        "mean per text",
    ): "'mean' averages over the positions of each text, which leaves much of the text in it: average over the batch too.",
    (
        "ablation_values",
        "no grad",
    ): "The mean was cut from the graph (detach, .data or no_grad): gradients must reach the values.",
    ("ablation_values", "the mean of the others"): "",
    (
        "ablation_values",
        "shape lost",
    ): "The means have lost the axes that they run over: give them the shape of the values.",
    ("ablate_heads", "every text the first"): "Every text gets the replacement of the first one: each has its own.",
    ("ablate_heads", "zeros"): "The heads are replaced by zeros, whatever `values` holds: put those in.",
    ("ablate_heads", "from the first position on"): "",
    (
        "ablate_heads",
        "falsy positions",
    ): "An empty list of positions is taken for none at all: it asks for no position, None for all.",
    ("ablate_heads", "head and position swapped"): "",
    ("ablate_heads", "all heads of the layer"): "All heads of the layer are replaced: replace the given ones.",
    ("ablate_heads", "all layers"): "",
    ("ablate_heads", "head layer swapped"): "",
    ("ablate_heads", "adds"): "The replacement is added to what the head computes: it takes its place.",
    ("ablate_heads", "last position"): "Only the last position's logits come back: return those of every position.",
    (
        "ablate_heads",
        "no grad",
    ): "The replacements were cut from the graph (detach or .data): gradients must reach them.",
    ("ablate_pairs", "loss itself"): "This is the loss itself: take off the loss of the whole model, to see the rise.",
    ("ablate_pairs", "sign"): "The sign is turned round: where a head helps, the loss rises without it.",
    ("ablate_pairs", "start + 1"): "The mean begins a column too late: column `start` counts.",
    ("ablate_pairs", "start - 1"): "The mean begins a column too early: it begins with column `start`.",
    ("ablate_pairs", "sum"): "The losses are added up: take their mean.",
    ("cut_edges", "edges overwrite"): "only the last is cut",
    ("cut_edges", "b_O taken out too"): "belongs to the layer",
    ("cut_edges", "same layer allowed"): "",
    (
        "cut_edges",
        "sender only removed",
    ): "What the sender wrote is taken away, and nothing comes in its place: put in what `values` writes.",
    ("cut_edges", "overwritten by the last"): "",
    (
        "cut_edges",
        "all heads of the layer",
    ): "The edge is cut to all heads of the receiver's layer: only the given head loses it.",
    ("cut_edges", "all senders"): "All heads of the sender's layer are cut off: only the given one is.",
    ("cut_edges", "receiver's W_O"): "",
    ("cut_edges", "receiver's head of W_O"): "",
    ("cut_edges", "sign"): "The sign is turned round: what the sender wrote goes, and what `values` writes comes.",
    (
        "cut_edges",
        "late binding",
    ): "Every hook cuts the last edge of the list, since a function looks its variables up when it is called: bind sender, receiver and name.",
    ("cut_edges", "keys only"): "Every edge is cut at the keys: cut it at the input that it names.",
    ("cut_edges", "all three"): "All three inputs of the receiver are changed: only the one that the edge names is.",
    ("cut_edges", "raises KeyError"): "",
    ("cut_edges", "ablates in q itself"): "",
    (
        "cut_edges",
        "after the norm",
    ): "The change is added to the query, key or value itself, as if there were no norm: change what the receiver reads, and let its norm compute.",
}


@pytest.mark.parametrize(("name", "text"), answers(RIGHT))
def test_a_right_answer_passes_however_it_is_written(grader, name, text):
    assert_passed(grade(grader, f"induction.{name}", text))


@pytest.mark.parametrize(("name", "text", "said"), answers(with_said(WRONG, SAID)))
def test_a_wrong_answer_is_rejected_and_told_why(grader, name, text, said):
    assert_rejected(grade(grader, f"induction.{name}", text), said)

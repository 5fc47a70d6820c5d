"""Answers about weights as people write them, right and wrong, that no checker was made from."""

# ruff: noqa: E501 (the lines are as long as people write them)

import pytest

from headwork.tests.natural import answers, assert_passed, assert_rejected, grade

RIGHT = {
    "fold_layer_norm": [
        """
def fold_layer_norm(model):
    cfg = model.config
    sd = {k: v.detach().clone() for k, v in model.state_dict().items()}
    for l, b in enumerate(model.blocks):
        for n in "QKVO":
            key = f"blocks.{l}.attn.b_{n}"
            sd[key] = getattr(b.attn, f"b_{n}").detach().clone()
        if not cfg.attn_only:
            sd[f"blocks.{l}.mlp.b_in"] = b.mlp.b_in.detach().clone()
            sd[f"blocks.{l}.mlp.b_out"] = b.mlp.b_out.detach().clone()
    sd["unembed.W_U"] = model.unembed.W_U.detach().clone()
    sd["unembed.b_U"] = model.unembed.b_U.detach().clone()
    if not cfg.layer_norm:
        return sd
    for l in range(cfg.n_layers):
        w, b = sd[f"blocks.{l}.ln1.w"], sd[f"blocks.{l}.ln1.b"]
        for n in "QKV":
            W = sd[f"blocks.{l}.attn.W_{n}"]
            sd[f"blocks.{l}.attn.b_{n}"] = sd[f"blocks.{l}.attn.b_{n}"] + (b[None, :, None] * W).sum(1)
            sd[f"blocks.{l}.attn.W_{n}"] = W * w.reshape(1, -1, 1)
        sd[f"blocks.{l}.ln1.w"], sd[f"blocks.{l}.ln1.b"] = torch.ones_like(w), torch.zeros_like(b)
        if not cfg.attn_only:
            w, b = sd[f"blocks.{l}.ln2.w"], sd[f"blocks.{l}.ln2.b"]
            W = sd[f"blocks.{l}.mlp.W_in"]
            sd[f"blocks.{l}.mlp.b_in"] = sd[f"blocks.{l}.mlp.b_in"] + b @ W
            sd[f"blocks.{l}.mlp.W_in"] = W * w[:, None]
            sd[f"blocks.{l}.ln2.w"], sd[f"blocks.{l}.ln2.b"] = torch.ones_like(w), torch.zeros_like(b)
    w, b = sd["ln_final.w"], sd["ln_final.b"]
    sd["unembed.b_U"] = sd["unembed.b_U"] + b @ sd["unembed.W_U"]
    sd["unembed.W_U"] = sd["unembed.W_U"] * w[:, None]
    sd["ln_final.w"], sd["ln_final.b"] = torch.ones_like(w), torch.zeros_like(b)
    return sd
""",
        """
def fold_layer_norm(model):
    sd = dict(model.named_parameters())
    for k, v in model.named_buffers():
        sd[k] = v
    sd["unembed.W_U"], sd["unembed.b_U"] = model.unembed.W_U, model.unembed.b_U
    sd = {k: v.clone() for k, v in sd.items()}
    todo = [("ln_final", "unembed", "_U")]
    for l in range(model.config.n_layers):
        todo += [(f"blocks.{l}.ln1", f"blocks.{l}.attn", "_" + c) for c in "QKV"]
        todo.append((f"blocks.{l}.ln2", f"blocks.{l}.mlp", "_in"))
    for ln, part, c in todo:
        if ln + ".w" not in sd or part + ".W" + c not in sd:
            continue
        W = sd[part + ".W" + c]
        sd[part + ".b" + c] = sd[part + ".b" + c] + torch.einsum("m,...mn->...n", sd[ln + ".b"], W)
        sd[part + ".W" + c] = torch.einsum("m,...mn->...mn", sd[ln + ".w"], W)
    for k in sd:
        if k.endswith(("ln1.w", "ln2.w", "ln_final.w")):
            sd[k] = torch.ones_like(sd[k])
        if k.endswith(("ln1.b", "ln2.b", "ln_final.b")):
            sd[k] = torch.zeros_like(sd[k])
    return sd
""",
        """
import copy
def fold_layer_norm(model):
    m = copy.deepcopy(model).requires_grad_(False)
    state = {}
    def norm(mod):
        return (mod.w.clone(), mod.b.clone()) if hasattr(mod, "w") else (None, None)
    for i, blk in enumerate(m.blocks):
        w, b = norm(blk.ln1)
        for c in ["Q", "K", "V", "O"]:
            W, bias = getattr(blk.attn, "W_" + c), getattr(blk.attn, "b_" + c)
            if w is not None and c != "O":
                bias = bias + torch.stack([b @ W[h] for h in range(len(W))])
                W = torch.stack([torch.diag(w) @ W[h] for h in range(len(W))])
            state[f"blocks.{i}.attn.W_{c}"] = W
            state[f"blocks.{i}.attn.b_{c}"] = bias
        if w is not None:
            state[f"blocks.{i}.ln1.w"], state[f"blocks.{i}.ln1.b"] = torch.ones_like(w), torch.zeros_like(b)
        if m.config.attn_only:
            continue
        w, b = norm(blk.ln2)
        W, bias = blk.mlp.W_in, blk.mlp.b_in
        if w is not None:
            bias = bias + b @ W
            W = torch.diag(w) @ W
            state[f"blocks.{i}.ln2.w"], state[f"blocks.{i}.ln2.b"] = torch.ones_like(w), torch.zeros_like(b)
        state[f"blocks.{i}.mlp.W_in"], state[f"blocks.{i}.mlp.b_in"] = W, bias
        state[f"blocks.{i}.mlp.W_out"], state[f"blocks.{i}.mlp.b_out"] = blk.mlp.W_out, blk.mlp.b_out
    W, bias = m.unembed.W_U, m.unembed.b_U
    w, b = norm(m.ln_final)
    if w is not None:
        bias = bias + b @ W
        W = w[:, None] * W
        state["ln_final.w"], state["ln_final.b"] = torch.ones_like(w), torch.zeros_like(b)
    state["unembed.W_U"], state["unembed.b_U"] = W, bias
    state["embed.W_E"], state["pos_embed.W_pos"] = m.embed.W_E, m.pos_embed.W_pos
    return state
""",
    ],
    "effective_embedding": [
        """
def effective_embedding(model, contexts, chunk=256):
    rows = []
    for t in range(model.config.d_vocab):
        col = torch.full((len(contexts), 1), t)
        rows.append(model(torch.hstack([contexts, col]), stop_at_layer=1)[:, -1].mean(0))
    return torch.stack(rows).detach()
""",
        """
def effective_embedding(model, contexts, chunk=256):
    n, before = contexts.shape
    V = model.config.d_vocab
    out = []
    for lo in range(0, V, chunk):
        toks = torch.arange(lo, min(lo + chunk, V))
        t = torch.cat([einops.repeat(contexts, "c b -> (c t) b", t=len(toks)), toks.repeat(n)[:, None]], 1)
        x = model.embed.W_E[t] + model.pos_embed.W_pos[: before + 1]
        out.append(einops.reduce(model.blocks[0](x)[:, before], "(c t) d -> t d", "mean", c=n))
    return torch.cat(out)
""",
        """
def effective_embedding(model, contexts, chunk=256):
    n = contexts.shape[0]
    V = model.config.d_vocab
    step = max(1, chunk // n)
    res = np.zeros((V, model.config.d_model))
    with torch.inference_mode():
        for s in range(0, V, step):
            ids = list(range(s, min(s + step, V)))
            text = [c + [i] for i in ids for c in contexts.tolist()]
            y = model(torch.tensor(text), stop_at_layer=1)[:, -1, :]
            res[s : s + len(ids)] = y.reshape(len(ids), n, -1).mean(1).numpy()
    return torch.from_numpy(res)
""",
    ],
    "low_rank_product": [
        """
class LowRankProduct:
    def __init__(self, left, right):
        self.left = left
        self.right = right
    def apply(self, vectors):
        return einops.einsum(self.left, einops.einsum(self.right, vectors, "... k c, ... c n -> ... k n"), "... r k, ... k n -> ... r n")
    def compose(self, other):
        mid = self.right @ other.left
        return type(self)(self.left, mid @ other.right)
    def diagonal(self):
        return torch.sum(self.left * torch.transpose(self.right, -1, -2), dim=-1)
    def norm(self):
        return torch.linalg.vector_norm(self.singular_values(), dim=-1)
    def singular_values(self):
        q1, r1 = torch.linalg.qr(self.left)
        q2, r2 = torch.linalg.qr(self.right.swapaxes(-1, -2))
        s = torch.linalg.svd(r1 @ r2.swapaxes(-1, -2), full_matrices=False).S
        return s[..., : min(self.left.shape[-2], self.right.shape[-1], self.left.shape[-1])]
    def largest_in_rows(self, chunk=256):
        flat_l = self.left.reshape(-1, *self.left.shape[-2:])
        flat_r = self.right.reshape(-1, *self.right.shape[-2:])
        out = torch.stack([torch.cat([(l[i : i + chunk] @ r).argmax(1) for i in range(0, len(l), chunk)]) for l, r in zip(flat_l, flat_r)])
        return out.reshape(self.left.shape[:-1])
""",
        """
class LowRankProduct:
    def __init__(self, left, right):
        self.left = left
        self.right = right
    def apply(self, vectors):
        return torch.matmul(self.left, torch.matmul(self.right, vectors))
    def compose(self, other):
        return LowRankProduct(self.left @ (self.right @ other.left), other.right)
    def diagonal(self):
        return torch.stack([(self.left[..., i, :] * self.right[..., :, i]).sum(-1) for i in range(self.left.shape[-2])], -1)
    def norm(self):
        return torch.einsum("...ir,...is,...rs->...", self.left, self.left, self.right @ self.right.mT).sqrt()
    def singular_values(self):
        u, s, v = torch.linalg.svd(self.left, full_matrices=False)
        return torch.linalg.svdvals((s[..., None] * v) @ self.right)
    def largest_in_rows(self, chunk=256):
        return torch.stack([(self.left[..., i, None, :] @ self.right).squeeze(-2).argmax(-1) for i in range(self.left.shape[-2])], -1)
""",
        """
class LowRankProduct:
    def __init__(self, left, right):
        self.left = left
        self.right = right
    def apply(self, vectors):
        x = self.right @ vectors
        return self.left @ x
    def compose(self, other):
        return LowRankProduct(left=self.left, right=(self.right @ other.left) @ other.right)
    def diagonal(self):
        return torch.linalg.vecdot(self.left, self.right.mT)
    def norm(self):
        r = torch.linalg.qr(self.left, mode="r").R
        return torch.linalg.matrix_norm(r @ self.right)
    def singular_values(self):
        r = torch.linalg.qr(self.left, mode="r").R
        return torch.linalg.svdvals(r @ self.right)
    def largest_in_rows(self, chunk=256):
        n = self.left.shape[-2]
        pieces = torch.tensor_split(self.left, max(1, math.ceil(n / chunk)), dim=-2)
        return torch.cat([(p @ self.right).topk(1, dim=-1).indices[..., 0] for p in pieces], -1)
""",
    ],
    "induction_circuit": [
        """
def induction_circuit(model, previous, induction, sources, queries, chunk=256):
    a, b = model.blocks[previous[0]], model.blocks[induction[0]]
    w = (a.ln1(sources) @ a.attn.W_V[previous[1]] + a.attn.b_V[previous[1]]) @ a.attn.W_O[previous[1]]
    if hasattr(b.ln1, "w"):
        w = w - w.mean(1, keepdim=True)
    k = w @ b.attn.W_K[induction[1]]
    q = b.ln1(queries) @ b.attn.W_Q[induction[1]] + b.attn.b_Q[induction[1]]
    s = math.sqrt(k.shape[1])
    rows = [(k @ one).argmax() for one in q]
    return einops.einsum(q, k, "t d, t d -> t") / s, torch.stack(rows)
""",
        """
@torch.no_grad()
def induction_circuit(model, previous, induction, sources, queries, chunk=256):
    (l1, h1), (l2, h2) = previous, induction
    one, two = model.blocks[l1], model.blocks[l2]
    W_K = two.attn.W_K[h2]
    if model.config.layer_norm:
        W_K = W_K - W_K.mean(0)
    v = one.ln1(sources) @ one.attn.W_V[h1] + one.attn.b_V[h1]
    q = (two.ln1(queries) @ two.attn.W_Q[h2] + two.attn.b_Q[h2]) / np.sqrt(W_K.shape[1])
    u = q @ (one.attn.W_O[h1] @ W_K).T
    n = len(u)
    best = torch.empty(n, dtype=torch.long)
    for s in range(0, n, chunk):
        best[s : s + chunk] = torch.max(torch.einsum("ad,bd->ab", u[s : s + chunk], v), dim=1).indices
    return torch.einsum("td,td->t", u, v), best
""",
        """
def induction_circuit(model, previous, induction, sources, queries, chunk=256):
    a, b = model.blocks[previous[0]], model.blocks[induction[0]]
    i, j = previous[1], induction[1]
    w = a.ln1(sources) @ a.attn.W_V[i] @ a.attn.W_O[i] + a.attn.b_V[i] @ a.attn.W_O[i]
    if model.config.layer_norm:
        w = w - w.mean(-1, keepdim=True)
    k = w @ b.attn.W_K[j]
    q = b.ln1(queries) @ b.attn.W_Q[j] + b.attn.b_Q[j]
    diag, best = [], []
    for start in range(0, len(q), chunk):
        rows = q[start : start + chunk] @ k.T / model.config.d_head ** 0.5
        diag.append(rows.diagonal(start))
        best.append(rows.argmax(1))
    return torch.cat(diag), torch.cat(best)
""",
    ],
    "copying_score": [
        """
def copying_score(model, tokens):
    _, cache = model.run_with_cache(tokens, lambda n: n.endswith("hook_v"))
    out = []
    for l, block in enumerate(model.blocks):
        u = torch.einsum("bphd,hdm->bphm", cache[f"blocks.{l}.attn.hook_v"], block.attn.W_O)
        if model.config.layer_norm:
            u = (u - u.mean(-1, keepdim=True)) * model.ln_final.w
        logits = u @ model.unembed.W_U
        own = logits.gather(-1, tokens[:, :, None, None].expand(-1, -1, logits.shape[2], 1)).squeeze(-1)
        out.append(((own - logits.mean(-1)) / logits.std(-1, unbiased=False)).mean((0, 1)))
    return torch.stack(out)
""",
        """
def copying_score(model, tokens):
    _, cache = model.run_with_cache(tokens)
    out = []
    U = model.unembed.W_U
    for l, block in enumerate(model.blocks):
        v = cache[f"blocks.{l}.attn.hook_v"]
        row = []
        for h in range(model.config.n_heads):
            w = v[:, :, h] @ block.attn.W_O[h]
            if model.config.layer_norm:
                w = (w - w.mean(-1, keepdim=True)) * model.ln_final.w
            logits = w @ U
            own = logits.gather(-1, tokens[..., None])[..., 0]
            row.append(((own - logits.mean(-1)) / logits.std(-1, unbiased=False)).mean())
        out.append(torch.stack(row))
    return torch.stack(out)
""",
        """
def copying_score(model, tokens):
    _, cache = model.run_with_cache(tokens)
    out = []
    U = model.unembed.W_U
    for l, block in enumerate(model.blocks):
        v = cache[f"blocks.{l}.attn.hook_v"]
        row = []
        for h in range(model.config.n_heads):
            w = v[:, :, h] @ block.attn.W_O[h]
            if model.config.layer_norm:
                w = F.layer_norm(w, w.shape[-1:], eps=0.0) * model.ln_final.w
            logits = w @ U
            own = logits.gather(-1, tokens[..., None])[..., 0]
            row.append(((own - logits.mean(-1)) / logits.std(-1, unbiased=False)).mean())
        out.append(torch.stack(row))
    return torch.stack(out)
""",
        """
@torch.no_grad()
def copying_score(model, tokens):
    W_U = model.unembed.W_U
    if model.config.layer_norm:
        W_U = model.ln_final.w[:, None] * W_U
        W_U = W_U - W_U.mean(0, keepdim=True)
    _, c = model.run_with_cache(tokens, lambda n: n.endswith("hook_v"))
    scores = np.zeros((model.config.n_layers, model.config.n_heads))
    for l in range(model.config.n_layers):
        OU = torch.einsum("hdm,mv->hdv", model.blocks[l].attn.W_O, W_U)
        for h in range(model.config.n_heads):
            lg = (c[f"blocks.{l}.attn.hook_v"][:, :, h] @ OU[h]).reshape(-1, OU.shape[-1]).numpy()
            z = (lg[np.arange(len(lg)), tokens.flatten().numpy()] - lg.mean(1)) / lg.std(1)
            scores[l, h] = z.mean()
    return torch.from_numpy(scores)
""",
    ],
}

WRONG = {
    "fold_layer_norm": [
        (
            "returns the model",
            """
def fold_layer_norm(model):
    return model
""",
            "it returns a GPT2: return the state, a dict from names to tensors",
        ),
        (
            "folded in place in the model",
            """
def fold_layer_norm(model):
    with torch.no_grad():
        for b in model.blocks:
            if not hasattr(b.ln1, "w"):
                continue
            for W, bias in [(b.attn.W_Q, b.attn.b_Q), (b.attn.W_K, b.attn.b_K), (b.attn.W_V, b.attn.b_V)]:
                bias += b.ln1.b @ W
                W *= b.ln1.w[:, None]
            b.ln1.w.fill_(1); b.ln1.b.fill_(0)
            if not model.config.attn_only:
                b.mlp.b_in += b.ln2.b @ b.mlp.W_in
                b.mlp.W_in *= b.ln2.w[:, None]
                b.ln2.w.fill_(1); b.ln2.b.fill_(0)
        W_U, b_U = model.unembed.W_U.clone(), model.unembed.b_U.clone()
        if model.config.layer_norm:
            b_U += model.ln_final.b @ W_U
            W_U *= model.ln_final.w[:, None]
            model.ln_final.w.fill_(1); model.ln_final.b.fill_(0)
    state = {k: v.clone() for k, v in [*model.named_parameters(), *model.named_buffers()]}
    state["unembed.W_U"], state["unembed.b_U"] = W_U, b_U
    return state
""",
            "The weights of the model itself are changed: detach shares its memory, so clone them",
        ),
    ],
    "effective_embedding": [
        (
            "only W_E",
            """
def effective_embedding(model, contexts, chunk=256):
    return model.embed.W_E.detach()
""",
            "This is the raw embedding: run block 0 on the text, and take the stream behind it",
        ),
        (
            "W_E plus the MLP without attention",
            """
def effective_embedding(model, contexts, chunk=256):
    x = model.embed.W_E
    block = model.blocks[0]
    if model.config.attn_only:
        return x.detach()
    return torch.cat([r + block.mlp(block.ln2(r)) for r in x.split(chunk)]).detach()
""",
            "Only the MLP of block 0 is run, on the token's own embedding: its heads write too, and they see the context",
        ),
        (
            "block 0 on embeddings without positions",
            """
def effective_embedding(model, contexts, chunk=256):
    out = []
    for toks in torch.arange(model.config.d_vocab).split(chunk):
        t = torch.cat([contexts.repeat(len(toks), 1), toks.repeat_interleave(len(contexts))[:, None]], 1)
        x = model.blocks[0](model.embed.W_E[t])[:, -1]
        out.append(x.reshape(len(toks), len(contexts), -1).mean(1))
    return torch.cat(out).detach()
""",
            "Block 0 reads W_E alone: the vectors of the positions are part of the stream, let the model embed the text",
        ),
        (
            "texts in another order than they are unpacked",
            """
def effective_embedding(model, contexts, chunk=256):
    out = []
    for toks in torch.arange(model.config.d_vocab).split(chunk):
        t = torch.cat([contexts.repeat(len(toks), 1), toks.repeat(len(contexts))[:, None]], 1)
        x = model(t, stop_at_layer=1)[:, -1]
        out.append(x.reshape(len(toks), len(contexts), -1).mean(1))
    return torch.cat(out).detach()
""",
            "Contexts and tokens are repeated in the same order, so not each meets each: repeat one as a whole and the other entry by entry",
        ),
        (
            "whole run, cache of block 0",
            """
def effective_embedding(model, contexts, chunk=256):
    out = []
    for toks in torch.arange(model.config.d_vocab).split(chunk):
        t = torch.cat([contexts.repeat(len(toks), 1), toks.repeat_interleave(len(contexts))[:, None]], 1)
        _, cache = model.run_with_cache(t)
        x = cache["blocks.0.hook_resid_post"][:, -1]
        out.append(x.reshape(len(toks), len(contexts), -1).mean(1))
    return torch.cat(out).detach()
""",
            "The model runs on to its logits, which are as many as the vocabulary has tokens: stop it after block 0",
        ),
        (
            "a beginning-of-text put before",
            """
def effective_embedding(model, contexts, chunk=256):
    out = []
    n = len(contexts)
    bos = torch.zeros(n, 1, dtype=torch.long)
    contexts = torch.cat([bos, contexts], 1)
    for toks in torch.arange(model.config.d_vocab).split(chunk):
        t = torch.cat([contexts.repeat(len(toks), 1), toks.repeat_interleave(n)[:, None]], 1)
        x = model(t, stop_at_layer=1)[:, -1]
        out.append(x.reshape(len(toks), n, -1).mean(1))
    return torch.cat(out).detach()
""",
            "A token 0 is put before the contexts: they are whole, so add nothing to them",
        ),
        (
            "normalised afterwards",
            """
def effective_embedding(model, contexts, chunk=256):
    out = []
    n = len(contexts)
    for toks in torch.arange(model.config.d_vocab).split(chunk):
        t = torch.cat([contexts.repeat(len(toks), 1), toks.repeat_interleave(n)[:, None]], 1)
        x = model(t, stop_at_layer=1)[:, -1]
        out.append(model.blocks[1].ln1(x.reshape(len(toks), n, -1).mean(1)))
    return torch.cat(out).detach()
""",
            "The stream was normalised: return it as it is; who reads it normalises it",
        ),
        (
            "what comes into block 1 centred",
            """
def effective_embedding(model, contexts, chunk=256):
    out = []
    n = len(contexts)
    for toks in torch.arange(model.config.d_vocab).split(chunk):
        t = torch.cat([contexts.repeat(len(toks), 1), toks.repeat_interleave(n)[:, None]], 1)
        x = model(t, stop_at_layer=1)[:, -1]
        out.append(x.reshape(len(toks), n, -1).mean(1))
    out = torch.cat(out).detach()
    return out - out.mean(0)
""",
            "The mean over the vocabulary is taken off: return the stream as it is",
        ),
        (
            "contexts in a loop, whole vocabulary each",
            """
def effective_embedding(model, contexts, chunk=256):
    V = model.config.d_vocab
    total = 0
    for c in contexts:
        t = torch.cat([c.repeat(V, 1), torch.arange(V)[:, None]], 1)
        total = total + model(t, stop_at_layer=1)[:, -1].detach()
    return total / len(contexts)
""",
            "tensor of",
        ),
    ],
    "low_rank_product": [
        (
            "apply by one einsum",
            """
class LowRankProduct:
    def __init__(self, left, right):
        self.left = left
        self.right = right
    def apply(self, vectors):
        return torch.einsum("...ir,...rj,...jn->...in", self.left, self.right, vectors)
    def compose(self, other):
        return LowRankProduct(self.left, self.right @ other.left @ other.right)
    def diagonal(self):
        return torch.einsum("...ij,...ji->...i", self.left, self.right)
    def norm(self):
        return ((self.left.mT @ self.left) * (self.right @ self.right.mT)).sum((-1, -2)) ** 0.5
    def singular_values(self):
        a = torch.linalg.qr(self.left).R
        b = torch.linalg.qr(self.right.mT).R
        return torch.linalg.svdvals(a @ b.mT)
    def largest_in_rows(self, chunk=256):
        return torch.cat([(p @ self.right).argmax(-1) for p in self.left.split(chunk, dim=-2)], -1)
""",
            "The whole product is made, rows times columns: let `right` meet the vectors first",
        ),
        (
            "compose keeps only outer factors",
            """
class LowRankProduct:
    def __init__(self, left, right):
        self.left = left
        self.right = right
    def apply(self, vectors):
        return self.left @ (self.right @ vectors)
    def compose(self, other):
        return LowRankProduct(self.left, other.right)
    def diagonal(self):
        return torch.einsum("...ij,...ji->...i", self.left, self.right)
    def norm(self):
        return ((self.left.mT @ self.left) * (self.right @ self.right.mT)).sum((-1, -2)) ** 0.5
    def singular_values(self):
        a = torch.linalg.qr(self.left).R
        b = torch.linalg.qr(self.right.mT).R
        return torch.linalg.svdvals(a @ b.mT)
    def largest_in_rows(self, chunk=256):
        return torch.cat([(p @ self.right).argmax(-1) for p in self.left.split(chunk, dim=-2)], -1)
""",
            "`compose` returns factors of shapes (90, 4) and (3, 80), which are not those of the two",
        ),
        (
            "diagonal first batch axis",
            """
class LowRankProduct:
    def __init__(self, left, right):
        self.left = left
        self.right = right
    def apply(self, vectors):
        return self.left @ (self.right @ vectors)
    def compose(self, other):
        return LowRankProduct(self.left, self.right @ other.left @ other.right)
    def diagonal(self):
        return torch.diagonal(self.left @ self.right)
    def norm(self):
        return ((self.left.mT @ self.left) * (self.right @ self.right.mT)).sum((-1, -2)) ** 0.5
    def singular_values(self):
        a = torch.linalg.qr(self.left).R
        b = torch.linalg.qr(self.right.mT).R
        return torch.linalg.svdvals(a @ b.mT)
    def largest_in_rows(self, chunk=256):
        return torch.cat([(p @ self.right).argmax(-1) for p in self.left.split(chunk, dim=-2)], -1)
""",
            "`diagonal()` takes the first two axes, which may be those of the batch, and the whole product is made for it: sum `left[i] * right[:, i]`",
        ),
        (
            "norm spectral",
            """
class LowRankProduct:
    def __init__(self, left, right):
        self.left = left
        self.right = right
    def apply(self, vectors):
        return self.left @ (self.right @ vectors)
    def compose(self, other):
        return LowRankProduct(self.left, self.right @ other.left @ other.right)
    def diagonal(self):
        return torch.einsum("...ij,...ji->...i", self.left, self.right)
    def norm(self):
        return self.singular_values()[..., 0]
    def singular_values(self):
        a = torch.linalg.qr(self.left).R
        b = torch.linalg.qr(self.right.mT).R
        return torch.linalg.svdvals(a @ b.mT)
    def largest_in_rows(self, chunk=256):
        return torch.cat([(p @ self.right).argmax(-1) for p in self.left.split(chunk, dim=-2)], -1)
""",
            "This is the largest singular value: the Frobenius norm is the root of the sum of all their squares",
        ),
        (
            "svd without transposing R",
            """
class LowRankProduct:
    def __init__(self, left, right):
        self.left = left
        self.right = right
    def apply(self, vectors):
        return self.left @ (self.right @ vectors)
    def compose(self, other):
        return LowRankProduct(self.left, self.right @ other.left @ other.right)
    def diagonal(self):
        return torch.einsum("...ij,...ji->...i", self.left, self.right)
    def norm(self):
        return ((self.left.mT @ self.left) * (self.right @ self.right.mT)).sum((-1, -2)) ** 0.5
    def singular_values(self):
        a = torch.linalg.qr(self.left).R
        b = torch.linalg.qr(self.right.mT).R
        return torch.linalg.svdvals(a @ b)
    def largest_in_rows(self, chunk=256):
        return torch.cat([(p @ self.right).argmax(-1) for p in self.left.split(chunk, dim=-2)], -1)
""",
            "The second triangle is not transposed: with `right.mT = Q T` the small matrix is the first one times `T.mT`",
        ),
        (
            "svd gram eigenvalues symmetric",
            """
class LowRankProduct:
    def __init__(self, left, right):
        self.left = left
        self.right = right
    def apply(self, vectors):
        return self.left @ (self.right @ vectors)
    def compose(self, other):
        return LowRankProduct(self.left, self.right @ other.left @ other.right)
    def diagonal(self):
        return torch.einsum("...ij,...ji->...i", self.left, self.right)
    def norm(self):
        return ((self.left.mT @ self.left) * (self.right @ self.right.mT)).sum((-1, -2)) ** 0.5
    def singular_values(self):
        a = torch.linalg.qr(self.left).R
        b = torch.linalg.qr(self.right.mT).R
        return torch.linalg.eigvalsh(a @ (b.mT @ b) @ a.mT).clamp(min=0).sqrt().flip(-1)
    def largest_in_rows(self, chunk=256):
        return torch.cat([(p @ self.right).argmax(-1) for p in self.left.split(chunk, dim=-2)], -1)
""",
            "Eigenvalues of a product with its own transpose are squares: the root of what rounding leaves of a 0 is 1e-8. Use `svdvals`",
        ),
        (
            "rows all chunk columns",
            """
class LowRankProduct:
    def __init__(self, left, right):
        self.left = left
        self.right = right
    def apply(self, vectors):
        return self.left @ (self.right @ vectors)
    def compose(self, other):
        return LowRankProduct(self.left, self.right @ other.left @ other.right)
    def diagonal(self):
        return torch.einsum("...ij,...ji->...i", self.left, self.right)
    def norm(self):
        return ((self.left.mT @ self.left) * (self.right @ self.right.mT)).sum((-1, -2)) ** 0.5
    def singular_values(self):
        a = torch.linalg.qr(self.left).R
        b = torch.linalg.qr(self.right.mT).R
        return torch.linalg.svdvals(a @ b.mT)
    def largest_in_rows(self, chunk=256):
        return torch.cat([(self.left @ p).argmax(-1) for p in self.right.split(chunk, dim=-1)], -1)
""",
            "The columns are cut into pieces: the largest entry of a row may stand in any, so cut the rows",
        ),
        (
            "rows values",
            """
class LowRankProduct:
    def __init__(self, left, right):
        self.left = left
        self.right = right
    def apply(self, vectors):
        return self.left @ (self.right @ vectors)
    def compose(self, other):
        return LowRankProduct(self.left, self.right @ other.left @ other.right)
    def diagonal(self):
        return torch.einsum("...ij,...ji->...i", self.left, self.right)
    def norm(self):
        return ((self.left.mT @ self.left) * (self.right @ self.right.mT)).sum((-1, -2)) ** 0.5
    def singular_values(self):
        a = torch.linalg.qr(self.left).R
        b = torch.linalg.qr(self.right.mT).R
        return torch.linalg.svdvals(a @ b.mT)
    def largest_in_rows(self, chunk=256):
        return torch.cat([(p @ self.right).amax(-1) for p in self.left.split(chunk, dim=-2)], -1)
""",
            "`largest in rows` is float64, expected int64",
        ),
    ],
    "induction_circuit": [
        (
            "centred over tokens",
            """
def induction_circuit(model, previous, induction, sources, queries, chunk=256):
    a, b = model.blocks[previous[0]], model.blocks[induction[0]]
    i, j = previous[1], induction[1]
    w = (a.ln1(sources) @ a.attn.W_V[i] + a.attn.b_V[i]) @ a.attn.W_O[i]
    if model.config.layer_norm:
        w = w - w.mean(0, keepdim=True)
    k = w @ b.attn.W_K[j]
    q = b.ln1(queries) @ b.attn.W_Q[j] + b.attn.b_Q[j]
    q = q / math.sqrt(model.config.d_head)
    best = torch.cat([(part @ k.T).argmax(-1) for part in q.split(chunk)])
    return (q * k).sum(-1), best
""",
            "The mean is taken over the tokens: the norm takes it over d_model, the last axis",
        ),
        (
            "one embedding for both",
            """
def induction_circuit(model, previous, induction, sources, queries, chunk=256):
    a, b = model.blocks[previous[0]], model.blocks[induction[0]]
    i, j = previous[1], induction[1]
    w = (a.ln1(sources) @ a.attn.W_V[i] + a.attn.b_V[i]) @ a.attn.W_O[i]
    if model.config.layer_norm:
        w = w - w.mean(-1, keepdim=True)
    k = w @ b.attn.W_K[j]
    q = b.ln1(sources) @ b.attn.W_Q[j] + b.attn.b_Q[j]
    q = q / math.sqrt(model.config.d_head)
    best = torch.cat([(part @ k.T).argmax(-1) for part in q.split(chunk)])
    return (q * k).sum(-1), best
""",
            "The queries are made of `sources`: the later head reads `queries`, which block 0 has rewritten",
        ),
        (
            "V in place of K",
            """
def induction_circuit(model, previous, induction, sources, queries, chunk=256):
    a, b = model.blocks[previous[0]], model.blocks[induction[0]]
    i, j = previous[1], induction[1]
    w = (a.ln1(sources) @ a.attn.W_V[i] + a.attn.b_V[i]) @ a.attn.W_O[i]
    if model.config.layer_norm:
        w = w - w.mean(-1, keepdim=True)
    k = w @ b.attn.W_V[j]
    q = b.ln1(queries) @ b.attn.W_Q[j] + b.attn.b_Q[j]
    q = q / math.sqrt(model.config.d_head)
    best = torch.cat([(part @ k.T).argmax(-1) for part in q.split(chunk)])
    return (q * k).sum(-1), best
""",
            "The trace is read with the later head's values: it is a key that it should become, through W_K",
        ),
        (
            "abs",
            """
def induction_circuit(model, previous, induction, sources, queries, chunk=256):
    a, b = model.blocks[previous[0]], model.blocks[induction[0]]
    i, j = previous[1], induction[1]
    w = (a.ln1(sources) @ a.attn.W_V[i] + a.attn.b_V[i]) @ a.attn.W_O[i]
    if model.config.layer_norm:
        w = w - w.mean(-1, keepdim=True)
    k = w @ b.attn.W_K[j]
    q = b.ln1(queries) @ b.attn.W_Q[j] + b.attn.b_Q[j]
    q = q / math.sqrt(model.config.d_head)
    best = torch.cat([(part @ k.T).abs().argmax(-1) for part in q.split(chunk)])
    return (q * k).sum(-1), best
""",
            "This finds the entry that is largest in size: a large negative score is never looked at",
        ),
        (
            "argmax index within the chunk over columns",
            """
def induction_circuit(model, previous, induction, sources, queries, chunk=256):
    a, b = model.blocks[previous[0]], model.blocks[induction[0]]
    i, j = previous[1], induction[1]
    w = (a.ln1(sources) @ a.attn.W_V[i] + a.attn.b_V[i]) @ a.attn.W_O[i]
    if model.config.layer_norm:
        w = w - w.mean(-1, keepdim=True)
    k = w @ b.attn.W_K[j]
    q = b.ln1(queries) @ b.attn.W_Q[j] + b.attn.b_Q[j]
    q = q / math.sqrt(model.config.d_head)
    best = torch.cat([(part @ k[s * chunk : (s + 1) * chunk].T).argmax(-1) + s * chunk for s, part in enumerate(q.split(chunk))])
    return (q * k).sum(-1), best
""",
            "The columns are cut like the rows: each row has to be compared with the keys of all tokens",
        ),
        (
            "the square",
            """
def induction_circuit(model, previous, induction, sources, queries, chunk=256):
    a, b = model.blocks[previous[0]], model.blocks[induction[0]]
    i, j = previous[1], induction[1]
    w = (a.ln1(sources) @ a.attn.W_V[i] + a.attn.b_V[i]) @ a.attn.W_O[i]
    if model.config.layer_norm:
        w = w - w.mean(-1, keepdim=True)
    k = w @ b.attn.W_K[j]
    q = b.ln1(queries) @ b.attn.W_Q[j] + b.attn.b_Q[j]
    q = q / math.sqrt(model.config.d_head)
    M = q @ k.T
    return M.diagonal(), M.argmax(1)
""",
            "The whole match matrix is made: take `chunk` rows at a time",
        ),
        (
            "written normalised",
            """
def induction_circuit(model, previous, induction, sources, queries, chunk=256):
    a, b = model.blocks[previous[0]], model.blocks[induction[0]]
    i, j = previous[1], induction[1]
    w = (a.ln1(sources) @ a.attn.W_V[i] + a.attn.b_V[i]) @ a.attn.W_O[i]
    if model.config.layer_norm:
        w = b.ln1(w)
    k = w @ b.attn.W_K[j]
    q = b.ln1(queries) @ b.attn.W_Q[j] + b.attn.b_Q[j]
    q = q / math.sqrt(model.config.d_head)
    best = torch.cat([(part @ k.T).argmax(-1) for part in q.split(chunk)])
    return (q * k).sum(-1), best
""",
            "What is written is divided by its own spread: the norm divides by the whole stream's, so only centre it",
        ),
        (
            "inputs swapped",
            """
def induction_circuit(model, previous, induction, sources, queries, chunk=256):
    a, b = model.blocks[previous[0]], model.blocks[induction[0]]
    i, j = previous[1], induction[1]
    w = (a.ln1(queries) @ a.attn.W_V[i] + a.attn.b_V[i]) @ a.attn.W_O[i]
    if model.config.layer_norm:
        w = w - w.mean(-1, keepdim=True)
    k = w @ b.attn.W_K[j]
    q = b.ln1(sources) @ b.attn.W_Q[j] + b.attn.b_Q[j]
    q = q / math.sqrt(model.config.d_head)
    best = torch.cat([(part @ k.T).argmax(-1) for part in q.split(chunk)])
    return (q * k).sum(-1), best
""",
            "`sources` and `queries` change places: the earlier head reads `sources`",
        ),
        (
            "only the diagonal",
            """
def induction_circuit(model, previous, induction, sources, queries, chunk=256):
    a, b = model.blocks[previous[0]], model.blocks[induction[0]]
    i, j = previous[1], induction[1]
    w = (a.ln1(sources) @ a.attn.W_V[i] + a.attn.b_V[i]) @ a.attn.W_O[i]
    if model.config.layer_norm:
        w = w - w.mean(-1, keepdim=True)
    k = w @ b.attn.W_K[j]
    q = b.ln1(queries) @ b.attn.W_Q[j] + b.attn.b_Q[j]
    q = q / math.sqrt(model.config.d_head)
    best = torch.cat([(part @ k.T).argmax(-1) for part in q.split(chunk)])
    return (q * k).sum(-1)
""",
            "it returns a Tensor: return the diagonal and the best columns, a pair",
        ),
    ],
    "copying_score": [
        (
            "with the norm's shift",
            """
def copying_score(model, tokens):
    _, cache = model.run_with_cache(tokens, lambda n: n.endswith("hook_v"))
    out = []
    for l, block in enumerate(model.blocks):
        u = torch.einsum("bphd,hdm->bphm", cache[f"blocks.{l}.attn.hook_v"], block.attn.W_O)
        if model.config.layer_norm:
            u = (u - u.mean(-1, keepdim=True)) * model.ln_final.w + model.ln_final.b
        logits = u @ model.unembed.W_U
        own = logits.gather(-1, tokens[:, :, None, None].expand(-1, -1, logits.shape[2], 1)).squeeze(-1)
        out.append(((own - logits.mean(-1)) / logits.std(-1, unbiased=False)).mean((0, 1)))
    return torch.stack(out)
""",
            "belong to no head",
        ),
        (
            "log-probabilities",
            """
def copying_score(model, tokens):
    _, cache = model.run_with_cache(tokens, lambda n: n.endswith("hook_v"))
    out = []
    for l, block in enumerate(model.blocks):
        u = torch.einsum("bphd,hdm->bphm", cache[f"blocks.{l}.attn.hook_v"], block.attn.W_O)
        if model.config.layer_norm:
            u = (u - u.mean(-1, keepdim=True)) * model.ln_final.w
        logits = u @ model.unembed.W_U
        own = logits.gather(-1, tokens[:, :, None, None].expand(-1, -1, logits.shape[2], 1)).squeeze(-1)
        out.append((own - logits.logsumexp(-1)).mean((0, 1)))
    return torch.stack(out)
""",
            "log-probabilities",
        ),
        (
            "unbiased",
            """
def copying_score(model, tokens):
    _, cache = model.run_with_cache(tokens)
    out = []
    U = model.unembed.W_U
    for l, block in enumerate(model.blocks):
        v = cache[f"blocks.{l}.attn.hook_v"]
        row = []
        for h in range(model.config.n_heads):
            w = v[:, :, h] @ block.attn.W_O[h]
            if model.config.layer_norm:
                w = (w - w.mean(-1, keepdim=True)) * model.ln_final.w
            logits = w @ U
            own = logits.gather(-1, tokens[..., None])[..., 0]
            row.append(((own - logits.mean(-1)) / logits.std(-1, unbiased=True)).mean())
        out.append(torch.stack(row))
    return torch.stack(out)
""",
            "The spread divides by n - 1: the vocabulary is no sample of another one, so divide by n",
        ),
        (
            "what is written in the text",
            """
def copying_score(model, tokens):
    _, cache = model.run_with_cache(tokens)
    out = []
    U = model.unembed.W_U
    for l, block in enumerate(model.blocks):
        v = cache[f"blocks.{l}.attn.hook_z"]
        row = []
        for h in range(model.config.n_heads):
            w = v[:, :, h] @ block.attn.W_O[h]
            if model.config.layer_norm:
                w = (w - w.mean(-1, keepdim=True)) * model.ln_final.w
            logits = w @ U
            own = logits.gather(-1, tokens[..., None])[..., 0]
            row.append(((own - logits.mean(-1)) / logits.std(-1, unbiased=False)).mean())
        out.append(torch.stack(row))
    return torch.stack(out)
""",
            "hook_z is a mixture of what the head attends to in this text: take hook_v, what each position would give alone",
        ),
    ],
}


@pytest.mark.parametrize(("name", "text"), answers(RIGHT))
def test_a_right_answer_passes_however_it_is_written(grader, name, text):
    assert_passed(grade(grader, f"induction.{name}", text))


@pytest.mark.parametrize(("name", "text", "said"), answers(WRONG))
def test_a_wrong_answer_is_rejected_and_told_why(grader, name, text, said):
    assert_rejected(grade(grader, f"induction.{name}", text), said)

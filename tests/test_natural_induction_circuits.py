"""Answers about circuits in the weights as people write them, right and wrong, that no checker was made from."""

# ruff: noqa: E501 (the lines are as long as people write them)

import pytest

from headwork.tests.natural import answers, assert_passed, assert_rejected, grade

RIGHT = {
    "ov_circuit": [
        """
def ov_circuit(model, layer, sources):
    b = model.blocks[layer]
    L, R = [], []
    for h in range(model.config.n_heads):
        L.append(F.linear(b.ln1(sources), b.attn.W_V[h].T, b.attn.b_V[h]))
        o = b.attn.W_O[h]
        if hasattr(b.ln1, "w"):
            o = o - o.mean(dim=1)[:, None]
        R.append(torch.mm(o, model.unembed.W_U))
    return torch.stack(L).detach(), torch.stack(R).detach()
""",
        """
def ov_circuit(model, layer, sources):
    attn = model.blocks[layer].attn
    U = model.unembed.W_U
    if model.config.layer_norm:
        U = U - U.mean(0)
    left = einops.einsum(model.blocks[layer].ln1(sources), attn.W_V, "t m, h m d -> h t d")
    left = left + einops.rearrange(attn.b_V, "h d -> h 1 d")
    return [left, einops.einsum(attn.W_O, U, "h d m, m v -> h d v")]
""",
        """
def ov_circuit(model, layer, sources):
    attn = model.blocks[layer].attn
    W_O = attn.W_O - attn.W_O.mean(2, keepdim=True) if model.config.layer_norm else attn.W_O
    left = model.blocks[layer].ln1(sources[None]) @ attn.W_V + attn.b_V.unsqueeze(-2)
    R = W_O @ model.unembed.W_U
    q, r = torch.linalg.qr(R.mT)
    return left @ r.mT, q.mT
""",
    ],
    "qk_circuit": [
        """
def qk_circuit(model, layer, queries, keys):
    block = model.blocks[layer]
    a = block.attn
    q = block.ln1(queries) @ a.W_Q + a.b_Q[:, None]
    k = block.ln1(keys) @ a.W_K + a.b_K[:, None]
    return q, k.transpose(-1, -2) * (q.size(-1) ** -0.5)
""",
        """
def qk_circuit(model, layer, queries, keys):
    a = model.blocks[layer].attn
    qs, ks = [], []
    for h in range(a.W_Q.shape[0]):
        qs.append((model.blocks[layer].ln1(queries) @ a.W_Q[h] + a.b_Q[h]) / np.sqrt(a.W_Q.shape[2]))
        ks.append((model.blocks[layer].ln1(keys) @ a.W_K[h] + a.b_K[h]).T)
    return torch.stack(qs), torch.stack(ks)
""",
        """
def qk_circuit(model, layer, queries, keys):
    b = model.blocks[layer]
    with torch.no_grad():
        q = einops.einsum(b.ln1(queries), b.attn.W_Q, "t m, h m d -> h t d") + einops.rearrange(b.attn.b_Q, "h d -> h 1 d")
        k = einops.einsum(b.ln1(keys), b.attn.W_K, "t m, h m d -> h d t") + einops.rearrange(b.attn.b_K, "h d -> h d 1")
    return q / q.shape[-1] ** 0.5, k
""",
    ],
    "positional_qk": [
        """
def positional_qk(model, layer, positions):
    name = f"blocks.{layer}.attn.hook_pattern"
    _, cache = model.run_with_cache(positions[None], [name], start_at_layer=layer, stop_at_layer=layer + 1)
    return cache[name][0]
""",
        """
def positional_qk(model, layer, positions):
    a = model.blocks[layer].attn
    x = model.blocks[layer].ln1(positions)
    out = torch.zeros(model.config.n_heads, len(x), len(x), dtype=x.dtype)
    for h in range(model.config.n_heads):
        for i in range(len(x)):
            q = x[i] @ a.W_Q[h] + a.b_Q[h]
            e = torch.exp((x[: i + 1] @ a.W_K[h] @ q) / a.W_K.shape[-1] ** 0.5)
            out[h, i, : i + 1] = e / e.sum()
    return out
""",
        """
def positional_qk(model, layer, positions):
    block = model.blocks[layer]
    x = block.ln1(positions)
    q = x @ block.attn.W_Q + block.attn.b_Q[:, None]
    k = x @ block.attn.W_K + block.attn.b_K[:, None]
    s = q @ k.mT / math.sqrt(model.config.d_head)
    n = len(positions)
    mask = torch.tril(torch.ones(n, n)).bool()
    s = s + (~mask) * -1e9
    return torch.softmax(s, -1)
""",
    ],
    "virtual_head": [
        """
def virtual_head(model, earlier, later, earlier_pattern, later_pattern):
    a, b = model.blocks[earlier[0]].attn, model.blocks[later[0]].attn
    W_O = a.W_O[earlier[1]]
    if model.config.layer_norm:
        W_O = W_O - W_O.mean(-1, keepdim=True)
    return later_pattern @ earlier_pattern, a.W_V[earlier[1]], (W_O @ b.W_V[later[1]]) @ b.W_O[later[1]]
""",
        """
def virtual_head(model, earlier, later, earlier_pattern, later_pattern):
    (l1, h1), (l2, h2) = earlier, later
    o = model.blocks[l1].attn.W_O[h1]
    if model.blocks[l2].ln1.__class__.__name__ != "Identity":
        o = o - o.mean(1, keepdim=True)
    mid = torch.einsum("dm,me->de", o, model.blocks[l2].attn.W_V[h2])
    left = torch.einsum("md,de->me", model.blocks[l1].attn.W_V[h1], mid)
    return torch.bmm(later_pattern, earlier_pattern), left, model.blocks[l2].attn.W_O[h2].clone()
""",
        """
@torch.no_grad()
def virtual_head(model, earlier, later, earlier_pattern, later_pattern):
    l1, h1 = earlier
    l2, h2 = later
    pattern = torch.stack([p2 @ p1 for p1, p2 in zip(earlier_pattern, later_pattern)])
    V2 = model.blocks[l2].attn.W_V[h2]
    if model.config.layer_norm:
        V2 = V2 - V2.mean(0, keepdim=True)
    left = model.blocks[l1].attn.W_V[h1] @ (model.blocks[l1].attn.W_O[h1] @ V2)
    return [pattern, left, model.blocks[l2].attn.W_O[h2]]
""",
    ],
    "path_decomposition": [
        """
def path_decomposition(model, tokens):
    _, cache = model.run_with_cache(tokens, lambda n: n.endswith("pattern"))
    out = {}
    def go(layer, path, x):
        if layer == model.config.n_layers:
            out[path] = model.unembed(x)
            return
        go(layer + 1, path, x)
        a = model.blocks[layer].attn
        for h in range(model.config.n_heads):
            go(layer + 1, (*path, (layer, h)), cache[f"blocks.{layer}.attn.hook_pattern"][:, h] @ (x @ a.W_V[h]) @ a.W_O[h])
    go(0, (), model.embed(tokens) + model.pos_embed(tokens))
    return out
""",
        """
def path_decomposition(model, tokens):
    with torch.no_grad():
        c = model.run_with_cache(tokens)[1]
        L, H = model.config.n_layers, model.config.n_heads
        found = {}
        for choice in itertools.product(range(-1, H), repeat=L):
            x = c["blocks.0.hook_resid_pre"]
            for l, h in enumerate(choice):
                if h >= 0:
                    x = torch.einsum("bqk,bkm,md,dn->bqn", c[f"blocks.{l}.attn.hook_pattern"][:, h], x, model.blocks[l].attn.W_V[h], model.blocks[l].attn.W_O[h])
            found[tuple((l, h) for l, h in enumerate(choice) if h >= 0)] = x @ model.unembed.W_U
    return found
""",
        """
def path_decomposition(model, tokens):
    x = model.embed.W_E[tokens] + model.pos_embed.W_pos[: tokens.shape[1]]
    paths = {(): x}
    n = tokens.shape[1]
    for l, block in enumerate(model.blocks):
        a = block.attn
        s = torch.einsum("bqm,hmd,bkm,hnd->bhqk", x, a.W_Q, x, a.W_K) if False else torch.einsum("bqm,hmd->bhqd", x, a.W_Q) @ torch.einsum("bkm,hmd->bhdk", x, a.W_K)
        p = (s / a.W_Q.shape[-1] ** 0.5).masked_fill(torch.ones(n, n).triu(1).bool(), -1e30).softmax(-1)
        for path in list(paths):
            for h in range(len(a.W_V)):
                paths[path + ((l, h),)] = p[:, h] @ paths[path] @ (a.W_V[h] @ a.W_O[h])
        x = sum(paths.values())
    return {k: v @ model.unembed.W_U for k, v in paths.items()}
""",
    ],
    "composition_scores": [
        """
def composition_scores(model, kind):
    L, H = model.config.n_layers, model.config.n_heads
    def O(l, h):
        W = model.blocks[l].attn.W_O[h]
        return W - W.mean(-1, keepdim=True) if model.config.layer_norm else W
    def writes(l, h):
        return model.blocks[l].attn.W_V[h] @ O(l, h)
    def reads(l, h):
        a = model.blocks[l].attn
        if kind == "Q":
            return a.W_Q[h] @ a.W_K[h].T
        if kind == "K":
            return a.W_K[h] @ a.W_Q[h].T
        return a.W_V[h] @ O(l, h)
    scores = torch.zeros(L, H, L, H, dtype=model.embed.W_E.dtype)
    pairs = []
    for a, h in itertools.product(range(L), range(H)):
        for b, g in itertools.product(range(a + 1, L), range(H)):
            W, M = writes(a, h), reads(b, g)
            scores[a, h, b, g] = (W @ M).norm() / W.norm() / M.norm()
            pairs.append((a, h, b, g))
    ranks = torch.zeros(L, H, L, H, dtype=torch.long)
    pairs.sort(key=lambda p: scores[p].item(), reverse=True)
    for i, p in enumerate(pairs):
        ranks[p] = i + 1
    return scores, ranks
""",
        """
@torch.no_grad()
def composition_scores(model, kind):
    st = lambda n: torch.stack([getattr(b.attn, n) for b in model.blocks])
    Q, K, V, O = map(st, ["W_Q", "W_K", "W_V", "W_O"])
    if model.config.layer_norm:
        O = O - O.mean(-1, keepdim=True)
    W = V @ O
    M = {"Q": Q @ K.mT, "K": K @ Q.mT, "V": W}[kind]
    L, H = W.shape[:2]
    prod = torch.einsum("ahij,bgjk->ahbgik", W, M)
    fro = torch.linalg.matrix_norm
    s = fro(prod) / fro(W)[:, :, None, None] / fro(M)
    ok = (torch.arange(L)[:, None, None, None] < torch.arange(L)[None, None, :, None]).expand(L, H, L, H)
    s = s * ok
    r = (s[ok][:, None] < s[ok]).sum(1) + 1
    ranks = torch.zeros(L, H, L, H, dtype=torch.int32)
    ranks[ok] = r.int()
    return s, ranks
""",
        """
def composition_scores(model, kind):
    L, H = model.config.n_layers, model.config.n_heads
    cen = lambda W: W - W.mean(-1, keepdim=True) if model.config.layer_norm else W
    s = torch.zeros((L, H, L, H)).double()
    for i in range(L):
        for j in range(i + 1, L):
            a, b = model.blocks[i].attn, model.blocks[j].attn
            A, B = a.W_V, cen(a.W_O)
            C, D = {"Q": (b.W_Q, b.W_K.mT), "K": (b.W_K, b.W_Q.mT), "V": (b.W_V, cen(b.W_O))}[kind]
            for h in range(H):
                top = torch.linalg.matrix_norm(A[h] @ (B[h] @ C) @ D)
                s[i, h, j] = top / torch.linalg.matrix_norm(A[h] @ B[h]) / torch.linalg.matrix_norm(C @ D)
    x = s.detach().numpy()
    r = np.zeros(x.shape, dtype=int)
    idx = np.argsort(-x, axis=None)
    n = int((x > 0).sum())
    r.flat[idx[:n]] = np.arange(1, n + 1)
    return s.detach(), torch.tensor(r)
""",
    ],
}

WRONG = {
    "ov_circuit": [
        (
            "centred over d_head",
            """
def ov_circuit(model, layer, sources):
    block = model.blocks[layer]
    x = block.ln1(sources)
    v = torch.einsum("tm,hmd->htd", x, block.attn.W_V) + block.attn.b_V[:, None, :]
    W_O = block.attn.W_O
    if model.config.layer_norm:
        W_O = W_O - W_O.mean(-2, keepdim=True)
    return v, W_O @ model.unembed.W_U
""",
            "The mean of W_O is taken over d_head: the final norm takes the mean over d_model, the last axis",
        ),
        (
            "unembedding centred over the vocabulary",
            """
def ov_circuit(model, layer, sources):
    block = model.blocks[layer]
    x = block.ln1(sources)
    v = torch.einsum("tm,hmd->htd", x, block.attn.W_V) + block.attn.b_V[:, None, :]
    W_O = block.attn.W_O
    return v, W_O @ (model.unembed.W_U - model.unembed.W_U.mean(-1, keepdim=True))
""",
            "The unembedding is centred over the vocabulary, what is written is not: it is W_O whose rows, over d_model, lose their mean in the final norm",
        ),
        (
            "both centred",
            """
def ov_circuit(model, layer, sources):
    block = model.blocks[layer]
    x = block.ln1(sources)
    v = torch.einsum("tm,hmd->htd", x, block.attn.W_V) + block.attn.b_V[:, None, :]
    W_O = block.attn.W_O
    if model.config.layer_norm:
        W_O = W_O - W_O.mean(-1, keepdim=True)
    return v, W_O @ (model.unembed.W_U - model.unembed.W_U.mean(-1, keepdim=True))
""",
            "The mean over the vocabulary is taken off the logits: centre W_O alone",
        ),
        (
            "final norm applied to W_O",
            """
def ov_circuit(model, layer, sources):
    block = model.blocks[layer]
    x = block.ln1(sources)
    v = torch.einsum("tm,hmd->htd", x, block.attn.W_V) + block.attn.b_V[:, None, :]
    W_O = block.attn.W_O
    W_O = model.ln_final(W_O)
    return v, W_O @ model.unembed.W_U
""",
            "Each row of W_O is divided by its own spread: the norm divides by the whole stream's, so only centre it",
        ),
        (
            "model.unembed called",
            """
def ov_circuit(model, layer, sources):
    block = model.blocks[layer]
    x = block.ln1(sources)
    v = torch.einsum("tm,hmd->htd", x, block.attn.W_V) + block.attn.b_V[:, None, :]
    W_O = block.attn.W_O
    if model.config.layer_norm:
        W_O = W_O - W_O.mean(-1, keepdim=True)
    return v, model.unembed(W_O)
""",
            "The unembedding's bias is no part of what a head adds",
        ),
        (
            "with b_O",
            """
def ov_circuit(model, layer, sources):
    block = model.blocks[layer]
    x = block.ln1(sources)
    v = torch.einsum("tm,hmd->htd", x, block.attn.W_V) + block.attn.b_V[:, None, :]
    W_O = block.attn.W_O
    if model.config.layer_norm:
        W_O = W_O - W_O.mean(-1, keepdim=True)
    return v, (W_O + block.attn.b_O) @ model.unembed.W_U
""",
            "b_O is added: it belongs to the layer, not to a head",
        ),
        (
            "wide factors",
            """
def ov_circuit(model, layer, sources):
    block = model.blocks[layer]
    x = block.ln1(sources)
    v = torch.einsum("tm,hmd->htd", x, block.attn.W_V) + block.attn.b_V[:, None, :]
    W_O = block.attn.W_O
    if model.config.layer_norm:
        W_O = W_O - W_O.mean(-1, keepdim=True)
    return v @ W_O, model.unembed.W_U.expand(len(W_O), -1, -1)
""",
            "The factors are as wide as the stream: multiply W_O with the unembedding, and d_head is between them",
        ),
        (
            "token before head",
            """
def ov_circuit(model, layer, sources):
    block = model.blocks[layer]
    x = block.ln1(sources)
    v = torch.einsum("tm,hmd->htd", x, block.attn.W_V) + block.attn.b_V[:, None, :]
    W_O = block.attn.W_O
    if model.config.layer_norm:
        W_O = W_O - W_O.mean(-1, keepdim=True)
    return v.transpose(0, 1), W_O @ model.unembed.W_U
""",
            "the factors have shapes (17, 3, 4) and (3, 4, 13): they should be (head, row, d_head) and (head, d_head, column)",
        ),
        (
            "product returned",
            """
def ov_circuit(model, layer, sources):
    block = model.blocks[layer]
    x = block.ln1(sources)
    v = torch.einsum("tm,hmd->htd", x, block.attn.W_V) + block.attn.b_V[:, None, :]
    W_O = block.attn.W_O
    if model.config.layer_norm:
        W_O = W_O - W_O.mean(-1, keepdim=True)
    return v @ W_O @ model.unembed.W_U
""",
            "it returns no pair of tensors: return the two factors",
        ),
    ],
    "qk_circuit": [
        (
            "scale twice",
            """
def qk_circuit(model, layer, queries, keys):
    block = model.blocks[layer]
    a = block.attn
    q = block.ln1(queries) @ a.W_Q + a.b_Q[:, None]
    k = block.ln1(keys) @ a.W_K + a.b_K[:, None]
    return q / math.sqrt(model.config.d_head), k.transpose(1, 2) / math.sqrt(model.config.d_head)
""",
            "The scale is not the root of d_head: divide one of the two sides by it, once",
        ),
        (
            "divided by d_head",
            """
def qk_circuit(model, layer, queries, keys):
    block = model.blocks[layer]
    a = block.attn
    q = block.ln1(queries) @ a.W_Q + a.b_Q[:, None]
    k = block.ln1(keys) @ a.W_K + a.b_K[:, None]
    return q / model.config.d_head, k.transpose(1, 2)
""",
            "The scale is not the root of d_head: divide one of the two sides by it, once",
        ),
        (
            "biases swapped",
            """
def qk_circuit(model, layer, queries, keys):
    block = model.blocks[layer]
    a = block.attn
    q = block.ln1(queries) @ a.W_Q + a.b_K[:, None]
    k = block.ln1(keys) @ a.W_K + a.b_Q[:, None]
    return q / math.sqrt(model.config.d_head), k.transpose(1, 2)
""",
            "The biases change places: queries have b_Q and keys have b_K",
        ),
        (
            "softmax of the product",
            """
def qk_circuit(model, layer, queries, keys):
    block = model.blocks[layer]
    a = block.attn
    q = block.ln1(queries) @ a.W_Q + a.b_Q[:, None]
    k = block.ln1(keys) @ a.W_K + a.b_K[:, None]
    s = (q @ k.transpose(1, 2) / math.sqrt(model.config.d_head)).softmax(-1)
    return s, torch.eye(s.shape[-1]).to(s).expand(len(s), -1, -1)
""",
            "These are weights after a softmax: the circuit holds the scores, and tokens are no positions of a text",
        ),
        (
            "wide factors",
            """
def qk_circuit(model, layer, queries, keys):
    block = model.blocks[layer]
    a = block.attn
    q = block.ln1(queries) @ a.W_Q + a.b_Q[:, None]
    k = block.ln1(keys) @ a.W_K + a.b_K[:, None]
    return q @ a.W_K.mT / math.sqrt(model.config.d_head), block.ln1(keys).T.expand(len(q), -1, -1)
""",
            "The factors are as wide as the stream, and b_K is lost: make the keys, which are only d_head wide",
        ),
        (
            "both from queries",
            """
def qk_circuit(model, layer, queries, keys):
    block = model.blocks[layer]
    a = block.attn
    q = block.ln1(queries) @ a.W_Q + a.b_Q[:, None]
    k = block.ln1(queries) @ a.W_K + a.b_K[:, None]
    return q / math.sqrt(model.config.d_head), k.transpose(1, 2)
""",
            "`sizes of rows, columns`[1][1] is 17, expected 8",
        ),
        (
            "not transposed",
            """
def qk_circuit(model, layer, queries, keys):
    block = model.blocks[layer]
    a = block.attn
    q = block.ln1(queries) @ a.W_Q + a.b_Q[:, None]
    k = block.ln1(keys) @ a.W_K + a.b_K[:, None]
    return q / math.sqrt(model.config.d_head), k
""",
            "the factors have shapes (3, 17, 4) and (3, 8, 4): they should be (head, row, d_head) and (head, d_head, column)",
        ),
        (
            "no norms",
            """
def qk_circuit(model, layer, queries, keys):
    block = model.blocks[layer]
    a = block.attn
    q = queries @ a.W_Q + a.b_Q[:, None]
    k = keys @ a.W_K + a.b_K[:, None]
    return q / math.sqrt(model.config.d_head), k.transpose(1, 2)
""",
            "The queries are made of the stream as it is: the heads read through ln1",
        ),
    ],
    "positional_qk": [
        (
            "position vectors added again",
            """
def positional_qk(model, layer, positions):
    block = model.blocks[layer]
    x = block.ln1(positions + model.pos_embed.W_pos[: len(positions)])
    q = x @ block.attn.W_Q + block.attn.b_Q[:, None]
    k = x @ block.attn.W_K + block.attn.b_K[:, None]
    s = q @ k.mT / math.sqrt(model.config.d_head)
    n = len(positions)
    mask = torch.tril(torch.ones(n, n)).bool()
    s = torch.where(mask, s, float("-inf"))
    return torch.softmax(s, -1)
""",
            "The positions' vectors are added: `positions` is the stream, and holds them already",
        ),
        (
            "mask set to zero",
            """
def positional_qk(model, layer, positions):
    block = model.blocks[layer]
    x = block.ln1(positions)
    q = x @ block.attn.W_Q + block.attn.b_Q[:, None]
    k = x @ block.attn.W_K + block.attn.b_K[:, None]
    s = q @ k.mT / math.sqrt(model.config.d_head)
    n = len(positions)
    mask = torch.tril(torch.ones(n, n)).bool()
    s = torch.where(mask, s, 0.0)
    return torch.softmax(s, -1)
""",
            "Masked scores are set to 0, which still has weight after the softmax: use minus infinity",
        ),
        (
            "mask upside down",
            """
def positional_qk(model, layer, positions):
    block = model.blocks[layer]
    x = block.ln1(positions)
    q = x @ block.attn.W_Q + block.attn.b_Q[:, None]
    k = x @ block.attn.W_K + block.attn.b_K[:, None]
    s = q @ k.mT / math.sqrt(model.config.d_head)
    n = len(positions)
    mask = torch.triu(torch.ones(n, n)).bool()
    s = torch.where(mask, s, float("-inf"))
    return torch.softmax(s, -1)
""",
            "The mask is upside down: hidden are the keys after the query, not those before it",
        ),
        (
            "softmax over heads",
            """
def positional_qk(model, layer, positions):
    block = model.blocks[layer]
    x = block.ln1(positions)
    q = x @ block.attn.W_Q + block.attn.b_Q[:, None]
    k = x @ block.attn.W_K + block.attn.b_K[:, None]
    s = q @ k.mT / math.sqrt(model.config.d_head)
    n = len(positions)
    mask = torch.tril(torch.ones(n, n)).bool()
    s = torch.where(mask, s, float("-inf"))
    return torch.softmax(s, 0)
""",
            "The softmax runs over the heads: each row of a head sums to 1 over its keys",
        ),
        (
            "log softmax",
            """
def positional_qk(model, layer, positions):
    block = model.blocks[layer]
    x = block.ln1(positions)
    q = x @ block.attn.W_Q + block.attn.b_Q[:, None]
    k = x @ block.attn.W_K + block.attn.b_K[:, None]
    s = q @ k.mT / math.sqrt(model.config.d_head)
    n = len(positions)
    mask = torch.tril(torch.ones(n, n)).bool()
    s = torch.where(mask, s, float("-inf"))
    return torch.log_softmax(s, -1)
""",
            "These are logarithms: return the weights themselves, with softmax",
        ),
        (
            "centred by hand without dividing",
            """
def positional_qk(model, layer, positions):
    block = model.blocks[layer]
    x = positions - positions.mean(-1, keepdim=True)
    q = x @ block.attn.W_Q + block.attn.b_Q[:, None]
    k = x @ block.attn.W_K + block.attn.b_K[:, None]
    s = q @ k.mT / math.sqrt(model.config.d_head)
    n = len(positions)
    mask = torch.tril(torch.ones(n, n)).bool()
    s = torch.where(mask, s, float("-inf"))
    return torch.softmax(s, -1)
""",
            "The stream is centred by hand: ln1 divides as well, and a model without LayerNorm does neither",
        ),
        (
            "mask one too many",
            """
def positional_qk(model, layer, positions):
    block = model.blocks[layer]
    x = block.ln1(positions)
    q = x @ block.attn.W_Q + block.attn.b_Q[:, None]
    k = x @ block.attn.W_K + block.attn.b_K[:, None]
    s = q @ k.mT / math.sqrt(model.config.d_head)
    n = len(positions)
    mask = torch.tril(torch.ones(n, n), 1).bool()
    s = torch.where(mask, s, float("-inf"))
    return torch.softmax(s, -1)
""",
            "The mask is off by one: each query also sees the next position",
        ),
        (
            "no query bias",
            """
def positional_qk(model, layer, positions):
    block = model.blocks[layer]
    x = block.ln1(positions)
    q = x @ block.attn.W_Q
    k = x @ block.attn.W_K + block.attn.b_K[:, None]
    s = q @ k.mT / math.sqrt(model.config.d_head)
    n = len(positions)
    mask = torch.tril(torch.ones(n, n)).bool()
    s = torch.where(mask, s, float("-inf"))
    return torch.softmax(s, -1)
""",
            "b_Q is missing: it favours some positions whatever the query",
        ),
    ],
    "virtual_head": [
        (
            "pattern reversed",
            """
def virtual_head(model, earlier, later, earlier_pattern, later_pattern):
    a, b = model.blocks[earlier[0]].attn, model.blocks[later[0]].attn
    W_O = a.W_O[earlier[1]]
    if model.config.layer_norm:
        W_O = W_O - W_O.mean(-1, keepdim=True)
    return earlier_pattern @ later_pattern, a.W_V[earlier[1]] @ (W_O @ b.W_V[later[1]]), b.W_O[later[1]]
""",
            "The patterns are multiplied in the wrong order: the later head chooses among what the earlier one wrote",
        ),
        (
            "pattern transposed",
            """
def virtual_head(model, earlier, later, earlier_pattern, later_pattern):
    a, b = model.blocks[earlier[0]].attn, model.blocks[later[0]].attn
    W_O = a.W_O[earlier[1]]
    if model.config.layer_norm:
        W_O = W_O - W_O.mean(-1, keepdim=True)
    return later_pattern @ earlier_pattern.mT, a.W_V[earlier[1]] @ (W_O @ b.W_V[later[1]]), b.W_O[later[1]]
""",
            "The earlier pattern is transposed: its rows, the positions in between, are the columns of the later one",
        ),
        (
            "late head centred too",
            """
def virtual_head(model, earlier, later, earlier_pattern, later_pattern):
    a, b = model.blocks[earlier[0]].attn, model.blocks[later[0]].attn
    W_O = a.W_O[earlier[1]]
    if model.config.layer_norm:
        W_O = W_O - W_O.mean(-1, keepdim=True)
    return later_pattern @ earlier_pattern, a.W_V[earlier[1]] @ (W_O @ b.W_V[later[1]]), b.W_O[later[1]] - (b.W_O[later[1]].mean(-1, keepdim=True) if model.config.layer_norm else 0)
""",
            "The later head's W_O is centred too: leave it, nobody has read it yet",
        ),
        (
            "centred over d_head",
            """
def virtual_head(model, earlier, later, earlier_pattern, later_pattern):
    a, b = model.blocks[earlier[0]].attn, model.blocks[later[0]].attn
    W_O = a.W_O[earlier[1]]
    if model.config.layer_norm:
        W_O = W_O - W_O.mean(0, keepdim=True)
    return later_pattern @ earlier_pattern, a.W_V[earlier[1]] @ (W_O @ b.W_V[later[1]]), b.W_O[later[1]]
""",
            "The mean of W_O is taken over d_head: the norm takes the mean over d_model, the last axis",
        ),
        (
            "norm applied",
            """
def virtual_head(model, earlier, later, earlier_pattern, later_pattern):
    a, b = model.blocks[earlier[0]].attn, model.blocks[later[0]].attn
    W_O = a.W_O[earlier[1]]
    if model.config.layer_norm:
        W_O = model.blocks[later[0]].ln1(W_O)
    return later_pattern @ earlier_pattern, a.W_V[earlier[1]] @ (W_O @ b.W_V[later[1]]), b.W_O[later[1]]
""",
            "Each row of W_O is divided by its own spread: the norm divides by the whole stream's, so only centre it",
        ),
        (
            "weights of the later first",
            """
def virtual_head(model, earlier, later, earlier_pattern, later_pattern):
    a, b = model.blocks[earlier[0]].attn, model.blocks[later[0]].attn
    W_O = a.W_O[earlier[1]]
    if model.config.layer_norm:
        W_O = W_O - W_O.mean(-1, keepdim=True)
    return later_pattern @ earlier_pattern, b.W_V[later[1]] @ (b.W_O[later[1]] @ a.W_V[earlier[1]]), W_O
""",
            "The heads come in the wrong order: the stream meets the earlier head's weights first",
        ),
        (
            "square on the way",
            """
def virtual_head(model, earlier, later, earlier_pattern, later_pattern):
    a, b = model.blocks[earlier[0]].attn, model.blocks[later[0]].attn
    W_O = a.W_O[earlier[1]]
    if model.config.layer_norm:
        W_O = W_O - W_O.mean(-1, keepdim=True)
    return later_pattern @ earlier_pattern, a.W_V[earlier[1]] @ W_O @ b.W_V[later[1]], b.W_O[later[1]]
""",
            "A square of the stream's width is made: let W_O meet the later W_V first",
        ),
        (
            "product returned",
            """
def virtual_head(model, earlier, later, earlier_pattern, later_pattern):
    a, b = model.blocks[earlier[0]].attn, model.blocks[later[0]].attn
    W_O = a.W_O[earlier[1]]
    if model.config.layer_norm:
        W_O = W_O - W_O.mean(-1, keepdim=True)
    return later_pattern @ earlier_pattern, a.W_V[earlier[1]] @ (W_O @ b.W_V[later[1]]) @ b.W_O[later[1]]
""",
            "it does not return three tensors: the pattern and the two factors of the weights",
        ),
    ],
    "path_decomposition": [
        (
            "what a head read goes on with it",
            """def path_decomposition(model, tokens):
    L, H = model.config.n_layers, model.config.n_heads
    _, c = model.run_with_cache(tokens)
    x = model.embed(tokens) + model.pos_embed(tokens)
    out = {}
    def go(layer, path, s):
        if layer == L:
            out[path] = s @ model.unembed.W_U
            return
        go(layer + 1, path, s)
        att = model.blocks[layer].attn
        for h in range(H):
            a = c[f"blocks.{layer}.attn.hook_pattern"][:, h]
            go(layer + 1, path + ((layer, h),), s + a @ s @ att.W_V[h] @ att.W_O[h])
    go(0, (), x)
    return out
""",
            "What a head read is added",
        ),
        (
            "heads of a layer feed one another",
            """
def path_decomposition(model, tokens):
    _, cache = model.run_with_cache(tokens)
    streams = {(): model(tokens, stop_at_layer=0)}
    for l in range(model.config.n_layers):
        A = cache[f"blocks.{l}.attn.hook_pattern"]
        attn = model.blocks[l].attn
        new = {}
        for h in range(model.config.n_heads):
            for path, x in streams.items():
                new[path + ((l, h),)] = A[:, h] @ x @ attn.W_V[h] @ attn.W_O[h]
            streams = {**streams, **new}
    return {p: x @ model.unembed.W_U for p, x in streams.items()}
""",
            "`logits of each path` has an entry 'embedding 0.0 0.1 0.2 0.3 1.0 1.1 1.2 1.3 logits' too many",
        ),
        (
            "the head's result in the run",
            """
def path_decomposition(model, tokens):
    _, cache = model.run_with_cache(tokens)
    streams = {(): model(tokens, stop_at_layer=0)}
    for l in range(model.config.n_layers):
        A = cache[f"blocks.{l}.attn.hook_pattern"]
        attn = model.blocks[l].attn
        new = {}
        for path, x in streams.items():
            for h in range(model.config.n_heads):
                new[path + ((l, h),)] = A[:, h] @ cache[f'blocks.{l}.hook_resid_pre'] @ attn.W_V[h] @ attn.W_O[h]
        streams.update(new)
    return {p: x @ model.unembed.W_U for p, x in streams.items()}
""",
            "Every head reads the whole stream here: a path follows what one part wrote",
        ),
        (
            "patterns of the first text",
            """
def path_decomposition(model, tokens):
    _, cache = model.run_with_cache(tokens)
    streams = {(): model(tokens, stop_at_layer=0)}
    for l in range(model.config.n_layers):
        A = cache[f"blocks.{l}.attn.hook_pattern"]
        attn = model.blocks[l].attn
        new = {}
        for path, x in streams.items():
            for h in range(model.config.n_heads):
                new[path + ((l, h),)] = A[:1, h] @ x @ attn.W_V[h] @ attn.W_O[h]
        streams.update(new)
    return {p: x @ model.unembed.W_U for p, x in streams.items()}
""",
            "The patterns of the first text are used for all of them: each text has its own",
        ),
        (
            "scores in place of patterns",
            """
def path_decomposition(model, tokens):
    _, cache = model.run_with_cache(tokens)
    streams = {(): model(tokens, stop_at_layer=0)}
    for l in range(model.config.n_layers):
        A = cache[f"blocks.{l}.attn.hook_attn_scores"]
        attn = model.blocks[l].attn
        new = {}
        for path, x in streams.items():
            for h in range(model.config.n_heads):
                new[path + ((l, h),)] = A[:, h] @ x @ attn.W_V[h] @ attn.W_O[h]
        streams.update(new)
    return {p: x @ model.unembed.W_U for p, x in streams.items()}
""",
            "These are scores, before the softmax: what a head gathers by is its pattern",
        ),
        (
            "single heads without the outer tuple",
            """
def path_decomposition(model, tokens):
    _, cache = model.run_with_cache(tokens)
    streams = {(): model(tokens, stop_at_layer=0)}
    for l in range(model.config.n_layers):
        A = cache[f"blocks.{l}.attn.hook_pattern"]
        attn = model.blocks[l].attn
        new = {}
        for path, x in streams.items():
            for h in range(model.config.n_heads):
                new[path + ((l, h),)] = A[:, h] @ x @ attn.W_V[h] @ attn.W_O[h]
        streams.update(new)
    return {p if len(p) != 1 else p[0]: x @ model.unembed.W_U for p, x in streams.items()}
""",
            "(0, 0) names no path: its name is a tuple of (layer, head) pairs, () the direct path",
        ),
        (
            "head before layer",
            """
def path_decomposition(model, tokens):
    _, cache = model.run_with_cache(tokens)
    streams = {(): model(tokens, stop_at_layer=0)}
    for l in range(model.config.n_layers):
        A = cache[f"blocks.{l}.attn.hook_pattern"]
        attn = model.blocks[l].attn
        new = {}
        for path, x in streams.items():
            for h in range(model.config.n_heads):
                new[path + ((h, l),)] = A[:, h] @ x @ attn.W_V[h] @ attn.W_O[h]
        streams.update(new)
    return {p: x @ model.unembed.W_U for p, x in streams.items()}
""",
            "A head is named (layer, head), the layer first",
        ),
        (
            "softmaxed",
            """
def path_decomposition(model, tokens):
    _, cache = model.run_with_cache(tokens)
    streams = {(): model(tokens, stop_at_layer=0)}
    for l in range(model.config.n_layers):
        A = cache[f"blocks.{l}.attn.hook_pattern"]
        attn = model.blocks[l].attn
        new = {}
        for path, x in streams.items():
            for h in range(model.config.n_heads):
                new[path + ((l, h),)] = A[:, h] @ x @ attn.W_V[h] @ attn.W_O[h]
        streams.update(new)
    return {p: (x @ model.unembed.W_U).log_softmax(-1) for p, x in streams.items()}
""",
            "These are log-probabilities, which do not add up: return the logits",
        ),
        (
            "W_E in place of W_U",
            """
def path_decomposition(model, tokens):
    _, cache = model.run_with_cache(tokens)
    streams = {(): model(tokens, stop_at_layer=0)}
    for l in range(model.config.n_layers):
        A = cache[f"blocks.{l}.attn.hook_pattern"]
        attn = model.blocks[l].attn
        new = {}
        for path, x in streams.items():
            for h in range(model.config.n_heads):
                new[path + ((l, h),)] = A[:, h] @ x @ attn.W_V[h] @ attn.W_O[h]
        streams.update(new)
    return {p: x @ model.embed.W_E.T for p, x in streams.items()}
""",
            "The embedding transposed is not the unembedding of a model that is not tied: use W_U",
        ),
        (
            "no positions",
            """
def path_decomposition(model, tokens):
    _, cache = model.run_with_cache(tokens)
    streams = {(): model.embed.W_E[tokens]}
    for l in range(model.config.n_layers):
        A = cache[f"blocks.{l}.attn.hook_pattern"]
        attn = model.blocks[l].attn
        new = {}
        for path, x in streams.items():
            for h in range(model.config.n_heads):
                new[path + ((l, h),)] = A[:, h] @ x @ attn.W_V[h] @ attn.W_O[h]
        streams.update(new)
    return {p: x @ model.unembed.W_U for p, x in streams.items()}
""",
            "The position's vector is missing: paths begin with the embedding of token and position",
        ),
    ],
    "composition_scores": [
        (
            "later values not centred",
            """
def composition_scores(model, kind):
    L, H = model.config.n_layers, model.config.n_heads
    def O(l, h):
        W = model.blocks[l].attn.W_O[h]
        return W - W.mean(-1, keepdim=True) if model.config.layer_norm else W
    def writes(l, h):
        return model.blocks[l].attn.W_V[h] @ O(l, h)
    def reads(l, h):
        a = model.blocks[l].attn
        if kind == "Q":
            return a.W_Q[h] @ a.W_K[h].T
        if kind == "K":
            return a.W_K[h] @ a.W_Q[h].T
        return a.W_V[h] @ a.W_O[h]
    scores = torch.zeros(L, H, L, H, dtype=model.embed.W_E.dtype)
    pairs = []
    for a, h in itertools.product(range(L), range(H)):
        for b, g in itertools.product(range(a + 1, L), range(H)):
            W, M = writes(a, h), reads(b, g)
            scores[a, h, b, g] = (W @ M).norm() / W.norm() / M.norm()
            pairs.append((a, h, b, g))
    ranks = torch.zeros(L, H, L, H, dtype=torch.long)
    pairs.sort(key=lambda p: scores[p].item(), reverse=True)
    for i, p in enumerate(pairs):
        ranks[p] = i + 1
    return scores, ranks
""",
            "The later head's W_O is not centred for V: both heads' are, if the model has LayerNorm",
        ),
        (
            "centred over d_head",
            """
def composition_scores(model, kind):
    L, H = model.config.n_layers, model.config.n_heads
    def O(l, h):
        W = model.blocks[l].attn.W_O[h]
        return W - W.mean(0, keepdim=True) if model.config.layer_norm else W
    def writes(l, h):
        return model.blocks[l].attn.W_V[h] @ O(l, h)
    def reads(l, h):
        a = model.blocks[l].attn
        if kind == "Q":
            return a.W_Q[h] @ a.W_K[h].T
        if kind == "K":
            return a.W_K[h] @ a.W_Q[h].T
        return a.W_V[h] @ O(l, h)
    scores = torch.zeros(L, H, L, H, dtype=model.embed.W_E.dtype)
    pairs = []
    for a, h in itertools.product(range(L), range(H)):
        for b, g in itertools.product(range(a + 1, L), range(H)):
            W, M = writes(a, h), reads(b, g)
            scores[a, h, b, g] = (W @ M).norm() / W.norm() / M.norm()
            pairs.append((a, h, b, g))
    ranks = torch.zeros(L, H, L, H, dtype=torch.long)
    pairs.sort(key=lambda p: scores[p].item(), reverse=True)
    for i, p in enumerate(pairs):
        ranks[p] = i + 1
    return scores, ranks
""",
            "The mean of W_O is taken over d_head: the norm takes the mean over d_model, the last axis",
        ),
        (
            "K not transposed",
            """
def composition_scores(model, kind):
    L, H = model.config.n_layers, model.config.n_heads
    def O(l, h):
        W = model.blocks[l].attn.W_O[h]
        return W - W.mean(-1, keepdim=True) if model.config.layer_norm else W
    def writes(l, h):
        return model.blocks[l].attn.W_V[h] @ O(l, h)
    def reads(l, h):
        a = model.blocks[l].attn
        if kind == "Q":
            return a.W_Q[h] @ a.W_K[h].T
        if kind == "K":
            return a.W_Q[h] @ a.W_K[h].T
        return a.W_V[h] @ O(l, h)
    scores = torch.zeros(L, H, L, H, dtype=model.embed.W_E.dtype)
    pairs = []
    for a, h in itertools.product(range(L), range(H)):
        for b, g in itertools.product(range(a + 1, L), range(H)):
            W, M = writes(a, h), reads(b, g)
            scores[a, h, b, g] = (W @ M).norm() / W.norm() / M.norm()
            pairs.append((a, h, b, g))
    ranks = torch.zeros(L, H, L, H, dtype=torch.long)
    pairs.sort(key=lambda p: scores[p].item(), reverse=True)
    for i, p in enumerate(pairs):
        ranks[p] = i + 1
    return scores, ranks
""",
            "For K this is the score for Q: the product is transposed, so that W_K reads what the earlier head writes",
        ),
        (
            "only the side that reads",
            """
def composition_scores(model, kind):
    L, H = model.config.n_layers, model.config.n_heads
    def O(l, h):
        W = model.blocks[l].attn.W_O[h]
        return W - W.mean(-1, keepdim=True) if model.config.layer_norm else W
    def writes(l, h):
        return model.blocks[l].attn.W_V[h] @ O(l, h)
    def reads(l, h):
        a = model.blocks[l].attn
        if kind == "Q":
            return a.W_Q[h]
        if kind == "K":
            return a.W_K[h]
        return a.W_V[h]
    scores = torch.zeros(L, H, L, H, dtype=model.embed.W_E.dtype)
    pairs = []
    for a, h in itertools.product(range(L), range(H)):
        for b, g in itertools.product(range(a + 1, L), range(H)):
            W, M = writes(a, h), reads(b, g)
            scores[a, h, b, g] = (W @ M).norm() / W.norm() / M.norm()
            pairs.append((a, h, b, g))
    ranks = torch.zeros(L, H, L, H, dtype=torch.long)
    pairs.sort(key=lambda p: scores[p].item(), reverse=True)
    for i, p in enumerate(pairs):
        ranks[p] = i + 1
    return scores, ranks
""",
            "Only the matrix that reads is used: M is a product of two, W_Q W_K^T for Q",
        ),
        (
            "only W_O writes",
            """
def composition_scores(model, kind):
    L, H = model.config.n_layers, model.config.n_heads
    def O(l, h):
        W = model.blocks[l].attn.W_O[h]
        return W - W.mean(-1, keepdim=True) if model.config.layer_norm else W
    def writes(l, h):
        return O(l, h)
    def reads(l, h):
        a = model.blocks[l].attn
        if kind == "Q":
            return a.W_Q[h] @ a.W_K[h].T
        if kind == "K":
            return a.W_K[h] @ a.W_Q[h].T
        return a.W_V[h] @ O(l, h)
    scores = torch.zeros(L, H, L, H, dtype=model.embed.W_E.dtype)
    pairs = []
    for a, h in itertools.product(range(L), range(H)):
        for b, g in itertools.product(range(a + 1, L), range(H)):
            W, M = writes(a, h), reads(b, g)
            scores[a, h, b, g] = (W @ M).norm() / W.norm() / M.norm()
            pairs.append((a, h, b, g))
    ranks = torch.zeros(L, H, L, H, dtype=torch.long)
    pairs.sort(key=lambda p: scores[p].item(), reverse=True)
    for i, p in enumerate(pairs):
        ranks[p] = i + 1
    return scores, ranks
""",
            "Only W_O of the earlier head is used: O is W_V times W_O",
        ),
        (
            "spectral norms",
            """
def composition_scores(model, kind):
    L, H = model.config.n_layers, model.config.n_heads
    def O(l, h):
        W = model.blocks[l].attn.W_O[h]
        return W - W.mean(-1, keepdim=True) if model.config.layer_norm else W
    def writes(l, h):
        return model.blocks[l].attn.W_V[h] @ O(l, h)
    def reads(l, h):
        a = model.blocks[l].attn
        if kind == "Q":
            return a.W_Q[h] @ a.W_K[h].T
        if kind == "K":
            return a.W_K[h] @ a.W_Q[h].T
        return a.W_V[h] @ O(l, h)
    scores = torch.zeros(L, H, L, H, dtype=model.embed.W_E.dtype)
    pairs = []
    for a, h in itertools.product(range(L), range(H)):
        for b, g in itertools.product(range(a + 1, L), range(H)):
            W, M = writes(a, h), reads(b, g)
            scores[a, h, b, g] = torch.linalg.norm(W @ M, 2) / torch.linalg.norm(W, 2) / torch.linalg.norm(M, 2)
            pairs.append((a, h, b, g))
    ranks = torch.zeros(L, H, L, H, dtype=torch.long)
    pairs.sort(key=lambda p: scores[p].item(), reverse=True)
    for i, p in enumerate(pairs):
        ranks[p] = i + 1
    return scores, ranks
""",
            "These are spectral norms, the largest singular values: the score is made of Frobenius norms",
        ),
        (
            "M times W",
            """
def composition_scores(model, kind):
    L, H = model.config.n_layers, model.config.n_heads
    def O(l, h):
        W = model.blocks[l].attn.W_O[h]
        return W - W.mean(-1, keepdim=True) if model.config.layer_norm else W
    def writes(l, h):
        return model.blocks[l].attn.W_V[h] @ O(l, h)
    def reads(l, h):
        a = model.blocks[l].attn
        if kind == "Q":
            return a.W_Q[h] @ a.W_K[h].T
        if kind == "K":
            return a.W_K[h] @ a.W_Q[h].T
        return a.W_V[h] @ O(l, h)
    scores = torch.zeros(L, H, L, H, dtype=model.embed.W_E.dtype)
    pairs = []
    for a, h in itertools.product(range(L), range(H)):
        for b, g in itertools.product(range(a + 1, L), range(H)):
            W, M = writes(a, h), reads(b, g)
            scores[a, h, b, g] = (M @ W).norm() / W.norm() / M.norm()
            pairs.append((a, h, b, g))
    ranks = torch.zeros(L, H, L, H, dtype=torch.long)
    pairs.sort(key=lambda p: scores[p].item(), reverse=True)
    for i, p in enumerate(pairs):
        ranks[p] = i + 1
    return scores, ranks
""",
            "This is M O: a row of the stream meets the earlier head's O first, so the product is O M",
        ),
        (
            "random baseline taken off",
            """
def composition_scores(model, kind):
    L, H = model.config.n_layers, model.config.n_heads
    def O(l, h):
        W = model.blocks[l].attn.W_O[h]
        return W - W.mean(-1, keepdim=True) if model.config.layer_norm else W
    def writes(l, h):
        return model.blocks[l].attn.W_V[h] @ O(l, h)
    def reads(l, h):
        a = model.blocks[l].attn
        if kind == "Q":
            return a.W_Q[h] @ a.W_K[h].T
        if kind == "K":
            return a.W_K[h] @ a.W_Q[h].T
        return a.W_V[h] @ O(l, h)
    scores = torch.zeros(L, H, L, H, dtype=model.embed.W_E.dtype)
    pairs = []
    for a, h in itertools.product(range(L), range(H)):
        for b, g in itertools.product(range(a + 1, L), range(H)):
            W, M = writes(a, h), reads(b, g)
            scores[a, h, b, g] = (W @ M).norm() / W.norm() / M.norm() - model.config.d_model ** -0.5
            pairs.append((a, h, b, g))
    ranks = torch.zeros(L, H, L, H, dtype=torch.long)
    pairs.sort(key=lambda p: scores[p].item(), reverse=True)
    for i, p in enumerate(pairs):
        ranks[p] = i + 1
    return scores, ranks
""",
            "What random matrices would score is taken off: return the score itself",
        ),
        (
            "all layers",
            """
def composition_scores(model, kind):
    L, H = model.config.n_layers, model.config.n_heads
    def O(l, h):
        W = model.blocks[l].attn.W_O[h]
        return W - W.mean(-1, keepdim=True) if model.config.layer_norm else W
    def writes(l, h):
        return model.blocks[l].attn.W_V[h] @ O(l, h)
    def reads(l, h):
        a = model.blocks[l].attn
        if kind == "Q":
            return a.W_Q[h] @ a.W_K[h].T
        if kind == "K":
            return a.W_K[h] @ a.W_Q[h].T
        return a.W_V[h] @ O(l, h)
    scores = torch.zeros(L, H, L, H, dtype=model.embed.W_E.dtype)
    pairs = []
    for a, h in itertools.product(range(L), range(H)):
        for b, g in itertools.product(range(L), range(H)):
            W, M = writes(a, h), reads(b, g)
            scores[a, h, b, g] = (W @ M).norm() / W.norm() / M.norm()
            pairs.append((a, h, b, g))
    ranks = torch.zeros(L, H, L, H, dtype=torch.long)
    pairs.sort(key=lambda p: scores[p].item(), reverse=True)
    for i, p in enumerate(pairs):
        ranks[p] = i + 1
    return scores, ranks
""",
            "All pairs of layers are scored",
        ),
        (
            "next layer only",
            """
def composition_scores(model, kind):
    L, H = model.config.n_layers, model.config.n_heads
    def O(l, h):
        W = model.blocks[l].attn.W_O[h]
        return W - W.mean(-1, keepdim=True) if model.config.layer_norm else W
    def writes(l, h):
        return model.blocks[l].attn.W_V[h] @ O(l, h)
    def reads(l, h):
        a = model.blocks[l].attn
        if kind == "Q":
            return a.W_Q[h] @ a.W_K[h].T
        if kind == "K":
            return a.W_K[h] @ a.W_Q[h].T
        return a.W_V[h] @ O(l, h)
    scores = torch.zeros(L, H, L, H, dtype=model.embed.W_E.dtype)
    pairs = []
    for a, h in itertools.product(range(L), range(H)):
        for b, g in itertools.product(range(a + 1, min(a + 2, L)), range(H)):
            W, M = writes(a, h), reads(b, g)
            scores[a, h, b, g] = (W @ M).norm() / W.norm() / M.norm()
            pairs.append((a, h, b, g))
    ranks = torch.zeros(L, H, L, H, dtype=torch.long)
    pairs.sort(key=lambda p: scores[p].item(), reverse=True)
    for i, p in enumerate(pairs):
        ranks[p] = i + 1
    return scores, ranks
""",
            "Only neighbouring layers are paired: the stream carries what a head writes to all later layers",
        ),
        (
            "axes of later first",
            """
def composition_scores(model, kind):
    L, H = model.config.n_layers, model.config.n_heads
    def O(l, h):
        W = model.blocks[l].attn.W_O[h]
        return W - W.mean(-1, keepdim=True) if model.config.layer_norm else W
    def writes(l, h):
        return model.blocks[l].attn.W_V[h] @ O(l, h)
    def reads(l, h):
        a = model.blocks[l].attn
        if kind == "Q":
            return a.W_Q[h] @ a.W_K[h].T
        if kind == "K":
            return a.W_K[h] @ a.W_Q[h].T
        return a.W_V[h] @ O(l, h)
    scores = torch.zeros(L, H, L, H, dtype=model.embed.W_E.dtype)
    pairs = []
    for a, h in itertools.product(range(L), range(H)):
        for b, g in itertools.product(range(a + 1, L), range(H)):
            W, M = writes(a, h), reads(b, g)
            scores[b, g, a, h] = (W @ M).norm() / W.norm() / M.norm()
            pairs.append((a, h, b, g))
    ranks = torch.zeros(L, H, L, H, dtype=torch.long)
    pairs.sort(key=lambda p: scores[p].item(), reverse=True)
    for i, p in enumerate(pairs):
        ranks[p] = i + 1
    return scores, ranks
""",
            "`scores` differs from what is expected",
        ),
        (
            "ranks in the later layer",
            """
def composition_scores(model, kind):
    L, H = model.config.n_layers, model.config.n_heads
    def O(l, h):
        W = model.blocks[l].attn.W_O[h]
        return W - W.mean(-1, keepdim=True) if model.config.layer_norm else W
    def writes(l, h):
        return model.blocks[l].attn.W_V[h] @ O(l, h)
    def reads(l, h):
        a = model.blocks[l].attn
        if kind == "Q":
            return a.W_Q[h] @ a.W_K[h].T
        if kind == "K":
            return a.W_K[h] @ a.W_Q[h].T
        return a.W_V[h] @ O(l, h)
    scores = torch.zeros(L, H, L, H, dtype=model.embed.W_E.dtype)
    pairs = []
    for a, h in itertools.product(range(L), range(H)):
        for b, g in itertools.product(range(a + 1, L), range(H)):
            W, M = writes(a, h), reads(b, g)
            scores[a, h, b, g] = (W @ M).norm() / W.norm() / M.norm()
            pairs.append((a, h, b, g))
    ranks = torch.zeros(L, H, L, H, dtype=torch.long)
    pairs.sort(key=lambda p: scores[p].item(), reverse=True)
    for l in range(L):
        for i, p in enumerate([p for p in pairs if p[2] == l]):
            ranks[p] = i + 1
    return scores, ranks
""",
            "The ranks begin anew in each later layer: rank among all pairs",
        ),
        (
            "ranks by one argsort",
            """
def composition_scores(model, kind):
    L, H = model.config.n_layers, model.config.n_heads
    def O(l, h):
        W = model.blocks[l].attn.W_O[h]
        return W - W.mean(-1, keepdim=True) if model.config.layer_norm else W
    def writes(l, h):
        return model.blocks[l].attn.W_V[h] @ O(l, h)
    def reads(l, h):
        a = model.blocks[l].attn
        if kind == "Q":
            return a.W_Q[h] @ a.W_K[h].T
        if kind == "K":
            return a.W_K[h] @ a.W_Q[h].T
        return a.W_V[h] @ O(l, h)
    scores = torch.zeros(L, H, L, H, dtype=model.embed.W_E.dtype)
    pairs = []
    for a, h in itertools.product(range(L), range(H)):
        for b, g in itertools.product(range(a + 1, L), range(H)):
            W, M = writes(a, h), reads(b, g)
            scores[a, h, b, g] = (W @ M).norm() / W.norm() / M.norm()
            pairs.append((a, h, b, g))
    ranks = torch.zeros(L, H, L, H, dtype=torch.long)
    pairs.sort(key=lambda p: scores[p].item(), reverse=True)
    later = scores > 0
    ranks[later] = scores[later].argsort(descending=True) + 1
    return scores, ranks
""",
            "A single argsort lists the pairs in order: sort once more for the rank of each pair",
        ),
    ],
}


@pytest.mark.parametrize(("name", "text"), answers(RIGHT))
def test_a_right_answer_passes_however_it_is_written(grader, name, text):
    assert_passed(grade(grader, f"induction.{name}", text))


@pytest.mark.parametrize(("name", "text", "said"), answers(WRONG))
def test_a_wrong_answer_is_rejected_and_told_why(grader, name, text, said):
    assert_rejected(grade(grader, f"induction.{name}", text), said)

"""Circuits one head at a time, in plain loops, and whole matrices of the stream's width."""

import math

import torch


def _centre(model, W):
    return W - W.mean(-1, keepdim=True) if model.config.layer_norm else W


def ov_circuit(model, layer, sources):
    attn = model.blocks[layer].attn
    x = model.blocks[layer].ln1(sources)
    lefts, rights = [], []
    for h in range(model.config.n_heads):
        lefts.append(x @ attn.W_V[h] + attn.b_V[h])
        rights.append(_centre(model, attn.W_O[h]) @ model.unembed.W_U)
    return torch.stack(lefts), torch.stack(rights)


def qk_circuit(model, layer, queries, keys):
    block = model.blocks[layer]
    scale = math.sqrt(math.sqrt(model.config.d_head))
    q = torch.stack([(block.ln1(queries) @ W + b) / scale for W, b in zip(block.attn.W_Q, block.attn.b_Q)])
    k = torch.stack([(block.ln1(keys) @ W + b) / scale for W, b in zip(block.attn.W_K, block.attn.b_K)])
    return q, k.transpose(1, 2)


def positional_qk(model, layer, positions):
    block = model.blocks[layer]
    n = len(positions)
    x = block.ln1(positions)
    out = torch.zeros(model.config.n_heads, n, n, dtype=x.dtype)
    for h in range(model.config.n_heads):
        q = x @ block.attn.W_Q[h] + block.attn.b_Q[h]
        k = x @ block.attn.W_K[h]
        for i in range(n):
            out[h, i, : i + 1] = torch.softmax(k[: i + 1] @ q[i] / math.sqrt(model.config.d_head), 0)
    return out


def composition_scores(model, kind):
    L, H = model.config.n_layers, model.config.n_heads
    scores = torch.zeros(L, H, L, H, dtype=model.embed.W_E.dtype)
    for l1 in range(L):
        for l2 in range(l1 + 1, L):
            for h1 in range(H):
                for h2 in range(H):
                    a, b = model.blocks[l1].attn, model.blocks[l2].attn
                    O = a.W_V[h1] @ _centre(model, a.W_O[h1])
                    if kind == "Q":
                        M = b.W_Q[h2] @ b.W_K[h2].T
                    elif kind == "K":
                        M = b.W_K[h2] @ b.W_Q[h2].T
                    else:
                        M = b.W_V[h2] @ _centre(model, b.W_O[h2])
                    scores[l1, h1, l2, h2] = ((O @ M).norm() / (O.norm() * M.norm())).item()
    ranks = torch.zeros(scores.shape, dtype=torch.long)
    pairs = [tuple(index) for index in scores.nonzero().tolist()]
    for rank, pair in enumerate(sorted(pairs, key=lambda pair: -scores[pair].item()), start=1):
        ranks[pair] = rank
    return scores, ranks


def virtual_head(model, earlier, later, earlier_pattern, later_pattern):
    (l1, h1), (l2, h2) = earlier, later
    a, b = model.blocks[l1].attn, model.blocks[l2].attn
    middle = _centre(model, a.W_O[h1]) @ b.W_V[h2]
    pattern = torch.zeros_like(later_pattern)
    for q in range(pattern.shape[1]):
        for mid in range(q + 1):
            pattern[:, q] += later_pattern[:, q, mid, None] * earlier_pattern[:, mid]
    return pattern, a.W_V[h1], middle @ b.W_O[h2]


def path_decomposition(model, tokens):
    _, cache = model.run_with_cache(tokens)

    def follow(path):
        stream = cache["hook_embed"] + cache["hook_pos_embed"]
        for layer, head in path:
            attn = model.blocks[layer].attn
            pattern = cache[f"blocks.{layer}.attn.hook_pattern"][:, head]
            stream = pattern @ (stream @ attn.W_V[head]) @ attn.W_O[head]
        return stream @ model.unembed.W_U

    paths = [()]
    for layer in range(model.config.n_layers):
        paths = paths + [path + ((layer, head),) for path in paths for head in range(model.config.n_heads)]
    return {path: follow(path) for path in paths}

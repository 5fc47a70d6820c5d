"""Circuits by einsum, without gradients, with composition by singular values of thin factors."""

import itertools

import numpy as np
import torch


@torch.no_grad()
def ov_circuit(model, layer, sources):
    block = model.blocks[layer]
    v = torch.einsum("td,hde->hte", block.ln1(sources), block.attn.W_V) + block.attn.b_V.unsqueeze(1)
    W_U = model.unembed.W_U
    if model.config.layer_norm:
        d = W_U.shape[0]
        centre = torch.eye(d).to(W_U) - 1 / d
        W_U = centre @ W_U
    return v, torch.einsum("hed,dv->hev", block.attn.W_O, W_U)


@torch.no_grad()
def qk_circuit(model, layer, queries, keys):
    block = model.blocks[layer]
    q = torch.einsum("td,hde->hte", block.ln1(queries), block.attn.W_Q) + block.attn.b_Q.unsqueeze(1)
    k = torch.einsum("td,hde->het", block.ln1(keys), block.attn.W_K) + block.attn.b_K.unsqueeze(2)
    return q, k / np.sqrt(model.config.d_model // model.config.n_heads)


@torch.no_grad()
def positional_qk(model, layer, positions):
    q, k = qk_circuit(model, layer, positions, positions)
    scores = q @ k
    mask = torch.tril(torch.ones_like(scores[0])) == 0
    return torch.softmax(torch.where(mask, -1e9, scores), dim=-1)


@torch.no_grad()
def composition_scores(model, kind):
    L, H = model.config.n_layers, model.config.n_heads
    attns = [block.attn for block in model.blocks]

    def centred(W_O):
        return W_O - W_O.mean(dim=-1, keepdim=True) if model.config.layer_norm else W_O

    def factors(attn, head):
        if kind == "V":
            return attn.W_V[head], centred(attn.W_O[head])
        first, second = (attn.W_Q, attn.W_K) if kind == "Q" else (attn.W_K, attn.W_Q)
        return first[head], second[head].T

    def norm(left, right):
        return torch.linalg.matrix_norm(torch.linalg.qr(left)[1] @ torch.linalg.qr(right.T)[1].T)

    scores = torch.zeros(L, H, L, H).to(attns[0].W_V)
    later = torch.zeros(L, H, L, H, dtype=torch.bool)
    for l1, l2 in itertools.combinations(range(L), 2):
        later[l1, :, l2] = True
        for h1, h2 in itertools.product(range(H), repeat=2):
            A, B = attns[l1].W_V[h1], centred(attns[l1].W_O[h1])
            C, D = factors(attns[l2], h2)
            scores[l1, h1, l2, h2] = norm(A @ (B @ C), D) / (norm(A, B) * norm(C, D))
    flat = torch.where(later, scores, -1.0).flatten()
    ranks = torch.empty_like(flat, dtype=torch.long)
    ranks[flat.sort(descending=True).indices] = torch.arange(1, len(flat) + 1)
    return scores, torch.where(later, ranks.view_as(scores), 0)


@torch.no_grad()
def virtual_head(model, earlier, later, earlier_pattern, later_pattern):
    a, b = model.blocks[earlier[0]].attn, model.blocks[later[0]].attn
    W_O = a.W_O[earlier[1]]
    if model.config.layer_norm:
        W_O = W_O - W_O.mean(1, keepdim=True)
    pattern = torch.einsum("bqm,bmk->bqk", later_pattern, earlier_pattern)
    return pattern, a.W_V[earlier[1]], torch.linalg.multi_dot([W_O, b.W_V[later[1]], b.W_O[later[1]]])


@torch.no_grad()
def path_decomposition(model, tokens):
    _, cache = model.run_with_cache(tokens, lambda name: name.endswith("hook_pattern"))
    found = {(): model.embed(tokens) + model.pos_embed(tokens)}
    for l in range(model.config.n_layers):
        W = torch.einsum("hme,hen->hmn", model.blocks[l].attn.W_V, model.blocks[l].attn.W_O)
        new = {}
        for path in found:
            for h in range(model.config.n_heads):
                new[path + ((l, h),)] = cache[f"blocks.{l}.attn.hook_pattern"][:, h] @ found[path] @ W[h]
        found.update(new)
    return {path: model.unembed(stream) for path, stream in found.items()}

"""Folding name by name, embeddings one context at a time, thin products with singular value decompositions."""

import torch


def _reader(norm, weight, bias):
    if isinstance(norm, torch.nn.Identity):
        return weight.clone(), bias.clone()
    shifted = bias + torch.matmul(norm.b, weight)
    return torch.diag(norm.w) @ weight, shifted


@torch.no_grad()
def fold_layer_norm(model):
    state = {"embed.W_E": model.embed.W_E.clone(), "pos_embed.W_pos": model.pos_embed.W_pos.clone()}
    norms = {"ln_final": model.ln_final}
    for i, block in enumerate(model.blocks):
        here = f"blocks.{i}."
        attn = block.attn
        state[here + "attn.W_Q"], state[here + "attn.b_Q"] = _reader(block.ln1, attn.W_Q, attn.b_Q)
        state[here + "attn.W_K"], state[here + "attn.b_K"] = _reader(block.ln1, attn.W_K, attn.b_K)
        state[here + "attn.W_V"], state[here + "attn.b_V"] = _reader(block.ln1, attn.W_V, attn.b_V)
        state[here + "attn.W_O"], state[here + "attn.b_O"] = attn.W_O.clone(), attn.b_O.clone()
        norms[here + "ln1"] = block.ln1
        if hasattr(block, "mlp"):
            mlp = block.mlp
            state[here + "mlp.W_in"], state[here + "mlp.b_in"] = _reader(block.ln2, mlp.W_in, mlp.b_in)
            state[here + "mlp.W_out"], state[here + "mlp.b_out"] = mlp.W_out.clone(), mlp.b_out.clone()
            norms[here + "ln2"] = block.ln2
    state["unembed.W_U"], state["unembed.b_U"] = _reader(model.ln_final, model.unembed.W_U, model.unembed.b_U)
    for name, norm in norms.items():
        if not isinstance(norm, torch.nn.Identity):
            state[name + ".w"] = torch.ones_like(norm.w)
            state[name + ".b"] = torch.zeros_like(norm.b)
    return state


def effective_embedding(model, contexts, chunk=256):
    pieces = []
    for tokens in torch.split(torch.arange(model.config.d_vocab), chunk):
        sum_of_streams = None
        for context in contexts:
            texts = torch.stack([torch.cat([context, token[None]]) for token in tokens])
            stream = model.forward(texts, stop_at_layer=1).detach()[:, -1, :]
            sum_of_streams = stream if sum_of_streams is None else sum_of_streams + stream
        pieces.append(sum_of_streams / contexts.shape[0])
    return torch.vstack(pieces)


class LowRankProduct:
    def __init__(self, left, right):
        self.left = left
        self.right = right

    def apply(self, vectors):
        return self.left.matmul(self.right.matmul(vectors))

    def compose(self, other):
        return LowRankProduct(self.left @ (self.right @ other.left), other.right)

    def diagonal(self):
        total = 0
        for rank in range(self.left.shape[-1]):
            total = total + self.left[..., :, rank] * self.right[..., rank, :]
        return total

    def norm(self):
        return self.singular_values().square().sum(-1).sqrt()

    def singular_values(self):
        _, s1, v1 = torch.linalg.svd(self.left, full_matrices=False)
        u2, s2, _ = torch.linalg.svd(self.right, full_matrices=False)
        core = torch.diag_embed(s1) @ v1 @ u2 @ torch.diag_embed(s2)
        return torch.linalg.svdvals(core)

    def largest_in_rows(self, chunk=256):
        best = torch.zeros(self.left.shape[:-1], dtype=torch.long, device=self.left.device)
        for start in range(0, self.left.shape[-2], chunk):
            end = start + chunk
            best[..., start:end] = torch.argmax(self.left[..., start:end, :] @ self.right, dim=-1)
        return best


def induction_circuit(model, previous, induction, sources, queries, chunk=256):
    early, late = model.blocks[previous[0]], model.blocks[induction[0]]
    i, j = previous[1], induction[1]
    d_model, d_head = model.config.d_model, model.config.d_head
    x = early.ln1(sources)
    written = (
        torch.einsum("td,dh,hm->tm", x, early.attn.W_V[i], early.attn.W_O[i]) + early.attn.b_V[i] @ early.attn.W_O[i]
    )
    if model.config.layer_norm:
        eye = torch.eye(d_model, dtype=x.dtype, device=x.device)
        written = written @ (eye - torch.full_like(eye, 1 / d_model))
    keys = torch.einsum("tm,mh->th", written, late.attn.W_K[j])
    asked = torch.einsum("tm,mh->th", late.ln1(queries), late.attn.W_Q[j]) + late.attn.b_Q[j]
    diagonal = torch.einsum("th,th->t", asked, keys) / d_head**0.5
    best = torch.zeros(len(asked), dtype=torch.long)
    for start in range(0, len(asked), chunk):
        best[start : start + chunk] = (asked[start : start + chunk] @ keys.T).argmax(dim=1)
    return diagonal, best

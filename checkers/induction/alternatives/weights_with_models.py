"""Folding and effective embeddings by way of a second model; thin products by einsum and plain loops."""

import copy
import dataclasses

import torch

from headwork.models.gpt2 import GPT2


def fold_layer_norm(model):
    cfg = model.config
    dtype, device = model.embed.W_E.dtype, model.embed.W_E.device
    new = GPT2(dataclasses.replace(cfg, tied=False, biases=True)).to(device, dtype)
    new.load_state_dict(model.state_dict(), strict=False)
    with torch.no_grad():
        new.unembed.W_U.copy_(model.unembed.W_U)
        new.unembed.b_U.copy_(model.unembed.b_U)
        if cfg.layer_norm:
            for block in new.blocks:
                attn, ln = block.attn, block.ln1
                for W, b in [(attn.W_Q, attn.b_Q), (attn.W_K, attn.b_K), (attn.W_V, attn.b_V)]:
                    b += torch.einsum("m,hmd->hd", ln.b, W)
                    W *= ln.w[None, :, None]
                ln.w.fill_(1)
                ln.b.zero_()
                if not cfg.attn_only:
                    block.mlp.b_in += block.ln2.b @ block.mlp.W_in
                    block.mlp.W_in *= block.ln2.w.unsqueeze(1)
                    block.ln2.w.fill_(1)
                    block.ln2.b.zero_()
            new.unembed.b_U += new.ln_final.b @ new.unembed.W_U
            new.unembed.W_U *= new.ln_final.w.unsqueeze(1)
            new.ln_final.w.fill_(1)
            new.ln_final.b.zero_()
    return copy.deepcopy(new.state_dict())


def effective_embedding(model, contexts, chunk=256):
    V = model.config.d_vocab
    n, before = contexts.shape
    out = torch.empty(V, model.config.d_model, dtype=model.embed.W_E.dtype, device=contexts.device)
    for start in range(0, V, chunk):
        stop = min(start + chunk, V)
        total = 0
        for context in contexts:
            text = torch.zeros(stop - start, before + 1, dtype=torch.long, device=contexts.device)
            text[:, :before] = context
            text[:, before] = torch.arange(start, stop)
            _, cache = model.run_with_cache(text, ["blocks.0.hook_resid_post"], stop_at_layer=1)
            total = total + cache["blocks.0.hook_resid_post"][:, before].detach()
        out[start:stop] = total / n
    return out


class LowRankProduct:
    def __init__(self, left, right):
        self.left = left
        self.right = right

    def apply(self, vectors):
        small = torch.einsum("...rc,...cn->...rn", self.right, vectors)
        return torch.einsum("...mr,...rn->...mn", self.left, small)

    def compose(self, other):
        middle = torch.matmul(self.right, other.left)
        if middle.shape[-2] <= middle.shape[-1]:
            return LowRankProduct(self.left, middle @ other.right)
        return LowRankProduct(self.left @ middle, other.right)

    def diagonal(self):
        return torch.einsum("...ir,...ri->...i", self.left, self.right)

    def norm(self):
        a = self.left.transpose(-1, -2) @ self.left
        b = self.right @ self.right.transpose(-1, -2)
        return torch.sqrt((a @ b).diagonal(dim1=-2, dim2=-1).sum(-1))

    def singular_values(self):
        _, t1 = torch.linalg.qr(self.left, mode="reduced")
        _, t2 = torch.linalg.qr(self.right.transpose(-1, -2), mode="reduced")
        return torch.linalg.svd(t1 @ t2.transpose(-1, -2))[1]

    def largest_in_rows(self, chunk=256):
        rows = self.left.shape[-2]
        best = []
        for start in range(0, rows, chunk):
            piece = self.left[..., start : start + chunk, :] @ self.right
            best.append(torch.max(piece, dim=-1).indices)
        return torch.cat(best, dim=-1)


def induction_circuit(model, previous, induction, sources, queries, chunk=256):
    l0, h0 = previous
    l1, h1 = induction
    a0, a1 = model.blocks[l0].attn, model.blocks[l1].attn
    value = model.blocks[l0].ln1(sources) @ a0.W_V[h0] + a0.b_V[h0]
    note = value @ a0.W_O[h0]
    if model.config.layer_norm:
        note = note - note.mean(dim=-1, keepdim=True)
    query = model.blocks[l1].ln1(queries) @ a1.W_Q[h1] + a1.b_Q[h1]
    match = LowRankProduct(query / a1.W_Q.shape[-1] ** 0.5, (note @ a1.W_K[h1]).T)
    return match.diagonal(), match.largest_in_rows(chunk)

"""Chapter `induction`: what is read off the weights: folded norms, effective embeddings, products of low rank.

Sources: Elhage et al. 2021 (circuits as products of weights); TransformerLens (folding).
"""

import torch
from torch import Tensor

from headwork.models.gpt2 import GPT2


def fold_layer_norm(model: GPT2) -> dict[str, Tensor]:
    """The weights of the same model with every LayerNorm's scale and shift folded into what reads it.

    Returns a new state, by `model`'s names, for a GPT2 of the same shape whose unembedding is its own (tied=False)
    and that has biases: its norms have scale 1 and shift 0, and its logits are those of `model`. A model without
    LayerNorm has nothing to fold, and only gets the bias and the unembedding of its own. `model` is left as it is.
    """
    ### BEGIN SOLUTION
    state = {name: value.detach().clone() for name, value in [*model.named_parameters(), *model.named_buffers()]}
    state["unembed.W_U"] = model.unembed.W_U.detach().clone()
    state["unembed.b_U"] = model.unembed.b_U.detach().clone()
    readers = [("ln_final", "unembed", "U")]
    for layer in range(model.config.n_layers):
        readers += [(f"blocks.{layer}.ln1", f"blocks.{layer}.attn", name) for name in "QKV"]
        readers += [(f"blocks.{layer}.ln2", f"blocks.{layer}.mlp", "in")]
    for norm, part, name in readers:
        if f"{norm}.w" in state and f"{part}.W_{name}" in state:
            scale, shift, weight = state[f"{norm}.w"], state[f"{norm}.b"], state[f"{part}.W_{name}"]
            state[f"{part}.b_{name}"] += shift @ weight  # (..., d_read)
            state[f"{part}.W_{name}"] = scale[:, None] * weight  # (..., d_model, d_read)
    for name, value in state.items():
        if ".ln" in f".{name}":
            value.fill_(name.endswith(".w"))
    return state
    ### END SOLUTION


def effective_embedding(model: GPT2, contexts: Tensor, chunk: int = 256) -> Tensor:
    """What stands in the residual stream for each token of the vocabulary once block 0 has run.

    contexts: tokens, (context, before), that stand before the token; with no positions, (1, 0), the token is alone.
    Returns (d_vocab, d_model): the residual stream after block 0 at the token's position, averaged over the
    contexts. At most `chunk` tokens of the vocabulary are run at once.
    """
    ### BEGIN SOLUTION
    count, before = contexts.shape
    parts = []
    with torch.no_grad():
        for tokens in torch.arange(model.config.d_vocab, device=contexts.device).split(chunk):
            ahead = contexts.expand(len(tokens), count, before)  # (token, context, before)
            last = tokens[:, None, None].expand(-1, count, 1)  # (token, context, 1)
            texts = torch.cat([ahead, last], -1).flatten(0, 1)  # (token context, before + 1)
            residual = model(texts, stop_at_layer=1)[:, -1]  # (token context, d_model)
            parts.append(residual.unflatten(0, (len(tokens), count)).mean(1))  # (token, d_model)
    return torch.cat(parts)
    ### END SOLUTION


class LowRankProduct:
    """The matrix `left @ right`, or a batch of such, kept as its two factors.

    left: (..., row, rank). right: (..., rank, column). The rank is much smaller than the numbers of rows and of
    columns, and nothing of the product's size is ever made.
    """

    def __init__(self, left: Tensor, right: Tensor):
        self.left = left
        self.right = right

    def apply(self, vectors: Tensor) -> Tensor:
        """The product times `vectors`, (..., column, n). Returns (..., row, n)."""
        ### BEGIN SOLUTION
        return self.left @ (self.right @ vectors)
        ### END SOLUTION

    def compose(self, other: "LowRankProduct") -> "LowRankProduct":
        """This product times another, (..., column, other column), as a LowRankProduct (..., row, other column)."""
        ### BEGIN SOLUTION
        return LowRankProduct(self.left, (self.right @ other.left) @ other.right)
        ### END SOLUTION

    def diagonal(self) -> Tensor:
        """The diagonal of a product with as many rows as columns, (..., row)."""
        ### BEGIN SOLUTION
        return (self.left * self.right.mT).sum(-1)
        ### END SOLUTION

    def norm(self) -> Tensor:
        """The Frobenius norm, the root of the sum of all squared entries: (...)."""
        ### BEGIN SOLUTION
        squares = (self.left.mT @ self.left) * (self.right @ self.right.mT)  # (..., rank, rank)
        return squares.sum((-2, -1)).sqrt()
        ### END SOLUTION

    def singular_values(self) -> Tensor:
        """The singular values, largest first: (..., n), where n is the smallest of rank, rows and columns."""
        ### BEGIN SOLUTION
        left = torch.linalg.qr(self.left).R  # (..., min(row, rank), rank)
        right = torch.linalg.qr(self.right.mT).R  # (..., min(column, rank), rank)
        return torch.linalg.svdvals(left @ right.mT)
        ### END SOLUTION

    def largest_in_rows(self, chunk: int = 256) -> Tensor:
        """The column of each row's largest entry, integers (..., row). Only `chunk` rows are made at once."""
        ### BEGIN SOLUTION
        parts = [(rows @ self.right).argmax(-1) for rows in self.left.split(chunk, -2)]
        return torch.cat(parts, -1)
        ### END SOLUTION

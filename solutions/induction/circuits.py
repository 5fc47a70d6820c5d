"""Chapter `induction`: circuits read off the weights of one or two heads, and a small model as a sum of paths.

A model is folded here, as `fold_layer_norm` leaves it, or has no LayerNorm: its norms only centre and divide.
Source: Elhage et al. 2021, *A Mathematical Framework for Transformer Circuits*.
"""

import torch
from torch import Tensor

from headwork.models.gpt2 import GPT2


def ov_circuit(model: GPT2, layer: int, sources: Tensor) -> tuple[Tensor, Tensor]:
    """What each head of a layer adds to the logits when it attends to one token: two factors of a thin product.

    sources: (token, d_model), the residual stream that the heads read. Returns (head, token, d_head) and
    (head, d_head, d_vocab): row s, column t of their product is what attending to s alone adds to the logit of t,
    before the final norm divides. b_V is part of it, the layer's b_O and the unembedding's bias are not.
    """
    ### BEGIN SOLUTION
    attn = model.blocks[layer].attn
    left = model.blocks[layer].ln1(sources) @ attn.W_V + attn.b_V[:, None]  # (head, token, d_head)
    written = attn.W_O  # (head, d_head, d_model)
    if model.config.layer_norm:
        written = written - written.mean(-1, keepdim=True)
    return left, written @ model.unembed.W_U
    ### END SOLUTION


def qk_circuit(model: GPT2, layer: int, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
    """The score of each head of a layer for each token as query and each as key: two factors of a thin product.

    queries, keys: (query token, d_model) and (key token, d_model), residual streams before the layer. Returns
    (head, query token, d_head) and (head, d_head, key token), with both biases and the root of d_head.
    """
    ### BEGIN SOLUTION
    attn, norm = model.blocks[layer].attn, model.blocks[layer].ln1
    q = norm(queries) @ attn.W_Q + attn.b_Q[:, None]  # (head, query token, d_head)
    k = norm(keys) @ attn.W_K + attn.b_K[:, None]  # (head, key token, d_head)
    return q / q.shape[-1] ** 0.5, k.mT
    ### END SOLUTION


def positional_qk(model: GPT2, layer: int, positions: Tensor) -> Tensor:
    """Where each head of a layer looks when nothing but the position tells keys apart: (head, query, key).

    positions: (position, d_model), the residual stream before the layer at each position, such as W_pos plus the mean
    of W_E. Returns attention patterns, which sum to 1 over the keys that a query may see.
    """
    ### BEGIN SOLUTION
    attn = model.blocks[layer].attn
    stream = model.blocks[layer].ln1(positions)
    q = stream @ attn.W_Q + attn.b_Q[:, None]  # (head, position, d_head)
    k = stream @ attn.W_K + attn.b_K[:, None]  # (head, position, d_head)
    scores = q @ k.mT / q.shape[-1] ** 0.5  # (head, query, key)
    later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
    return scores.masked_fill(later, float("-inf")).softmax(-1)
    ### END SOLUTION


def composition_scores(model: GPT2, kind: str) -> tuple[Tensor, Tensor]:
    """How much of what each head writes is in the directions that each later head reads, and the rank of each pair.

    kind: "Q", "K" or "V", the side on which the later head reads. With O = W_V W_O of the earlier head (W_O centred
    where the model has LayerNorm) and M the later head's W_Q W_K^T for Q, its transpose for K, its W_V W_O for V, the
    score is |O M| / (|O| |M|) in Frobenius norms. Source: Elhage et al. 2021.

    Returns scores and ranks, both (earlier layer, head, later layer, head), 0 where a layer is not later. Rank 1 is
    the largest score of all pairs.
    """
    ### BEGIN SOLUTION
    attention = [block.attn for block in model.blocks]
    W_Q, W_K, W_V, W_O = (
        torch.stack([getattr(each, name) for each in attention]) for name in ("W_Q", "W_K", "W_V", "W_O")
    )
    if model.config.layer_norm:
        W_O = W_O - W_O.mean(-1, keepdim=True)
    read, rest = {"Q": (W_Q, W_K.mT), "K": (W_K, W_Q.mT), "V": (W_V, W_O)}[kind]
    values, rests = W_V.mT @ W_V, rest @ rest.mT  # (layer, head, d_head, d_head)
    between = torch.einsum("ahdm,blme->ahblde", W_O, read)  # (earlier, head, later, head, d_head, d_head)
    squares = torch.einsum("ahcd,ahblde,blef,ahblcf->ahbl", values, between, rests, between)
    writes = (values * (W_O @ W_O.mT)).sum((-2, -1))  # (earlier, head)
    reads = ((read.mT @ read) * rests).sum((-2, -1))  # (later, head)
    scores = (squares / (writes[:, :, None, None] * reads)).sqrt()
    layers = torch.arange(len(attention), device=scores.device)
    later = (layers[:, None] < layers)[:, None, :, None].expand_as(scores)
    ranks = torch.zeros_like(scores, dtype=torch.long)
    ranks[later] = scores[later].argsort(descending=True).argsort() + 1
    return scores.where(later, 0), ranks
    ### END SOLUTION


def induction_circuit(
    model: GPT2,
    previous: tuple[int, int],
    induction: tuple[int, int],
    sources: Tensor,
    queries: Tensor,
    chunk: int = 256,
) -> tuple[Tensor, Tensor]:
    """How well the query of each token finds the key that an earlier head wrote about the same token.

    previous, induction: (layer, head), the earlier head and the later one. sources: (token, d_model), the residual
    stream that the earlier head reads at each token; queries: (token, d_model), the one that the later head makes
    its query from. Row a, column b of the match matrix is the part of the later head's score, of token a's query
    with a key position, that comes from what the earlier head writes there when it attends to token b alone. What
    it writes is centred where the model has LayerNorm, but not divided: by how much depends on the rest of the stream.

    Returns its diagonal, (token,), and the column of each row's largest entry, integers (token,). Only `chunk`
    rows are made at once.
    """
    ### BEGIN SOLUTION
    (early, first), (late, second) = previous, induction
    writer, reader = model.blocks[early].attn, model.blocks[late].attn
    value = model.blocks[early].ln1(sources) @ writer.W_V[first] + writer.b_V[first]  # (token, d_head)
    written = value @ writer.W_O[first]  # (token, d_model)
    if model.config.layer_norm:
        written = written - written.mean(-1, keepdim=True)
    k = written @ reader.W_K[second]  # (token, d_head)
    q = model.blocks[late].ln1(queries) @ reader.W_Q[second] + reader.b_Q[second]  # (token, d_head)
    q = q / k.shape[-1] ** 0.5
    best = [(rows @ k.mT).argmax(-1) for rows in q.split(chunk)]
    return (q * k).sum(-1), torch.cat(best)
    ### END SOLUTION


def virtual_head(
    model: GPT2, earlier: tuple[int, int], later: tuple[int, int], earlier_pattern: Tensor, later_pattern: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The head that two heads make together when the later one passes on what the earlier one wrote.

    earlier, later: (layer, head). The patterns: (batch, query, key), one for each head. Returns the virtual head's
    pattern, (batch, query, key), and its weights as two thin factors, (d_model, d_head) and (d_head, d_model): it adds
    `pattern @ stream @ left @ right` to the stream. What the earlier head writes is centred where the model has
    LayerNorm. Biases and the norms' divisions are left out. Source: Elhage et al. 2021.
    """
    ### BEGIN SOLUTION
    first, second = model.blocks[earlier[0]].attn, model.blocks[later[0]].attn
    written = first.W_O[earlier[1]]  # (d_head, d_model)
    if model.config.layer_norm:
        written = written - written.mean(-1, keepdim=True)
    left = first.W_V[earlier[1]] @ (written @ second.W_V[later[1]])  # (d_model, d_head)
    return later_pattern @ earlier_pattern, left, second.W_O[later[1]]
    ### END SOLUTION


def path_decomposition(model: GPT2, tokens: Tensor) -> dict[tuple[tuple[int, int], ...], Tensor]:
    """The logits of an attention-only model as a sum over paths, with the patterns frozen as they are.

    model: without MLPs, LayerNorm and biases. tokens: (batch, position). A path goes from the embedding to the logits
    through some heads, at most one in each layer: its name is the tuple of their (layer, head), the earliest first,
    and () is the direct one. Returns the logits of each path, (batch, position, d_vocab); they sum to the model's.
    Source: Elhage et al. 2021.
    """
    ### BEGIN SOLUTION
    names = [f"blocks.{layer}.attn.hook_pattern" for layer in range(model.config.n_layers)]
    _, cache = model.run_with_cache(tokens, names)
    streams: dict[tuple, Tensor] = {(): model(tokens, stop_at_layer=0)}  # (batch, position, d_model) each
    for layer, name in enumerate(names):
        attn = model.blocks[layer].attn
        for path, stream in list(streams.items()):
            z = torch.einsum("bhqk,bkm,hmd->bhqd", cache[name], stream, attn.W_V)
            for head, written in enumerate(torch.einsum("bhqd,hdm->hbqm", z, attn.W_O)):
                streams[*path, (layer, head)] = written
    return {path: stream @ model.unembed.W_U for path, stream in streams.items()}
    ### END SOLUTION

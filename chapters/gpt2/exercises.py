"""The exercises of chapter `gpt2`: GPT-2 from its parts.

What to write, and why, stands in the chapter's text. Put your code in place of `raise NotImplementedError`;
names and parameters stay as they are, and helpers of your own are welcome.
`headwork check gpt2.embed` checks one of them.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


# gpt2.embed: Embedding tokens and positions
# 3 points, about 8 minutes. Check it with: headwork check gpt2.embed
class Embed(nn.Module):
    """What stands in the residual stream before the first layer: a vector for the token plus one for its position."""

    def __init__(self, d_vocab: int, n_ctx: int, d_model: int):
        super().__init__()
        self.W_E = nn.Parameter(torch.randn(d_vocab, d_model) * 0.02)
        self.W_pos = nn.Parameter(torch.randn(n_ctx, d_model) * 0.02)

    def forward(self, tokens: Tensor, start: int = 0) -> Tensor:
        """tokens: (batch, position), integers; the first stands at position `start`.

        Returns (batch, position, d_model). At most n_ctx positions in all, those before `start` included.
        """
        raise NotImplementedError("write Embed.forward")


# gpt2.layer_norm: LayerNorm
# 4 points, about 12 minutes. Check it with: headwork check gpt2.layer_norm
class LayerNorm(nn.Module):
    """Normalises the last axis to mean 0 and variance 1, then scales by `w` and shifts by `b`.

    `eps` is added to the variance, so that a constant row does not divide by zero.
    """

    def __init__(self, width: int, eps: float = 1e-5):
        super().__init__()
        self.eps = eps
        self.w = nn.Parameter(torch.ones(width))
        self.b = nn.Parameter(torch.zeros(width))

    def forward(self, residual: Tensor) -> Tensor:
        """residual: (batch, position, width). Returns the same shape."""
        raise NotImplementedError("write LayerNorm.forward")


# gpt2.causal_mask: The causal mask
# 2 points, about 6 minutes. Check it with: headwork check gpt2.causal_mask
def causal_mask(n_queries: int, n_keys: int, device: torch.device | str | None = None) -> Tensor:
    """Where each query may look: at its own position and those before it.

    The queries are the last `n_queries` of the `n_keys` positions. Returns booleans, (query, key), on `device`.
    """
    raise NotImplementedError("write causal_mask")


# gpt2.attention_pattern: The attention pattern
# 6 points, about 15 minutes. Check it with: headwork check gpt2.attention_pattern
def attention_pattern(q: Tensor, k: Tensor) -> Tensor:
    """How much each query position attends to each key position.

    q, k: (batch, position, head, d_head). Returns (batch, head, query, key): every row sums to 1 over the keys,
    and a query gives exactly 0 to the keys after it.
    """
    raise NotImplementedError("write attention_pattern")


# gpt2.attention: An attention layer
# 6 points, about 18 minutes. Check it with: headwork check gpt2.attention
class Attention(nn.Module):
    """Multi-head causal self-attention: every head moves information between positions in its own way."""

    def __init__(self, d_model: int, n_heads: int):
        super().__init__()
        d_head = d_model // n_heads
        self.W_Q = nn.Parameter(torch.randn(n_heads, d_model, d_head) * 0.02)
        self.W_K = nn.Parameter(torch.randn(n_heads, d_model, d_head) * 0.02)
        self.W_V = nn.Parameter(torch.randn(n_heads, d_model, d_head) * 0.02)
        self.W_O = nn.Parameter(torch.randn(n_heads, d_head, d_model) * 0.02)
        self.b_Q = nn.Parameter(torch.zeros(n_heads, d_head))
        self.b_K = nn.Parameter(torch.zeros(n_heads, d_head))
        self.b_V = nn.Parameter(torch.zeros(n_heads, d_head))
        self.b_O = nn.Parameter(torch.zeros(d_model))

    def forward(self, residual: Tensor) -> Tensor:
        """residual: (batch, position, d_model). Returns what the layer adds to it, the same shape."""
        raise NotImplementedError("write Attention.forward")


# gpt2.head_contributions: What each head writes
# 4 points, about 15 minutes. Check it with: headwork check gpt2.head_contributions
def head_contributions(layer: "Attention", residual: Tensor) -> Tensor:
    """What each head of an attention layer writes to the residual stream.

    layer: anything with the parameters of `Attention`. residual: (batch, position, d_model), as the layer reads it.
    Returns (batch, position, head, d_model): summed over heads, plus b_O once, it is `layer(residual)`.
    Source: Elhage et al. 2021.
    """
    raise NotImplementedError("write head_contributions")


# gpt2.gelu: GPT-2's GELU
# 2 points, about 5 minutes. Check it with: headwork check gpt2.gelu
def gelu(x: Tensor) -> Tensor:
    """GPT-2's GELU: x times a smooth step from 0 to 1, in the form with tanh. Any shape, which is kept.

    Source: Hendrycks and Gimpel 2016.
    """
    raise NotImplementedError("write gelu")


# gpt2.mlp: The MLP
# 3 points, about 6 minutes. Check it with: headwork check gpt2.mlp
class MLP(nn.Module):
    """The layer that works on each position alone: read in `d_mlp` directions, bend, write in as many."""

    def __init__(self, d_model: int, d_mlp: int):
        super().__init__()
        self.W_in = nn.Parameter(torch.randn(d_model, d_mlp) * 0.02)
        self.b_in = nn.Parameter(torch.zeros(d_mlp))
        self.W_out = nn.Parameter(torch.randn(d_mlp, d_model) * 0.02)
        self.b_out = nn.Parameter(torch.zeros(d_model))

    def forward(self, residual: Tensor) -> Tensor:
        """residual: (batch, position, d_model). Returns what the layer adds to it, the same shape."""
        raise NotImplementedError("write MLP.forward")


# gpt2.unembed: Unembedding
# 3 points, about 6 minutes. Check it with: headwork check gpt2.unembed
def unembed(residual: Tensor, norm: Callable[[Tensor], Tensor], W_E: Tensor) -> Tensor:
    """The score of every token of the vocabulary as the next one: the normalised stream against its embedding.

    residual: (batch, position, d_model). norm: the final LayerNorm. W_E: (d_vocab, d_model).
    Returns logits, (batch, position, d_vocab): no softmax, since only their differences mean anything.
    """
    raise NotImplementedError("write unembed")


# gpt2.transformer_block: A transformer block
# 4 points, about 10 minutes. Check it with: headwork check gpt2.transformer_block
class TransformerBlock(nn.Module):
    """Attention, then an MLP; each reads the stream through a LayerNorm of its own and adds to it."""

    def __init__(self, d_model: int, n_heads: int, d_mlp: int, eps: float = 1e-5):
        super().__init__()
        self.ln1 = LayerNorm(d_model, eps)
        self.attn = Attention(d_model, n_heads)
        self.ln2 = LayerNorm(d_model, eps)
        self.mlp = MLP(d_model, d_mlp)

    def forward(self, residual: Tensor) -> Tensor:
        """residual: (batch, position, d_model). Returns the stream after the block, the same shape."""
        raise NotImplementedError("write TransformerBlock.forward")


# gpt2.gpt2: The whole network
# 5 points, about 15 minutes. Check it with: headwork check gpt2.gpt2
class GPT2(nn.Module):
    """From tokens to the logits of each next token."""

    def __init__(
        self, d_vocab: int, n_ctx: int, d_model: int, n_heads: int, d_mlp: int, n_layers: int, eps: float = 1e-5
    ):
        super().__init__()
        self.embed = Embed(d_vocab, n_ctx, d_model)
        self.blocks = nn.ModuleList(TransformerBlock(d_model, n_heads, d_mlp, eps) for _ in range(n_layers))
        self.ln_final = LayerNorm(d_model, eps)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens: (batch, position). Returns logits, (batch, position, d_vocab)."""
        raise NotImplementedError("write GPT2.forward")


# gpt2.init_weights: First weights
# 4 points, about 15 minutes. Check it with: headwork check gpt2.init_weights
def init_weights(model: nn.Module, n_layers: int, generator: torch.Generator | None = None) -> None:
    """Fills the parameters of `model` with GPT-2's first weights, in place, by the last part of their names.

    `W_...`: normal, mean 0, standard deviation 0.02; of those that write into the stream, `W_O` and `W_out`,
    0.02 / sqrt(2 n_layers). `w` of a LayerNorm: 1. All others are biases: 0. Randomness comes from `generator` alone.
    """
    raise NotImplementedError("write init_weights")


# gpt2.load_pretrained: Weights from elsewhere
# 5 points, about 30 minutes. Check it with: headwork check gpt2.load_pretrained
def load_pretrained(model: nn.Module, state: dict[str, Tensor]) -> nn.Module:
    """Fills the parameters of `model`, a GPT2, with the weights of a transformers GPT-2, in place; returns `model`.

    state: tensors by transformers' names, with or without `transformer.` in front. The names of layer 0 begin with
    `h.0.`; matrices have the axes (in, out). `attn.bias`, `attn.masked_bias` and `lm_head.weight` are not needed.
    """
    raise NotImplementedError("write load_pretrained")


# gpt2.next_token_loss: The loss of the next token
# 3 points, about 8 minutes. Check it with: headwork check gpt2.next_token_loss
def next_token_loss(logits: Tensor, tokens: Tensor) -> Tensor:
    """The mean cross-entropy of each next token, in nats.

    logits: (batch, position, vocab); those at a position speak about the token after it. tokens: (batch, position).
    Returns a tensor without axes.
    """
    raise NotImplementedError("write next_token_loss")


# gpt2.train: The training loop
# 6 points, about 20 minutes. Check it with: headwork check gpt2.train
def train(
    model: nn.Module, batches: list[Tensor], learning_rate: float, weight_decay: float = 0.01, max_norm: float = 1.0
) -> list[float]:
    """Trains `model` in place, one AdamW step a batch, and returns the loss of each batch before its step.

    model: maps tokens (batch, position) to logits (batch, position, vocab). batches: tokens, (batch, position) each.
    The loss is the mean cross-entropy of each next token; gradients longer than `max_norm` are scaled down to it.
    """
    raise NotImplementedError("write train")


# gpt2.learning_rate_schedule: A learning rate for every step (stretch)
# 3 points, about 15 minutes. Check it with: headwork check gpt2.learning_rate_schedule
def learning_rate_schedule(step: int, peak: float, warmup: int, total: int, floor: float) -> float:
    """The learning rate of a step: a straight line from 0 to `peak`, then half a cosine down to `floor`.

    It is 0 at step 0, `peak` at step `warmup`, and `floor` from step `total` on. 0 <= warmup < total.
    """
    raise NotImplementedError("write learning_rate_schedule")


# gpt2.temperature: Sampling with a temperature
# 3 points, about 10 minutes. Check it with: headwork check gpt2.temperature
def temperature(logits: Tensor, temperature: float, generator: torch.Generator | None = None) -> Tensor:
    """Draws one token a row from the softmax of the logits divided by `temperature`; 0 takes the likeliest token.

    logits: (row, vocab). Returns (row,), integers. Randomness comes from `generator` alone.
    """
    raise NotImplementedError("write temperature")


# gpt2.top_k: Sampling from the k likeliest
# 3 points, about 10 minutes. Check it with: headwork check gpt2.top_k
def top_k(logits: Tensor, k: int, generator: torch.Generator | None = None) -> Tensor:
    """Draws one token a row from its `k` likeliest tokens, by their own shares; from all of them when there are fewer.

    logits: (row, vocab). Returns (row,), integers. Randomness comes from `generator` alone.
    """
    raise NotImplementedError("write top_k")


# gpt2.top_p: Nucleus sampling
# 5 points, about 15 minutes. Check it with: headwork check gpt2.top_p
def top_p(logits: Tensor, p: float, generator: torch.Generator | None = None) -> Tensor:
    """Draws one token a row from the nucleus: the fewest most likely tokens whose probabilities reach `p` together.

    logits: (row, vocab). Returns (row,), integers. Randomness comes from `generator` alone.
    """
    raise NotImplementedError("write top_p")


# gpt2.repetition_penalty: A penalty on repetition (stretch)
# 3 points, about 15 minutes. Check it with: headwork check gpt2.repetition_penalty
def repetition_penalty(logits: Tensor, tokens: Tensor, penalty: float) -> Tensor:
    """The logits, lowered for every token that the row has seen: positive ones divided, negative ones multiplied.

    logits: (row, vocab). tokens: (row, position), what stands in the text so far; each counts once. Returns the
    shape of `logits`, in a new tensor.
    """
    raise NotImplementedError("write repetition_penalty")


# gpt2.beam_search: Beam search (stretch)
# 3 points, about 30 minutes. Check it with: headwork check gpt2.beam_search
@torch.no_grad()
def beam_search(model: Callable[[Tensor], Tensor], prompt: Tensor, n_new: int, n_beams: int) -> tuple[Tensor, Tensor]:
    """The `n_beams` likeliest continuations that are found by keeping only that many at every length, best first.

    model: maps tokens (row, position) to logits (row, position, vocab). prompt: (position,).
    Returns sequences, (beam, position + n_new), and the log-probabilities of their new tokens, (beam,). There are
    fewer beams when there are fewer sequences.
    """
    raise NotImplementedError("write beam_search")


# gpt2.kv_cache: A cache of keys and values
# 6 points, about 30 minutes. Check it with: headwork check gpt2.kv_cache
def forward_with_cache(model: Any, tokens: Tensor, cache: Any = None) -> tuple[Tensor, Any]:
    """The logits of new positions, without reading the ones before them again.

    model: has `embed`, `blocks` and `ln_final`, as GPT2 has. tokens: (batch, new); they come after what `cache` holds,
    or at the beginning when it is None. Returns the logits, (batch, new, d_vocab), and a cache for the next call, of
    whatever form; the one that was passed in stays as it was.
    """
    raise NotImplementedError("write forward_with_cache")


# gpt2.pretokenize: Cutting a text into words
# 3 points, about 15 minutes. Check it with: headwork check gpt2.pretokenize
def pretokenize(text: str) -> list[str]:
    """The words that are encoded apart from each other, as GPT-2 cuts them; joined they are `text` again."""
    raise NotImplementedError("write pretokenize")


# gpt2.byte_pair_merge: Merging the bytes of a word
# 4 points, about 20 minutes. Check it with: headwork check gpt2.byte_pair_merge
def byte_pair_merge(word: bytes, ranks: dict[tuple[bytes, bytes], int]) -> list[bytes]:
    """The pieces that `word` becomes: neighbours are merged, always the pair of lowest rank, until none has a rank.

    `ranks` holds the place of each merge in the order of learning, by its two parts.
    """
    raise NotImplementedError("write byte_pair_merge")


# gpt2.bpe_encode: From text to tokens
# 3 points, about 10 minutes. Check it with: headwork check gpt2.bpe_encode
def bpe_encode(text: str, ranks: dict[tuple[bytes, bytes], int], vocabulary: dict[bytes, int]) -> list[int]:
    """The tokens of `text`. `ranks` as for `byte_pair_merge`; `vocabulary` holds the token of each piece of bytes."""
    raise NotImplementedError("write bpe_encode")


# gpt2.bpe_decode: From tokens to text
# 2 points, about 5 minutes. Check it with: headwork check gpt2.bpe_decode
def bpe_decode(ids: list[int], vocabulary: dict[bytes, int]) -> str:
    """The text of the tokens `ids`; bytes that are no UTF-8 become the replacement character U+FFFD."""
    raise NotImplementedError("write bpe_decode")


# gpt2.hidden_bug: Which of these models are broken, and how?
# 6 points, about 60 minutes. Check it with: headwork check gpt2.hidden_bug
CASE = ...


HIDDEN_BUGS: list[tuple[str, list[int]]] = ...

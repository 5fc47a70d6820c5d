"""The exercises of chapter `induction`: Hooks, heads and circuits.

What to write, and why, stands in the chapter's text. Put your code in place of `raise NotImplementedError`;
names and parameters stay as they are, and helpers of your own are welcome.
`headwork check induction.hook_point` checks one of them.
"""

from collections.abc import Callable, Collection
from typing import Any

import torch
import torch.nn.functional as F
from headwork.models import GPT2
from headwork.models.gpt2 import GPT2
from torch import Tensor, nn


# induction.hook_point: A hook point
# 4 points, about 15 minutes. Check it with: headwork check induction.hook_point
Hook = Callable[[Tensor, nn.Module], Tensor | None]


class HookPoint(nn.Module):
    """Returns what it is given, as its hooks leave it: a place in a network where an activation has a name."""

    def __init__(self) -> None:
        super().__init__()
        self.hooks: dict[object, Hook] = {}  # in the order in which they run, each under a key of its own

    def add(self, hook: Hook) -> Callable[[], None]:
        """Adds a hook behind those that are there. Returns a function that takes this one off, once or often.

        A function may be added twice, and is then two hooks.
        """
        raise NotImplementedError("write HookPoint.add")

    def forward(self, value: Tensor) -> Tensor:
        """Calls each hook with the activation and this hook point, in order.

        A hook that returns a tensor replaces the activation for all that follows; None leaves it. Returns the
        activation: without hooks the very tensor that came in. A hook may take itself off while it is called.
        """
        raise NotImplementedError("write HookPoint.forward")


# induction.run_with_hooks: Run with hooks
# 6 points, about 30 minutes. Check it with: headwork check induction.run_with_hooks
def run_with_hooks(model: nn.Module, tokens: Tensor, hooks: list[tuple[str, Hook]]) -> Tensor:
    """Runs `model` on `tokens` with hooks in place, and leaves the model as it was, whatever happens.

    hooks: pairs (name, hook). `name` is that of a submodule, as `model.named_modules()` gives it;
    `hook(activation, hook_point)` is called with the submodule's output and the submodule. A hook that returns
    a tensor replaces the activation; one that returns None leaves it. Hooks on one name run in the order given.
    Returns what the model returns. Raises KeyError, before anything is hooked, when no submodule has a name.
    """
    raise NotImplementedError("write run_with_hooks")


# induction.run_with_cache: Run with a cache
# 5 points, about 20 minutes. Check it with: headwork check induction.run_with_cache
Names = None | Collection[str] | Callable[[str], bool]


def run_with_cache(model: Any, tokens: Tensor, names: Names = None) -> tuple[Tensor, dict[str, Tensor]]:
    """What `model` returns on `tokens`, and the activations at its hook points, by name.

    model.hook_points: a dict of the model's hook points by name, each a submodule of that name. names: those to keep,
    a collection, or a function that says of each name whether to keep it; all for None. Raises KeyError, before the
    model runs, for a name that is no hook point. The cache's tensors are its own: nothing that happens later changes
    them. Gradients flow through them, so the output's gradient by a cached activation can be taken.
    """
    raise NotImplementedError("write run_with_cache")


# induction.repeated_tokens: A random text, said twice
# 4 points, about 12 minutes. Check it with: headwork check induction.repeated_tokens
def repeated_tokens(batch: int, period: int, d_vocab: int, bos: int, generator: torch.Generator) -> Tensor:
    """Random texts that are each said twice, after the token `bos`: (batch, 1 + 2 * period), integers.

    In a text no token occurs twice and `bos` does not occur; apart from that all tokens below d_vocab are equally
    likely, and texts are independent. Draws from `generator` alone, on its device.
    """
    raise NotImplementedError("write repeated_tokens")


# induction.loss_per_token: The loss of each token
# 3 points, about 8 minutes. Check it with: headwork check induction.loss_per_token
def loss_per_token(model: GPT2, tokens: Tensor) -> Tensor:
    """The loss in nats of each token but the first, given those before it: (batch, position - 1).

    tokens: (batch, position). Column p belongs to the token at position p + 1.
    """
    raise NotImplementedError("write loss_per_token")


# induction.pattern_scores: Previous, current, first
# 3 points, about 10 minutes. Check it with: headwork check induction.pattern_scores
def pattern_scores(patterns: Tensor) -> dict[str, Tensor]:
    """How much each head attends to the previous position, to its own, and to the first.

    patterns: (layer, batch, head, query, key). Returns "previous", "current" and "first", each (layer, head): the mean
    over the batch and over all queries but the one at position 0, which can only look at itself.
    """
    raise NotImplementedError("write pattern_scores")


# induction.prefix_matching_score: The prefix-matching score
# 5 points, about 20 minutes. Check it with: headwork check induction.prefix_matching_score
def prefix_matching_score(patterns: Tensor, period: int, start: int) -> Tensor:
    """How much each head attends, from a token of the second copy, to what came after that token in the first copy.

    patterns: (layer, batch, head, query, key). The first copy stands at the positions from `start` up to, but not
    including, start + period; the second follows at once; what comes after it, if anything, does not count.
    Returns (layer, head): the mean over the batch and over all queries of the second copy.
    """
    raise NotImplementedError("write prefix_matching_score")


# induction.copying_score: The copying score
# 6 points, about 30 minutes. Check it with: headwork check induction.copying_score
def copying_score(model: GPT2, tokens: Tensor) -> Tensor:
    """How much each head would raise the logit of a token by attending to it alone: (layer, head).

    tokens: (batch, position). What a head would write is its value at a position times W_O, read by the unembedding
    as the final norm leaves it. Counted is the logit of the token at that position, in standard deviations above the
    mean of all tokens' logits; the score is the mean over batch and positions. Definition: ours.
    """
    raise NotImplementedError("write copying_score")


# induction.in_context_learning_score: The in-context-learning score
# 2 points, about 6 minutes. Check it with: headwork check induction.in_context_learning_score
def in_context_learning_score(losses: Tensor, early: int, late: int) -> Tensor:
    """The mean loss of the tokens at position `late` minus that of the tokens at position `early`: one number.

    losses: (batch, position - 1), as `loss_per_token` gives them. Positions count from 0, the first token of the text.
    """
    raise NotImplementedError("write in_context_learning_score")


# induction.head_outputs: The stream as a sum
# 5 points, about 25 minutes. Check it with: headwork check induction.head_outputs
def head_outputs(model: GPT2, tokens: Tensor) -> dict[str, Tensor]:
    """Everything that is added up to the residual stream before the final norm, by name, in the order of the network.

    tokens: (batch, position). Names: "embed", "pos_embed", then for each layer, here 2, its heads "2.0", "2.1", ...,
    "2.bias" for its b_O and, where the model has MLPs, "2.mlp". Each is (batch, position, d_model).
    """
    raise NotImplementedError("write head_outputs")


# induction.logit_attribution: Direct logit attribution
# 5 points, about 20 minutes. Check it with: headwork check induction.logit_attribution
def logit_attribution(model: GPT2, parts: Tensor, residual: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """How much each part of the residual stream adds to the logit of a token, and what the biases add.

    parts: (part, batch, position, d_model), any vectors written to the stream. residual: (batch, position, d_model),
    the whole stream before the final norm, whose scale is taken as given. targets: (batch, position), tokens.
    Returns (part, batch, position) and (batch, position). When the parts add up to `residual`, all numbers together add
    up to the logits of the targets.
    """
    raise NotImplementedError("write logit_attribution")


# induction.ablation_values: What to put in its place
# 4 points, about 15 minutes. Check it with: headwork check induction.ablation_values
def ablation_values(values: Tensor, how: str, generator: torch.Generator | None = None) -> Tensor:
    """What to put in the place of an activation: a tensor of the shape of `values`.

    values: (batch, position, ...), the activation on a batch of texts. how: "zero"; "mean", over batch and positions,
    the same everywhere; "position mean", over the batch, at each position its own; "resample", for each text all of
    another text's values, each other text as likely as the next, drawn from `generator`.
    """
    raise NotImplementedError("write ablation_values")


# induction.ablate_heads: Without some heads
# 5 points, about 20 minutes. Check it with: headwork check induction.ablate_heads
Head = tuple[int, int]  # layer, head


def ablate_heads(
    model: GPT2, tokens: Tensor, heads: list[Head], values: dict[str, Tensor], positions: list[int] | None = None
) -> Tensor:
    """The logits on `tokens` when hook_z of these heads is replaced: (batch, position, d_vocab).

    heads: pairs (layer, head). values: replacements by the hook point's name, each for all heads of a layer, (batch,
    position, head, d_head). positions: where to replace, everywhere for None.
    """
    raise NotImplementedError("write ablate_heads")


# induction.ablate_pairs: Without each pair
# 5 points, about 25 minutes. Check it with: headwork check induction.ablate_pairs
def ablate_pairs(model: GPT2, tokens: Tensor, heads: list[Head], values: dict[str, Tensor], start: int) -> Tensor:
    """How much the loss rises without each pair of heads, and on the diagonal without each one: (head, head), in nats.

    heads: pairs (layer, head), n of them, in the order of rows and columns. values: as for `ablate_heads`. The loss is
    the mean over the batch and over the columns of `loss_per_token` from `start` on.
    """
    raise NotImplementedError("write ablate_pairs")


# induction.cut_edges: Cutting edges
# 7 points, about 35 minutes. Check it with: headwork check induction.cut_edges
Edge = tuple[Head, Head, str]  # from, to, and the input that is meant: "q", "k" or "v"


def cut_edges(model: GPT2, tokens: Tensor, edges: list[Edge], values: dict[str, Tensor]) -> Tensor:
    """The logits on `tokens` when these connections between heads are cut, (batch, position, d_vocab).

    edges: (sender, receiver, input), heads as pairs (layer, head), input "q", "k" or "v". In that input of the
    receiver, what the sender wrote in this very run is replaced by what it would have written with `values`, as in
    `ablate_heads`, in the place of its hook_z. Nobody else notices. Raises ValueError for a receiver in no later layer.
    """
    raise NotImplementedError("write cut_edges")


# induction.fold_layer_norm: Folding the norms
# 5 points, about 25 minutes. Check it with: headwork check induction.fold_layer_norm
def fold_layer_norm(model: GPT2) -> dict[str, Tensor]:
    """The weights of the same model with every LayerNorm's scale and shift folded into what reads it.

    Returns a new state, by `model`'s names, for a GPT2 of the same shape whose unembedding is its own (tied=False)
    and that has biases: its norms have scale 1 and shift 0, and its logits are those of `model`. A model without
    LayerNorm has nothing to fold, and only gets the bias and the unembedding of its own. `model` is left as it is.
    """
    raise NotImplementedError("write fold_layer_norm")


# induction.effective_embedding: What a token looks like after block 0
# 4 points, about 15 minutes. Check it with: headwork check induction.effective_embedding
def effective_embedding(model: GPT2, contexts: Tensor, chunk: int = 256) -> Tensor:
    """What stands in the residual stream for each token of the vocabulary once block 0 has run.

    contexts: tokens, (context, before), that stand before the token; with no positions, (1, 0), the token is alone.
    Returns (d_vocab, d_model): the residual stream after block 0 at the token's position, averaged over the
    contexts. At most `chunk` tokens of the vocabulary are run at once.
    """
    raise NotImplementedError("write effective_embedding")


# induction.low_rank_product: A product that is never made
# 6 points, about 25 minutes. Check it with: headwork check induction.low_rank_product
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
        raise NotImplementedError("write LowRankProduct.apply")

    def compose(self, other: "LowRankProduct") -> "LowRankProduct":
        """This product times another, (..., column, other column), as a LowRankProduct (..., row, other column)."""
        raise NotImplementedError("write LowRankProduct.compose")

    def diagonal(self) -> Tensor:
        """The diagonal of a product with as many rows as columns, (..., row)."""
        raise NotImplementedError("write LowRankProduct.diagonal")

    def norm(self) -> Tensor:
        """The Frobenius norm, the root of the sum of all squared entries: (...)."""
        raise NotImplementedError("write LowRankProduct.norm")

    def singular_values(self) -> Tensor:
        """The singular values, largest first: (..., n), where n is the smallest of rank, rows and columns."""
        raise NotImplementedError("write LowRankProduct.singular_values")

    def largest_in_rows(self, chunk: int = 256) -> Tensor:
        """The column of each row's largest entry, integers (..., row). Only `chunk` rows are made at once."""
        raise NotImplementedError("write LowRankProduct.largest_in_rows")


# induction.ov_circuit: What a head adds to the logits
# 4 points, about 15 minutes. Check it with: headwork check induction.ov_circuit
def ov_circuit(model: GPT2, layer: int, sources: Tensor) -> tuple[Tensor, Tensor]:
    """What each head of a layer adds to the logits when it attends to one token: two factors of a thin product.

    sources: (token, d_model), the residual stream that the heads read. Returns (head, token, d_head) and
    (head, d_head, d_vocab): row s, column t of their product is what attending to s alone adds to the logit of t,
    before the final norm divides. b_V is part of it, the layer's b_O and the unembedding's bias are not.
    """
    raise NotImplementedError("write ov_circuit")


# induction.qk_circuit: What a head looks for
# 3 points, about 10 minutes. Check it with: headwork check induction.qk_circuit
def qk_circuit(model: GPT2, layer: int, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
    """The score of each head of a layer for each token as query and each as key: two factors of a thin product.

    queries, keys: (query token, d_model) and (key token, d_model), residual streams before the layer. Returns
    (head, query token, d_head) and (head, d_head, key token), with both biases and the root of d_head.
    """
    raise NotImplementedError("write qk_circuit")


# induction.positional_qk: Where a head looks by position alone
# 3 points, about 10 minutes. Check it with: headwork check induction.positional_qk
def positional_qk(model: GPT2, layer: int, positions: Tensor) -> Tensor:
    """Where each head of a layer looks when nothing but the position tells keys apart: (head, query, key).

    positions: (position, d_model), the residual stream before the layer at each position, such as W_pos plus the mean
    of W_E. Returns attention patterns, which sum to 1 over the keys that a query may see.
    """
    raise NotImplementedError("write positional_qk")


# induction.composition_scores: Which heads listen to which
# 5 points, about 30 minutes. Check it with: headwork check induction.composition_scores
def composition_scores(model: GPT2, kind: str) -> tuple[Tensor, Tensor]:
    """How much of what each head writes is in the directions that each later head reads, and the rank of each pair.

    kind: "Q", "K" or "V", the side on which the later head reads. With O = W_V W_O of the earlier head (W_O centred
    where the model has LayerNorm) and M the later head's W_Q W_K^T for Q, its transpose for K, its W_V W_O for V, the
    score is |O M| / (|O| |M|) in Frobenius norms. Source: Elhage et al. 2021.

    Returns scores and ranks, both (earlier layer, head, later layer, head), 0 where a layer is not later. Rank 1 is
    the largest score of all pairs.
    """
    raise NotImplementedError("write composition_scores")


# induction.induction_circuit: The induction circuit in the weights
# 8 points, about 35 minutes. Check it with: headwork check induction.induction_circuit
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
    raise NotImplementedError("write induction_circuit")


# induction.virtual_head: A head made of two
# 3 points, about 12 minutes. Check it with: headwork check induction.virtual_head
def virtual_head(
    model: GPT2, earlier: tuple[int, int], later: tuple[int, int], earlier_pattern: Tensor, later_pattern: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The head that two heads make together when the later one passes on what the earlier one wrote.

    earlier, later: (layer, head). The patterns: (batch, query, key), one for each head. Returns the virtual head's
    pattern, (batch, query, key), and its weights as two thin factors, (d_model, d_head) and (d_head, d_model): it adds
    `pattern @ stream @ left @ right` to the stream. What the earlier head writes is centred where the model has
    LayerNorm. Biases and the norms' divisions are left out. Source: Elhage et al. 2021.
    """
    raise NotImplementedError("write virtual_head")


# induction.path_decomposition: Every path to the logits
# 5 points, about 25 minutes. Check it with: headwork check induction.path_decomposition
def path_decomposition(model: GPT2, tokens: Tensor) -> dict[tuple[tuple[int, int], ...], Tensor]:
    """The logits of an attention-only model as a sum over paths, with the patterns frozen as they are.

    model: without MLPs, LayerNorm and biases. tokens: (batch, position). A path goes from the embedding to the logits
    through some heads, at most one in each layer: its name is the tuple of their (layer, head), the earliest first,
    and () is the direct one. Returns the logits of each path, (batch, position, d_vocab); they sum to the model's.
    Source: Elhage et al. 2021.
    """
    raise NotImplementedError("write path_decomposition")


# induction.train_induction: A network that learns induction
# 8 points, about 40 minutes. Check it with: headwork check induction.train_induction
def induction_batch(count: int, length: int, vocab: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Texts of random tokens in which one stretch comes again later: (batch, position), and what can be known of them.

    In each text no token comes twice but for those of the stretch, which has from 2 to length // 2 tokens. Its size,
    its place and that of its copy, anywhere behind it, are drawn for each text anew. 4 <= length <= vocab.
    Returns tokens, and booleans of the same shape: True where induction knows the next token, which is at every token
    of the copy but its last.
    """
    raise NotImplementedError("write induction_batch")


def train_induction(
    model: nn.Module,
    make_batch: Callable[[int], tuple[Tensor, Tensor]],
    steps: int,
    learning_rate: float,
    warmup: int = 50,
) -> list[float]:
    """Trains `model` in place on what induction can know, and returns the loss of each step, before it.

    model: maps tokens (batch, position) to logits (batch, position, vocab). make_batch(step), for step from 0 on, gives
    tokens and booleans as `induction_batch` does: the loss is the mean cross-entropy of the next token where they are
    True. AdamW with betas 0.9 and 0.98 and weight decay 0.01; the gradient is clipped to the norm 1; the learning rate
    of step s is min(1, (s + 1) / warmup) times `learning_rate`.
    """
    raise NotImplementedError("write train_induction")


# induction.induction_heads: Which heads do induction?
# 6 points, about 40 minutes. Check it with: headwork check induction.induction_heads
INDUCTION_HEADS: list[tuple[int, int]] = ...


# induction.smallest_set: The smallest set that keeps induction
# 6 points, about 45 minutes. Check it with: headwork check induction.smallest_set
SMALLEST_SET: list[tuple[int, int]] = ...

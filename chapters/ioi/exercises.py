"""The exercises of chapter `ioi`: From a behaviour to a circuit.

What to write, and why, stands in the chapter's text. Put your code in place of `raise NotImplementedError`;
names and parameters stay as they are, and helpers of your own are welcome.
`headwork check ioi.ioi_prompts` checks one of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from headwork.models import GPT2
from headwork.models.edges import Edge
from torch import Tensor, nn


# ioi.ioi_prompts: Prompts, balanced and aligned
# 5 points, about 30 minutes. Check it with: headwork check ioi.ioi_prompts
@dataclass
class Prompts:
    """Prompts of several templates. Each begins with BOS; shorter ones are filled up with it at the end."""

    tokens: Tensor  # (prompt, position)
    io: Tensor  # (prompt,), the token of IO, the right answer
    s: Tensor  # (prompt,), the token of S
    absent: Tensor  # (prompt, name), the tokens of all the names that the prompt does not contain
    template: Tensor  # (prompt,), which of the templates it is made from
    order: Tensor  # (prompt,), 0 where IO is named before S (ABBA), 1 where S is named first (BABA)
    positions: dict[str, Tensor]  # where "IO", "S1", "S1+1", "S2" and "END" stand in each prompt, (prompt,)


def ioi_prompts(
    tokenizer: Any, templates: list[str], names: list[str], count: int, generator: torch.Generator
) -> Prompts:
    """So many prompts, as many of each template in each order as can be, with names that are single tokens.

    tokenizer: a `headwork.models.tokenizer.Tokenizer`. templates: texts with {A} and {B}, two people in the order in
    which they are named first, and later {S}, which is one of them. Names that are not one token after a space are left
    out; every pair of the others is as likely as every other. Draws from `generator` alone, on its device.
    """
    raise NotImplementedError("write ioi_prompts")


# ioi.corrupt: The same prompts with other names
# 4 points, about 15 minutes. Check it with: headwork check ioi.corrupt
def corrupt(prompts: Prompts, how: str, generator: torch.Generator) -> Tensor:
    """The prompts' tokens with other names in their places, (prompt, position).

    how: "abc": three names that the prompt does not contain, all different, for IO, S1 and S2. "names": IO and S change
    places everywhere (ABB becomes BAA). "order": IO and S1 change places, S2 stays (ABB becomes BAB). "s2": S2 becomes
    IO (ABB becomes ABA). "s1": S1 becomes a name that the prompt does not contain (ABB becomes ACB). Every name of
    `prompts.absent` is as likely as every other; draws from `generator` alone.
    """
    raise NotImplementedError("write corrupt")


# ioi.logit_difference: The logit difference
# 3 points, about 8 minutes. Check it with: headwork check ioi.logit_difference
def logit_difference(logits: Tensor, correct: Tensor, wrong: Tensor, end: Tensor) -> Tensor:
    """By how much the logit of the right name exceeds that of the wrong one, at the end of each prompt.

    logits: (batch, position, d_vocab). correct, wrong: (batch,), tokens. end: (batch,), the position of each prompt's
    last token. Returns (batch,).
    """
    raise NotImplementedError("write logit_difference")


# ioi.name_retrieval: IO against names that are not there
# 3 points, about 8 minutes. Check it with: headwork check ioi.name_retrieval
def name_retrieval(logits: Tensor, correct: Tensor, absent: Tensor, end: Tensor) -> Tensor:
    """By how much the logit of the right name exceeds the mean logit of names that the prompt does not contain.

    logits: (batch, position, d_vocab). correct: (batch,), tokens. absent: (batch, name), tokens. end: (batch,), the
    position of each prompt's last token. Returns (batch,).
    """
    raise NotImplementedError("write name_retrieval")


# ioi.normalise_metric: Between two runs
# 3 points, about 10 minutes. Check it with: headwork check ioi.normalise_metric
def normalise_metric(patched: Tensor, clean: Tensor, corrupted: Tensor, noising: bool) -> Tensor:
    """The mean metric of patched runs on the scale from the corrupted run's to the clean run's.

    patched: (..., batch), the metric of each prompt in each patched run. clean, corrupted: (batch,), in the unpatched
    runs. Denoising, 1 is the clean run and 0 the corrupted one; with `noising`, 0 is the clean run and -1 the corrupted
    one. Returns (...): means over the prompts come before the division.
    """
    raise NotImplementedError("write normalise_metric")


# ioi.bootstrap_interval: An interval for a mean
# 4 points, about 15 minutes. Check it with: headwork check ioi.bootstrap_interval
def bootstrap_interval(
    values: Tensor, confidence: float, n_resamples: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """The percentile bootstrap's interval for the mean over prompts of each quantity.

    values: (prompt, quantity). A resample draws as many prompts as there are, with replacement, by `generator`, and
    takes all quantities of each. Returns the lower and the upper end, (quantity,): the quantiles of the resampled means
    that leave out (1 - confidence) / 2 on either side.
    """
    raise NotImplementedError("write bootstrap_interval")


# ioi.patch_residual: Patch the residual stream
# 5 points, about 20 minutes. Check it with: headwork check ioi.patch_residual
Metric = Callable[[Tensor], Tensor]  # logits at the end positions, (patch, batch, d_vocab), to (patch, batch)


@torch.no_grad()
def patch_residual(model: GPT2, clean: Tensor, corrupted: Tensor, end: Tensor, metric: Metric) -> Tensor:
    """The metric on the corrupted prompts with the clean residual stream before one layer at one position.

    clean, corrupted: tokens, (batch, position). end: (batch,), the position whose logits the metric is given,
    (batch, d_vocab), to return a number a prompt, (batch,). Returns (layer, position, batch).
    """
    raise NotImplementedError("write patch_residual")


# ioi.patch_heads: Patch each head
# 5 points, about 15 minutes. Check it with: headwork check ioi.patch_heads
@torch.no_grad()
def patch_heads(model: GPT2, clean: Tensor, corrupted: Tensor, end: Tensor, metric: Metric) -> Tensor:
    """The metric on the corrupted prompts with one head's clean output, z at all positions.

    clean, corrupted: tokens, (batch, position). end: (batch,), the position whose logits the metric is given,
    (batch, d_vocab), to return a number a prompt, (batch,). Returns (layer, head, batch).
    """
    raise NotImplementedError("write patch_heads")


# ioi.patch_head_inputs: Patch queries, keys, values, patterns
# 4 points, about 15 minutes. Check it with: headwork check ioi.patch_head_inputs
@torch.no_grad()
def patch_head_inputs(model: GPT2, clean: Tensor, corrupted: Tensor, end: Tensor, metric: Metric, part: str) -> Tensor:
    """The metric on the corrupted prompts with one part of one head, at all positions, from the clean run.

    part: "q", "k" or "v" (that head's queries, keys or values), or "pattern" (where it looks). The rest of the head is
    computed from the corrupted run. clean, corrupted: tokens, (batch, position). end: (batch,), the position whose
    logits the metric is given, (batch, d_vocab), to return a number a prompt, (batch,). Returns (layer, head, batch).
    """
    raise NotImplementedError("write patch_head_inputs")


# ioi.denoise_and_noise: Both directions, and groups of heads
# 4 points, about 20 minutes. Check it with: headwork check ioi.denoise_and_noise
Head = tuple[int, int]  # a layer, and a head in it


@torch.no_grad()
def denoise_and_noise(
    model: GPT2, clean: Tensor, corrupted: Tensor, end: Tensor, metric: Metric, groups: list[list[Head]]
) -> tuple[Tensor, Tensor]:
    """The metric with each group of heads patched at once: clean ones in the corrupted run, and the other way round.

    clean, corrupted: tokens, (batch, position). end: (batch,), the position whose logits the metric is given,
    (batch, d_vocab), to return a number a prompt, (batch,). groups: lists of (layer, head), whose z are patched at all
    positions. Returns what denoising gives and what noising gives, (group, batch) each.
    """
    raise NotImplementedError("write denoise_and_noise")


# ioi.attribute_layers: The logit difference, layer by layer
# 4 points, about 20 minutes. Check it with: headwork check ioi.attribute_layers
def attribute_layers(model: GPT2, tokens: Tensor, end: Tensor, correct: Tensor, wrong: Tensor, frozen: bool) -> Tensor:
    """The logit difference that the residual stream holds before each layer, and after the last.

    tokens: (batch, position). end, correct, wrong: (batch,), the position to read, and two tokens. The stream there
    goes through `model.ln_final` and `model.unembed`, as if no layer followed. frozen: LayerNorm divides every stream
    by the size of the last one, in place of its own. Returns (layer + 1, batch).
    """
    raise NotImplementedError("write attribute_layers")


# ioi.attribute_heads: What each head writes towards the name
# 4 points, about 20 minutes. Check it with: headwork check ioi.attribute_heads
def attribute_heads(model: GPT2, tokens: Tensor, end: Tensor, correct: Tensor, wrong: Tensor) -> Tensor:
    """What each head adds to the logit difference by what it writes into the stream at the end, directly.

    tokens: (batch, position). end, correct, wrong: (batch,), the position to read, and two tokens. A head's output,
    without b_O, is centred, divided by the size that the final LayerNorm found in the whole stream there, multiplied by
    its `w`, and compared with the tokens' directions in `model.unembed.W_U`. Returns (layer, head, batch).
    """
    raise NotImplementedError("write attribute_heads")


# ioi.path_patch_by_hand: Paths in a graph of three nodes
# 3 points, about 10 minutes. Check it with: headwork check ioi.path_patch_by_hand
def path_patch_by_hand(
    sender: Callable[[Tensor], Tensor],
    middle: Callable[[Tensor, Tensor], Tensor],
    output: Callable[[Tensor, Tensor, Tensor], Tensor],
    clean: Tensor,
    corrupted: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """What the sender changes in a graph of three nodes: in all, on the direct path, and through the middle.

    The clean run is `a = sender(clean)`, `b = middle(clean, a)`, `y = output(clean, a, b)`. Returns three values of the
    output, where only the sender is as on the corrupted input: with both its edges patched, with the edge to the output
    patched alone, and with the edge to the middle patched alone.
    """
    raise NotImplementedError("write path_patch_by_hand")


# ioi.path_patch: The direct effect of every head
# 6 points, about 30 minutes. Check it with: headwork check ioi.path_patch
@torch.no_grad()
def path_patch(model: GPT2, clean: Tensor, corrupted: Tensor, end: Tensor, metric: Metric, mlps: bool) -> Tensor:
    """The metric on the clean prompts with each head in turn corrupted, on its direct path to the logits alone.

    All other heads keep their clean z. mlps: they are recomputed; otherwise each writes what it wrote in the clean run.
    clean, corrupted: tokens, (batch, position). end: (batch,), the position whose logits the metric is given,
    (batch, d_vocab), to return a number a prompt, (batch,). Returns (layer, head, batch).
    """
    raise NotImplementedError("write path_patch")


# ioi.path_patch_through: Paths through given heads
# 6 points, about 35 minutes. Check it with: headwork check ioi.path_patch_through
Receiver = tuple[int, int, str]  # a layer, a head, and which of its inputs: "q", "k" or "v"


@torch.no_grad()
def path_patch_through(
    model: GPT2,
    clean: Tensor,
    corrupted: Tensor,
    end: Tensor,
    metric: Metric,
    receivers: list[Receiver],
    mlps: bool,
) -> Tensor:
    """The metric on the clean prompts where each head in turn is corrupted, on its direct paths to the receivers alone.

    receivers: (layer, head, part), with part "q", "k" or "v". Their inputs are recorded in a run with the sender
    corrupted and every other head frozen to its clean z (mlps: MLPs are recomputed; otherwise frozen as well); then put
    into a clean run in which all else is computed as usual. A sender that is before no receiver changes nothing.
    clean, corrupted: tokens, (batch, position). end: (batch,), the position whose logits the metric is given,
    (batch, d_vocab), to return a number a prompt, (batch,). Returns (layer, head, batch).
    """
    raise NotImplementedError("write path_patch_through")


# ioi.attention_roles: Roles by where heads look
# 3 points, about 12 minutes. Check it with: headwork check ioi.attention_roles
def attention_roles(patterns: Tensor, positions: dict[str, Tensor]) -> dict[str, Tensor]:
    """How much each head looks as the heads of each role do: from one named position to another.

    patterns: (layer, batch, head, query, key). positions: "IO", "S1", "S1+1", "S2" and "END", (batch,) each. Returns,
    (layer, head) each, the mean over the prompts of the attention from END to IO ("name mover"), from END to S2
    ("S-inhibition"), from S2 to S1 ("duplicate token"), from S2 to S1+1 ("induction") and from S1+1 to S1 ("previous
    token").
    """
    raise NotImplementedError("write attention_roles")


# ioi.name_mover_copying: The copy score
# 4 points, about 20 minutes. Check it with: headwork check ioi.name_mover_copying
def name_mover_copying(model: GPT2, tokens: Tensor, at: Tensor, top: int, negative: bool) -> Tensor:
    """How often each head, looking at a name alone, would put this name among the `top` tokens: (layer, head).

    tokens: (batch, position). at: (batch,), where a name stands. The head reads, through its own layer's `ln1`, the
    stream that block 0 leaves there; what it writes, W_O times its value without b_O, goes through `ln_final` and
    `unembed` by itself. negative: what it writes is turned round first. Returns the share of the prompts in which fewer
    than `top` tokens have a larger logit than the name.
    """
    raise NotImplementedError("write name_mover_copying")


# ioi.self_repair: What the others do
# 4 points, about 25 minutes. Check it with: headwork check ioi.self_repair
@torch.no_grad()
def self_repair(
    model: GPT2, tokens: Tensor, end: Tensor, correct: Tensor, wrong: Tensor, head: Head, z: Tensor
) -> tuple[Tensor, Tensor]:
    """What the logit difference loses when one head is replaced, and what each head then writes more or less directly.

    tokens: (batch, position). end, correct, wrong: (batch,), the position to read, and two tokens. head: (layer, head);
    its z at all positions becomes `z`, (batch, position, d_head). Returns the change of the logit difference, (batch,),
    and the change of every head's direct contribution to it, (layer, head, batch), in both runs divided by the scale
    that the final LayerNorm has in the run where nothing is replaced.
    """
    raise NotImplementedError("write self_repair")


# ioi.token_or_position: Token or position
# 4 points, about 20 minutes. Check it with: headwork check ioi.token_or_position
@torch.no_grad()
def token_or_position(
    model: GPT2, clean: Tensor, twins: dict[str, Tensor], end: Tensor, metric: Metric, heads: list[Head]
) -> tuple[Tensor, Tensor]:
    """How much of what these heads say at the end is about the repeated token, and how much about its position.

    clean: (batch, position), tokens; twins: the same prompts corrupted, under "names" (another repeated token, at the
    same position), "order" (the same token, at the other position) and "s2" (both are other). The heads' z at `end`
    are patched together, from each twin's run into the clean one. end: (batch,), the position whose logits the metric
    is given, (batch, d_vocab), to return a number a prompt, (batch,). Returns the mean change of the metric when the
    token turns, and when the position does, (batch,) each.
    """
    raise NotImplementedError("write token_or_position")


# ioi.attribution_patch: Attribution patching
# 5 points, about 25 minutes. Check it with: headwork check ioi.attribution_patch
def attribution_patch(
    model: GPT2, clean: Tensor, corrupted: Tensor, end: Tensor, metric: Metric
) -> tuple[Tensor, Tensor]:
    """First-order estimates of what each patch of `patch_residual` and of `patch_heads` adds to the corrupted metric.

    clean, corrupted: tokens, (batch, position). end: (batch,), the position whose logits the metric is given,
    (batch, d_vocab), to return a number a prompt, (batch,). Returns (layer, position, batch) for the residual stream
    before each layer and (layer, head, batch) for each head's z at all positions.
    """
    raise NotImplementedError("write attribution_patch")


# ioi.attribution_patch_qk: With the softmax recomputed
# 5 points, about 35 minutes. Check it with: headwork check ioi.attribution_patch_qk
def attribution_patch_qk(
    model: GPT2, clean: Tensor, corrupted: Tensor, end: Tensor, metric: Metric
) -> tuple[Tensor, Tensor]:
    """Estimates of what patching one head's query, or its key, at one position adds to the corrupted metric.

    The pattern is recomputed with that one clean query or key, softmax and all; only from the pattern on is the metric
    taken to first order. clean, corrupted: tokens, (batch, position). end: (batch,), the position whose logits the
    metric is given, (batch, d_vocab), to return a number a prompt, (batch,). Returns queries and keys, each
    (layer, head, position, batch).
    """
    raise NotImplementedError("write attribution_patch_qk")


# ioi.grad_drop: With one layer's gradient dropped
# 5 points, about 30 minutes. Check it with: headwork check ioi.grad_drop
def grad_drop(model: GPT2, clean: Tensor, corrupted: Tensor, end: Tensor, metric: Metric) -> Tensor:
    """How much each head may matter: the mean size of its first-order estimates with one layer's gradient dropped each.

    For every layer in turn, no gradient goes through what this layer's heads and its MLP write; the head's estimate is
    then that of `attribution_patch`, and its absolute value is taken. A head's own layer gives 0, so the sum over the
    layers is divided by their number less one. The model has two layers or more. clean, corrupted: tokens,
    (batch, position). end: (batch,), the position whose logits the metric is given, (batch, d_vocab), to return a
    number a prompt, (batch,). Returns (layer, head, batch).
    """
    raise NotImplementedError("write grad_drop")


# ioi.edge_attribution: Every edge by one gradient
# 6 points, about 40 minutes. Check it with: headwork check ioi.edge_attribution
def edge_attribution(model: GPT2, clean: Tensor, corrupted: Tensor, end: Tensor, metric: Metric) -> dict[Edge, Tensor]:
    """First-order estimates of what noising each edge by itself adds to the clean metric.

    clean, corrupted: tokens, (batch, position). end: (batch,), the position whose logits the metric is given,
    (batch, d_vocab), to return a number a prompt, (batch,). Returns (batch,) for each of `every_edge(model.config)`.
    """
    raise NotImplementedError("write edge_attribution")


# ioi.acdc: Prune from the output
# 4 points, about 25 minutes. Check it with: headwork check ioi.acdc
Loss = Callable[[Tensor], Tensor]  # which edges are kept, (..., receiver, sender) booleans, to a loss, (...)


@torch.no_grad()
def acdc(run: Loss, edges: Tensor, threshold: float) -> Tensor:
    """The edges that are left when all have gone without which the loss rises by less than `threshold`.

    edges: (receiver, sender), booleans; both axes are in the order of the computation. From the last receiver to the
    first, and for each from its last sender to the first, an edge is left out for good when the loss without it, less
    the loss with all that are still kept, is below the threshold. Returns (receiver, sender), booleans.
    """
    raise NotImplementedError("write acdc")


# ioi.subspace_patch: Patch a subspace
# 3 points, about 12 minutes. Check it with: headwork check ioi.subspace_patch
def subspace_patch(value: Tensor, donor: Tensor, directions: Tensor) -> Tensor:
    """The activation with its part in a subspace replaced by the donor's, and the rest as it was.

    value, donor: (..., d_model). directions: (direction, d_model), linearly independent; they span the subspace, and
    need be neither of length 1 nor orthogonal. Returns (..., d_model).
    """
    raise NotImplementedError("write subspace_patch")


# ioi.patching_illusion: The part that is read
# 4 points, about 20 minutes. Check it with: headwork check ioi.patching_illusion
def patching_illusion(value: Tensor, donor: Tensor, direction: Tensor, W: Tensor) -> tuple[Tensor, Tensor]:
    """What the next layer is given when one direction is patched, and when only the part of it is that can be read.

    value, donor: (batch, d_in). direction: (d_in,). W: (d_in, d_out); nothing but `x @ W` reads the activation x. The
    part of the direction that W reads is its projection on the space orthogonal to all x with x @ W = 0. Returns what W
    gives, (batch, d_out), after a patch of the whole direction, and after a patch of that part alone.
    """
    raise NotImplementedError("write patching_illusion")


# ioi.mean_ablate_by_template: Everything else is knocked out
# 6 points, about 30 minutes. Check it with: headwork check ioi.mean_ablate_by_template
@torch.no_grad()
def mean_ablate_by_template(
    model: GPT2, tokens: Tensor, template: Tensor, end: Tensor, abc: Tensor, abc_template: Tensor, kept: Tensor
) -> Tensor:
    """The logits at the ends when some heads, at some positions, write their mean over other prompts of the template.

    tokens: (batch, position), of templates (batch,). end: (batch,). abc: (other, position), of templates (other,), at
    least one of each that occurs in `template`. kept: booleans (batch, layer, head, position), True where a head writes
    what it computes from the stream as it now is. Elsewhere it writes the mean of its z at that position in the
    unchanged runs on the abc prompts of the same template. Returns (batch, d_vocab).
    """
    raise NotImplementedError("write mean_ablate_by_template")


# ioi.faithfulness: Faithfulness, twice
# 4 points, about 15 minutes. Check it with: headwork check ioi.faithfulness
def faithfulness(circuit: Tensor, whole: Tensor, none: Tensor) -> tuple[Tensor, Tensor]:
    """How well a circuit answers as the model does: the usual ratio of means, and F, in which no errors cancel.

    circuit, none: (ablation, metric, prompt), the metrics when only the circuit's nodes work, and when none does, by
    several ways of ablating. whole: (metric, prompt). Returns the usual ratio (m(C) - m(none)) / (m(M) - m(none)) of
    means, (ablation, metric), and F, a 0-d tensor: 1 minus the sum of |m(C) - m(M)| as a share of the sum of
    |m(none) - m(M)|, for the worst of the ablations and metrics.
    """
    raise NotImplementedError("write faithfulness")


# ioi.completeness: The same nodes taken from both
# 4 points, about 15 minutes. Check it with: headwork check ioi.completeness
Run = Callable[[Tensor], Tensor]  # which nodes work, (..., node), to the metrics, (..., metric, prompt)


def completeness(run: Run, circuit: Tensor, sets: Tensor) -> Tensor:
    """How differently the circuit and the model answer when the same nodes are taken from both: c(K), (set,).

    run: which nodes work, (..., node), to the metrics, (..., metric, prompt). circuit: booleans (node,). sets: the K,
    booleans (set, node), of which some nodes may be in the circuit and some not. c(K) is the sum of
    |m(C without K) - m(M without K)| as a share of the sum of |m(none) - m(M)|, for the worse of the metrics.
    """
    raise NotImplementedError("write completeness")


# ioi.minimality: What each member adds
# 5 points, about 20 minutes. Check it with: headwork check ioi.minimality
def minimality(run: Run, circuit: Tensor, sets: Tensor) -> Tensor:
    """What each member adds to the circuit, where it shows most, as a share of the whole effect: (node,).

    run: which nodes work, (..., node), to the metrics, (..., metric, prompt). circuit: booleans (node,). sets: the K,
    booleans (set, node). For a member v it is |m(C without K and v) - m(C without K)| / |m(M) - m(none)|, each a mean
    over prompts, for the K and the metric where it is largest; a K that contains v is not asked. 0 for nodes that are
    no members, and for a member that every K contains.
    """
    raise NotImplementedError("write minimality")


# ioi.circuit: Submit a circuit
# 12 points, about 90 minutes. Check it with: headwork check ioi.circuit
CIRCUIT: dict[str, Any] = ...

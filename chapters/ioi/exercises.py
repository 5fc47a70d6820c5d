"""The exercises of chapter `ioi`: From a behaviour to a circuit.

What to write, and why, stands in the chapter's text. Put your code in place of `raise NotImplementedError`;
names and parameters stay as they are, and helpers of your own are welcome.
`headwork check ioi.logit_difference` checks one of them.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from headwork.models import GPT2
from torch import Tensor, nn


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

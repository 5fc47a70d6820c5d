"""Chapter `ioi`: how far the network prefers one name to another, and how sure we are of it.

IO is the indirect object, the right answer; S the subject, the name that the prompt says twice.
Source: Wang et al. 2022, section 2.
"""

import torch
from torch import Tensor


def logit_difference(logits: Tensor, correct: Tensor, wrong: Tensor, end: Tensor) -> Tensor:
    """By how much the logit of the right name exceeds that of the wrong one, at the end of each prompt.

    logits: (batch, position, d_vocab). correct, wrong: (batch,), tokens. end: (batch,), the position of each prompt's
    last token. Returns (batch,).
    """
    ### BEGIN SOLUTION
    rows = torch.arange(len(logits), device=logits.device)
    last = logits[rows, end]  # (batch, d_vocab)
    return last[rows, correct] - last[rows, wrong]
    ### END SOLUTION


def name_retrieval(logits: Tensor, correct: Tensor, absent: Tensor, end: Tensor) -> Tensor:
    """By how much the logit of the right name exceeds the mean logit of names that the prompt does not contain.

    logits: (batch, position, d_vocab). correct: (batch,), tokens. absent: (batch, name), tokens. end: (batch,), the
    position of each prompt's last token. Returns (batch,).
    """
    ### BEGIN SOLUTION
    rows = torch.arange(len(logits), device=logits.device)
    last = logits[rows, end]  # (batch, d_vocab)
    return last[rows, correct] - last.gather(1, absent).mean(1)
    ### END SOLUTION


def normalise_metric(patched: Tensor, clean: Tensor, corrupted: Tensor, noising: bool) -> Tensor:
    """The mean metric of patched runs on the scale from the corrupted run's to the clean run's.

    patched: (..., batch), the metric of each prompt in each patched run. clean, corrupted: (batch,), in the unpatched
    runs. Denoising, 1 is the clean run and 0 the corrupted one; with `noising`, 0 is the clean run and -1 the corrupted
    one. Returns (...): means over the prompts come before the division.
    """
    ### BEGIN SOLUTION
    unpatched = clean if noising else corrupted  # (batch,), what the patches start from
    return (patched - unpatched).mean(-1) / (clean - corrupted).mean()
    ### END SOLUTION


def bootstrap_interval(
    values: Tensor, confidence: float, n_resamples: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """The percentile bootstrap's interval for the mean over prompts of each quantity.

    values: (prompt, quantity). A resample draws as many prompts as there are, with replacement, by `generator`, and
    takes all quantities of each. Returns the lower and the upper end, (quantity,): the quantiles of the resampled means
    that leave out (1 - confidence) / 2 on either side.
    """
    ### BEGIN SOLUTION
    count = len(values)
    drawn = torch.randint(count, (n_resamples, count), generator=generator, device=values.device)  # (resample, prompt)
    means = values[drawn].mean(1)  # (resample, quantity)
    outside = (1 - confidence) / 2
    return means.quantile(outside, 0), means.quantile(1 - outside, 0)
    ### END SOLUTION

"""Judges random draws by their exact law, with a stated rate of false alarms."""

import math

import torch
from torch import Tensor

FALSE_ALARM = 1e-10  # a right answer is rejected less often than this, all rows and outcomes of a case together


def draws_differ(draws: Tensor, law: Tensor) -> str:
    """'' when `draws` may come from `law`, else a sentence.

    draws: (row * repeats,), outcomes, all draws of the first row first. law: (row, outcome), exact probabilities.
    By Chernoff's bound a frequency f of n draws of probability p has chance at most exp(-n KL(f, p)); a union
    over rows and outcomes bounds the chance of any false alarm.
    """
    rows, outcomes = law.shape
    counts = counts_of(draws, rows, outcomes)
    if counts is None:
        return "the draws are not whole numbers between 0 and the number of tokens"
    repeats = int(counts.sum(-1)[0])
    impossible = ((law == 0) & (counts > 0)).nonzero()
    if len(impossible):
        row, token = impossible[0].tolist()
        return f"in row {row} token {token} was drawn {int(counts[row, token])} times of {repeats}; it should never be"
    frequency = counts / repeats  # (row, outcome)
    surprise = repeats * _kl(frequency, law)  # (row, outcome)
    if bool((surprise <= math.log(2 * rows * outcomes / FALSE_ALARM)).all()):
        return ""
    row, token = divmod(int(surprise.argmax()), outcomes)
    share, due = frequency[row, token].item(), law[row, token].item()
    return f"in row {row} token {token} was drawn in {share:.1%} of {repeats} draws; its probability is {due:.1%}"


def draws_alike(draws: Tensor, other: Tensor, law: Tensor) -> bool:
    """Whether two sets of draws may come from one law: used to recognise a mistake, not to grade."""
    rows, outcomes = law.shape
    mine, theirs = counts_of(draws, rows, outcomes), counts_of(other, rows, outcomes)
    if mine is None or theirs is None or mine.sum() != theirs.sum():
        return False
    repeats = mine.sum(-1, keepdim=True)
    both = (mine + theirs) / (2 * repeats)
    spread = repeats.squeeze(-1) * (_entropy(both) - (_entropy(mine / repeats) + _entropy(theirs / repeats)) / 2) * 4
    degrees = outcomes - 1  # spread is about chi-squared with this many degrees of freedom
    limit = degrees * (1 - 2 / (9 * degrees) + 4.75 * math.sqrt(2 / (9 * degrees))) ** 3  # its 1 - 1e-6 quantile
    return bool((spread <= limit).all())


def counts_of(draws: Tensor, rows: int, outcomes: int) -> Tensor | None:
    """How often each row gave each outcome, (row, outcome); None when the draws are no outcomes."""
    if draws.is_floating_point() or draws.dtype == torch.bool or draws.numel() == 0 or draws.numel() % rows:
        return None
    table = draws.long().reshape(rows, -1)  # (row, repeat)
    if int(table.min()) < 0 or int(table.max()) >= outcomes:
        return None
    offsets = torch.arange(rows).unsqueeze(-1) * outcomes
    return torch.bincount((table + offsets).flatten(), minlength=rows * outcomes).reshape(rows, outcomes).double()


def _kl(frequency: Tensor, probability: Tensor) -> Tensor:
    """The divergence between coins of these probabilities of heads, elementwise."""
    return torch.xlogy(frequency, frequency / probability.clamp_min(1e-300)) + torch.xlogy(
        1 - frequency, (1 - frequency) / (1 - probability).clamp_min(1e-300)
    )


def _entropy(probabilities: Tensor) -> Tensor:
    return -torch.xlogy(probabilities, probabilities).sum(-1)

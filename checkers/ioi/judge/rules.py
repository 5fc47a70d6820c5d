"""By which numbers a circuit is judged. Functions of answers alone: no model is run here.

m is a metric of one prompt: C, what the model answers when only the circuit's nodes work; M, when all do; none, when
none does; C \\ K, without the nodes K. All sums are of absolute values over prompts, so that 140 % on one prompt and
60 % on the next are two errors and not one success. Every function takes `weight`, (resample, prompt): how often each
prompt was drawn, for intervals by bootstrap; a row of ones is the plain value. All return (resample,).

The published measures (Wang et al. 2022, section 4) are ratios of means: one head can then score 80 % and two 129 %.
"""

import torch
from torch import Tensor


def error(answers: Tensor, whole: Tensor, none: Tensor, weight: Tensor) -> Tensor:
    """How far from the whole model, as a share of how far no circuit at all is: (resample, metric).

    answers, none: (donor, prompt, metric), all donors of one way of ablating; whole: (prompt, metric).
    """
    away = (answers - whole).abs().sum(0)  # (prompt, metric)
    return weight @ away / (weight @ (none - whole).abs().sum(0))


def faithfulness(answers: Tensor, whole: Tensor, none: Tensor, weight: Tensor) -> Tensor:
    """F, 1 for the whole model's answers and 0 for those of no circuit: the worst of metrics and ways of ablating.

    answers, none: (ablation, prompt, metric), the mean first, then the donors of resampling.
    """
    errors = [error(answers[part], whole, none[part], weight) for part in _ways(len(answers))]
    return 1 - torch.stack(errors).amax((0, 2))


def signed_ratio(answers: Tensor, whole: Tensor, none: Tensor) -> Tensor:
    """The measure that is usually told, beside F: mean effects kept over mean effects there are, (metric,)."""
    return (answers[0] - none[0]).mean(0) / (whole - none[0]).mean(0)


def completeness(without: Tensor, whole_without: Tensor, whole: Tensor, none: Tensor, weight: Tensor) -> Tensor:
    """I, 1 where the circuit goes on answering as the model does whatever is taken from both.

    without, whole_without: (set, prompt, metric), the answers of C \\ K and of M \\ K. none: (prompt, metric).
    """
    return 1 - incompleteness(without, whole_without, whole, none, weight).mean(1)


def incompleteness(without: Tensor, whole_without: Tensor, whole: Tensor, none: Tensor, weight: Tensor) -> Tensor:
    """c(K) of each K, the larger one of the metrics: (resample, set)."""
    away = torch.einsum("rp,spm->rsm", weight, (without - whole_without).abs())
    return (away / (weight @ (none - whole).abs())[:, None]).amax(-1)


def earned(effects: Tensor, scale: Tensor, resamples: Tensor, least: float = 0.01) -> tuple[Tensor, Tensor, Tensor]:
    """Which members add something: (member,); the K that shows it best; and the effect there, as a share.

    effects: (member, K, prompt, metric), m(C \\ K) - m(C \\ K \\ member), NaN for a K that is not tried. scale:
    (prompt, metric), m(M) - m(none). K and the metric are chosen on the even prompts and the effect is measured on the
    odd ones, where chance cannot have chosen it. It has to be `least` of the whole effect, of the sign it had on the
    even ones, and the end of its interval nearer to 0 has to be on the same side of it: noise that was chosen for being
    large is as likely to turn round as not. resamples: (resample, prompt) for the odd prompts.
    """
    shares = effects / scale.mean(0).abs()  # (member, K, prompt, metric)
    chosen_on, measured_on = shares[:, :, 0::2], shares[:, :, 1::2]
    means = chosen_on.mean(2)  # (member, K, metric)
    best = means.abs().nan_to_num(-1).flatten(1).argmax(1)  # (member,)
    metrics = effects.shape[-1]
    rows = torch.arange(len(effects))
    found = measured_on[rows, best // metrics, :, best % metrics]  # (member, prompt)
    drawn = found @ resamples.T / resamples.sum(1)  # (member, resample)
    mean = found.mean(1)
    low, high = drawn.quantile(0.025, 1), drawn.quantile(0.975, 1)
    up = means.flatten(1)[rows, best] > 0  # (member,)
    sure = torch.where(up, low > 0, high < 0)
    return sure & (mean.abs() >= least), best // metrics, mean


def lift(faithful: Tensor, random: Tensor) -> Tensor:
    """By how much F beats random circuits of the size, as a share of what is left to beat: (resample,).

    faithful, random: F and the mean F of random circuits. Random circuits that do harm count as 0: a circuit gains
    nothing by others being bad. 0 where random ones do as well as the whole model.
    """
    random = random.clamp(min=0)
    return torch.where(random >= 1 - 1e-6, torch.zeros_like(random), (faithful - random) / (1 - random).clamp(min=1e-6))


def score(parts: dict[str, Tensor], reference: dict[str, Tensor]) -> Tensor:
    """100 times the worst of the parts, each beside the reference circuit's: F, I and lift. Mn stands for itself."""
    shares = [parts[name] / reference[name].clamp(min=1e-6) for name in ("F", "I", "lift")]
    return 100 * torch.stack([*shares, parts["Mn"]]).amin(0).clamp(0, 1)


def _ways(count: int) -> list[slice]:
    """The ways of ablating among so many ablations: the mean, and all donors together."""
    return [slice(0, 1), *([slice(1, count)] if count > 1 else [])]

"""`ioi.bootstrap_interval`: how far the mean over prompts might have been elsewhere."""

import math
from collections.abc import Iterator
from typing import Any

from torch import Tensor

from headwork.checkers.checks import claim, equal, same, satisfies
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("bootstrap_interval")

FALSE_ALARM = 1e-11  # a case, for a right answer


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for prompts, chances, confidence, n_resamples in [
        (90, (0.3, 0.6, 0.5), 0.5, 6000),
        (70, (0.5, 0.2), 0.8, 5000),
        (60, (0.7,), 0.9, 7000),
        (41, (0.4, 0.8), 0.6, 8000),
    ]:
        flips = rng.uniform((prompts, len(chances))) < rng.uniform((1,)).new_tensor(chances)
        yield Case(
            f"{prompts} prompts, confidence {confidence}",
            flips=flips.double() * 2 - 0.5,
            values=rng.normal((prompts // 6,), 3, 2),
            confidence=confidence,
            n_resamples=n_resamples,
            seed=rng.seed(),
        )


def _off_the_law(value: Any, case: Case) -> str:
    """Each end lies between two quantiles of the exact law, so near as the number of resamples allows.

    The mean of a resample of coin flips is binomial. By Dvoretzky, Kiefer, Wolfowitz and Massart the share of resamples
    below a point is nowhere off by more than `slack`, but for the false alarm.
    """
    count, quantities = case.flips.shape
    slack = math.sqrt(math.log(4 * quantities / FALSE_ALARM) / (2 * case.n_resamples))
    for end, level in (("lower", (1 - case.confidence) / 2), ("upper", (1 + case.confidence) / 2)):
        for quantity in range(quantities):
            share = float((case.flips[:, quantity] > 0).double().mean())
            low, high = (2 * _binomial_quantile(count, share, p) / count - 0.5 for p in (level - slack, level + slack))
            found = float(value[0 if end == "lower" else 1, quantity])
            if not low - 1e-4 <= found <= high + 1e-4:
                return (
                    f"the {end} end for {case.flips.shape[0]} coin flips is {found:.3f}: the quantile {level:.3g} of "
                    f"the resampled means lies between {low:.3f} and {high:.3f}"
                )
    return ""


def _binomial_quantile(count: int, share: float, level: float) -> int:
    """The smallest number of heads that is reached with probability `level`."""
    total = 0.0
    for heads in range(count + 1):
        total += math.comb(count, heads) * share**heads * (1 - share) ** (count - heads)
        if total >= level:
            return heads
    return count


def _drawn_apart(value: Any, case: Case) -> str:
    if isinstance(value, Tensor) and float(value.abs().max()) <= 1e-3:
        return ""
    return (
        "a quantity and a copy of it on another scale get intervals that do not fit each other: a resample "
        "draws prompts, "
        "and takes all quantities of each"
    )


ask.checks(
    claim("flips", _off_the_law, title="gives the quantiles of the resampled means", weight=3),
    satisfies("scaled alike", _drawn_apart, title="draws the same prompts for all quantities"),
    same("again", as_="interval", title="the same generator gives the same interval"),
    equal("the next one is the same", title="the next call on the same generator draws anew"),
)

DRAWN = "drawn = torch.randint(count, (n_resamples, count), generator=generator, device=values.device)"
OUTSIDE = "outside = (1 - confidence) / 2"
MEANS = "means = values[drawn].mean(1)"
RESULT = "return means.quantile(outside, 0), means.quantile(1 - outside, 0)"

ask.mistakes(
    edit(
        OUTSIDE,
        "outside = 1 - confidence",
        "All that the interval leaves out is left out on each side: half of it belongs to either.",
    ),
    edit(
        OUTSIDE,
        "outside = (1 - 0.95) / 2",
        "`confidence` is not looked at: the interval is that of 95 % in every case.",
    ),
    edit(
        MEANS,
        "means = values",
        "These are the quantiles of the prompts, which say how prompts differ: take those of the resampled means.",
    ),
    edit(
        DRAWN,
        "drawn = torch.stack([torch.randperm(count, generator=generator, device=values.device) "
        "for _ in range(n_resamples)])",
        "Prompts are drawn without replacement: every resample is the whole, and the interval has no width.",
    ),
    edit(
        DRAWN,
        "drawn = torch.randint(count, (n_resamples, count // 2), generator=generator, device=values.device)",
        "A resample has half as many prompts, which makes the interval too wide: draw as many as there are.",
    ),
    edit(
        DRAWN,
        "drawn = torch.randint(count, (n_resamples, 1), generator=generator, device=values.device)",
        "A resample is a single prompt: draw as many prompts as there are, and take their mean.",
    ),
    edit(
        DRAWN,
        "drawn = torch.randint(count, (n_resamples, count), device=values.device)",
        "The generator is not used: nobody can repeat these draws.",
    ),
    edit(
        DRAWN,
        "generator = torch.Generator(values.device).manual_seed(0)\n"
        "    drawn = torch.randint(count, (n_resamples, count), generator=generator, device=values.device)",
        "A generator of its own is seeded inside: every call draws the same, whatever generator it is given.",
    ),
    edit(
        MEANS,
        "means = torch.stack([column[torch.randint(count, (n_resamples, count), generator=generator)].mean(1) "
        "for column in values.T], 1)",
        "Each quantity has resamples of its own: draw prompts, and take all quantities of each, or their "
        "differences are "
        "drowned in noise.",
    ),
    edit(
        RESULT,
        "return means.quantile(1 - outside, 0), means.quantile(outside, 0)",
        "The ends have changed places: the lower one comes first.",
    ),
    edit(
        RESULT,
        "return means.amin(0), means.amax(0)",
        "These are the smallest and the largest mean: they run apart with the number of resamples. Take quantiles.",
    ),
    edit(
        RESULT,
        "return means.quantile(outside, 0) - values.mean(0), means.quantile(1 - outside, 0) - values.mean(0)",
        "The mean is subtracted: return the two ends themselves.",
    ),
    edit(
        RESULT,
        "return values.mean(0) - values.std(0), values.mean(0) + values.std(0)",
        "This is the spread of the prompts around their mean, and no interval for the mean.",
    ),
)

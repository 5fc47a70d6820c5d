"""`sae.threshold_or_bias`: two ways to silence weak latents."""

from collections.abc import Iterator

import torch

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("threshold_or_bias", batch=["pre", "away", "cotangent"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, shape, spread, high in [
        ("thresholds among the values", (5, 4), 1, 1),
        ("one input", (1, 6), 1, 1),
        ("one latent", (7, 1), 1, 1),
        ("low thresholds", (3, 5), 2, 0.1),
        ("large values", (4, 3), 200, 150),
        ("small values", (6, 7), 1e-3, 1e-3),
    ]:
        pre = rng.normal(shape, spread=spread)
        threshold = rng.uniform(shape[1:], 0.1 * high, high)
        pre[0, 0] = threshold[0]  # on the threshold exactly: not above it
        away = torch.where(pre == threshold, pre + 0.1 * spread, pre)  # on the threshold there is no one gradient
        yield Case(name, pre=pre, away=away, threshold=threshold, cotangent=rng.normal(shape))


ask.checks(
    equal("both", title="one shifts by the threshold, the other leaves what is above it as it was", weight=2),
    equal("gradient of the bias", title="through the bias, gradients reach pre and the threshold"),
    equal("gradient of the threshold", title="past the threshold, gradients reach pre where it is above, and no more"),
)

SHIFTED = "shifted = torch.relu(pre - threshold)"
KEPT = "kept = pre * (pre > threshold)"

ask.mistakes(
    edit(
        SHIFTED, "shifted = torch.relu(pre + threshold)", "The threshold is added as a bias: a bias of minus threshold."
    ),
    edit(SHIFTED, "shifted = torch.relu(pre) - threshold", "The bias comes after the ReLU: subtract before it."),
    edit(SHIFTED, "shifted = pre - threshold", "There is no ReLU behind the bias."),
    edit(SHIFTED, "shifted = torch.relu(pre - threshold.detach())", "The threshold was cut from the graph."),
    edit(SHIFTED, "shifted = torch.relu(pre - threshold.mean())", "All latents share one threshold: each has its own."),
    edit(
        SHIFTED,
        "shifted = (pre - threshold) * (pre > 0)",
        "What is above 0 passes the bias, also where the sum is negative: bend after the bias.",
    ),
    edit(
        KEPT,
        "kept = (pre - threshold) * (pre > threshold)",
        "What is above the threshold loses it: the strength stays as it was.",
    ),
    edit(KEPT, "kept = (pre > threshold).to(pre)", "Only ones and zeros are left: what is above keeps its strength."),
    edit(KEPT, "kept = pre * (pre >= threshold)", "A value on the threshold passes: only what is above it does."),
    edit(KEPT, "kept = torch.relu(pre)", "The threshold is not used: what is below it becomes 0."),
    edit(KEPT, "kept = pre.clamp(min=threshold)", "Weak values are lifted to the threshold: set them to 0."),
    edit(KEPT, "kept = pre * (pre.abs() > threshold)", "Strongly negative values pass: a latent is never negative."),
    edit(KEPT, "kept = (pre * (pre > threshold)).detach()", "What is above the threshold was cut from the graph."),
    edit(
        KEPT,
        "kept = pre * torch.sigmoid((pre - threshold) * 100)",
        "The step is smooth: below the threshold a latent is exactly 0.",
    ),
    edit(
        KEPT,
        "kept = pre * (pre > threshold)\n    shifted, kept = kept, shifted",
        "The two are returned in the other order.",
    ),
    edit(SHIFTED, "shifted = torch.relu(pre.sub_(threshold))", "`pre` was changed in place."),
)

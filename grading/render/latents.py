"""How often latents are active, as a histogram."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from headwork.grading.render.charts import AMBER, BLUE

if TYPE_CHECKING:
    import altair

BINS = 4  # for each power of ten


def densities(density: Sequence[float], mine: float) -> "altair.LayerChart":
    """How many latents are active how often, on an axis of logarithms; a line marks one of them. Dead ones are absent.

    density: of each latent, the share of tokens on which it is active.
    """
    import altair

    bars = altair.Chart(altair.Data(values=bins(density))).mark_bar(color=BLUE, opacity=0.6)
    x: Any = altair.X("low:Q", title="share of tokens on which it is active", scale=altair.Scale(type="log"))
    layers: list[Any] = [bars.encode(x, x2="high:Q", y=altair.Y("latents:Q", title="latents"), y2=altair.datum(0))]
    if mine > 0:
        rule = altair.Chart(altair.Data(values=[{"low": mine}])).mark_rule(color=AMBER, strokeWidth=2)
        layers.append(rule.encode(x))
    picture: Any = altair.layer(*layers).properties(width="container", height=120)
    drawn: altair.LayerChart = picture
    return drawn


def bins(density: Sequence[float]) -> list[dict[str, float]]:
    """Bins of equal width in logarithms that hold a latent, with how many they hold: low <= density < high."""
    numbers = [math.floor(BINS * math.log10(each)) for each in density if each > 0]
    return [
        {"low": 10 ** (number / BINS), "high": 10 ** ((number + 1) / BINS), "latents": numbers.count(number)}
        for number in sorted(set(numbers))
    ]

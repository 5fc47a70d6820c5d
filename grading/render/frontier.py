"""Autoencoders as points: the bits of a description against what is lost by it, beside those that are shipped."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headwork.grading.render.charts import AMBER, BLUE

if TYPE_CHECKING:
    import altair

LOSSES = {"added": "nats added", "fvu": "variance missing"}
LEAST = 1e-4  # on an axis of logarithms


def frontier(
    ours: Sequence[Mapping[str, float]], yours: Sequence[Mapping[str, float]], loss: str
) -> "altair.LayerChart":
    """Ours joined by a line, yours as diamonds; lower and further left is better. loss: one of `LOSSES`.

    Each autoencoder has 'bits', 'added', 'fvu', 'l0' and 'latents'. A loss below 0.0001 is drawn there.
    """
    import altair

    x: Any = altair.X("bits:Q", title="bits", scale=altair.Scale(type="log", padding=20))
    y: Any = altair.Y("loss:Q", title=LOSSES[loss], scale=altair.Scale(type="log", padding=20))
    about = ["whose:N", altair.Tooltip("bits:Q", format=".0f"), altair.Tooltip("loss:Q", format=".3f", title=loss)]
    layers: list[Any] = [
        _points(ours, "ours", loss).mark_line(color=BLUE, opacity=0.5).encode(x, y),
        _points(ours, "ours", loss).mark_point(color=BLUE, filled=True, size=70, opacity=1).encode(x, y, tooltip=about),
    ]
    if yours:
        mark = _points(yours, "yours", loss).mark_point(color=AMBER, filled=True, shape="diamond", size=160, opacity=1)
        layers.append(mark.encode(x, y, tooltip=about))
    picture: Any = altair.layer(*layers).properties(width="container", height=220)
    drawn: altair.LayerChart = picture
    return drawn


def _points(saes: Sequence[Mapping[str, float]], whose: str, loss: str) -> "altair.Chart":
    import altair

    values = [
        {
            "bits": each["bits"],
            "loss": max(each[loss], LEAST),
            "whose": f"{whose}: {each['latents']:.0f} latents, L0 {each['l0']:.1f}",
        }
        for each in saes
    ]
    return altair.Chart(altair.Data(values=values))

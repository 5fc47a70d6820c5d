"""A circuit drawn as a graph: heads from bottom to top, places of the prompt from left to right."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from headwork.checkers.ioi.judge.circuit import PLACES, Node, all_nodes, in_order
from headwork.grading.render.charts import AMBER, BLUE, PICK

if TYPE_CHECKING:
    import altair


def graph(nodes: Collection[Node], layers: int, heads: int) -> "altair.LayerChart":
    """Every node as a dot, those of the circuit filled; a click on one picks it (`layer`, `head`, `place`).

    Lines join nodes of the circuit of which the later can hear the earlier: at the same place, or at a later one.
    """
    import altair

    shown = [
        {"layer": layer, "head": head, "place": place, "name": f"{layer}.{head}", "in": (layer, head, place) in nodes}
        for layer, head, place in all_nodes(layers, heads)
    ]
    order = [f"{layer}.{head}" for layer in reversed(range(layers)) for head in reversed(range(heads))]
    x: Any = altair.X("place:N", sort=list(PLACES), title=None, axis=altair.Axis(labelAngle=0, grid=False))
    y: Any = altair.Y("name:N", sort=order, title="head", axis=altair.Axis(grid=False, labelOverlap=False))
    lines = (
        altair.Chart(altair.Data(values=_lines(nodes)))
        .mark_line(color=BLUE, opacity=0.3, strokeWidth=1)
        .encode(x, y, detail="line:N")
    )
    fill = altair.condition(altair.datum["in"], altair.value(AMBER), altair.value("transparent"))
    dots = (
        altair.Chart(altair.Data(values=shown))
        .mark_point(size=110, stroke=BLUE, strokeWidth=1, opacity=1, cursor="pointer")
        .encode(x, y, fill=fill, tooltip=["name:N", "place:N"])
        .add_params(
            altair.selection_point(name=PICK, fields=["layer", "head", "place"], on="click", clear=False, toggle=False)
        )
    )
    picture: Any = altair.layer(lines, dots).properties(width="container", height=17 * layers * heads)
    drawn: altair.LayerChart = picture
    return drawn


def toggled(nodes: Collection[Node], picked: Collection[Any]) -> frozenset[Node]:
    """The circuit with a node that was picked, (layer, head, place) by name, put in or taken out."""
    found = frozenset(nodes)
    for row in picked:
        found ^= {(int(row["layer"]), int(row["head"]), str(row["place"]))}
    return found


def _lines(nodes: Collection[Node]) -> list[dict[str, Any]]:
    """Two ends for each pair of nodes of which the second is in a later layer, at the same place or at a later one."""
    ordered, found = in_order(nodes), []
    for sender in ordered:
        for receiver in ordered:
            at = PLACES.index(sender[2]), PLACES.index(receiver[2])
            if sender[0] < receiver[0] and at[0] <= at[1] and "rest" not in (sender[2], receiver[2]):
                line = f"{sender} {receiver}"
                found += [
                    {"line": line, "name": f"{layer}.{head}", "place": place}
                    for layer, head, place in (sender, receiver)
                ]
    return found

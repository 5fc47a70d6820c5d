"""Charts in letters, for terminals and notebooks that show no pictures: squares become shades, bars become blocks.

What is drawn is read from the chart's Vega-Lite specification, so that every figure has its letters.
"""

import re
from collections.abc import Iterator
from typing import Any

from headwork.grading.render.clean import one_line

SHADES = " ░▒▓█"
BAR = 30  # letters of a full bar
LABEL = 16  # letters of a row's name, at most

Rows = list[dict[str, Any]]


def in_letters(spec: dict[str, Any]) -> str:
    """The chart as lines of text, one part below the other, without spaces at the ends of lines."""
    parts = [f"{each}\n" for each in _parts(spec, [])]
    return "\n".join(line.rstrip() for line in "\n".join(parts).rstrip("\n").split("\n"))


def _parts(spec: dict[str, Any], rows: Rows) -> Iterator[str]:
    rows = spec.get("data", {}).get("values", rows)
    for kind in ("hconcat", "vconcat"):
        for part in spec.get(kind, []):
            yield from _parts(part, rows)
    if "layer" in spec:
        yield _titled(spec, _bars(spec["layer"], rows))
    elif _mark(spec) == "rect":
        yield _titled(spec, _squares(spec["encoding"], rows))
    elif _mark(spec):
        yield _titled(spec, _bars([spec], rows))


def _mark(spec: dict[str, Any]) -> str:
    mark = spec.get("mark", "")
    return mark["type"] if isinstance(mark, dict) else mark


def _titled(spec: dict[str, Any], text: str) -> str:
    return f"{spec['title']}\n{text}" if spec.get("title") else text


def _squares(encoding: dict[str, Any], rows: Rows) -> str:
    """A line for each value of y, a shade two letters wide for each value of x."""
    x, y, weight = (encoding[axis]["field"] for axis in ("x", "y", "color"))
    lines: dict[str, str] = {}
    columns = dict.fromkeys(row[x] for row in rows)
    for row in rows:
        shade = SHADES[round(min(max(row[weight], 0), 1) * (len(SHADES) - 1))]
        lines[row[y]] = lines.get(row[y], "") + 2 * shade
    names = [_name(encoding["y"], name) for name in lines]
    width = max(map(len, names), default=0)
    across = ", ".join(filter(None, (_name(encoding["x"], name) for name in columns)))
    told = [f"down: {y}; across: {x}" + (f" ({across})" if across else "")] if any(names) else []
    return "\n".join([*told, *(f"{name:>{width}} |{line}|" for name, line in zip(names, lines.values(), strict=True))])


def _bars(layers: list[dict[str, Any]], rows: Rows) -> str:
    """A line for each row: a block as long as the first layer's number, then the numbers of all layers.

    A curve's points are rows too, each with the name of its curve.
    """
    curve = _mark(layers[0]) == "line"
    across, along = ("x", "y") if layers[0]["encoding"]["x"]["type"] == "quantitative" and not curve else ("y", "x")
    layers = [layer for layer in layers if along in layer["encoding"]]  # a rule across the picture is no row
    rows = layers[0].get("data", {}).get("values", rows)
    kind = layers[0]["encoding"].get("color", {}).get("field") if curve else None
    label, order = layers[0]["encoding"][along]["field"], layers[0]["encoding"][along].get("sort")
    fields = [layer["encoding"][across]["field"] for layer in layers]
    if isinstance(order, list):
        rows = sorted(rows, key=lambda row: order.index(row[label]))
    names = [_name({}, row[label]) + (f"  {one_line(str(row[kind]))}" if kind else "") for row in rows]
    width = max(map(len, [label, *names]), default=0)
    most = max((row[field] for row in rows for field in fields), default=0) or 1
    head = f"{label:>{width}}  {' ' * BAR}  {'  '.join(f'{field:>6}' for field in fields)}"
    lines = (
        f"{name:>{width}}  {'█' * round(BAR * row[fields[0]] / most):{BAR}}  "
        + "  ".join(f"{row[field]:6.3f}" for field in fields)
        for name, row in zip(names, rows, strict=True)
    )
    return "\n".join([head, *lines])


def _name(axis: dict[str, Any], value: Any) -> str:
    """A row's or column's name; the numbers that keep names in order, "03 Mary", go where the chart drops them too."""
    text = str(value)
    cut = re.fullmatch(r"slice\(datum\.label, (\d+)\)", axis.get("axis", {}).get("labelExpr", ""))
    return one_line(text[int(cut[1]) :] if cut else text)[:LABEL]

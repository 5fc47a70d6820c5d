"""Charts of live figures, by the figure's id: each draws what the learner's code returned, whatever that is.

Colours are chosen so that a chart reads on light and on dark paper; text takes the page's own colours.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from headwork.grading.figure import Drawn
from headwork.grading.resources import folder_of

if TYPE_CHECKING:  # importing it takes half a second
    import altair

BLUE, AMBER = "#4479ad", "#c98a2b"
SHADES = [f"{BLUE}08", BLUE]  # from nearly nothing to full
MOST_CELLS = 4096
SMALL = 125  # the side of one of three squares in a row
PICK = "pick"  # the selection of a chart on which a click turns the figure's knobs


class NotDrawable(ValueError):
    """Why a value cannot be drawn: a sentence for the learner."""


def chart(drawn: Drawn) -> Any:
    """The picture, an Altair chart or a text. Raises NotDrawable when what the code returned is neither."""
    return CHARTS[drawn.id](drawn)


def table(value: Any, name: str, *sizes: int) -> Tensor:
    """The value as a tensor of these sizes, finite and on the CPU. Raises NotDrawable."""
    if not isinstance(value, Tensor) or tuple(value.shape) != sizes:
        got = f"has shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"is a {type(value).__name__}"
        raise NotDrawable(f"What `{name}` returns {got}; the figure shows a tensor of shape {sizes}.")
    numbers = value.detach().cpu().double()
    if not torch.isfinite(numbers).all():
        raise NotDrawable(f"What `{name}` returns holds NaN or infinite numbers.")
    return numbers


def heatmap(values: Tensor, rows: list[str], columns: list[str], title: str = "") -> "altair.Chart":
    """A square of shades from 0 to 1: a row for each query, a column for each key."""
    import altair

    cells = [
        {"query": f"{r:02} {row}", "key": f"{c:02} {column}", "weight": round(float(values[r, c]), 4)}
        for r, row in enumerate(rows)
        for c, column in enumerate(columns)
    ]
    if len(cells) > MOST_CELLS:
        raise NotDrawable("There are too many positions to draw.")
    label: dict[str, Any] = {
        "labelExpr": "slice(datum.label, 3)",
        "labelOverlap": False,
        "labelFlush": False,
        "labelLimit": 90,
        "ticks": False,
    }
    shown: altair.Chart = (
        altair.Chart(altair.Data(values=cells), title=title)
        .mark_rect(stroke=f"{BLUE}33", strokeWidth=0.5)
        .encode(
            altair.X("key:O", title="key", axis=altair.Axis(orient="top", labelAngle=-60, **label)),
            altair.Y("query:O", title="query", axis=altair.Axis(**label)),
            altair.Color("weight:Q", scale=altair.Scale(domain=[0, 1], range=SHADES, clamp=True), legend=None),
            tooltip=["query:O", "key:O", "weight:Q"],
        )
        .properties(width="container", height=min(30 * len(rows), 420))
    )
    return shown


def pick(*knobs: str) -> "altair.Parameter":
    """To add to a chart: a click on a mark turns these knobs to the values that the mark's row has under their names.

        heads(scores, layer, head).add_params(pick("layer", "head"))

    The knobs stay beside the chart, for the keyboard, so a figure draws what is picked from its settings.
    """
    import altair

    return altair.selection_point(name=PICK, fields=list(knobs), on="click", clear=False, toggle=False)


def can_be_picked(picture: Any) -> bool:
    """Whether a chart, or one of those that it is made of, has a `pick`."""
    params = getattr(picture, "params", None)
    return isinstance(params, list) and any(each.name == PICK for each in params)


def heads(scores: Tensor, layer: int, head: int, title: str = "") -> "altair.LayerChart":
    """A square of shades for each head of a model, (layer, head), from 0 to the largest score; one head is framed."""
    import altair

    cells = [
        {"layer": row, "head": column, "score": round(float(score), 4)}
        for row, columns in enumerate(scores)
        for column, score in enumerate(columns)
    ]
    place = altair.Chart(altair.Data(values=cells), title=title).encode(
        altair.X("head:O", axis=altair.Axis(orient="top", labelAngle=0, labelFlush=False, ticks=False)),
        altair.Y("layer:O", axis=altair.Axis(labelFlush=False, ticks=False)),
    )
    most = max(float(scores.max()), 1e-9)
    squares = place.mark_rect(stroke=f"{BLUE}33", strokeWidth=0.5, cursor="pointer").encode(
        altair.Color("score:Q", scale=altair.Scale(domain=[0, most], range=SHADES, clamp=True), legend=None),
        tooltip=["layer:O", "head:O", "score:Q"],
    )
    chosen = place.mark_rect(fill=None, stroke=AMBER, strokeWidth=2.5).transform_filter(
        f"datum.layer == {layer} && datum.head == {head}"
    )
    return altair.LayerChart(layer=[squares.add_params(pick("layer", "head")), chosen])


def _visible_keys(drawn: Drawn) -> "altair.Chart":
    queries, keys = drawn.inputs["queries"], drawn.inputs["keys"]
    mask = table(drawn.values.get("mask"), "causal_mask", queries, keys)
    return heatmap(mask, [f"{keys - queries + q}" for q in range(queries)], [str(k) for k in range(keys)])


def _one_head(drawn: Drawn) -> "altair.Chart":
    words = drawn.inputs["words"]
    pattern = table(drawn.values.get("pattern"), "attention_pattern", 1, 1, len(words), len(words))
    return heatmap(pattern[0, 0], words, words)


def _sampling_distribution(drawn: Drawn) -> Any:
    import altair

    words, draws = drawn.inputs["words"], drawn.inputs["draws"]
    tokens = table(drawn.values.get("tokens"), drawn.inputs["way"], draws).long()
    if len(tokens) and not 0 <= int(tokens.min()) <= int(tokens.max()) < len(words):
        raise NotDrawable("Some tokens drawn are not in the vocabulary.")
    shares = tokens.bincount(minlength=len(words)) / draws
    exact = drawn.inputs["logits"].softmax(-1)[0]
    rows = [
        {"token": word, "yours": float(share), "model": float(p)}
        for word, share, p in zip(words, shares, exact, strict=True)
    ]
    order = [row["token"] for row in sorted(rows, key=lambda row: -row["model"])]
    base = altair.Chart(altair.Data(values=rows)).encode(
        altair.Y("token:N", sort=order, title=None, axis=altair.Axis(labelOverlap=False)),
        tooltip=[
            altair.Tooltip("token:N"),
            altair.Tooltip("yours:Q", format=".3f"),
            altair.Tooltip("model:Q", format=".3f"),
        ],
    )
    title = f"share of {draws} draws (bars), and the probability in the model (ticks)"
    bars = base.mark_bar(color=BLUE, opacity=0.75).encode(altair.X("yours:Q", title=title))
    ticks = base.mark_tick(color=AMBER, thickness=2.5, size=13).encode(altair.X("model:Q"))
    return altair.layer(bars, ticks).properties(height=17 * len(words), width="container")


def _diagonals(drawn: Drawn) -> Any:
    import altair

    patterns, names = drawn.inputs["patterns"], drawn.inputs["names"]
    length = patterns.shape[-1]
    means = table(drawn.values.get("diagonals"), "diagonals", len(names), length)
    labels = [""] * length
    columns = []
    for pattern, mean, name in zip(patterns, means, names, strict=True):
        offsets = [{"offset": offset, "mean": round(float(each), 4)} for offset, each in enumerate(mean)]
        bars = (
            altair.Chart(altair.Data(values=offsets))
            .mark_bar(color=AMBER)
            .encode(
                altair.X("offset:O", title="offset", axis=altair.Axis(labelAngle=0, labelOverlap=True)),
                altair.Y("mean:Q", scale=altair.Scale(domain=[0, 1]), title=None, axis=altair.Axis(tickCount=3)),
                tooltip=["offset:O", "mean:Q"],
            )
            .properties(width=SMALL, height=90)
        )
        columns.append(
            altair.vconcat(heatmap(pattern, labels, labels, name).properties(width=SMALL, height=SMALL), bars)
        )
    return altair.hconcat(*columns, spacing=8)


def _story(drawn: Drawn) -> str:
    """The story in words: the learner's own where they decode tokens, else by the tokenizer's library."""
    text, tokens = drawn.values.get("text"), drawn.values.get("tokens")
    if isinstance(text, str):
        return text.strip()
    if not isinstance(tokens, list) or not all(isinstance(token, int) for token in tokens):
        raise NotDrawable("The tokens of the story are no whole numbers.")
    from headwork.models.tokenizer import Tokenizer

    tokenizer = Tokenizer(folder_of(drawn.inputs["model"].name) / "tokenizer.json")
    return tokenizer.decode(tokens[1:]).strip()


def credits(drawn: Drawn) -> str:
    """Who made the story, and how long it took."""
    used, seconds = drawn.values.get("used"), drawn.values.get("seconds")
    if not isinstance(used, list) or not isinstance(seconds, dict):
        return ""
    names = [f"`{name}`" for name in used]
    times = ", ".join(f"{float(value):.2f} s {how}" for how, value in seconds.items())
    same = drawn.values.get("same")
    words = ": the same words" if same is True else ": not the same words" if same is False else ""
    return f"Written by your {', '.join(names[:-1])} and {names[-1]}, in {times}{words}."


def _loss_per_position(drawn: Drawn) -> Any:
    import altair

    uniform, period = drawn.inputs["uniform"], drawn.inputs["period"]
    losses = table(drawn.values.get("losses"), "loss_per_token", 2 * period)
    rows = [
        {"position": place, "loss": round(float(loss), 4), "copy": "first" if place <= period else "second"}
        for place, loss in enumerate(losses, start=1)
    ]
    line = (
        altair.Chart(altair.Data(values=rows))
        .mark_line(point=True)
        .encode(
            altair.X("position:Q", title="position of the token"),
            altair.Y("loss:Q", title="loss in nats", scale=altair.Scale(domainMin=0)),
            altair.Color("copy:N", scale=altair.Scale(domain=["first", "second"], range=[AMBER, BLUE])),
            tooltip=["position:Q", "loss:Q", "copy:N"],
        )
    )
    guess = altair.Chart(altair.Data(values=[{"loss": uniform}])).mark_rule(strokeDash=[4, 4], color="#888")
    return altair.layer(line, guess.encode(altair.Y("loss:Q"))).properties(width="container", height=260)


def _phase_change(drawn: Drawn) -> Any:
    """Two curves over the steps of training, one above the other: what the copies cost, and what heads look at."""
    import altair

    steps, heads = drawn.inputs["steps"], drawn.inputs["heads"]
    losses = table(drawn.values.get("losses"), "loss_per_token", len(steps), 2)
    previous = table(drawn.values.get("previous"), "pattern_scores", len(steps), 2, heads)
    prefix = table(drawn.values.get("prefix"), "prefix_matching_score", len(steps), 2, heads)
    rows: list[dict[str, Any]] = []
    for index, step in enumerate(steps):
        shown = {
            "first copy": losses[index, 0],
            "second copy": losses[index, 1],
            "previous token, layer 0": previous[index, 0].max(),
            "prefix matching, layer 1": prefix[index, 1].max(),
        }
        rows += [{"step": step, "what": what, "value": round(float(number), 4)} for what, number in shown.items()]

    def curves(title: str, *names: str) -> Any:
        return (
            altair.Chart(altair.Data(values=[row for row in rows if row["what"] in names]))
            .mark_line(point=True)
            .encode(
                altair.X("step:Q", title="step of training"),
                altair.Y("value:Q", title=title, scale=altair.Scale(domainMin=0)),
                altair.Color("what:N", title=None, scale=altair.Scale(domain=list(names), range=[AMBER, BLUE])),
                tooltip=["step:Q", "what:N", "value:Q"],
            )
            .properties(width=380, height=170)
        )

    above = curves("loss in nats", "first copy", "second copy")
    below = curves("score of the best head", "previous token, layer 0", "prefix matching, layer 1")
    return altair.vconcat(above, below).resolve_scale(color="independent")


def _square(cells: Any, title: str = "") -> "altair.Chart":
    """A small square of attention; the words are in the tooltips, since there is no room for them beside it."""
    import altair

    chart: altair.Chart = (
        altair.Chart(cells, title=title)
        .mark_rect(stroke=f"{BLUE}33", strokeWidth=0.5)
        .encode(
            altair.X("k:O", title="key", axis=altair.Axis(orient="top", labels=False, ticks=False)),
            altair.Y("q:O", title="query", axis=altair.Axis(labels=False, ticks=False)),
            altair.Color("weight:Q", scale=altair.Scale(domain=[0, 1], range=SHADES, clamp=True), legend=None),
            tooltip=["query:N", "key:N", "weight:Q"],
        )
    )
    return chart


def _cells(pattern: Tensor, words: list[str], **more: Any) -> list[dict[str, Any]]:
    """A row of data for each query and each key that it may look at."""
    return [
        {**more, "q": q, "k": k, "query": f"{q} {query}", "key": f"{k} {words[k]}", "weight": round(float(weight), 4)}
        for q, query in enumerate(words)
        for k, weight in enumerate(pattern[q][: q + 1])
    ]


def _head_patterns(drawn: Drawn) -> Any:
    import altair

    words, heads = drawn.inputs["words"], drawn.inputs["heads"]
    patterns = table(drawn.values.get("patterns"), "run_with_cache", 1, heads, len(words), len(words))[0]
    squares = [
        _square(altair.Data(values=_cells(pattern, words)), f"{drawn.inputs['layer']}.{head}").properties(
            width=SMALL, height=SMALL
        )
        for head, pattern in enumerate(patterns)
    ]
    return altair.hconcat(*squares, spacing=8)


def _score_map(drawn: Drawn) -> Any:
    """The scores as a grid; beside it the pattern of the head that was clicked, at first of the one that "
    "scores most."""
    import altair

    shown, words = drawn.inputs["shown"], drawn.inputs["words"]
    layers, heads = shown.shape[:2]
    scores = table(drawn.values.get("scores"), drawn.inputs["score"], layers, heads)
    best = divmod(int(scores.argmax()), heads)
    picked = altair.selection_point(
        fields=["layer", "head"], value=[{"layer": best[0], "head": best[1]}], empty=False, toggle=False
    )
    grid = [
        {"layer": layer, "head": head, "score": round(float(scores[layer, head]), 3)}
        for layer in range(layers)
        for head in range(heads)
    ]
    edge = altair.condition(picked, altair.value(AMBER), altair.value(f"{BLUE}33"))
    squares = (
        altair.Chart(altair.Data(values=grid), title=drawn.inputs["score"])
        .mark_rect(strokeWidth=2, cursor="pointer")
        .encode(
            altair.X("head:O", axis=altair.Axis(labelAngle=0)),
            altair.Y("layer:O", sort="descending"),
            altair.Color("score:Q", scale=altair.Scale(range=SHADES), legend=altair.Legend(title=None)),
            stroke=edge,
            tooltip=["layer:O", "head:O", "score:Q"],
        )
        .add_params(picked)
        .properties(width=45 * heads, height=45 * layers)
    )
    cells = [
        cell
        for layer in range(layers)
        for head in range(heads)
        for cell in _cells(shown[layer, head], words, layer=layer, head=head)
    ]
    pattern = _square(altair.Data(values=cells), "where the chosen head looks").transform_filter(picked)
    side = 45 * layers
    return altair.hconcat(squares, pattern.properties(width=side, height=side)).resolve_scale(color="independent")


def _match_matrix(drawn: Drawn) -> Any:
    """Two squares, each row stretched from its smallest score to its largest: raw queries, and effective ones."""
    import altair

    words = drawn.inputs["words"]
    squares = []
    for name in ("raw", "effective"):
        scores = table(drawn.values.get(name), "induction_circuit", len(words), len(words))
        low, high = scores.amin(1, keepdim=True), scores.amax(1, keepdim=True)
        found = int((scores.argmax(1) == torch.arange(len(words))).sum())
        title = f"{name} embeddings: {found} of {len(words)} on the diagonal"
        square = heatmap((scores - low) / (high - low).clamp(min=1e-9), words, words, title)
        squares.append(square.properties(width=260, height=260))
    return altair.hconcat(*squares, spacing=12)


def _toy_geometry(drawn: Drawn) -> Any:
    """A plane for each network and each step shown: a line from the centre for each feature."""
    import altair

    shown, models, features = (drawn.inputs[name] for name in ("shown", "models", "features"))
    directions = table(drawn.values.get("directions"), "train_toy", len(shown), models, features, 2)
    lines = [
        {"steps": steps, "network": network, "feature": feature, "x": round(x, 3), "y": round(y, 3), "x0": 0, "y0": 0}
        for steps, networks in zip(shown, directions.tolist(), strict=True)
        for network, rows in enumerate(networks)
        for feature, (x, y) in enumerate(rows)
    ]
    scale = altair.Scale(domain=[-1.6, 1.6], clamp=True)
    base = altair.Chart().encode(
        altair.X("x:Q", scale=scale, axis=None),
        altair.Y("y:Q", scale=scale, axis=None),
        altair.Color("feature:N", scale=altair.Scale(scheme="tableau10")),
        tooltip=["feature:N", "x:Q", "y:Q"],
    )
    rules = base.mark_rule(strokeWidth=1.5).encode(altair.X2("x0:Q"), altair.Y2("y0:Q"))
    planes = altair.layer(rules, base.mark_point(filled=True, size=28), data=altair.Data(values=lines))
    return planes.properties(width=84, height=84).facet(
        row=altair.Row("steps:O", header=altair.Header(labelAngle=0, labelAlign="left")),
        column=altair.Column("network:O", title="network"),
        spacing=6,
    )


CHARTS: dict[str, Callable[[Drawn], Any]] = {
    "gpt2.visible_keys": _visible_keys,
    "gpt2.one_head": _one_head,
    "gpt2.sampling_distribution": _sampling_distribution,
    "gpt2.story": _story,
    "induction.head_patterns": _head_patterns,
    "induction.loss_per_position": _loss_per_position,
    "induction.match_matrix": _match_matrix,
    "induction.phase_change": _phase_change,
    "induction.score_map": _score_map,
    "ioi.patch_map": _score_map,
    "sae.toy_geometry": _toy_geometry,
    "tensors.diagonals": _diagonals,
}

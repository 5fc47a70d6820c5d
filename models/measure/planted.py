"""What the planted models are measured by: every edge replaced alone, and all that are not of the circuit at once."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import groupby

import torch
from torch import Tensor

from headwork.models import zoo
from headwork.models.gpt2 import GPT2
from headwork.models.hooks import Hook
from headwork.models.measure.measure import Measure, at_most
from headwork.models.planted import FAMILIES, Edge, every_edge, planted
from headwork.models.planted.truth import How, Planted

NOTHING = 1e-9  # how far a metric may move by rounding
WORDS: dict[How, str] = {"noise": "noise", "denoise": "denoising", "cut": "a cut"}


@torch.no_grad()
def measure(model: GPT2 | None = None) -> Iterator[Measure]:
    """One figure for each family, of seed 0 as it is shipped: the edges that do something else than its truth says."""
    for family in FAMILIES:
        made = planted(family)
        shipped = zoo.load(made.name).double()
        clean, corrupted = (float(made.metric(shipped(tokens)).mean()) for tokens in (made.clean, made.corrupted))
        found = {how: alone(shipped, made, how) for how in truth(made)}
        least = min(abs(float(found[how][edge].mean())) for how, edges in truth(made).items() for edge in edges)
        counts = ", ".join(f"{len(edges)} by {WORDS[how]}" for how, edges in truth(made).items())
        sentence = (
            f"{len(made.edges)} of {len(list(every_edge(shipped.config)))} edges are the circuit; alone are found "
            f"{counts}, the least of them by {least:.3f}. The metric is {clean:.2f} on clean and {corrupted:.2f} on "
            "corrupted prompts."
        )
        yield at_most(f"{family}, wrong edges", wrong(shipped, made), 0, digits=0, sentence=sentence)


def truth(made: Planted) -> dict[How, frozenset[Edge]]:
    """The edges that change the metric alone, by each way of replacing them that is known."""
    known: dict[How, frozenset[Edge]] = {"noise": made.noised, "denoise": made.denoised}
    return known if made.cut is None else known | {"cut": made.cut}


def wrong(model: GPT2, made: Planted) -> int:
    """How many edges are found alone and not listed, or the reverse; and one more where the rest has an effect."""
    count = 0
    for how, edges in truth(made).items():
        found = {edge for edge, change in alone(model, made, how).items() if float(change.abs().max()) > NOTHING}
        rest = [edge for edge in every_edge(model.config) if edge not in made.edges]
        count += len(found ^ edges) + bool(together(model, made, how, rest).abs().max() > NOTHING)
    return count


def alone(model: GPT2, made: Planted, how: How) -> dict[Edge, Tensor]:
    """How far each edge, replaced alone, moves the metric of each prompt: (batch,)."""
    tokens, changes = _changes(model, made, how)
    before = made.metric(model(tokens))
    moved: dict[Edge, Tensor] = {}
    for _, group in groupby(sorted(every_edge(model.config), key=_where), key=_where):
        edges = list(group)
        change = torch.cat([changes[edge.sender] for edge in edges])  # (edge * batch, position, d_model)
        hooks = _hooks(model, {edges[0]: lambda change=change: change})  # type: ignore[misc]
        logits = model.run_with_hooks(tokens.repeat(len(edges), 1), hooks).unflatten(0, (len(edges), -1))
        moved |= {edge: made.metric(each) - before for edge, each in zip(edges, logits, strict=True)}
    return moved


def together(model: GPT2, made: Planted, how: How, edges: Iterable[Edge]) -> Tensor:
    """How far these edges, replaced at once, move the metric of each prompt: (batch,)."""
    tokens, changes = _changes(model, made, how)
    before = _wrote(model, tokens)
    written: dict[str, Tensor] = {}  # in this run, in which senders read what has been replaced

    def change(edge: Edge) -> Tensor:
        return before[edge.sender] + changes[edge.sender] - written[edge.sender]

    hooks = _hooks(model, {edge: partial(change, edge) for edge in edges})
    logits = model.run_with_hooks(tokens, [*_recording(model, written), *hooks])
    return made.metric(logits) - made.metric(model(tokens))


def _where(edge: Edge) -> tuple[str, str]:
    return edge.receiver, edge.input


def _changes(model: GPT2, made: Planted, how: How) -> tuple[Tensor, dict[str, Tensor]]:
    """The prompts of the run, and what a replaced edge of each sender adds to its receiver's input."""
    tokens, other = (made.corrupted, made.clean) if how == "denoise" else (made.clean, made.corrupted)
    own, new = _wrote(model, tokens), _wrote(model, other)
    return tokens, {node: (0 if how == "cut" else new[node]) - own[node] for node in own}


def _wrote(model: GPT2, tokens: Tensor) -> dict[str, Tensor]:
    """What each node adds to the residual stream, (batch, position, d_model), biases aside."""
    wrote: dict[str, Tensor] = {}
    model.run_with_hooks(tokens, _recording(model, wrote))
    return wrote


def _recording(model: GPT2, wrote: dict[str, Tensor]) -> list[tuple[str, Hook]]:
    """Hooks that put what each node adds to the residual stream into `wrote`."""

    def record(node: str, value: Tensor, bias: Tensor | float = 0) -> None:
        wrote[node] = value - bias

    def heads(layer: int, value: Tensor) -> None:
        for head in range(model.config.n_heads):
            record(f"head {layer}.{head}", value[:, :, head])

    hooks: list[tuple[str, Hook]] = [
        ("hook_embed", lambda value, point: record("embed", value)),
        ("hook_pos_embed", lambda value, point: record("pos", value)),
    ]
    for layer in range(model.config.n_layers):
        hooks.append((f"blocks.{layer}.attn.hook_result", lambda value, point, layer=layer: heads(layer, value)))  # type: ignore[misc]
        if not model.config.attn_only:
            b_out = model.blocks[layer].mlp.b_out
            mlp = partial(record, f"mlp {layer}", bias=b_out)
            hooks.append((f"blocks.{layer}.hook_mlp_out", lambda value, point, mlp=mlp: mlp(value)))  # type: ignore[misc]
    return hooks


def _hooks(model: GPT2, changes: dict[Edge, Callable[[], Tensor]]) -> list[tuple[str, Hook]]:
    """Hooks that add each change, (batch, position, d_model), to what the edge's receiver reads."""
    hooks: list[tuple[str, Hook]] = []
    for edge, change in changes.items():
        kind, _, place = edge.receiver.partition(" ")
        if kind == "logits":
            hooks.append((f"blocks.{model.config.n_layers - 1}.hook_resid_post", _adding(change)))
        elif kind == "mlp":
            assert not model.config.layer_norm  # so that what is read is a sum
            W_in = model.blocks[int(place)].mlp.W_in
            hooks.append((f"blocks.{place}.mlp.hook_pre", _adding(change, through=W_in)))
        else:
            layer, head = place.split(".")
            hooks.append((f"blocks.{layer}.hook_{edge.input}_input", _adding(change, int(head))))
    return hooks


def _adding(change: Callable[[], Tensor], head: int | None = None, through: Tensor | None = None) -> Hook:
    def add(value: Tensor, point: object) -> Tensor:
        changed = value.clone()
        added = change() if through is None else change() @ through
        (changed if head is None else changed[:, :, head]).add_(added)
        return changed

    return add

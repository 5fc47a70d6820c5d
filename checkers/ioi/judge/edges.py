"""Who hears whom directly: each claimed edge is tried by a path patch of its own.

The network reads the clean prompts. The sender writes, at its place, what it writes when it is ablated; all other heads
are frozen, MLPs between are recomputed; and only what the receiver's queries, keys or values at its place hear of this
is put into a run in which all else is computed as usual (Wang et al. 2022, section 3.1).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from headwork.checkers.ioi.judge.bench import MEAN, Bench
from headwork.checkers.ioi.judge.circuit import PLACES, Edge
from headwork.solutions.ioi.engine import Trace

LEAST = 0.01  # of the whole effect


@dataclass(frozen=True)
class Tried:
    """An edge with the change of the metric that its path makes, as a share of the whole effect."""

    edge: Edge
    effect: float
    confirmed: bool


@torch.no_grad()
def tried(bench: Bench, edges: tuple[Edge, ...], whole: Tensor, none: Tensor, weight: Tensor) -> tuple[Tried, ...]:
    """Each edge, tried on the bench's prompts.

    whole, none: (prompt, metric). weight: (1 + resample, prompt). An edge is confirmed when its effect in one metric is
    at least LEAST of the whole effect, and the interval of it keeps clear of 0.
    """
    if not edges:
        return ()
    base, _ = bench.engine.run(bench.data.prompts.tokens.to(bench.device))
    scale = (whole - none).mean(0)  # (metric,)
    found = []
    for edge in edges:
        shares = (_patched(bench, base, edge).float().cpu() - whole) / scale  # (prompt, metric)
        drawn = weight @ shares / weight.sum(1, keepdim=True)  # (1 + resample, metric)
        best = int(drawn[0].abs().argmax())
        low, high = drawn[1:, best].quantile(0.025), drawn[1:, best].quantile(0.975)
        effect = float(drawn[0, best])
        found.append(Tried(edge, effect, abs(effect) >= LEAST and bool((low > 0) == (high > 0))))
    return tuple(found)


def _patched(bench: Bench, base: Trace, edge: Edge) -> Tensor:
    """The metrics with this one path patched, (prompt, metric)."""
    engine = bench.engine
    layer, head, place = edge.sender
    there = (bench.place == PLACES.index(place))[..., None]  # (prompt, position, 1)
    moved = (bench.ground(MEAN).z[layer] - base.z[layer])[:, :, head] * there
    change = moved @ engine.blocks[layer].attn.W_O[head].detach()  # (prompt, position, d_model)
    for each in range(layer, edge.receiver[0]):
        middle = base.pre[each] + engine.write(each, base.z[each])
        change = change + engine.mlp(each, middle + change) - base.mlp[each]
    to, listener, at = edge.receiver
    part = "qkv".index(edge.into)
    heard = engine.qkv(to, base.pre[to] + change)[part][:, :, listener]  # (prompt, position, d_head)
    parts = [getattr(base, name)[to].clone() for name in "qkv"]
    here = (bench.place == PLACES.index(at))[..., None]
    parts[part][:, :, listener] = torch.where(here, heard, parts[part][:, :, listener])
    q, k, v = (each[None] for each in parts)
    stream = engine.block(to, base.pre[to][None], base, 0, (q, k, v))
    for each in engine.layers[to + 1 :]:
        stream = engine.block(each, stream, base)
    return bench.metrics(stream[:, :, 0])[0]

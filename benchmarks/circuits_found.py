"""How well edge attribution and ACDC find planted circuits: the area under the ROC curve, by metric and by ablation.

    python benchmarks/circuits_found.py [--family NAME] [--record]

Every edge of a planted model gets a score by each method: the size of its mean estimate, or the largest threshold at
which ACDC keeps it. The area is the chance that an edge of the circuit has a higher score than another one, ties
counting half: 1 when the method finds the circuit, 0.5 when it is no better than chance. Where what stands in for an
edge is what its sender writes on other prompts, edges from `pos` cannot be told by anything and are left out.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from headwork.models.edges import Graph, every_edge, table, written
from headwork.models.planted import Planted, planted
from headwork.solutions.ioi.edges import pruned

RECORD = Path(__file__).parent / "records" / "circuits_found.json"
METRICS, ABLATIONS = ("logit difference", "KL"), ("resample", "mean", "zero")
THRESHOLDS = torch.tensor([1e-4, 1e-2, 0.1, 0.5, 2.0], dtype=torch.float64)
PROMPTS = 3
ASKED = ("k-composition", "v-composition", "or", "cancelling", "saturated", "undone")
NOTHING = 1e-9  # a score below is rounding, and none

Loss = Callable[[Tensor], Tensor]  # logits at the end, (..., batch, d_vocab), to (...)


def losses(made: Planted) -> dict[str, Loss]:
    """What rises when the circuit suffers: minus the logit difference, or the divergence from the whole model."""
    rows, (right, wrong) = torch.arange(PROMPTS), made.answers[:PROMPTS].T
    with torch.no_grad():
        whole = made.model(made.clean[:PROMPTS])[:, -1].log_softmax(-1)

    def difference(logits: Tensor) -> Tensor:
        return (logits[..., rows, wrong] - logits[..., rows, right]).mean(-1)

    def divergence(logits: Tensor) -> Tensor:
        return (whole.exp() * (whole - logits.log_softmax(-1))).sum(-1).mean(-1)

    return dict(zip(METRICS, (difference, divergence), strict=True))


def stand_ins(made: Planted) -> dict[str, Tensor]:
    """What is read in place of an edge, (sender, batch, position, d_model)."""
    other = written(made.model, made.corrupted)
    mean = other.mean(1, keepdim=True).expand(-1, PROMPTS, -1, -1)
    return dict(zip(ABLATIONS, (other[:, :PROMPTS], mean, torch.zeros_like(mean)), strict=True))


def by_gradient(made: Planted, loss: Loss, instead: Tensor) -> Tensor:
    """The size of the first-order estimate of each edge, (receiver, sender): the loss's slope at the edge's share."""
    graph = Graph(made.model, made.clean[:PROMPTS], instead)
    share = torch.zeros(graph.edges.shape, dtype=torch.float64, requires_grad=True)
    total = loss(graph.mixed(share[None])[0, :, -1])
    [slope] = torch.autograd.grad(total, [share])
    return slope.abs()


def by_pruning(made: Planted, loss: Loss, instead: Tensor) -> Tensor:
    """For each edge how many thresholds it outlives, of those from the smallest on, (receiver, sender)."""
    graph = Graph(made.model, made.clean[:PROMPTS], instead)
    kept = pruned(lambda kept: loss(graph.run(kept)[:, :, -1]), graph.edges, THRESHOLDS)
    order = torch.arange(1, len(THRESHOLDS) + 1)[:, None, None]
    return (kept * order).amax(0).double()  # the largest threshold that keeps it


def area(scores: Tensor, true: Tensor) -> float:
    """The chance that a true edge's score is above another's. scores, true: (edge,)."""
    scores = torch.where(scores.abs() < NOTHING, 0, scores)
    above = scores[true][:, None] - scores[~true]
    return float(((above > 0).double() + (above == 0).double() / 2).mean())


def measured(family: str) -> dict[str, dict[str, dict[str, float]]]:
    """Areas by metric, ablation and method, of the model of seed 0."""
    made = planted(family)
    made.model.requires_grad_(False)
    config = made.model.config
    every, circuit = table(config, every_edge(config)), table(config, made.edges)
    moving = table(config, [edge for edge in every_edge(config) if edge.sender != "pos"])
    found: dict[str, dict[str, dict[str, float]]] = {}
    for metric, loss in losses(made).items():
        for ablation, instead in stand_ins(made).items():
            asked = every if ablation == "zero" else moving
            scores = {"edge attribution": by_gradient(made, loss, instead), "ACDC": by_pruning(made, loss, instead)}
            areas = {name: round(area(each[asked], circuit[asked]), 3) for name, each in scores.items()}
            found.setdefault(metric, {})[ablation] = areas
    return found


def shown(found: dict[str, dict[str, dict[str, dict[str, float]]]]) -> str:
    """The table of the chapter: the mean over the families, and how many of them each method finds wholly."""
    lines = [f"{'':17}{'':9} edge attribution      ACDC"]
    for metric in METRICS:
        for ablation in ABLATIONS:
            cells = []
            for method in ("edge attribution", "ACDC"):
                areas = [found[family][metric][ablation][method] for family in found]
                cells.append(f"{sum(areas) / len(areas):.2f} ({sum(each > 0.995 for each in areas)} of {len(areas)})")
            lines.append(f"{metric:17}{ablation:9}   {cells[0]:18}{cells[1]}")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--family", choices=ASKED, help="this one alone")
    options = parser.parse_args()
    torch.set_num_threads(1)
    start, found = time.process_time(), {}
    for family in [options.family] if options.family else ASKED:
        found[family] = measured(family)
        print(f"{family}, {time.process_time() - start:.0f} CPU-s:", json.dumps(found[family]), flush=True)
    print(shown(found))
    if options.record:
        machine = {"machine": platform.machine(), "python": platform.python_version(), "torch": torch.__version__}
        old = json.loads(RECORD.read_text(encoding="utf-8"))["areas"] if RECORD.is_file() else {}
        areas = {family: (old | found)[family] for family in ASKED if family in old | found}
        figures = {"areas": areas, "thresholds": THRESHOLDS.tolist(), "prompts": PROMPTS, **machine}
        RECORD.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`ioi.acdc`: edges pruned from the output to the inputs, as long as the loss hardly rises."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise
from headwork.checkers.induction.networks import described
from headwork.checkers.inputs import Rng
from headwork.checkers.ioi.probes.edges import made_up, transformer
from headwork.checkers.ioi.questions import of, prompts
from headwork.checkers.probing import Case
from headwork.models.config import Config
from headwork.models.edges import every_edge, table
from headwork.solutions.ioi.edges import pruned

ask = Exercise("acdc", seconds=60)

SHAPES = [
    Config(
        d_vocab=9, n_ctx=8, d_model=6, n_heads=3, d_mlp=5, n_layers=1,
        attn_only=True, layer_norm=False, biases=False, tied=False,
    ),
    Config(d_vocab=11, n_ctx=9, d_model=8, n_heads=1, d_mlp=5, n_layers=2),
]  # fmt: skip


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, nodes, inputs, slant in [
        ("a made-up graph", 6, 2, 0.3),
        ("another, with one input", 5, 1, 0.5),
        ("a larger one, where the order shows", 9, 3, 2.0),
    ]:
        case = _decided(name, made_up_graph(rng, nodes, inputs, slant), (0.01, 0.2))
        while nodes == 9 and not _tells(case):
            case = _decided(name, made_up_graph(rng, nodes, inputs, slant), (0.01, 0.2))
        yield case
    for shape, divergence in zip(SHAPES, (False, True), strict=True):
        tokens = prompts(rng, shape.d_vocab, 3, 5)
        inputs_of = {
            "model": described(rng, shape),
            "directions": rng.normal((3, shape.d_vocab)),
            "log_probabilities": not divergence,
            "divergence": divergence,
            "edges": table(shape, every_edge(shape)),
            **tokens,
        }
        name = "a transformer, by its divergence" if divergence else "a transformer, by minus its metric"
        yield _decided(name, inputs_of, (0.01, 0.2))


def made_up_graph(rng: Rng, nodes: int, inputs: int, slant: float) -> dict[str, Any]:
    """Inputs, then nodes that read earlier ones, on some prompts; two edges that could be there are not."""
    prompts = nodes - 3
    receivers, senders = nodes - inputs, nodes - 1
    edges = torch.ones(receivers, senders, dtype=torch.bool).tril(inputs - 1)
    for receiver, sender in edges.nonzero()[rng.permutation(int(edges.sum()))[:2]].tolist():
        if edges[receiver].sum() > 1:
            edges[receiver, sender] = False
    found: dict[str, Any] = {
        "inputs_there": rng.normal((inputs, prompts)),
        "elsewhere": rng.normal((senders, prompts), spread=0.7),
        "weights": rng.normal((receivers, senders)) * (1 - 0.8 * rng.integers((receivers, senders), 2)),
        "edges": edges,
        "slant": slant,
    }
    blank = Case("", **found, target=torch.zeros(prompts, dtype=torch.float64), answer=True)
    return found | {"target": _answer(blank)}


def _answer(case: Case) -> Tensor:
    """What the whole graph answers, (prompt,): the target that the loss is measured from."""
    values = list(case.inputs_there)
    for receiver, row in enumerate(case.weights):
        total = sum(row[sender] * values[sender] for sender in range(len(case.inputs_there) + receiver))
        total = torch.as_tensor(total)
        values.append(total.tanh() if receiver < len(case.weights) - 1 else total)
    return values[-1]


def _tells(case: Case) -> bool:
    """Whether it shows in what order the edges are visited, and that they are visited once."""
    run, places = made_up(case), case.edges.nonzero().flip(0).tolist()
    right = _visited(case, run, case.edges, places)
    by_sender = sorted(places, key=lambda place: (-place[1], -place[0]))
    forwards = sorted(places, key=lambda place: (-place[0], place[1]))
    others = [_visited(case, run, case.edges, order) for order in (by_sender, forwards, places[::-1])]
    again = _visited(case, run, right, right.nonzero().flip(0).tolist())
    return not any(right.equal(other) for other in (*others, again)) and not again.equal(others[0])


def _visited(case: Case, run: Callable[[Tensor], Tensor], edges: Tensor, places: list[list[int]]) -> Tensor:
    """What is kept of these edges when they are tried in this order."""
    kept, loss = edges, run(edges)
    for receiver, sender in places:
        fewer = kept.clone()
        fewer[receiver, sender] = False
        without = run(fewer)
        if without - loss < case.threshold:
            kept, loss = fewer, without
    return kept


def _decided(name: str, inputs: dict[str, Any], between: tuple[float, float]) -> Case:
    """The case with that threshold, of some, on which no decision is a close one: rounding must not make another."""
    tried = torch.linspace(*between, 12, dtype=torch.float64)
    case = Case(name, **inputs, threshold=0.0)
    run = transformer(case) if "model" in inputs else made_up(case)
    losses: list[Tensor] = []

    def told(kept: Tensor) -> Tensor:
        losses.append(run(kept))
        return losses[-1]

    kept = pruned(told, inputs["edges"], tried)
    loss, margin = losses[0], torch.full_like(tried, torch.inf)
    for without in losses[1:]:
        margin = margin.minimum((without - loss - tried).abs())
        loss = torch.where(without - loss < tried, without, loss)
    share = kept.sum((1, 2)) / inputs["edges"].sum()
    good = (share > 0.15) & (share < 0.85)
    best = int(torch.where(good, margin, margin - 1).argmax())
    return Case(name, **inputs, threshold=float(tried[best]))


ask.checks(equal("kept", title="keeps the edges that the order and the threshold leave", weight=3))

ONE_BY_ONE = """
import torch

def acdc(run, edges, threshold):
    kept = edges.clone()
    loss = run(kept)
    for receiver in reversed(range(edges.shape[0])):
        for sender in reversed(range(edges.shape[1])):
            if not edges[receiver, sender]:
                continue
            fewer = kept.clone()
            fewer[receiver, sender] = False
            without = run(fewer)
            if without - loss < threshold:
                kept, loss = fewer, without
    return kept
"""
wrong = of(ONE_BY_ONE)
RULE = "if without - loss < threshold:"
GONE = "kept, loss = fewer, without"
RECEIVERS = "for receiver in reversed(range(edges.shape[0])):"
SENDERS = "for sender in reversed(range(edges.shape[1])):"
BOTH = f"{RECEIVERS}\n        {SENDERS}"
FEWER = "fewer = kept.clone()"

ask.survives(
    "return pruned(run, edges, torch.tensor([threshold], device=edges.device))[0]",
    "return pruned(run, edges, torch.tensor([threshold], device=edges.device))[-1]",
    "There is one threshold: the first is the last.",
)

ask.mistakes(
    wrong(
        GONE,
        "kept = fewer",
        "The loss is compared with the whole graph's all the way: compare with that of the edges that are still kept.",
    ),
    wrong(
        RULE,
        "if without < threshold:",
        "The loss itself is compared with the threshold: it is the rise that counts, the loss without the edge less "
        "the loss with it.",
    ),
    wrong(
        RULE,
        "if abs(without - loss) < threshold:",
        "The size of the change is taken: an edge without which the loss falls goes too.",
    ),
    wrong(
        RULE,
        "if loss - without < threshold:",
        "The rise has the wrong sign: it is the loss without the edge less the loss with it.",
    ),
    wrong(
        RULE,
        "if without - loss >= threshold:",
        "The edges that matter go and the others stay: an edge goes when the loss rises by less than the threshold.",
    ),
    wrong(
        RULE,
        "if without - loss < threshold * loss.abs():",
        "The threshold is taken as a share of the loss: it is a rise in the loss's own unit.",
    ),
    wrong(
        RULE,
        "if without - loss < 0:",
        "The threshold is 0 here, and not the one that is given.",
    ),
    wrong(
        RECEIVERS,
        "for receiver in range(edges.shape[0]):",
        "The receivers are visited from the first to the last: begin with the last, which is the output.",
    ),
    wrong(
        SENDERS,
        "for sender in range(edges.shape[1]):",
        "A receiver's senders are visited from the first to the last: begin with the last.",
    ),
    wrong(
        BOTH,
        "for receiver in range(edges.shape[0]):\n        for sender in range(edges.shape[1]):",
        "The edges are visited from the inputs to the output: begin with the last receiver and its last sender.",
    ),
    wrong(
        BOTH,
        "for sender in reversed(range(edges.shape[1])):\n        for receiver in reversed(range(edges.shape[0])):",
        "The edges are visited sender by sender: go receiver by receiver, and for each through its senders.",
    ),
    wrong(
        FEWER,
        "fewer = kept",
        "An edge that is tried stays away, whatever comes out: put it back when the loss rises.",
    ),
    of(ONE_BY_ONE.replace(GONE, "kept[receiver, sender] = False"))(
        FEWER,
        "fewer = edges.clone()",
        "Each edge is tried on the whole graph: leave out of the graph what has gone so far as well.",
    ),
    of(
        """
import torch

def acdc(run, edges, threshold):
    kept = edges.clone()
    for receiver in reversed(range(len(edges))):
        loss, senders = run(kept), kept[receiver].nonzero()[:, 0]
        fewer = kept.repeat(len(senders), 1, 1)
        fewer[range(len(senders)), receiver, senders] = False
        if len(senders):
            kept[receiver, senders[run(fewer) - loss < threshold]] = False
    return kept
"""
    )(
        "    return kept",
        "    return kept.clone()",
        "All senders of a receiver are tried on the same graph: when one has gone, try the next on what is left.",
    ),
    wrong(
        "return kept",
        "return edges & ~kept",
        "The edges that went are returned: return those that are kept.",
    ),
    wrong(
        GONE,
        "kept = fewer\n            loss = without",
        "The loss is that of the last graph tried, also when the edge was put back: keep that of the edges kept.",
    ),
    wrong(
        "    return kept",
        "    return kept if kept.equal(edges) else acdc(run, kept, threshold)",
        "The edges are gone through again and again until none goes: each is tried once.",
    ),
    of(
        """
import torch

def acdc(run, edges, threshold):
    kept = torch.zeros_like(edges)
    loss = run(kept)
    for receiver, sender in edges.nonzero().flip(0).tolist():
        more = kept.clone()
        more[receiver, sender] = True
        with_it = run(more)
        if loss - with_it >= threshold:
            kept, loss = more, with_it
    return kept
"""
    )(
        "    return kept",
        "    return kept.clone()",
        "Edges are added to an empty graph: begin with all of them, and leave out.",
    ),
    wrong(
        "    return kept",
        "    return kept.nonzero()",
        "This is a list of places: return booleans of the shape of `edges`.",
    ),
)

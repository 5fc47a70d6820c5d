"""`ioi.circuit`: which heads of the house model, at which places, do the work, judged by experiment.

The judge is that of `headwork circuit score`, on fewer prompts and with fewer random sets: it is asked for every known
mistake. The mistakes are made from the reference circuit, whichever heads that has.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

from headwork.checkers.checks import claim
from headwork.checkers.exercise import Edit, Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.ioi.judge.circuit import PLACES, NoCircuit, Node, all_nodes, fit, parsed
from headwork.checkers.ioi.judge.court import bench_for
from headwork.checkers.ioi.judge.references import SHIPPED, known, literal
from headwork.checkers.ioi.judge.score import BAR, QUICK, Judge, Score
from headwork.checkers.probing import Case
from headwork.models import zoo
from headwork.models.gpt2 import GPT2
from headwork.solutions.ioi.findings import CIRCUIT

GOOD = 95  # points from which a circuit is as good as the reference

ask = Exercise("CIRCUIT")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    yield Case("fresh prompts", seed=rng.seed())


@lru_cache
def model() -> GPT2:
    return zoo.load(SHIPPED).requires_grad_(False)


@lru_cache(maxsize=2)
def _judge(seed: int) -> Judge:
    return Judge(bench_for(model(), SHIPPED, seed, QUICK, lambda count: None, None), seed, QUICK)


@lru_cache(maxsize=64)
def _score(seed: int, text: str) -> Score:
    return _judge(seed).score(parsed(json.loads(text)), parsed(CIRCUIT).nodes)


def scored(value: Any, case: Case) -> Score:
    """Raises NoCircuit."""
    circuit = parsed(value)
    if circuit.model != SHIPPED:
        raise NoCircuit(f"it is a circuit of {circuit.model[:40]}: a circuit of {SHIPPED} is asked for")
    fit(circuit, model().config.n_layers, model().config.n_heads)
    return _score(case.seed, json.dumps(circuit.as_json()))


Fault = Callable[[Score], str]


def _claimed(name: str, fault: Fault, title: str, weight: float = 1) -> Any:
    def flaw(value: Any, case: Case) -> str:
        try:
            return fault(scored(value, case))
        except NoCircuit as problem:
            return f"`CIRCUIT`: {problem}."

    return claim(name, flaw, title=title, weight=weight)


def _faithful(found: Score) -> str:
    mine, other = found.mine.value("F"), found.reference.value("F")
    if mine >= BAR / 100 * other:
        return ""
    usual = next(iter(found.mine.signed.values()))
    return (
        f"With all else ablated your {found.mine.size} nodes have F = {mine:.2f}; our {found.reference.size} have "
        f"{other:.2f}. The usual ratio of means is {usual:.2f} for yours."
    )


def _complete(found: Score) -> str:
    mine, other = found.mine.value("I"), found.reference.value("I")
    if mine >= BAR / 100 * other:
        return ""
    return (
        f"Where the same nodes are taken from both, your circuit and the model part: I = {mine:.2f}, ours {other:.2f}."
    )


def _minimal(found: Score) -> str:
    idle = sum(not each.earned for each in found.mine.members)
    if found.mine.size and found.mine.value("Mn") >= BAR / 100:
        return ""
    return (
        f"Of your {found.mine.size} nodes {idle} add nothing that the judge could find." if found.mine.size else EMPTY
    )


EMPTY = "Your circuit is empty."


def _above_chance(found: Score) -> str:
    mine, other = found.mine.value("lift"), found.reference.value("lift")
    if mine >= BAR / 100 * other:
        return ""
    random, faithful = found.mine.random, found.mine.value("F")
    return f"Random circuits of {found.mine.size} nodes have F = {random:.2f}; yours has {faithful:.2f}."


def _as_good(found: Score) -> str:
    return "" if found.value >= GOOD else f"It scores {found.value:.0f} of 100; the reference scores 100."


ask.checks(
    _claimed("faithful", _faithful, "answers as the model does, prompt by prompt", 2),
    _claimed("complete", _complete, "goes on doing so when the same nodes are taken from both"),
    _claimed("minimal", _minimal, "nearly every node adds something"),
    _claimed("above chance", _above_chance, "far better than random circuits of its size"),
    _claimed("as good", _as_good, "as good as the circuit we know of"),
)

OURS = list(parsed(known(SHIPPED)["circuit"]).nodes)
LAST = max(layer for layer, _, _ in OURS)
EVERY = all_nodes(model().config.n_layers, model().config.n_heads)


def _rows(nodes: Iterable[Node]) -> str:
    text = literal(SHIPPED, nodes)
    return text[text.index('    "nodes"') : text.rindex("}")]


def _wrong(nodes: Iterable[Node], sentence: str) -> Edit:
    return edit(_rows(OURS), _rows(nodes), sentence)


ask.mistakes(
    _wrong(EVERY, "Every node is named: that is faithful and complete, and says nothing. Name those that do the work."),
    _wrong(
        [node for node in EVERY if node[0] == LAST],
        "All of one layer is named: heads of earlier layers tell these where to look.",
    ),
    _wrong(
        [node for node in OURS if node[0] == LAST],
        "Only the heads that say the name are named. With the others ablated they do not know which of the two to say.",
    ),
    _wrong(
        [node for node in OURS if node[0] < LAST],
        "The heads that say the name are missing: whatever the others find out reaches the logits through them.",
    ),
    _wrong(
        [node for node in OURS if node[2] == "END"],
        "Only the end is named: something has to notice, at the second mention of the subject, that it is one.",
    ),
    _wrong(
        [node for node in EVERY if node[:2] in {each[:2] for each in OURS}],
        "The heads are right and named at every place: say at which place each does its work.",
    ),
    _wrong(
        [*OURS, *[node for node in EVERY if node[2] == "IO" and node not in OURS][: len(OURS)]],
        "The circuit is right, and as many nodes stand beside it that add nothing: leave them out.",
    ),
    _wrong([], "No node is named: with everything ablated nothing is left of the answer."),
    _wrong([(layer + 1, head + 1, place) for layer, head, place in OURS], "Layers and heads are counted from 0."),
    edit(
        f'"model": "{SHIPPED}"', '"model": "gpt2"', "It says that it is a circuit of another model than was asked for."
    ),
    edit(
        _rows(OURS),
        _rows(OURS).replace(f'"{PLACES[4]}"', f'"{PLACES[4].lower()}"'),
        "The places are written IO, S1, S1+1, S2, END and rest, in these letters.",
    ),
)

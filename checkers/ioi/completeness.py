"""`ioi.completeness`: how differently circuit and model answer when the same nodes are taken from both."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.ioi.games import games
from headwork.checkers.probing import Case

ask = Exercise("completeness")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, inputs in games(rng):
        yield Case(name, **inputs)


ask.checks(equal("c", title="gives c(K) of every set"))

AWAY = "away = (run(circuit & ~sets) - run(~sets)).abs().sum(-1)  # (set, metric)"
ENDS = "whole, none = run(torch.stack([torch.ones_like(circuit), torch.zeros_like(circuit)]))"
RESULT = "return (away / (none - whole).abs().sum(-1)).amax(-1)"

ask.mistakes(
    edit(
        AWAY,
        "away = (run(circuit & ~sets) - run(torch.ones_like(sets))).abs().sum(-1)",
        "K is taken from the circuit alone: compare with the model without the same K.",
    ),
    edit(
        AWAY,
        "away = (run(circuit.expand(sets.shape)) - run(~sets)).abs().sum(-1)",
        "K is taken from the model alone: take it from the circuit as well.",
    ),
    edit(
        AWAY,
        "away = (run(circuit & sets) - run(sets)).abs().sum(-1)",
        "Only the nodes of K work: K is what is taken away.",
    ),
    edit(
        AWAY,
        "away = (run(circuit & ~sets) - run(~(sets & circuit))).abs().sum(-1)",
        "The model loses only those nodes of K that are in the circuit: a K of the nodes that were left out is what "
        "shows an incomplete circuit.",
    ),
    edit(
        AWAY,
        "away = (run(circuit & ~sets) - run(~sets)).sum(-1).abs()",
        "The prompts are added up before the absolute value: differences of opposite sign cancel. Take the absolute "
        "value of each first.",
    ),
    edit(
        AWAY,
        "away = (run(circuit & ~sets) - run(~sets)).square().sum(-1)",
        "Squares are added up: c(K) is made of absolute differences.",
    ),
    edit(
        AWAY,
        "away = (run(circuit & ~sets) - run(~sets)).abs().mean(-1)",
        "The differences are averaged above and added up below: do the same in both places.",
    ),
    edit(
        RESULT,
        "return away.amax(-1)",
        "This is in the metric's own unit: divide by the sum of |m(none) - m(M)|.",
    ),
    edit(
        RESULT,
        "return (away / whole.abs().sum(-1)).amax(-1)",
        "The difference is divided by the model's own answers: divide by how far no circuit at all is from them.",
    ),
    edit(
        RESULT,
        "return (away / (run(circuit) - whole).abs().sum(-1).clamp(min=1e-12)).amax(-1)",
        "The scale is how far the circuit is from the model: it is how far no circuit at all is.",
    ),
    edit(
        ENDS,
        ENDS + "\n    whole = run(circuit)",
        "The scale is how far no circuit at all is from the circuit: it is how far it is from the whole model.",
    ),
    edit(
        RESULT,
        "return (away / (none - run(~sets)).abs().sum(-1)).amax(-1)",
        "K is taken away in the scale too: that is how far no circuit at all is from the whole model, for every K.",
    ),
    edit(
        RESULT,
        "away = (run(circuit & ~sets) - run(~sets)).mean(-1).abs()\n"
        "    return (away / (none - whole).mean(-1).abs()).amax(-1)",
        "Means are taken before the absolute values, above and below: differences of opposite sign cancel.",
    ),
    edit(
        RESULT,
        "return (away / (none - whole).abs().sum(-1)).mean(-1)",
        "The metrics are averaged: c(K) is the worse of them.",
    ),
    edit(
        RESULT,
        "return (away / (none - whole).abs().sum(-1))[:, 0]",
        "Only the first metric is looked at: c(K) is the worse of them all.",
    ),
    edit(
        RESULT,
        "return (away / (none - whole).abs().sum(-1)).amin(-1)",
        "The better of the metrics is told: c(K) is the worse of them.",
    ),
    edit(
        RESULT,
        "return 1 - (away / (none - whole).abs().sum(-1)).amax(-1)",
        "This is 1 for a circuit that answers as the model does: c(K) is the difference, so 0 there.",
    ),
    edit(
        RESULT,
        "return (away / (none - whole).abs().sum(-1)).amax(-1).mean()",
        "The sets are averaged: each has a number of its own.",
    ),
)

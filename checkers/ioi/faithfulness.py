"""`ioi.faithfulness`: how well a circuit answers as the model does, by the usual ratio and prompt by prompt."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("faithfulness")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, ablations, metrics, prompts, whole, none, circuit, spread in [
        ("a good circuit", 2, 3, 7, 4, 0, 3.5, 1),
        ("too much on half of the prompts", 3, 2, 6, 4, 0, 4, 3),
        ("more than the whole model", 2, 3, 5, 3, 0.5, 5, 0.5),
        ("worse than no circuit", 3, 2, 8, 4, 1, -3, 1),
        ("an answer below zero", 2, 4, 3, -3, 1, -2, 0.5),
        ("one prompt", 3, 2, 1, 4, 0, 3, 0.2),
        ("one ablation and one metric", 1, 1, 9, 4, 0, 3, 1),
    ]:
        scale = rng.uniform((metrics, 1), 0.5, 3)
        yield Case(
            name,
            circuit=scale * rng.normal((ablations, metrics, prompts), circuit, spread),
            whole=scale * rng.normal((metrics, prompts), whole, 0.7),
            none=scale * rng.normal((ablations, metrics, prompts), none, 0.7),
            cotangent=rng.uniform((), 0.5, 2),
        )


ask.checks(
    equal("usual", title="gives the usual ratio of means, for each ablation and metric"),
    equal("F", title="gives F, the worst of all, from absolute differences prompt by prompt", weight=2),
    equal("gradient", title="gradients of F reach the circuit's answers", weight=0.5),
)

USUAL = "usual = (circuit - none).mean(-1) / (whole - none).mean(-1)"
ERROR = "error = (circuit - whole).abs().sum(-1) / (none - whole).abs().sum(-1)  # (ablation, metric)"
RESULT = "return usual, 1 - error.max()"

ask.mistakes(
    edit(
        ERROR,
        "error = (circuit - whole).sum(-1).abs() / (none - whole).sum(-1).abs()",
        "The prompts are added up before the absolute value, so an error of +2 on one and of -2 on the next cancel: "
        "take the absolute value of each first.",
    ),
    edit(
        ERROR,
        "error = ((circuit - whole).abs() / (none - whole).abs()).mean(-1)",
        "Each prompt is divided by its own difference: one with hardly any outweighs all others. Add up both, then "
        "divide.",
    ),
    edit(
        ERROR,
        "error = (circuit - whole).square().sum(-1) / (none - whole).square().sum(-1)",
        "Squares are added up: F is made of absolute differences.",
    ),
    edit(
        ERROR,
        "error = (circuit - whole).abs().sum(-1) / whole.abs().sum(-1)",
        "The error is divided by the model's own answers: divide by how far no circuit at all is from them.",
    ),
    edit(
        ERROR,
        "error = (circuit - whole).abs().sum(-1) / (none - whole).abs().mean(-1)",
        "The errors are added up above and averaged below: do the same in both places.",
    ),
    edit(
        ERROR,
        "error = (circuit - none).abs().sum(-1) / (none - whole).abs().sum(-1)",
        "This measures the way from no circuit at all: F asks how far the circuit is from the whole model.",
    ),
    edit(
        RESULT,
        "return usual, 1 - error.min()",
        "The best of the ablations and metrics is told: F is the worst of them.",
    ),
    edit(
        RESULT,
        "return usual, 1 - error.mean()",
        "The ablations and metrics are averaged: F is the worst of them.",
    ),
    edit(
        RESULT,
        "return usual, 1 - error.amax(1).mean()",
        "The ablations are averaged: F is the worst of them too.",
    ),
    edit(
        RESULT,
        "return usual, 1 - error[0].max()",
        "Only the first ablation is looked at: F is the worst of them all.",
    ),
    edit(
        RESULT,
        "return usual, error.max()",
        "This is the error: F is 1 minus it, so that the whole model has 1.",
    ),
    edit(
        RESULT,
        "return usual, (1 - error.max()).clamp(min=0)",
        "F is cut off at 0: a circuit that is farther from the model than none at all has to show it.",
    ),
    edit(
        RESULT,
        "return usual, usual.min()",
        "F is taken from the usual ratios, in which prompts cancel, and 140 % looks better than 100 %.",
    ),
    edit(
        RESULT,
        "return usual, (1 - error.max()).detach()",
        "F was cut from the graph (detach, .data, .item or no_grad): gradients must reach the circuit's answers.",
    ),
    edit(
        USUAL,
        "usual = circuit.mean(-1) / whole.mean(-1)",
        "The usual ratio starts from 0: subtract what no circuit at all answers, above and below.",
    ),
    edit(
        USUAL,
        "usual = ((circuit - none) / (whole - none)).mean(-1)",
        "The usual ratio is one of means: take the mean over prompts above and below, then divide.",
    ),
    edit(
        USUAL,
        "usual = (whole - none).mean(-1) / (circuit - none).mean(-1)",
        "The usual ratio is upside down: the circuit's effect stands above, the model's below.",
    ),
)

ask.survives(
    USUAL,
    "usual = ((circuit - none).mean(-1) / (whole - none).mean(-1)).detach()",
    "Gradients are asked of F alone: nobody trains on the usual ratio here.",
)

"""`ioi.normalise_metric`: a patched run's metric on the scale between the two unpatched runs."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("normalise_metric")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, shape, noising, clean, corrupted in [
        ("a sweep, denoising", (3, 4, 5), False, 3, -1),
        ("a sweep, noising", (4, 3, 6), True, 3, -1),
        ("one prompt, denoising", (2, 1), False, 2, 0.5),
        ("one prompt, noising", (5, 1), True, 2, 0.5),
        ("a single run, denoising", (7,), False, 4, 1),
        ("a single run, noising", (8,), True, 4, 1),
        ("the corrupted metric is the larger one", (2, 3, 4), False, -2, 3),
        ("noising, and the corrupted metric is the larger one", (3, 2, 4), True, -2, 3),
        ("a small difference", (2, 6), False, 1e-3, 0.0),
    ]:
        size = abs(clean - corrupted)
        yield Case(
            name,
            patched=rng.normal(shape, (clean + corrupted) / 2, 2 * size),
            clean=rng.normal(shape[-1:], clean, size / 8),
            corrupted=rng.normal(shape[-1:], corrupted, size / 8),
            noising=noising,
            cotangent=rng.normal(shape[:-1]),
        )


ask.checks(
    equal("values", title="puts the mean metric on the scale between the two unpatched runs", weight=2),
    equal("gradient", title="gradients reach the patched runs' metric"),
)

START = "unpatched = clean if noising else corrupted"
RATIO = "return (patched - unpatched).mean(-1) / (clean - corrupted).mean()"

ask.mistakes(
    edit(
        START,
        "unpatched = corrupted if noising else clean",
        "The conventions have changed places: denoising starts from the corrupted run, which is 0, and noising from "
        "the clean run, which is 0 there.",
    ),
    edit(
        START,
        "unpatched = corrupted",
        "`noising` is not looked at: with it, 0 is the clean run and -1 the corrupted one.",
    ),
    edit(
        START,
        "unpatched = clean",
        "`noising` is taken for granted: without it, 1 is the clean run and 0 the corrupted one.",
    ),
    edit(
        RATIO,
        "return (patched - unpatched).mean(-1) / (corrupted - clean).mean()",
        "The scale runs the wrong way: divide by clean minus corrupted, in both conventions.",
    ),
    edit(
        RATIO,
        "return (patched - unpatched).mean(-1) / (clean - corrupted).mean() * (-1 if noising else 1)",
        "With `noising` the sign is turned: the corrupted run is at -1, since the metric falls on the way to it.",
    ),
    edit(
        RATIO,
        "return ((patched - unpatched) / (clean - corrupted)).mean(-1)",
        "Each prompt is divided by its own difference, then averaged: a prompt with hardly any difference outweighs "
        "all others. Take means first, then divide.",
    ),
    edit(
        RATIO,
        "return (patched - unpatched) / (clean - corrupted).mean()",
        "The prompts are still there: take the mean over the last axis.",
    ),
    edit(
        RATIO,
        "return (patched - unpatched).mean() / (clean - corrupted).mean()",
        "All patches are averaged into one number: take the mean over the last axis only.",
    ),
    edit(
        RATIO,
        "return (patched - unpatched).mean(0) / (clean - corrupted).mean()",
        "The mean runs over the first axis: the prompts are the last one.",
    ),
    edit(
        RATIO,
        "return (patched - unpatched).sum(-1) / (clean - corrupted).mean()",
        "The prompts are added up above, and averaged below: take the mean in both places.",
    ),
    edit(
        RATIO,
        "return patched.mean(-1) / clean.mean()",
        "This is the share of the clean metric: it is 0 at a metric of 0, not at the unpatched run's.",
    ),
    edit(
        RATIO,
        "return (patched - unpatched).mean(-1)",
        "This is a difference in the metric's own unit: divide by clean minus corrupted.",
    ),
    edit(
        RATIO,
        "return ((patched - unpatched).mean(-1) / (clean - corrupted).mean()).clamp(-1, 1)",
        "Values beyond the ends are cut off: a patch can do more than all, or the opposite, and that is worth knowing.",
    ),
    edit(
        RATIO,
        "return (patched - unpatched).mean(-1).abs() / (clean - corrupted).mean().abs()",
        "The sign is thrown away: a patch that moves the metric the other way has to show it.",
    ),
    edit(
        RATIO,
        "return ((patched - unpatched).mean(-1) / (clean - corrupted).mean()).detach()",
        "The result was cut from the graph (detach, .data, .item or no_grad): gradients must reach the patched metric.",
    ),
)

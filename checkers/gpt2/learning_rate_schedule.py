"""`gpt2.learning_rate_schedule`: a line up and half a cosine down, at every step."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("learning_rate_schedule")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, warmup, total, floor in [
        ("a short warm-up", 4, 19, 0.1),
        ("no warm-up", 0, 12, 0.02),
        ("a long warm-up", 13, 17, 0.3),
        ("down to 0", 3, 14, 0.0),
        ("a thousand steps", 90, 1000, 0.05),
        ("one step of warm-up, one down", 1, 2, 0.2),
    ]:
        peak = float(rng.uniform((), 0.5, 2))
        near = [0, 1, 2, 3, warmup - 1, warmup, warmup + 1, total // 2, total - 1, total, total + 1]
        steps = (
            {step for step in near if step >= 0} | set(range(min(total, 20))) | {total + warmup, 2 * total, 5 * total}
        )
        shuffled = [sorted(steps)[index] for index in rng.permutation(len(steps)).tolist()]
        yield Case(name, peak=peak, warmup=warmup, total=total, floor=floor * peak, steps=shuffled)


ask.checks(equal("rate", title="gives every step its rate: up in a line, down in half a cosine, then the floor"))

UP = "peak * step / warmup"
PROGRESS = "min((step - warmup) / (total - warmup), 1)"
SHARE = "(1 + math.cos(math.pi * progress)) / 2"
LAST = "return floor + (peak - floor) * share"

ask.mistakes(
    edit(
        UP,
        "peak * (step + 1) / warmup",
        "The warm-up is one step ahead: step 0 has the rate 0, and step `warmup` is the first with the peak.",
    ),
    edit(
        UP,
        "peak * (step + 1) / (warmup + 1)",
        "The warm-up begins above 0: step 0 has the rate 0. Divide step by warmup, adding nothing to either.",
    ),
    edit(
        "if step < warmup:",
        "if step <= warmup:",
        "Without a warm-up, step 0 divides by zero: the line holds for steps below `warmup` only.",
    ),
    edit(
        UP,
        "floor + (peak - floor) * step / warmup",
        "The warm-up starts from the floor: it starts from 0.",
    ),
    edit(UP, "peak * (step // warmup)", "`//` drops the fraction, so the rate jumps: divide with `/`."),
    edit(
        UP,
        "peak * (1 - math.cos(math.pi * step / warmup)) / 2",
        "The warm-up follows a cosine: it is a straight line.",
    ),
    edit(
        f"    if step < warmup:\n        return {UP}\n",
        "",
        "There is no warm-up: below `warmup` the rate is peak * step / warmup.",
    ),
    edit(
        PROGRESS,
        "(step - warmup) / (total - warmup)",
        "After `total` the cosine goes on and climbs: stay at the floor.",
    ),
    edit(
        PROGRESS,
        "min(step / total, 1)",
        "The cosine runs over all steps: it starts where the warm-up ends, so measure from `warmup`.",
    ),
    edit(
        PROGRESS,
        "min((step - warmup) / total, 1)",
        "The cosine is stretched over `total` steps: only total - warmup remain after the warm-up.",
    ),
    edit(
        PROGRESS,
        "min((step - warmup) / max(total - warmup - 1, 1), 1)",
        "The floor is reached one step early: it is reached at `total`.",
    ),
    edit(
        PROGRESS,
        "min((step - warmup + 1) / (total - warmup), 1)",
        "The descent is one step ahead: at step `warmup` the rate is the peak.",
    ),
    edit(
        "math.pi * progress",
        "180 * progress",
        "math.cos takes radians, not degrees: half a turn is math.pi.",
    ),
    edit(
        "math.pi * progress",
        "2 * math.pi * progress",
        "This is a whole turn of the cosine, down and up again: half a turn, math.pi, is enough.",
    ),
    edit(
        SHARE,
        "math.cos(math.pi / 2 * progress)",
        "This is a quarter of a turn: half a cosine is (1 + cos(pi * progress)) / 2, flat at both ends.",
    ),
    edit(
        SHARE,
        "math.cos(math.pi * progress)",
        "The cosine runs from 1 to -1: add 1 and halve it, so that it runs from 1 to 0.",
    ),
    edit(SHARE, "1 - progress", "The descent is a straight line: it is half a cosine."),
    edit(
        LAST,
        "return floor + peak * share",
        "The floor is added on top of the peak: blend them, the share of peak - floor.",
    ),
    edit(
        LAST,
        "return max(floor, peak * share)",
        "The curve falls to 0 and is cut off at the floor: let it fall from the peak to the floor.",
    ),
    edit(LAST, "return peak * share", "The rate falls to 0: it falls to the floor."),
    edit(
        LAST,
        "return peak * (floor + (1 - floor) * share)",
        "The floor is taken for a share of the peak: it is a learning rate itself.",
    ),
    edit(
        LAST,
        "return floor + (peak - floor) * share if step < total else 0.0",
        "The rate is 0 after `total`: it stays at the floor.",
    ),
)

"""`ioi.path_patch_by_hand`: the effect of one node of three, in all, directly, and through the middle."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("path_patch_by_hand", batch=["clean", "corrupted"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, rows, width, spread in [
        ("four prompts", 4, 3, 1),
        ("one prompt", 1, 5, 1),
        ("prompts that hardly differ", 3, 6, 1e-3),
    ]:
        clean = rng.normal((rows, width))
        yield Case(
            name,
            clean=clean,
            corrupted=clean + rng.normal((rows, width), spread=spread),
            of_sender=rng.normal((width, 2)),
            of_middle=rng.normal((width, 4)),
            of_output=rng.normal((width,)),
            sender_to_middle=rng.normal((2, 4)),
            sender_to_output=rng.normal((2,)),
            middle_to_output=rng.normal((4,), spread=0.5),
        )


ask.checks(
    equal("direct", title="patches the edge from the sender to the output alone", weight=2),
    equal("through the middle", title="patches the edge from the sender to the middle alone", weight=2),
    equal("total", title="patches the sender with both its edges"),
)

RESULT = "return output(clean, patched, recomputed), output(clean, patched, b), output(clean, a, recomputed)"
NODES = "b, recomputed = middle(clean, a), middle(clean, patched)"

ask.mistakes(
    edit(
        RESULT,
        "return output(clean, patched, recomputed), output(clean, patched, recomputed), output(clean, a, recomputed)",
        "In place of the direct effect there is the total one: the middle has to be frozen to its clean value.",
    ),
    edit(
        RESULT,
        "return output(clean, patched, recomputed), output(clean, patched, b), output(clean, patched, recomputed)",
        "The direct edge is patched too where only the way through the middle should be: give the output the clean "
        "sender there.",
    ),
    edit(
        RESULT,
        "return output(clean, patched, recomputed), output(clean, a, recomputed), output(clean, patched, b)",
        "The direct path and the one through the middle have changed places.",
    ),
    edit(
        NODES,
        "b, recomputed = middle(clean, a), middle(corrupted, patched)",
        "The middle reads the corrupted input: only the sender is corrupted, the input of all other nodes stays clean.",
    ),
    edit(
        NODES,
        "b, recomputed = middle(corrupted, patched), middle(clean, patched)",
        "The middle is frozen to the corrupted run: freeze it to its clean value.",
    ),
    edit(
        NODES,
        "b, recomputed = middle(clean, a), middle(corrupted, a)",
        "The middle is given the corrupted input and the clean sender: it is the sender that is corrupted.",
    ),
    edit(
        RESULT,
        RESULT.replace("output(clean", "output(corrupted"),
        "The output reads the corrupted input: only the sender is corrupted, the input of all other nodes stays clean.",
    ),
    edit(
        "a, patched = sender(clean), sender(corrupted)",
        "patched, a = sender(clean), sender(corrupted)",
        "Clean and corrupted sender have changed places: everything is clean but the patched edges.",
    ),
    edit(
        RESULT,
        "y = output(clean, a, b)\n"
        "    return output(clean, patched, recomputed) - y, output(clean, patched, b) - y, output(clean, a, "
        "recomputed) - y",
        "The clean output is subtracted: return the three values of the output as they are.",
    ),
    edit(
        RESULT,
        "y = output(clean, a, b)\n"
        "    total, direct = output(clean, patched, recomputed), output(clean, patched, b)\n"
        "    return total, direct, y + total - direct",
        "The way through the middle is taken to be the rest, total minus direct: the two need not add up, so "
        "patch that "
        "edge by itself.",
    ),
)

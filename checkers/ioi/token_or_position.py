"""`ioi.token_or_position`: what some heads say at the end, taken apart into two signals."""

from collections.abc import Iterator

import torch

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, Replacement
from headwork.checkers.inputs import Rng
from headwork.checkers.ioi.questions import DONE_TO_THE_MODEL, heads_of, of, planted_question, questions, some_heads
from headwork.checkers.probing import Case

ask = Exercise("token_or_position", batch=["clean", "end", "directions", "names", "order", "s2"], seconds=30)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for told, family, batch, first in [("token", "backup", 4, 0), ("position", "position", 3, 1)]:
        made, inputs = planted_question(rng, family, batch)
        clean, s2 = inputs["clean"], inputs.pop("corrupted")
        io, s = (made.answers[:batch, column, None] for column in (0, 1))
        names = torch.where(clean == io, s, torch.where(clean == s, io, clean))
        twins = {"names": names, "order": torch.where(clean == s2, names, clean), "s2": s2}
        yield Case(f"a planted head that tells the {told}", heads=[heads_of(made)[first]], **twins, **inputs)
    for name, inputs in questions(rng):
        clean, corrupted = inputs["clean"], inputs.pop("corrupted")
        vocab = inputs["directions"].shape[1]
        others = []
        for _ in range(2):
            twin = clean.clone()
            places = [1, clean.shape[1] // 2, clean.shape[1] - 2]
            twin[:, places] = rng.integers((len(clean), len(places)), vocab)
            others.append(twin)
        twins = {"names": others[0], "order": others[1], "s2": corrupted}
        count = 1 if name == "one head, no biases" else 3
        yield Case(name, heads=some_heads(rng, inputs, count), **twins, **inputs)


ask.checks(
    equal("token", title="gives what turning the token changes", weight=2),
    equal("position", title="gives what turning the position changes", weight=2),
    equal("the model is as it was", title=DONE_TO_THE_MODEL, weight=0.5),
)

HOOKED = """
import torch

@torch.no_grad()
def token_or_position(model, clean, twins, end, metric, heads):
    rows = torch.arange(len(end), device=end.device)
    points = [f"blocks.{layer}.attn.hook_z" for layer in range(model.config.n_layers)]

    def measured(tokens):
        _, donor = model.run_with_cache(tokens, points)

        def patch(z, point):
            z = z.clone()
            for layer, head in heads:
                if point.name == points[layer]:
                    z[rows, end, head] = donor[point.name][rows, end, head]
            return z

        return metric(model.run_with_hooks(clean, [(points, patch)])[rows, end])

    base = metric(model(clean)[rows, end])
    names, order, both = (measured(twins[kind]) for kind in ("names", "order", "s2"))
    token = ((names - base) + (both - order)) / 2
    position = ((order - base) + (both - names)) / 2
    return token, position
"""
wrong = of(HOOKED)
PUT = "z[rows, end, head] = donor[point.name][rows, end, head]"
TOKEN = "token = ((names - base) + (both - order)) / 2"
POSITION = "position = ((order - base) + (both - names)) / 2"


def both(token: str, position: str, sentence: str) -> Replacement:
    """The same mistake in both formulas."""
    return of(HOOKED.replace(TOKEN, f"token = {token}"))(POSITION, f"position = {position}", sentence)


ask.mistakes(
    wrong(
        "return token, position",
        "return position, token",
        "Token and position have changed places: 'names' turns the token, 'order' the position.",
    ),
    both(
        "names - base",
        "order - base",
        "Token and position are each turned where the other is as in the clean prompt: turn the token at the other "
        "position too, from 'order' to 's2', the position with the other token, from 'names' to 's2', and take means.",
    ),
    wrong(
        TOKEN,
        "token = names - base",
        "The token is turned only where the position is as in the clean prompt: turn it at the other position too, "
        "from 'order' to 's2', and take the mean.",
    ),
    wrong(
        POSITION,
        "position = order - base",
        "The position is turned only where the token is as in the clean prompt: turn it with the other token too, from "
        "'names' to 's2', and take the mean.",
    ),
    both(
        "((names - base) + (both - base)) / 2",
        "((order - base) + (both - base)) / 2",
        "'s2' turns token and position together: compare it with the twin from which it differs in one of them alone.",
    ),
    both(
        "(names - base) + (both - order)",
        "(order - base) + (both - names)",
        "The two changes are added up: take their mean.",
    ),
    both(
        "((base - names) + (order - both)) / 2",
        "((base - order) + (names - both)) / 2",
        "The changes have the opposite sign: they are what happens when something turns, turned minus unturned.",
    ),
    both(
        "((names - base) - (both - order)) / 2",
        "((order - base) - (both - names)) / 2",
        "This is half the interaction, the difference of the two changes: take their mean.",
    ),
    both(
        "((names - base).abs() + (both - order).abs()) / 2",
        "((order - base).abs() + (both - names).abs()) / 2",
        "The sizes of the changes are taken: keep their signs, or the two do not add up to what 's2' does.",
    ),
    both(
        "((names - base) + (both - order)) / 2 / (both - base)",
        "((order - base) + (both - names)) / 2 / (both - base)",
        "The changes are divided by what 's2' does: return them as they are, in the metric's unit.",
    ),
    wrong(
        PUT,
        "z[:, :, head] = donor[point.name][:, :, head]",
        "The heads are patched at all positions: it is what they say at the end that is taken apart.",
    ),
    wrong(
        PUT,
        "z[:, -1, head] = donor[point.name][:, -1, head]",
        "The heads are patched in the last column: shorter prompts end before it, and `end` says where.",
    ),
    wrong(
        PUT,
        "z[rows, end] = donor[point.name][rows, end]",
        "All heads of the layer are patched: patch the given ones.",
    ),
    wrong(
        "for layer, head in heads:",
        "for layer, head in heads[:1]:",
        "Only the first head is patched: patch all of them in one run.",
    ),
    wrong(
        "for layer, head in heads:",
        "for layer, head in heads[-1:]:",
        "Only the last head is patched, perhaps because each hook replaces the one before: patch all of them in one "
        "run.",
    ),
    wrong(
        PUT,
        "last = heads[-1][1]\n                    z[rows, end, last] = donor[point.name][rows, end, last]",
        "In every layer the last head's number is patched, since a function looks its variables up when it is called: "
        "bind the loop's variable.",
    ),
    wrong(
        "return metric(model.run_with_hooks(clean, [(points, patch)])[rows, end])",
        "alone, group = 0, list(heads)\n        for each in group:\n            heads[:] = [each]\n"
        "            alone = alone + metric(model.run_with_hooks(clean, [(points, patch)])[rows, end]) - base\n"
        "        heads[:] = group\n        return base + alone",
        "Each head is patched in a run of its own and the changes are added up: patch all of them in one run.",
    ),
    wrong(
        "model.run_with_hooks(clean, [(points, patch)])",
        "model.run_with_hooks(tokens, [(points, patch)])",
        "The network reads the twin's tokens, and the patch changes nothing: run on the clean prompts.",
    ),
    wrong(
        "base = metric(model(clean)[rows, end])",
        "base = 0",
        "The unpatched run is left out: changes start from the metric of the clean run.",
    ),
    wrong(
        "base = metric(model(clean)[rows, end])",
        "base = metric(model(twins['s2'])[rows, end])",
        "The corrupted run's own metric stands in for the clean run's.",
    ),
    wrong(
        "return token, position",
        "return token.mean(), position.mean()",
        "The mean over the prompts is taken: keep a number for each prompt.",
    ),
)

ask.survives(
    "unpatched = engine.unpatched(after, metric)[0]",
    "unpatched = engine.unpatched(after, metric)[-1]",
    "There is one unpatched run: the first is the last.",
)

"""`sae.label_and_predict`: a label's order of places that were drawn, of a latent that was drawn."""

from collections.abc import Iterator
from itertools import combinations

import torch
from torch import Tensor

from headwork.checkers.checks import drawn_from, equal, same
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("draw_latents", "label_and_predict")

REPEATS = 300


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (texts, length, vocab), share, count, weight, ties in [
        ("all places are taken", (4, 6, 9), 0.4, 99, 0.1, False),
        ("a rule with ties", (3, 8, 7), 0.3, 60, 0.0, True),
        ("one active place", (2, 5, 11), 0.08, 10, 0.5, False),
        ("as many places as there are active ones", (5, 4, 6), 0.5, 10, 0.0, True),
        ("weak activity", (3, 5, 8), 0.6, 50, 0.3, False),
    ]:
        activity = _activity(rng, texts, length, share) * (1e-9 if name == "weak activity" else 1)
        scores = rng.normal((vocab,))
        yield Case(
            name,
            kind="score",
            activity=activity,
            tokens=rng.integers((texts, length), vocab),
            scores=(scores > 0).double() if ties else scores,
            first=torch.full((vocab,), 0.25) if ties else rng.normal((vocab,), 0.5),
            weight=weight,
            count=count,
            seed=rng.seed(),
        )
    for name, latents, dead, count in [("some are dead", 6, 2, 2), ("none is dead", 4, 0, 2)]:
        density = 10 ** rng.uniform((latents,), -3, -0.5)
        density[rng.permutation(latents)[:dead]] = 0
        yield Case(
            name,
            kind="latents",
            density=density,
            count=count,
            law=_pairs(density > 0),
            repeats=REPEATS + 10 * dead,
            seed=rng.seed(),
        )
    texts, length = 2, 4
    # strengths far apart, so that whoever draws by strength is seen
    activity = _activity(rng, texts, length, 0.5) * 10.0 ** (rng.permutation(texts * length) % 4).reshape(texts, length)
    yield Case(
        "two places of either kind, drawn again and again",
        kind="places",
        activity=activity,
        tokens=torch.arange(texts * length).reshape(texts, length) + 3,
        shift=3,
        repeats=REPEATS + 50,
        seed=rng.seed(),
        active_law=_pairs(activity.flatten() > 0),
        silent_law=_pairs(activity.flatten() <= 0),
    )


def _activity(rng: Rng, texts: int, length: int, share: float) -> Tensor:
    active = torch.zeros(texts * length)
    active[rng.permutation(texts * length)[: max(1, round(share * texts * length))]] = 1
    return rng.uniform((texts, length), 0.1, 2) * active.reshape(texts, length)


def _pairs(allowed: Tensor) -> Tensor:
    """Every pair of what is allowed is as likely, by its number `smaller * many + larger`, and nothing else.

    (1, outcome); the last stands for what is no pair.
    """
    many = len(allowed)
    law = torch.zeros(1, many * many + 1, dtype=torch.float64)
    for first, second in combinations(allowed.nonzero().flatten().tolist(), 2):
        law[0, first * many + second] = 1
    return law / law.sum()


ask.checks(
    equal("score", title="gives the chance that an active place is above a silent one", weight=3),
    equal("contexts", title="the label reads each text up to and with the place"),
    drawn_from("latents", law=lambda case: case.law, title="latents are drawn evenly from those that live"),
    equal("all of them", title="where fewer live than asked for, all of them are drawn"),
    same("again", as_="once", title="the same generator draws the same latents"),
    drawn_from("active places", law=lambda case: case.active_law, title="active places are drawn evenly"),
    drawn_from("silent places", law=lambda case: case.silent_law, title="silent places are drawn evenly"),
)

ALIVE = "alive = (density > 0).nonzero().flatten()"
LATENTS = "return alive[torch.randperm(len(alive), generator=generator)[:count]]"
KINDS = "for kind in (activity > 0, activity <= 0):"
DRAWN = "drawn = places[torch.randperm(len(places), generator=generator)[:count]].tolist()"
FOUND = "found = [float(label(tokens[text, : position + 1])) for text, position in drawn]"
ABOVE = "above = scores[0][:, None] - scores[1]"
LAST = "return float(((above > 0).double() + (above == 0) / 2).mean())"

SAME_LATENTS = "The same latents come in every call: draw them from the generator, evenly from all that live."
SAME_PLACES = (
    "The first or the strongest places are taken, which flatters the label: draw evenly from all of either kind."
)

ask.mistakes(
    edit(
        "above = scores[0][:, None] - scores[1]  # (active, silent)",
        "above = torch.stack([active - silent for active, silent in zip(*scores, strict=False)])",
        "Each active place is compared with one silent place: compare it with all of them.",
    ),
    edit(
        DRAWN,
        "drawn = places[torch.multinomial(torch.where(kind, activity.clamp(min=1e-9), 1)[kind], "
        "min(count, len(places)), generator=generator)].tolist()",
        "Strong places are drawn more often than weak ones, which flatters the label: draw evenly from all of a kind.",
    ),
    edit(
        ALIVE,
        "alive = torch.arange(len(density), device=density.device)",
        "Dead latents are drawn: draw from those whose density is above 0.",
    ),
    edit(
        LATENTS,
        "return density.topk(min(count, len(alive))).indices",
        SAME_LATENTS,
    ),
    edit(
        LATENTS,
        "return alive[:count]",
        SAME_LATENTS,
    ),
    edit(
        LATENTS,
        "return alive[torch.randint(len(alive), (min(count, len(alive)),), generator=generator)]",
        "A latent may be drawn twice: draw without putting back.",
    ),
    edit(
        LATENTS,
        "return torch.multinomial(density, min(count, len(alive)), generator=generator)",
        "Frequent latents are drawn more often: all that live are alike.",
    ),
    edit(
        LATENTS,
        "return alive[torch.randperm(len(alive), generator=torch.Generator().manual_seed(0))[:count]]",
        SAME_LATENTS,
    ),
    edit(
        KINDS,
        "for kind in (activity > 0, activity >= 0):",
        "The silent places are drawn from all places, the active ones among them.",
    ),
    edit(
        KINDS,
        "for kind in (activity <= 0, activity > 0):",
        "The two kinds are swapped: this is the chance that a silent place is above an active one.",
    ),
    edit(
        KINDS,
        "for kind in (activity > 1e-6, activity <= 1e-6):",
        "A weak place is active too: the border is 0.",
    ),
    edit(
        DRAWN,
        "drawn = places[:count].tolist()",
        SAME_PLACES,
    ),
    edit(
        DRAWN,
        "strongest = activity[kind].argsort(descending=True)\n        drawn = places[strongest[:count]].tolist()",
        SAME_PLACES,
    ),
    edit(
        DRAWN,
        "picked = torch.randint(len(places), (min(count, len(places)),), generator=generator)\n"
        "        drawn = places[picked].tolist()",
        "A place may be drawn twice: draw without putting back.",
    ),
    edit(
        FOUND,
        "found = [float(label(tokens[text, :position])) if position else 0.0 for text, position in drawn]",
        "The context ends before the place: the token there belongs to it.",
    ),
    edit(
        FOUND,
        "found = [float(label(tokens[text])) for text, position in drawn]",
        "The label reads the whole text, also what comes after the place: the latent has not seen that.",
    ),
    edit(
        FOUND,
        "found = [float(label(tokens[text, position : position + 1])) for text, position in drawn]",
        "The label reads a single token: give it the text up to the place.",
    ),
    edit(
        ABOVE,
        "above = scores[1][:, None] - scores[0]",
        "The two kinds are swapped: this is the chance that a silent place is above an active one.",
    ),
    edit(LAST, "return float((above > 0).double().mean())", "Ties count nothing here: each counts one half."),
    edit(LAST, "return float((above >= 0).double().mean())", "Ties count as right here: each counts one half."),
    edit(
        LAST, "return float(above.mean())", "This is the mean difference of the scores: count which pairs are in order."
    ),
)

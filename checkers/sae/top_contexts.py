"""`sae.top_contexts`: where a latent is active, from its strongest places to its weakest."""

from collections.abc import Iterator

import torch

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("top_contexts")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (texts, length, vocab), share, depths, count, radius in [
        ("a rare latent", (6, 11, 17), 0.3, [0.0, 0.5, 1.0], 4, 2),
        ("active nearly everywhere", (3, 9, 7), 0.95, [0.0, 0.25, 0.75], 2, 1),
        ("the strongest last, and one depth", (4, 7, 9), 0.5, [1.0, 0.0], 3, 3),
        ("one text, wider contexts than the text", (1, 5, 6), 0.8, [0.5], 1, 6),
        ("no neighbours", (5, 6, 8), 0.4, [0.25, 0.5], 5, 0),
        ("fewer active places than asked for", (3, 8, 5), 0.2, [0.0, 0.5, 1.0], 40, 2),
        ("one active place", (2, 5, 6), 0.1, [0.0, 1.0], 3, 1),
        ("weak activity", (4, 10, 11), 0.5, [0.75, 0.0], 3, 2),
    ]:
        scale = 1e-9 if name == "weak activity" else 2.0
        strengths = rng.uniform((texts, length), 0.1, scale if scale > 1 else 0.9) * (scale if scale < 1 else 1)
        active = torch.zeros(texts * length)
        active[rng.permutation(texts * length)[: round(share * texts * length)]] = 1
        yield Case(
            name,
            activity=strengths * active.reshape(texts, length),
            tokens=rng.integers((texts, length), vocab),
            depths=depths,
            count=count,
            radius=radius,
        )


ask.checks(
    equal("places", title="gives places from all over the latent's range", weight=3),
    equal("tokens", title="gives the tokens around them"),
    equal("activity", title="gives the latent's activity around them"),
)

ACTIVE = "active = int((activity > 0).sum())"
STARTS = "int(depth * (active - count))"
RANKED = "activity.flatten().argsort(descending=True)[:active]"
TEXT = "text, position = places // activity.shape[1], places % activity.shape[1]"

ask.mistakes(
    edit(STARTS, "0", "Every depth gives the strongest places: the depth says how far down to begin."),
    edit(STARTS, "int(depth * active)", "The last depth begins below the last place: of `active - count` steps."),
    edit(
        STARTS,
        "int(depth * (activity.numel() - count))",
        "Depths are counted over all tokens, so the deep ones are places where the latent is silent.",
    ),
    edit(
        STARTS,
        "int((1 - depth) * (active - count))",
        "The depths run the wrong way: 0 is the strongest.",
    ),
    edit(
        RANKED,
        "activity.flatten().argsort()[-active:]",
        "The places are sorted from weak to strong: the strongest come first.",
    ),
    edit(
        ACTIVE,
        "active = activity.numel()",
        "Silent places are given as contexts: only those above 0 are ranked.",
    ),
    edit(
        ACTIVE,
        "active = int((activity > 1e-6).sum())",
        "A weak place is active too: the border is 0.",
    ),
    edit(
        "    count = min(count, active)\n",
        "    if active < count:\n        raise ValueError\n",
        "Where fewer places are active than asked for, all of them are given.",
    ),
    edit(
        TEXT,
        "position, text = places // activity.shape[1], places % activity.shape[1]",
        "Text and position are swapped: a place is (text, position).",
    ),
    edit(
        "torch.stack([text, position], -1)",
        "torch.stack([text, position], 0)",
        "The pair of text and position is the last axis of the places: (depth, count, 2).",
    ),
    edit(
        "F.pad(tokens, (radius, radius), value=-1)",
        "F.pad(tokens, (radius, radius))",
        "Outside the text stands token 0, which is a token: it is -1 there.",
    ),
    edit(
        "F.pad(activity, (radius, radius))[",
        "F.pad(activity, (radius, radius), value=-1.0)[",
        "Outside the text the activity is -1: it is 0 there.",
    ),
    edit(
        "F.pad(tokens, (radius, radius), value=-1)[text[..., None], around]",
        "tokens[text[..., None], (around - radius).clamp(0, tokens.shape[1] - 1)]",
        "At a text's edge its first or last token is repeated: outside the text it is -1.",
    ),
    edit(
        "F.pad(tokens, (radius, radius), value=-1)[text[..., None], around]",
        "tokens[text[..., None], (around - radius) % tokens.shape[1]]",
        "At a text's edge the context goes on at its other end (negative indices): outside the text it is -1.",
    ),
    edit(
        "offsets = torch.arange(2 * radius + 1, device=activity.device)  # counted in the padded text",
        "offsets = torch.arange(2 * radius + 1, device=activity.device) * 0 + radius",
        "Every token of the context is the one in its middle: add -radius to radius to the position.",
    ),
)

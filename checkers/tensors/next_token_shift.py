"""`tensors.next_token_shift`: what a model reads, what it must predict, and where there is anything to predict."""

from collections.abc import Iterator

import torch

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit, replace
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("next_token_shift", batch=["tokens"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    """Token 0 is an ordinary token in all cases but one."""
    for name, (batch, length), pad, padded in [
        ("padding on the right", (4, 6), 7, "right"),
        ("no padding", (3, 5), 50256, ""),
        ("padding on the left, pad 0", (2, 7), 0, "left"),
        ("pads between texts", (3, 8), 9, "between"),
        ("a batch of one", (1, 4), 11, "right"),
        ("one position", (2, 1), 12, ""),
        ("pad -1", (3, 4), -1, "right"),
    ]:
        tokens = rng.integers((batch, length), 4, low=1 if pad == 0 else 0)
        position = torch.arange(length)
        edge = rng.integers((batch, 1), length - 1, low=1) if padded else torch.full((batch, 1), length)
        if padded == "right":
            tokens[position > edge] = pad
        elif padded == "left":
            tokens[position < rng.permutation(batch)[:, None]] = pad  # one sequence has none
        elif padded == "between":
            tokens[position == edge] = pad
        yield Case(name, tokens=tokens, pad=pad)


ask.checks(
    equal("targets", title="the target at each position is the next token, pad at the last", weight=2),
    equal("mask", title="the mask is True where there is a token to predict", weight=2),
    equal("inputs", title="the inputs are the tokens"),
)

TARGETS = "targets = torch.cat([tokens[:, 1:], last], 1)"
WRAPPED = "roll wraps around: the first token becomes the target of the last position, which has none. Put pad there."
RETURN = "return tokens, targets, targets != pad"

ask.mistakes(
    edit(
        TARGETS,
        "targets = torch.cat([last, tokens[:, :-1]], 1)",
        "The tokens are shifted the wrong way: the target is the token after, not the token before.",
    ),
    edit(TARGETS, "targets = tokens.clone()", "Each token is its own target: the target is the next token."),
    edit(TARGETS, "targets = tokens.roll(-1, 1)", WRAPPED),
    replace(
        "def next_token_shift(tokens, pad):\n    targets = tokens.roll(-1, 1)\n    mask = targets != pad\n"
        "    mask[:, -1] = False\n    return tokens, targets, mask\n",
        WRAPPED,
    ),
    edit(
        TARGETS,
        "targets = tokens.roll(-1)",
        "roll without an axis runs through the flattened batch: "
        "the last position gets the first token of the next sequence. Put pad there.",
    ),
    edit(
        TARGETS,
        "targets = torch.cat([tokens[:, 1:], tokens[:, -1:]], 1)",
        "The last token is its own target at the last position: there is none, so put pad there.",
    ),
    edit(
        "torch.full_like(tokens[:, :1], pad)",
        "torch.zeros_like(tokens[:, :1])",
        "The last target is 0, whatever pad is: put pad there.",
    ),
    edit(
        RETURN,
        "return tokens, targets.masked_fill(targets == pad, -100), targets != pad",
        "Targets that are pad are set to -100: leave them as they are, the mask says which ones count.",
    ),
    edit(
        RETURN,
        "return tokens[:, :-1], tokens[:, 1:], tokens[:, 1:] != pad",
        "The last position is cut off: keep all positions, with pad as the last target and False in the mask.",
    ),
    edit(
        RETURN,
        "return tokens, targets, tokens != pad",
        "The mask asks whether the input is pad: what counts is whether the target is.",
    ),
    edit(
        RETURN,
        "return tokens, targets, (targets != pad) & (tokens != pad)",
        "The mask also leaves out positions whose input is pad: only the target decides.",
    ),
    edit(RETURN, "return tokens, targets, targets == pad", "The mask is inverted: True means that there is a target."),
    edit(
        RETURN,
        "return tokens, targets, targets != 0",
        "0 is written into the mask: compare with pad, since 0 may be an ordinary token.",
    ),
    edit(
        RETURN,
        "mask = tokens.new_ones(tokens.shape, dtype=torch.bool)\n"
        "    mask[:, -1] = False\n    return tokens, targets, mask",
        "The mask knows only the last position: it is False wherever the target is pad.",
    ),
    edit(
        RETURN,
        "mask = targets != pad\n    mask[:, -1] = True\n    return tokens, targets, mask",
        "The mask keeps the last position, which has no target: it is False there.",
    ),
    edit(
        f"{TARGETS}",
        "targets = tokens\n    targets[:, :-1] = tokens[:, 1:].clone()\n    targets[:, -1:] = last",
        "targets = tokens makes no copy, so shifting it changed the inputs: make a new tensor.",
    ),
    edit(RETURN, "return targets, tokens, targets != pad", "Inputs and targets are swapped in the result."),
)

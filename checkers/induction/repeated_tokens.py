"""`induction.repeated_tokens`: random texts said twice, judged by their exact law."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.checks import claim, drawn_from, equal, same
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("repeated_tokens")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, batch, period, d_vocab, bos, repeats in [
        ("BOS is token 0", 7, 5, 23, 0, 4000),
        ("BOS is the last token", 3, 6, 19, 18, 3000),
        ("BOS in the middle, all other tokens used", 4, 8, 9, 3, 2000),
        ("one text of one token", 1, 1, 6, 2, 1500),
        ("many texts, GPT-2's vocabulary", 5, 50, 50257, 50256, 1000),
    ]:
        sizes = {"batch": batch, "period": period, "d_vocab": d_vocab, "bos": bos}
        yield Case(name, **sizes, repeats=repeats, seed=rng.seed())


def law(case: Case) -> Tensor:
    """The probability of each two tokens, coded 5 * first + second: any of 0, 1, 3 and 4, then any other of them."""
    table = torch.zeros(5, 5, dtype=torch.float64)
    for first in (0, 1, 3, 4):
        for second in {0, 1, 3, 4} - {first}:
            table[first, second] = 1 / 12
    return table.reshape(1, 25)


def flaw(value: Any, case: Case) -> str:
    """What is wrong with the form of the texts; '' when nothing is."""
    shape = case.batch, 1 + 2 * case.period
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__} comes back: return a tensor"
    if tuple(value.shape) != shape:
        return f"the tokens have shape {tuple(value.shape)}, expected {shape}: the beginning, and two copies"
    if value.dtype != torch.int64:
        return f"the tokens are {str(value.dtype).removeprefix('torch.')}: make them torch.long, as tokens are"
    text, again = value[:, 1 : 1 + case.period], value[:, 1 + case.period :]
    if not bool((value[:, 0] == case.bos).all()):
        return f"a text does not begin with `bos`, here {case.bos}"
    if bool((value < 0).any()) or bool((value >= case.d_vocab).any()):
        return f"there is a token that does not exist: there are {case.d_vocab}"
    if case.batch > 1 and case.period > 1 and torch.equal(text.flip(1), again):
        return "the second copy is the first one backwards"
    if not torch.equal(text, again):
        return "the second copy is not the first"
    if bool((text == case.bos).any()):
        return "`bos` occurs within a text: it marks the beginning, and nothing else"
    if any(len(set(row)) < case.period for row in text.tolist()):
        return (
            "a token occurs twice within a copy, so what comes next is not certain, and there is a repetition too many"
        )
    if case.batch > 1 and case.period > 1 and bool((text == text[0]).all()):
        return "all texts of the batch are the same: draw each by itself"
    return ""


ask.checks(
    claim(
        "tokens", flaw, title="each text is BOS, then random tokens without repetition, then the same again", weight=2
    ),
    drawn_from("first copies", law=law, title="every text is as likely as every other, BOS aside"),
    same("again", as_="once", title="a generator of the same seed gives the same texts"),
    equal("the next texts are the same", title="the next call on one generator gives other texts"),
)

WITHOUT = "A token may be drawn twice within a copy: draw without replacement."
SEEDED = "The draws do not come from the generator: pass it to the function that draws."

ask.mistakes(
    edit("replacement=False", "replacement=True", WITHOUT),
    edit(
        "torch.cat([begin, text, text], 1)",
        "torch.cat([text, text], 1)",
        "The texts begin without `bos`: put it before the first copy.",
    ),
    edit(
        "torch.cat([begin, text, text], 1)",
        "torch.cat([begin, text, begin, text], 1)",
        "`bos` stands between the copies as well: it comes once, at the beginning.",
    ),
    edit(
        "torch.cat([begin, text, text], 1)",
        "torch.cat([begin, text, text.flip(1)], 1)",
        "The second copy runs backwards: it is the first, token by token.",
    ),
    edit(
        "torch.cat([begin, text, text], 1)",
        "torch.cat([begin, text, text.roll(1, 0)], 1)",
        "The second copy is another text's: both copies are of the same text.",
    ),
    edit(
        "torch.cat([begin, text, text], 1)",
        "torch.cat([begin, text.repeat_interleave(2, 1)], 1)",
        "Every token is said twice in a row: say the whole text, then the whole text again.",
    ),
    edit(
        "    allowed[:, bos] = 0\n", "", "`bos` may be drawn as a part of the text: leave it out of what is drawn from."
    ),
    edit(
        "allowed[:, bos] = 0",
        "allowed[:, 0] = 0",
        "Token 0 is left out of the texts, whatever `bos` is: leave out `bos`.",
    ),
    edit(", generator=generator)", ")", SEEDED),
    edit(
        "text = torch.multinomial(allowed, period, replacement=False, generator=generator)",
        "text = torch.multinomial(allowed[:1], period, replacement=False, generator=generator).expand(batch, -1)",
        "One text is drawn for the whole batch: draw a text for each row.",
    ),
    edit(
        "text = torch.multinomial(allowed, period, replacement=False, generator=generator)",
        "text = torch.multinomial(allowed, period, replacement=False, generator=generator).sort(1).values",
        "The tokens of a text are sorted: leave them in the order in which they were drawn.",
    ),
    edit(
        "torch.cat([begin, text, text], 1)",
        "torch.cat([begin, text, text], 1).float()",
        "The tokens come back as floats: they index an embedding, so keep them integers.",
    ),
    edit(
        "    text = torch.multinomial",
        "    generator.manual_seed(0)\n    text = torch.multinomial",
        "The generator is seeded again in every call, so every call gives the same texts: draw from it as it comes.",
    ),
)

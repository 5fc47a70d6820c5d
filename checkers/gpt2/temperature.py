"""`gpt2.temperature`: draws from sharper or flatter rows, judged by their exact law; and the checks of any sampler."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from headwork.checkers.checks import Check, drawn_from, same, satisfies
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("temperature")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, rows, vocab, temperature, spread, repeats in [
        ("temperature 0.6", 3, 7, 0.6, 1, 1000),
        ("temperature 2.5: flatter", 4, 9, 2.5, 3, 1000),
        ("temperature 1", 2, 6, 1.0, 1.5, 1000),
        ("a small temperature between close logits", 5, 8, 0.002, 0.003, 400),
        ("a small temperature between far logits", 3, 5, 0.01, 12, 100),
        ("one row", 1, 10, 1.7, 2, 1000),
    ]:
        yield Case(
            name, rows=_rows(rng, (rows, vocab), spread), temperature=temperature, repeats=repeats, seed=rng.seed()
        )
    greedy = _rows(rng, (4, 11), 2)
    best = greedy[1].argmax()
    greedy[1, best - 1] = greedy[1, best] - 3e-7  # nearly a tie
    yield Case("temperature 0: the likeliest", rows=greedy, temperature=0.0, repeats=300, seed=rng.seed())
    half = _rows(rng, (3, 6), 60).half() + torch.tensor([[0.0], [300.0], [-300.0]]).half()
    yield Case("half precision, quotients beyond its range", rows=half, temperature=0.001, repeats=50, seed=rng.seed())


def _rows(rng: Rng, shape: tuple[int, int], spread: float) -> Tensor:
    """Unsorted logits whose two largest are well apart."""
    while True:
        logits = rng.normal(shape, spread=spread)
        best = logits.topk(2).values
        if float((best[:, 0] - best[:, 1]).min()) > 0.05 * spread:
            return logits


def law(case: Case) -> Tensor:
    """The exact probability of every token, (row, vocab)."""
    rows = case.rows.double()
    if case.temperature == 0:
        return torch.as_tensor((rows == rows.amax(-1, keepdim=True)).double())
    return torch.as_tensor((rows / case.temperature).softmax(-1))


def sampler_checks(law: Callable[[Case], Tensor], title: str) -> tuple[Check, ...]:
    """What is checked of an exercise that draws one token a row, on the cases' `rows`, by `law`."""

    def one_for_all_seeds(value: object, case: Case) -> str:
        """Where several tokens can come, 60 draws a row from two seeds are alike with a chance below 1e-9."""
        several = bool((law(case).max(-1).values < 0.8).any())
        match value:
            case [Tensor() as one, Tensor() as other] if several and torch.equal(one, other):
                return "two generators with different seeds gave the very same tokens"
        return ""

    return (
        drawn_from("tokens", law=law, title=title, weight=2),
        same("again", as_="once", title="the same generator gives the same tokens"),
        satisfies("two seeds", one_for_all_seeds, title="another generator gives other tokens"),
        drawn_from("without a generator", law=law, title="draws by itself when no generator is passed", weight=0.5),
    )


ask.checks(*sampler_checks(law, "draws from the softmax of the logits divided by the temperature"))

QUOTIENT = "(below / temperature)"
FIXED = "A seed is fixed inside, so every call draws alike: use the generator that is passed."
UNUSED = "The generator is not used: pass it on, so that a draw can be repeated."
NO_EFFECT = (
    "The temperature has no effect: divide the logits by it before the softmax. Dividing probabilities makes all of "
    "them larger or smaller alike."
)
GREEDY = "The likeliest token is always taken: that is right for temperature 0 alone. Otherwise draw."

ask.mistakes(
    edit(QUOTIENT, "(below * temperature)", "The logits are multiplied by the temperature: divide by it."),
    edit(f"{QUOTIENT}.softmax(-1)", "logits.softmax(-1) / temperature", NO_EFFECT),
    edit(
        QUOTIENT,
        "(below / temperature**2)",
        "The temperature is squared: divide by it once.",
    ),
    edit(QUOTIENT, "(below / 0.7)", "A temperature is written into the code: use the one that is passed."),
    edit(QUOTIENT, "(below / temperature**0.5)", "The root of the temperature is used: divide by the temperature."),
    edit(
        "    if temperature == 0:\n        return logits.argmax(-1)\n",
        "",
        "Temperature 0 divides by zero: take the likeliest token there, without a softmax.",
    ),
    edit(
        "    if temperature == 0:\n        return logits.argmax(-1)\n",
        "    temperature = max(temperature, 1e-6)\n",
        "At temperature 0 a small number stands in for it, and tokens closer than that to the likeliest still come: "
        "take the likeliest itself.",
    ),
    edit(
        "if temperature == 0:",
        "if temperature < 0.1:",
        "Small temperatures are treated as 0: only 0 itself is greedy, every other one draws.",
    ),
    edit("if temperature == 0:", "if temperature < 1:", GREEDY + " Here every temperature below 1 is treated as 0."),
    edit(
        "return logits.argmax(-1)",
        "return logits.argmin(-1)",
        "Temperature 0 gives the least likely token: it is the largest logit that wins.",
    ),
    edit(
        "    if temperature == 0:\n        return logits.argmax(-1)\n",
        "    if temperature == 0:\n        temperature = 1\n",
        "Temperature 0 is treated as 1: as the temperature falls to 0, all chance goes to the likeliest token.",
    ),
    edit(
        "below = logits - logits.amax(-1, keepdim=True)",
        "below = logits",
        "A logit divided by a small temperature leaves the range of its dtype, and the softmax then makes NaN: "
        "subtract the row's largest logit first.",
    ),
    edit(
        f"{QUOTIENT}.softmax(-1)",
        "(logits / temperature).exp()",
        "exp of a large quotient overflows: use softmax, or subtract the row's largest logit first.",
    ),
    edit(
        f"{QUOTIENT}.softmax(-1)",
        "logits.softmax(-1) ** (1 / temperature)",
        "Powers of probabilities are right on paper, but a high power rounds all of them to 0: divide the logits.",
    ),
    edit("torch.multinomial(probabilities, 1, generator=generator)", "probabilities.argmax(-1, keepdim=True)", GREEDY),
    edit(", generator=generator)", ", generator=torch.Generator().manual_seed(0))", FIXED),
    edit(", generator=generator)", ")", UNUSED),
    edit(
        "/ temperature).softmax(-1)",
        "/ temperature).softmax(0)",
        "The softmax runs over the rows: each row is a distribution over the vocabulary.",
    ),
    edit(
        "torch.multinomial(probabilities, 1",
        "torch.multinomial(probabilities[:1].expand_as(probabilities), 1",
        "All rows are drawn by the first row's probabilities: every row has its own.",
    ),
)

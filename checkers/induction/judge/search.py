"""What the findings' answers are for the shipped weights: `python -m headwork.checkers.induction.judge.search`.

The answers stand in `solutions/induction/findings.py`, and `claims.PREVIOUS` names the head that leaves the trace. When
other weights are shipped, this says what they should be. The smallest set is found by taking away, again and again, the
head that is missed least; no search of this kind proves that there is no smaller one.
"""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from headwork.checkers.induction.judge import claims
from headwork.checkers.induction.judge.data import Texts
from headwork.checkers.induction.judge.experiments import losses_keeping
from headwork.checkers.induction.judge.rules import BAR, HOW, PRESENT, guess_of, share

SEED, TEXTS = 7, 12
Head = tuple[int, int]


def previous_token_head() -> Head:
    """The head that attends most to the token before, on texts in which nothing repeats."""
    texts = claims.texts(SEED)["texts that repeat"].unrepeated
    _, cache = claims.model().run_with_cache(texts, lambda name: name.endswith("hook_pattern"))
    patterns = torch.stack(list(cache.values()))  # (layer, text, head, query, key)
    scores = patterns.diagonal(-1, -2, -1).mean((1, 3))  # (layer, head)
    return divmod(int(scores.argmax()), scores.shape[1])


def induction_heads() -> list[Head]:
    """The heads whose worth is at least the share that counts as present."""
    worths = claims.worths(SEED)
    shares = worths / worths.sum()
    return [_head(number) for number in (shares >= PRESENT).nonzero().flatten().tolist()]


def smallest_sets() -> Iterator[tuple[list[Head], float]]:
    """Ever smaller sets with what they keep at least, from all heads down to the last that keeps nine tenths."""
    kept = frozenset(range(claims.model().config.n_layers * claims.model().config.n_heads))
    few = {kind: _first(texts) for kind, texts in claims.texts(SEED).items()}
    least = 1.0
    while kept and least >= BAR:
        yield [_head(number) for number in sorted(kept)], least
        smaller = [kept - {number} for number in sorted(kept)]
        shares = least_kept(smaller, few)  # (subset,)
        kept, least = smaller[int(shares.argmax())], float(shares.max())


def least_kept(subsets: list[frozenset[int]], texts: dict[str, Texts]) -> Tensor:
    """What each subset keeps in the worst of the kinds of texts and ways of silencing: (subset,)."""
    model = claims.model()
    heads = model.config.n_layers * model.config.n_heads
    masks = torch.zeros(2 + len(subsets), heads, dtype=torch.bool)
    masks[1] = True
    for row, subset in enumerate(subsets, start=2):
        masks[row, list(subset)] = True
    found = []
    for each in texts.values():
        for how in HOW:
            none, whole, *some = losses_keeping(model, each, masks, how).double().mean(1)
            found.append(torch.stack([share(torch.stack([none, whole, loss]), guess_of(model)) for loss in some]))
    return torch.stack(found).amin(0)


def _first(texts: Texts) -> Texts:
    return Texts(*(each[:TEXTS] for each in (texts.tokens, texts.edge, texts.scored, texts.unrepeated)))


def _head(number: int) -> Head:
    return divmod(number, claims.model().config.n_heads)


def main() -> None:
    """Prints what the three answers should be, and the sets on the way to the smallest."""
    tell = partial(print, flush=True)  # each line when it is known: the whole takes a minute
    tell(f"PREVIOUS = {previous_token_head()}")
    tell(f"INDUCTION_HEADS = {induction_heads()}")
    for heads, least in smallest_sets():
        tell(f"{len(heads):3} heads keep {least:.2f} at least: {heads}")


if __name__ == "__main__":
    main()

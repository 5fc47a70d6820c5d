"""Strings of round brackets, balanced or nearly: what `brackets` learns to tell apart.

A string becomes START, its brackets, END, and as many PAD as make LENGTH tokens; the model sees PAD like any other
token. A string is held out by its own letters (`held_out`), so that no draw can bring it into training.
"""

import torch
from torch import Tensor

PAD, OPEN, CLOSE, START, END = range(5)
LETTERS = {"(": OPEN, ")": CLOSE}
LONGEST = 40  # brackets
LONG = 24  # brackets from which on a single fault is hard to see
LENGTH = LONGEST + 2
HELD_OUT = 8  # one string in so many

Strings = Tensor  # (string, LONGEST): 1 for an opening bracket, -1 for a closing one, 0 behind the end


def tokens(strings: Strings) -> Tensor:
    """The strings as the model takes them, (string, LENGTH)."""
    count, lengths = len(strings), (strings != 0).sum(1)
    made = torch.full((count, LENGTH), PAD)
    made[:, 1:-1][strings == 1] = OPEN
    made[:, 1:-1][strings == -1] = CLOSE
    made[:, 0] = START
    made[torch.arange(count), lengths + 1] = END
    return made


def to_tokens(texts: list[str]) -> Tensor:
    """Texts such as `(())` as the model takes them, (text, LENGTH). Raises ValueError for what is no such string."""
    for text in texts:
        if set(text) - set(LETTERS) or len(text) > LONGEST:
            raise ValueError(f"{text!r} is no string of at most {LONGEST} round brackets")
    signs = [[1 if letter == "(" else -1 for letter in text] + [0] * (LONGEST - len(text)) for text in texts]
    return tokens(torch.tensor(signs).reshape(len(texts), LONGEST))


def balanced(strings: Strings) -> Tensor:
    """Whether every bracket has its partner, (string,): the depth is never below 0, and 0 at the end."""
    depth = strings.cumsum(1)  # (string, LONGEST)
    return (depth >= 0).all(1) & (depth[:, -1] == 0)


def held_out(strings: Strings) -> Tensor:
    """Whether these strings are kept from training, (string,): of each string alone, and as good as random."""
    digits = torch.where(strings == 1, 1, 2) * (strings != 0)  # (string, LONGEST)
    mixed = torch.zeros(len(strings), dtype=torch.long)
    for place in range(LONGEST):  # a linear congruential generator that takes in a digit at each step
        mixed = (mixed * 1_103_515_245 + 12_345 + digits[:, place]) % (1 << 31)
    return (mixed >> 16) % HELD_OUT == 0


def learned_from(count: int, generator: torch.Generator) -> Strings:
    """Strings for training: half of them balanced, the others of every kind there is."""
    return _of_each(count, generator, held=False)


def hard_strings(count: int, generator: torch.Generator) -> Strings:
    """Strings for training with LONG brackets and more: half of them balanced, the others with a single fault."""
    half, kinds = count // 2, ("dipped", "dipped", "exchanged", "flipped")
    made = [near_misses("balanced", half, generator, held=False, shortest=LONG)]
    for place, kind in enumerate(kinds):
        share = (count - half + place) // len(kinds)
        made.append(near_misses(kind, share, generator, held=False, shortest=LONG))
    return torch.cat(made)


def held_out_strings(count: int, generator: torch.Generator) -> Strings:
    """Strings as in training, of which none is ever learned from."""
    return _of_each(count, generator, held=True)


def near_misses(kind: str, count: int, generator: torch.Generator, *, held: bool = True, shortest: int = 1) -> Strings:
    """Held-out strings of one kind of `KINDS`, all unbalanced but for those of `balanced`."""
    found = [torch.zeros(0, LONGEST, dtype=torch.long)]
    while sum(map(len, found)) < count:
        strings = KINDS[kind](2 * count, generator)
        keep = (held_out(strings) == held) & ((strings != 0).sum(1) >= shortest)
        if kind != "balanced":
            keep &= ~balanced(strings)
        found.append(strings[keep])
    return torch.cat(found)[:count]


def _of_each(count: int, generator: torch.Generator, held: bool) -> Strings:
    """Half balanced, and as many of each other kind."""
    half, others = count // 2, [kind for kind in KINDS if kind != "balanced"]
    rest = count - half
    shares = [rest // len(others) + (place < rest % len(others)) for place in range(len(others))]
    made = [near_misses("balanced", half, generator, held=held)]
    made += [near_misses(kind, share, generator, held=held) for kind, share in zip(others, shares, strict=True)]
    return torch.cat(made)


def _balanced(count: int, generator: torch.Generator, shortest: int = 2, longest: int = LONGEST) -> Strings:
    """Balanced strings of an even length that is drawn first, each string of that length with the same chance."""
    half = torch.randint(shortest // 2, longest // 2 + 1, (count,), generator=generator)
    to_open, depth = half.clone(), torch.zeros(count, dtype=torch.long)
    made = torch.zeros(count, LONGEST, dtype=torch.long)
    for place in range(longest):
        # Of the ways to go on with r brackets to open at depth d, (d + 2) / (d + 1) * r / (2 r + d) open one.
        chance = (depth + 2) / (depth + 1) * to_open / (2 * to_open + depth).clamp(min=1)
        step = torch.where(torch.rand(count, generator=generator) < chance, 1, -1) * (place < 2 * half)
        made[:, place] = step
        depth += step
        to_open -= (step == 1).long()
    return made


def _any(count: int, generator: torch.Generator) -> Strings:
    """Every bracket by the toss of a coin; of odd length too."""
    lengths = torch.randint(1, LONGEST + 1, (count, 1), generator=generator)
    signs = torch.randint(0, 2, (count, LONGEST), generator=generator) * 2 - 1
    return signs * (torch.arange(LONGEST) < lengths)


def _shuffled(count: int, generator: torch.Generator) -> Strings:
    """As many of one bracket as of the other, in any order."""
    strings = _balanced(count, generator)
    keys = torch.rand(count, LONGEST, generator=generator) + 2 * (strings == 0)  # the end stays the end
    return strings.gather(1, keys.argsort(1))


def _flipped(count: int, generator: torch.Generator) -> Strings:
    """Balanced, but for one bracket that is turned round: only the count is wrong, or nearly only."""
    strings = _balanced(count, generator)
    return strings * (1 - 2 * _one_of(strings != 0, generator))


def _exchanged(count: int, generator: torch.Generator) -> Strings:
    """Balanced, but for an opening and a closing bracket that changed places: the count is right."""
    strings = _balanced(count, generator)
    turned = _one_of(strings == 1, generator) + _one_of(strings == -1, generator)
    return strings * (1 - 2 * turned)


def _dipped(count: int, generator: torch.Generator) -> Strings:
    """Balanced, but for `)(` put in at depth 0: the count is right, and the depth is below 0 at one place."""
    strings = _balanced(count, generator, shortest=0, longest=LONGEST - 2)
    depth = strings.cumsum(1)
    before = torch.cat([torch.zeros_like(depth[:, :1]), depth[:, :-1]], 1)  # (string, LONGEST)
    lengths = (strings != 0).sum(1, keepdim=True)
    at = _one_of((before == 0) & (torch.arange(LONGEST) <= lengths), generator).argmax(1, keepdim=True)
    places = torch.arange(LONGEST)[None]  # (1, LONGEST)
    moved = strings.gather(1, (places - 2 * (places > at)).clamp(min=0))
    return torch.where(places == at, -1, torch.where(places == at + 1, 1, moved))


def _backwards(count: int, generator: torch.Generator) -> Strings:
    """Balanced, read from its end: the depth is never above 0."""
    strings = _balanced(count, generator)
    lengths = (strings != 0).sum(1, keepdim=True)
    places = (lengths - 1 - torch.arange(LONGEST)).clamp(min=0)  # (string, LONGEST)
    return strings.gather(1, places) * (torch.arange(LONGEST) < lengths)


def _one_of(choices: Tensor, generator: torch.Generator) -> Tensor:
    """choices: (string, LONGEST), true where one may be drawn. 1 at the one drawn in each string, else 0."""
    keys = torch.rand(choices.shape, generator=generator) * choices
    return (keys == keys.amax(1, keepdim=True)).long() * choices


KINDS = {
    "balanced": _balanced,
    "any": _any,
    "shuffled": _shuffled,
    "flipped": _flipped,
    "exchanged": _exchanged,
    "dipped": _dipped,
    "backwards": _backwards,
}

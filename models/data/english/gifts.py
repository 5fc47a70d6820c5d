"""Texts in which somebody gives: indirect object identification, and what keeps it from being done by a short cut.

In the classic text, `When Mary and John went to the store, John gave a drink to`, the answer is the name that was
mentioned once. So is it never to subtract the name that came last, which would do there. Rosters forbid that: up to
four people, all but one mentioned twice, in any order, and a giver who is the last of them, two of them, or none.
"""

import random
from collections.abc import Sequence
from typing import NamedTuple

from headwork.models.data.english.words import GIVERS, GRAMMAR, UNFAMILIAR, Grammar
from headwork.models.data.english.writing import capital, pronouns, write

KINDS = ("nobody", "giver", "givers")  # who gives in a roster: none of its people, one of them, two of them


class Gift(NamedTuple):
    """A text up to where the receiver's name is to be said."""

    text: str
    receiver: str
    others: list[str]  # who must not be said: mentioned twice, or giving


def finished(rng: random.Random, gift: Gift) -> str:
    """The whole text, with the receiver and how it goes on."""
    return f"{gift.text} {gift.receiver}" + write(rng, "{after}", GRAMMAR, **pronouns(gift.receiver))


def opened(rng: random.Random, first: str, second: str, grammar: Grammar) -> str:
    """Two people somewhere: `When Mary and John went to the store, ` or a sentence and how the next one begins."""
    opening = write(rng, "{opening}", grammar, A=first, B=second)
    return opening if opening.endswith(", ") else opening + write(rng, "{then}", grammar)


def classic(
    rng: random.Random, people: Sequence[str] = GIVERS, grammar: Grammar = GRAMMAR, order: str | None = None
) -> Gift:
    """Two people, of whom one gives something to the other. order: ABBA (the giver comes second at first) or BABA."""
    first, second = rng.sample(people, 2)
    receiver, giver = (first, second) if (order or rng.choice(["ABBA", "BABA"])) == "ABBA" else (second, first)
    before = write(rng, "{weather} ", grammar) if rng.random() < 0.12 else ""
    return Gift(
        before + write(rng, opened(rng, first, second, grammar) + giver + " {gift}", grammar), receiver, [giver]
    )


ASIDES = (  # the giver is somebody without a name, who follows on the second mention
    "the {job} saw {S} and {gift}",
    "the {job} left {S} and {gift}",
    "the {animal} ran to {S}. Then the {job} {gift}",
    "{S} was {feeling}. Then the {job} {gift}",
    "{S} fell asleep, so the {job} {gift}",
    "{S} was {feeling} and {gift}",
    "{S} was {feeling} and {gift}",
)


def aside(rng: random.Random, people: Sequence[str] = GIVERS, grammar: Grammar = GRAMMAR) -> Gift:
    """Two people, one of whom is mentioned again before somebody, mostly another, gives something."""
    first, second = rng.sample(people, 2)
    receiver, again = rng.sample([first, second], 2)
    text = write(rng, opened(rng, first, second, grammar) + rng.choice(ASIDES), grammar, S=again)
    return Gift(text, receiver, [again])


def outsider(rng: random.Random, people: Sequence[str] = GIVERS, grammar: Grammar = GRAMMAR) -> Gift:
    """Two people, and a third, met once, who gives something to either."""
    first, second, giver = rng.sample(people, 3)
    text = write(rng, opened(rng, first, second, grammar) + giver + " {gift}", grammar)
    return Gift(text, rng.choice([first, second]), [giver])


def roster(
    rng: random.Random,
    people: Sequence[str] = GIVERS,
    grammar: Grammar = GRAMMAR,
    size: int | None = None,
    kind: str | None = None,
) -> Gift:
    """One to four people; all but one are mentioned twice, in any order. The one that is met once is given to.

    kind: one of KINDS. Two givers need three people.
    """
    size = size or rng.choices([1, 2, 3, 4], [5, 45, 40, 10])[0]
    receiver, *others = rng.sample(people, size)
    if kind is None:
        kind = rng.choices(KINDS, [46, 38, 16])[0] if size > 2 else rng.choices(KINDS[:size], [46, 38][:size])[0]
    givers = others[: KINDS.index(kind)]
    mentions = [receiver, *others, *(name for name in others if name not in givers)]
    groups = _grouped(rng, mentions)
    sentences = [
        write(rng, ("{one}", "{two}", "{three}")[len(group) - 1], grammar, **dict(zip("ABC", group, strict=False)))
        for group in groups
    ]
    if len(groups[-1]) == 2 and rng.random() < 0.45:
        sentences[-1] = write(rng, "{when} {together},", grammar, A=groups[-1][0], B=groups[-1][1])
        start = ""
    else:
        start = write(rng, "{then}", grammar)
    subject = _subject(rng, givers, grammar)
    if not start and sentences[-1].endswith("."):
        subject = capital(subject)
    return Gift(" ".join(sentences) + " " + start + subject + write(rng, " {gift}", grammar), receiver, others)


def _grouped(rng: random.Random, mentions: list[str]) -> list[list[str]]:
    """The mentions in random order, one to three in a sentence, nobody twice in one."""
    while True:
        rng.shuffle(mentions)
        left, groups = list(mentions), []
        while left:
            size = rng.choices([1, 2, 3], [30, 50, 20])[0]
            groups.append(left[:size])
            left = left[size:]
        if all(len(set(group)) == len(group) for group in groups):
            return groups


def _subject(rng: random.Random, givers: list[str], grammar: Grammar) -> str:
    """Who gives, as a roster says it."""
    if not givers:
        return write(rng, "{nobody}", grammar)
    if len(givers) == 1:
        return givers[0]
    first, second = rng.sample(givers, 2)
    forms = [*["{} and {}"] * 10, *["{}, with {},"] * 4, *["{} was near {} and"] * 3, *["{} left {} and"] * 3]
    return rng.choice(forms).format(first, second)


def neutral(rng: random.Random) -> str:
    """Any phrase that opens or gives, the held-out ones too, where no two people are to be told apart.

    An opening of somebody and a job, after which nothing is given; a gift to somebody not met before; or to the only
    person there is.
    """
    grammar = UNFAMILIAR if rng.random() < 0.6 else GRAMMAR
    name, other = rng.sample(GIVERS, 2)
    kind = rng.random()
    if kind < 0.25:
        opening = _with_job(rng, name, grammar)
        end = write(rng, rng.choice(["they were {feeling}.", "{it_was}."]), GRAMMAR)
        return capital(opening + (end if opening.endswith(", ") else capital(end)))
    if kind < 0.6:
        giver = write(rng, "{nobody}", GRAMMAR) if rng.random() < 0.6 else other
        receiver = name if rng.random() < 0.75 else write(rng, rng.choice(["the {job}", "the {animal}"]), GRAMMAR)
        start = write(rng, "{then}", GRAMMAR)
        return write(rng, capital(start + giver) + " {gift} " + receiver + ".", grammar)
    met = _with_job(rng, name, grammar) if rng.random() < 0.5 else write(rng, "{one} ", grammar, A=name)
    start = "" if met.endswith(", ") else write(rng, "{then}", GRAMMAR)
    giver = write(rng, "{nobody}", GRAMMAR)
    giver = giver if start or met.endswith(", ") else capital(giver)
    return write(rng, capital(met) + start + giver + " {gift} " + name + ".", grammar)


def _with_job(rng: random.Random, name: str, grammar: Grammar) -> str:
    """An opening of somebody and, say, the teacher."""
    pair = rng.sample([name, write(rng, "the {job}", GRAMMAR)], 2)
    return write(rng, "{opening}", grammar, A=pair[0], B=pair[1])

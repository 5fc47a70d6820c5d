"""Whether a sentence is one that the grammar could have written, whoever it is about."""

import re
from functools import cache

from headwork.models.data.english.gifts import ASIDES
from headwork.models.data.english.stories import ABOUT, SCRIPT
from headwork.models.data.english.words import CAPITALS, GRAMMAR, HELD_OUT_PHRASES, NAMES
from headwork.models.data.english.writing import SLOT

PEOPLE = dict.fromkeys("ABCS", NAMES)
GIVER = [
    "{A}", "{nobody}", "{A} and {B}", "{A}, with {B},", "{A} was near {B} and", "{A} left {B} and",
    *(form.removesuffix(" {gift}") for form in ASIDES if form.endswith(" and {gift}") or "asleep" in form),
]  # fmt: skip
SENTENCES = [
    "{start}{giver} {gift} {whom}.",
    "{start}{passing}",
    "{when} {together}, {it_was}.",
    "At the {place}, {person} and {person} {noticed} a {object}.",
    "{A} made a list: {items}.",
    "{She} read it again: {items}.",
    "{A} counted: one(?:, {number})*.",
    "The code is {digits}(?: {digits})*.",
    "Repeat the code: {digits}(?: {digits})*.",
    "(?:Again: )?{A} has a {colour} hat.",
    "The {event} lasted from day {digits} to day {digits}.",
    "{line}",
]


def parses(sentence: str) -> bool:
    """Whether the grammar has such a sentence; capital letters aside."""
    return any(pattern.fullmatch(sentence) for pattern in _patterns())


def sentences(text: str) -> list[str]:
    """A text cut into sentences. One that begins with speech goes on after it: `"I am sad." said Mary.`"""
    found, start = [], 0
    for end in re.finditer(r'[.!?]("?)(?=\s|$)', text):
        piece = text[start : end.end()].strip()
        if piece.startswith('"') and end[1]:
            continue
        found.append(piece)
        start = end.end()
    rest = text[start:].strip()
    return [*found, rest] if rest else found


@cache
def _patterns() -> list[re.Pattern[str]]:
    return [re.compile(_pattern(template), re.IGNORECASE) for template in SENTENCES]


def _pattern(template: str) -> str:
    """A regular expression for all that the template can become."""
    parts = SLOT.split(template)  # text, slot, text, slot, ..., text
    raw = "(?:" in template  # one of ours, with repetitions in it
    written = [part if raw else re.escape(part) for part in parts[::2]]
    slots = [_slot(name) for name in parts[1::2]]
    return "".join(text + slot for text, slot in zip(written, [*slots, ""], strict=True))


@cache
def _slot(name: str) -> str:
    if name == "digits":
        return r"\d\d"
    return "(?:" + "|".join(_pattern(phrase) for phrase in dict.fromkeys(_GRAMMAR[name])) + ")"


_GRAMMAR = SCRIPT | PEOPLE | {slot: [*GRAMMAR[slot], *phrases] for slot, phrases in HELD_OUT_PHRASES.items()}
_GRAMMAR |= {
    "girl": ["girl", "boy"],
    "country": list(CAPITALS),
    "city": [city for city, _ in CAPITALS.values()],
    "language": [language for _, language in CAPITALS.values()],
    "start": ["", "{when} {together}, ", "{then}"],
    "giver": GIVER,
    "person": ["{A}", "the {job}"],
    "whom": ["{A}", "the {job}", "the {animal}"],
    "thing_of_list": [*GRAMMAR["object"], *GRAMMAR["food"]],
    "items": ["(?:{thing_of_list})(?:, {thing_of_list})*"],
    "passing": ["the {animal} ran to {S}.", "{S} was {feeling}.", "they were {feeling}.", "{it_was}."],
    "pair": [*GRAMMAR["pair"], "{person} and {person}", "both {person} and {person}"],
    "together": [*GRAMMAR["together"], "{person} {saw_person} the {place}"],
    "saw_person": [phrase.replace("{B}", "{person}") for phrase in GRAMMAR["saw_at"] + HELD_OUT_PHRASES["saw_at"]],
    "pieces": [piece.strip() for phrase in ABOUT for piece in re.findall(r'[^.]+\.(?:"$)?', phrase)],
    "line": [
        "{pieces}", "{begins}", "{ends}", "{speech}", "{between}", "{partings}", "{fact}", "{agreement}", "{weather}",
        "{one}", "{two}", "{three}", "{She} was {feeling}.", "{then}{A} {gift} {B}.",
    ],
}  # fmt: skip

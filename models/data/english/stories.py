"""Everything else that the house model reads: stories, talk, facts, lists, and sentences that agree in number."""

import random
from collections.abc import Sequence

from headwork.models.data.english.words import CAPITALS, GIVERS, GRAMMAR, NAMES
from headwork.models.data.english.writing import pronouns, write


def _plurals(nouns: list[str]) -> list[str]:
    """Those whose plural is made by an s alone."""
    return [f"{noun}s" for noun in nouns if noun[-1] not in "xh" and noun not in ("mouse", "sheep", "fish", "knife")]


ABOUT = (  # sentences about one person, in the middle of a story
    "{A} was very {feeling}.",
    "{A} had a {colour} {object}.",
    "{A} liked to eat {food}.",
    "{A} was a {job}. {She} worked at the {place}.",
    "{A} looked at the {quality} {object}. {She} was {feeling}.",
    "{A} lost {her} {object}. {She} was {feeling}.",
    "{A} loved {her} {animal}.",
    "A {colour} {animal} was sleeping near {A}.",
    "{A} cooked {food} and {food}.",
    "{A} sat down because {she} was {feeling}.",
    "{A} put the {object} in {her} {case}.",
    "{A} found {number} {colour} {things}.",
    "{She} saw a {quality} {animal} at the {place}.",
    "{She} wanted to buy a {colour} {object}.",
    "The {object} was {quality} and {colour}.",
    '{She} said, "{we_are} {feeling}."',
    "{weather}",
    "{agreement}",
)
SCRIPT = GRAMMAR | {  # the grammar of texts without gifts
    "case": ["bag", "box", "basket"],
    "we_are": ["I am", "You are", "We are"],
    "beside": ["near", "on", "in", "behind"],
    "noun": GRAMMAR["object"] + GRAMMAR["animal"],
    "things": _plurals(GRAMMAR["object"]),
    "plural": _plurals(GRAMMAR["object"] + GRAMMAR["animal"]),
    "anything": ["{place}", "{object}", "{plural}"],
    "agreement": [
        "The {noun} {beside} the {anything} is {quality}.",
        "The {noun} {beside} the {anything} was {quality}.",
        "The {plural} {beside} the {anything} are {quality}.",
        "The {plural} {beside} the {anything} were {quality}.",
    ],
    "begins": [
        "Once upon a time there was a {job} named {A}.",
        "{A} woke up early.",
        "One day {A} went to the {place}.",
        "There was a little {girl} named {A}.",
        "{A} lived in a {quality} {home} near the {place}.",
    ],
    "home": ["house", "castle", "farm"],
    "ends": ["{A} went home and slept.", "In the end, {A} was {feeling}.", "{She} never went to the {place} again."],
    "says": [
        "I have a {object} for you.",
        "Where is my {object}?",
        "Please come to the {place}.",
        "I am so {feeling}!",
        "Look at the {colour} {animal}!",
        "Do you want some {food}?",
        "I lost my {object}!",
        "Let us go to the {place}.",
        "This {object} is {quality}.",
        "Can I have the {object}?",
        "My {animal} is {quality}.",
        "I like your {colour} {object}.",
    ],
    "speech": ['"{says}" said {A}.', '{A} said to {B}, "{says}"', '{A} asked {B}, "{says}"', '"{says}" {A} told {B}.'],
    "between": [
        "{weather}",
        "{A} thanked {B}.",
        "{A} was angry with {B}.",
        "{A} and {B} were {feeling}.",
        "They went to the {place} together.",
        "{A} went to the {place} with {B}.",
        "{A} was {feeling}.",
        "{B} had a {colour} {object}.",
    ],
    "partings": [
        "They were {feeling}.",
        "{A} and {B} went home.",
        "{A} hugged {B}.",
        "{A} never forgot {B}.",
        "The end.",
    ],
    "fact": [
        "The capital of {country} is {city}.",
        "The capital of {country} is {city}.",
        "{city} is the capital of {country}.",
        "{city} is a city in {country}.",
        "People in {country} speak {language}.",
        "{A} lives in {city}, a city in {country}.",
        "{A} was born in {country} and speaks {language}.",
        "{A} went to {city} to learn {language}.",
    ],
    "event": ["war", "fair", "trip", "show", "storm", "job"],
}


def alone(rng: random.Random) -> str:
    """A story of one person."""
    name = rng.choice(NAMES)
    sentences = ["{begins}", *(rng.choice(ABOUT) for _ in range(rng.randint(2, 5))), "{ends}"]
    return write(rng, " ".join(sentences), SCRIPT, A=name, **pronouns(name))


def together(rng: random.Random) -> str:
    """A story of two people, of whom each may do something for the other, again and again."""
    first, second = rng.sample(GIVERS, 2)
    sentences = [write(rng, "{together}.", SCRIPT, A=first, B=second)]
    for _ in range(rng.randint(2, 4)):
        one, other = rng.sample([first, second], 2)
        kind = rng.choice(["{then}{A} {gift} {B}.", "{speech}", "{between}", "{between}"])
        sentences.append(write(rng, kind, SCRIPT, A=one, B=other))
    one, other = rng.sample([first, second], 2)
    return " ".join([*sentences, write(rng, "{partings}", SCRIPT, A=one, B=other)])


def talk(rng: random.Random, people: Sequence[str] = NAMES) -> str:
    """Two people speaking in turn."""
    speaker, listener = rng.sample(people, 2)
    lines = []
    for _ in range(rng.randint(2, 4)):
        lines.append(write(rng, "{speech}", SCRIPT, A=speaker, B=listener))
        speaker, listener = listener, speaker
    return " ".join(lines)


def facts(rng: random.Random) -> str:
    """Capitals and languages."""
    said = []
    for country in rng.choices(list(CAPITALS), k=rng.randint(2, 5)):
        city, language = CAPITALS[country]
        said.append(write(rng, "{fact}", SCRIPT, country=country, city=city, language=language, A=rng.choice(NAMES)))
    return " ".join(said)


def span(rng: random.Random) -> str:
    """Something that lasts from one day to a later one, both of two digits."""
    first = rng.randint(2, 97)
    return write(rng, f"The {{event}} lasted from day {first:02d} to day {rng.randint(first + 1, 98):02d}.", SCRIPT)


def listing(rng: random.Random) -> str:
    """Something said twice, or counted."""
    form = rng.random()
    if form < 0.35:
        name = rng.choice(NAMES)
        things = ", ".join(rng.sample(GRAMMAR["object"] + GRAMMAR["food"], rng.randint(3, 6)))
        return f"{name} made a list: {things}. {pronouns(name)['She']} read it again: {things}."
    if form < 0.6:
        return f"{rng.choice(NAMES)} counted: {', '.join(['one', *GRAMMAR['number']][: rng.randint(3, 10)])}."
    if form < 0.85:
        code = " ".join(f"{rng.randint(2, 98):02d}" for _ in range(rng.randint(3, 7)))
        return f"The code is {code}. Repeat the code: {code}."
    people = rng.sample(NAMES, rng.randint(3, 5))
    hats = [
        f"{name} has a {colour} hat." for name, colour in zip(people, rng.sample(GRAMMAR["colour"], 5), strict=False)
    ]
    return " ".join([*hats, "Again:", *rng.sample(hats, len(hats))])


def agreement(rng: random.Random) -> str:
    """Sentences whose verb agrees with a noun further off."""
    return write(rng, " ".join(["{agreement}"] * rng.randint(2, 4)), SCRIPT)


def passing(rng: random.Random, people: Sequence[str] = NAMES, most: int = 3) -> str:
    """A few people, mentioned again and again in no order: what a name mover is first good for."""
    known = rng.sample(people, rng.choices([1, 2, 3], [30, 45, 25])[0])
    sentences = []
    for _ in range(rng.randint(3, 5)):
        here = rng.sample(known, min(len(known), rng.choice([1, 1, 2])))
        slots = dict(zip("AB", here, strict=False))
        sentences.append(write(rng, "{one}" if len(here) == 1 else "{two}", SCRIPT, **slots))
    return " ".join(sentences)

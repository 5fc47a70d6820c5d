"""`ioi.ioi_prompts`: prompts for indirect object identification, judged by what they say and by their exact law."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.checks import claim, drawn_from, equal, same
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.ioi.probes.prompts import PLACES, Words
from headwork.checkers.probing import Case

ask = Exercise("ioi_prompts")

TEMPLATES = [
    "When {A} and {B} went to the store , {S} gave it to",
    "While {A} saw {B} in the old house , {S} sold it to",
    "After {A} and {B} sang , {S} gave the store to",
    "Then {A} met {B} . After it , {S} sold the old house to",
    "Once {A} and {B} met , {S} went to",
]
WORDS = "When While After Then Once and went to the store gave it saw in old house sold sang met".split()  # noqa: SIM905
KNOWN = ["Ann", "Bo", "Cy", "Dora", "Eve", "Flo", "Gus", "Hal", "Ida"]  # one token after a space
NEVER = ["Quentin", "Zachary"]  # cut into letters
ALONE = ["Max", "Uma"]  # one token without the space, not with it


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, which, people, count, many in [
        ("three templates, each kind as often", [0, 1, 2], KNOWN[:5] + NEVER[:1], 12, 2400),
        ("names that are several tokens", [3, 0], KNOWN[2:6] + NEVER + ALONE[:1], 8, 2000),
        ("a name that is one token without its space", [4, 1, 3], KNOWN[5:9] + ALONE, 18, 2100),
        ("fewer prompts than kinds", [2, 4, 0, 1], KNOWN[:3], 5, 1600),
        ("some kinds once more than others", [1, 2], KNOWN[3:7], 7, 2000),
        ("one template, one prompt", [3], KNOWN[1:5], 1, 1800),
    ]:
        pieces = [f" {word}" for word in (*WORDS, *KNOWN)] + WORDS + KNOWN[::2] + ALONE + [" ", ",", ".", " ,", " ."]
        pieces += [chr(letter) for letter in (*range(ord("a"), ord("z") + 1), *range(ord("A"), ord("Z") + 1))]
        vocabulary = [pieces[place] for place in rng.permutation(len(pieces)).tolist()] + ["<|endoftext|>"]
        yield Case(
            name,
            vocabulary=vocabulary,
            templates=[TEMPLATES[each] for each in which],
            names=[people[place] for place in rng.permutation(len(people)).tolist()],
            count=count,
            many=many,
            seed=rng.seed(),
        )


def people(case: Case) -> list[int]:
    """The tokens of the names that are one token after a space, sorted."""
    found = (Words(case.vocabulary).encode(f" {name}") for name in case.names)
    return sorted(ids[0] for ids in found if len(ids) == 1)


def law(case: Case) -> Tensor:
    """The probability of each IO and S, by their places among the tokens of all names: IO's is the larger digit."""
    count = len(people(case))
    table = torch.full((count, count), 1 / (count * (count - 1)), dtype=torch.float64).fill_diagonal_(0)
    return table.reshape(1, -1)


def misshapen(value: Any, case: Case) -> str:
    """What is wrong with the tensors' shapes and dtypes; '' when nothing is."""
    shapes = dict.fromkeys(("io", "s", "template", "order"), (case.count,))
    shapes |= {f"positions of {place}": (case.count,) for place in PLACES}
    flat = {name: each for name, each in value.items() if name != "positions"}
    for place in PLACES:
        if place not in value["positions"]:
            return f"`positions` has no entry {place!r}"
        flat[f"positions of {place}"] = value["positions"][place]
    for name, shape in shapes.items():
        if not isinstance(flat[name], Tensor) or tuple(flat[name].shape) != shape:
            found = tuple(flat[name].shape) if isinstance(flat[name], Tensor) else type(flat[name]).__name__
            return f"`{name}` is {found}, expected the shape {shape}: a number for each prompt"
    for name, each in flat.items():
        if each.is_floating_point() or each.dtype == torch.bool:
            return f"`{name}` is {str(each.dtype).removeprefix('torch.')}: make it an integer"
    for name in ("tokens", "absent"):
        if flat[name].dim() != 2 or len(flat[name]) != case.count:
            return f"`{name}` has shape {tuple(flat[name].shape)}, expected a row for each of {case.count} prompts"
    return ""


def mistold(value: Any, case: Case) -> str:
    """Whether each row of tokens is its template with its names."""
    if flaw := misshapen(value, case):
        return flaw
    tokenizer, known = Words(case.vocabulary), people(case)
    for row in range(case.count):
        io, s, which, order = (int(value[name][row]) for name in ("io", "s", "template", "order"))
        if order not in (0, 1) or not 0 <= which < len(case.templates):
            return (
                f"a prompt has the template {which} and the order {order}: orders are 0 and 1, templates count from 0"
            )
        strange = next((token for token in (io, s) if token not in known), None)
        if strange is not None:
            return "a name is used that is not one token after a space, or IO or S is no token of a name"
        if io == s:
            return "IO and S are the same name"
        first, second = (s, io) if order else (io, s)
        names = {letter: tokenizer.decode([token])[1:] for letter, token in zip("ABS", (first, second, s), strict=True)}
        right = [tokenizer.bos, *tokenizer.encode(case.templates[which].format(**names))]
        told = value["tokens"][row].tolist()
        if told[:1] != right[:1]:
            return "a prompt does not begin with BOS"
        if told[: len(right)] != right:
            return (
                f"a prompt reads {tokenizer.decode(told)!r}, by its template, order and names {_said(right, tokenizer)}"
            )
        if any(token != tokenizer.bos for token in told[len(right) :]):
            return "what stands after the end of a shorter prompt is not BOS"
    lengths = [
        1 + len(tokenizer.encode(case.templates[each].format(A="Ann", B="Bo", S="Bo"))) for each in value["template"]
    ]
    if value["tokens"].shape[1] != max(lengths):
        return f"the tokens have {value['tokens'].shape[1]} positions, the longest prompt has {max(lengths)}"
    return ""


def _said(tokens: list[int], tokenizer: Words) -> str:
    return f"it would be {tokenizer.decode(tokens)!r}"


def misplaced(value: Any, case: Case) -> str:
    """Whether the named positions are where the prompt's own names and its end stand."""
    if flaw := misshapen(value, case):
        return flaw
    bos = len(case.vocabulary) - 1
    for row, told in enumerate(value["tokens"].tolist()):
        io, s = int(value["io"][row]), int(value["s"][row])
        if io not in told or told.count(s) < 2:
            return "a prompt does not name IO once and S twice"
        s1 = told.index(s)
        end = max(place for place, token in enumerate(told) if token != bos)
        right = {"IO": told.index(io), "S1": s1, "S1+1": s1 + 1, "S2": told.index(s, s1 + 1), "END": end}
        for place in PLACES:
            found = int(value["positions"][place][row])
            if found != right[place]:
                return f"{place} is said to be at position {found - right[place]:+d} from where it is"
    return ""


def not_absent(value: Any, case: Case) -> str:
    """Whether `absent` has each name that the prompt does not, once."""
    if flaw := misshapen(value, case):
        return flaw
    known = set(people(case))
    for io, s, absent in zip(value["io"].tolist(), value["s"].tolist(), value["absent"].tolist(), strict=True):
        if {io, s} & set(absent):
            return "`absent` has a name that stands in the prompt"
        if set(absent) != known - {io, s} or len(absent) != len(set(absent)):
            return "`absent` does not have each of the other names once"
    return ""


def unbalanced(value: Any, case: Case) -> str:
    """Whether templates and orders are as even as they can be, and together."""
    if flaw := misshapen(value, case):
        return flaw
    kinds = 2 * len(case.templates)
    code = (value["template"] * 2 + value["order"]).clamp(0, kinds - 1)
    counts = torch.bincount(code, minlength=kinds)
    if int(counts[1::2].sum()) == 0 or int(counts[::2].sum()) == 0:
        return "all prompts have the same order" if case.count > 1 else ""
    if int(counts.max() - counts.min()) > 1:
        return (
            f"the {kinds} kinds of prompts, each template in each order, occur from {int(counts.min())} to "
            f"{int(counts.max())} times: their numbers may differ by one at most"
        )
    return ""


ask.checks(
    claim("texts", mistold, title="each prompt is its template with its two names, after BOS", weight=2),
    claim("places", misplaced, title="the named positions are where they should be", weight=2),
    claim("kinds", unbalanced, title="each template stands in each order as often as the others"),
    claim(
        "absent names", not_absent, title="`absent` holds all the names that the prompt does not contain", weight=0.5
    ),
    drawn_from("pairs", law=law, title="every pair of IO and S is as likely as every other"),
    same("again", as_="once", title="the same generator gives the same prompts"),
    equal("the next are the same", title="the next call on one generator gives other prompts"),
)

SINGLE = 'single = {name: ids[0] for name in names if len(ids := tokenizer.encode(f" {name}")) == 1}'
KIND = "kind = torch.cat(rounds)[:count]"
TEMPLATE = "template, order = kind // 2, kind % 2"
DRAWN = "drawn = torch.rand(count, len(people), generator=generator, device=device).argsort(1)"
POSITIONS = '{"IO": of_io.int().argmax(1), "S1": s1, "S1+1": s1 + 1, "S2": s2, "END": end}'

ask.mistakes(
    edit(
        SINGLE,
        'single = {name: tokenizer.encode(f" {name}")[0] for name in names}',
        "Names that are several tokens are used, by their first token: positions then differ from prompt to prompt, "
        "and the answer is no name. Leave them out.",
    ),
    edit(
        SINGLE,
        "single = {name: ids[0] for name in names if len(ids := tokenizer.encode(name)) == 1}",
        "Names are looked up without their space, as another token than the one inside a text: encode f' {name}'.",
    ),
    edit(
        "[tokenizer.bos, *tokenizer.encode(text)]",
        "tokenizer.encode(text)",
        "The prompts begin without BOS: put `tokenizer.bos` before each.",
    ),
    edit(
        "row + [tokenizer.bos] * (length - len(row))",
        "[tokenizer.bos] * (length - len(row)) + row",
        "Shorter prompts are filled up in front, which moves all their positions: fill them up at the end.",
    ),
    edit(
        "row + [tokenizer.bos] * (length - len(row))",
        "row + [0] * (length - len(row))",
        "Shorter prompts are filled up with token 0, which may be any word: fill them up with `tokenizer.bos`.",
    ),
    edit(
        "end = torch.tensor([len(row) - 1 for row in rows], device=device)",
        "end = torch.full_like(s1, length - 1)",
        "END is the last column for every prompt: shorter prompts end before it.",
    ),
    edit(
        "torch.tensor([len(row) - 1 for row in rows], device=device)",
        "torch.tensor([len(row) for row in rows], device=device)",
        "END is one too late: with BOS at position 0, the last of n tokens stands at n - 1.",
    ),
    edit(
        "torch.tensor([len(row) - 1 for row in rows], device=device)",
        "torch.tensor([len(row) - 2 for row in rows], device=device)",
        "END is one too early, the position before the last token: is BOS counted?",
    ),
    edit(POSITIONS, POSITIONS.replace('"S2": s2', '"S2": s1'), "S2 is the first mention of S: it is the second."),
    edit(
        POSITIONS,
        POSITIONS.replace('"S1": s1, "S1+1": s1 + 1, "S2": s2', '"S1": s2, "S1+1": s2 + 1, "S2": s1'),
        "S1 and S2 have changed places: S1 is the first mention of the subject.",
    ),
    edit(
        POSITIONS,
        POSITIONS.replace('"S1+1": s1 + 1', '"S1+1": s1 - 1'),
        "S1+1 is the position before S1: it is the one after it.",
    ),
    edit(
        POSITIONS,
        "{place: at - 1 for place, at in " + POSITIONS + ".items()}",
        "All positions are one too early: BOS stands at position 0, and is counted.",
    ),
    edit(
        "first, second = (s, io) if swapped else (io, s)",
        "first, second = (io, s) if swapped else (s, io)",
        "The orders are exchanged: in order 0, ABBA, IO is named first; in order 1, BABA, the subject is.",
    ),
    edit(
        "S=people[s]",
        "S=people[io]",
        "IO is the one who gives, and so is named twice: {S} is the subject.",
    ),
    edit(
        TEMPLATE,
        "template, order = kind // 2, torch.zeros_like(kind)",
        "All prompts have the order ABBA: a network that says the first name would then do it all. Use both orders.",
    ),
    edit(
        TEMPLATE,
        "template, order = kind // 2, kind // 2 % 2",
        "Each template stands in one order only, so what is due to the order looks as if it were the template's: put "
        "each template in both.",
    ),
    edit(
        KIND,
        "kind = torch.randint(kinds, (count,), generator=generator, device=device)",
        "Templates and orders are drawn prompt by prompt, and come out uneven by chance: give each kind its share.",
    ),
    edit(
        KIND,
        "kind = torch.cat(rounds)",
        "There are more prompts than asked for: cut the last round off at `count`.",
    ),
    edit(
        DRAWN,
        "drawn = torch.rand(1, len(people), generator=generator, device=device).argsort(1).repeat(count, 1)",
        "All prompts have the same two names: draw a pair for each.",
    ),
    edit(
        DRAWN,
        DRAWN + "\n    drawn[:, :2] = drawn[:, :2].sort(1).values",
        "IO always comes before S in the list of names: every ordered pair must be as likely as every other.",
    ),
    edit(
        DRAWN,
        "drawn = torch.rand(count, len(people)).argsort(1)",
        "The names are drawn without the generator: nobody can repeat these prompts.",
    ),
    edit(
        "device = generator.device",
        "device = generator.device\n    generator.manual_seed(0)",
        "The generator is seeded again in every call, so every call gives the same prompts: draw from it as it comes.",
    ),
    edit(
        "names_of[:, 2:], template",
        "names_of, template",
        "`absent` has all names, also those of the prompt: leave IO and S out.",
    ),
    edit(
        "names_of[:, 0], names_of[:, 1], names_of[:, 2:]",
        "names_of[:, 1], names_of[:, 0], names_of[:, 2:]",
        "`io` and `s` have changed places: S is the name that the prompt says twice.",
    ),
)

ask.survives(
    'single = {name: ids[0] for name in names if len((ids := tokenizer.encode(f" {name}"))) == 1}',
    'single = {name: ids[-1] for name in names if len((ids := tokenizer.encode(f" {name}"))) == 1}',
    "There is one token: the first is the last.",
)
ask.survives(
    "for (io, s), which, swapped in zip(drawn[:, :2].tolist(), template.tolist(), order.tolist(), strict=True):",
    "for (io, s), which, swapped in zip(drawn[:, :2].tolist(), template.tolist(), order.tolist(), strict=False):",
    "All three have an entry for each prompt: there is nothing for `strict` to notice.",
)

"""`gpt2.causal_mask`: which keys each query may look at, also where the queries are only the last positions."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("causal_mask")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, n_queries, n_keys in [
        ("as many queries as keys", 5, 5),
        ("the last three of seven positions", 3, 7),
        ("one query, the last of six", 1, 6),
        ("all but the first position", 8, 9),
        ("a single position", 1, 1),
        ("the last two of thirteen positions", 2, 13),
    ]:
        yield Case(name, n_queries=n_queries, n_keys=n_keys)


ask.checks(
    equal("mask", title="True at a query's own position and those before it, False at those after it", weight=2),
    equal("device", title="the mask is on the device that was asked for"),
)

FIRST = "The queries are taken for the first positions: they are the last n_queries of the n_keys."

ask.mistakes(
    edit(
        "position <= query",
        "position > query",
        "The mask says where a query may not look: it is to be True where it may.",
    ),
    edit("position <= query", "position < query", "The mask is off by one: a query may look at its own position, too."),
    edit(
        "position <= query", "position <= query + 1", "The mask is off by one: each query also sees the next position."
    ),
    edit(
        "position <= query",
        "position >= query",
        "The mask is the wrong way round: it shows the future and hides the past.",
    ),
    edit("position[n_keys - n_queries :, None]", "position[:n_queries, None]", FIRST),
    edit(
        "position[n_keys - n_queries :, None]",
        "position[:n_queries, None] + n_queries - n_keys",
        "The offset has the wrong sign: query i stands at position i + n_keys - n_queries.",
    ),
    edit(
        "position[n_keys - n_queries :, None]",
        "position[n_keys - n_queries :, None].flip(0)",
        "The queries run backwards: the last row belongs to the last position, and is all True.",
    ),
    edit(
        "position[n_keys - n_queries :, None]",
        "position[:, None]",
        "There is a row for every key: there are only n_queries queries, the last of the n_keys positions.",
    ),
    edit(
        "return position <= query",
        "return (position <= query).T",
        "The axes are swapped: a row for each query, a column for each key.",
    ),
    edit(
        "return position <= query",
        "return (position <= query).float()",
        "These are numbers: return booleans, which `masked_fill`, `torch.where` and `~` can use as they are.",
    ),
    edit(
        "return position <= query",
        "return torch.zeros(n_queries, n_keys, device=device).masked_fill(position > query, -torch.inf)",
        "This is a mask to add to scores, 0 and minus infinity: return booleans, True where the query may look.",
    ),
    edit(
        "torch.arange(n_keys, device=device)",
        "torch.arange(n_keys)",
        "The device is not passed on: a mask that lies elsewhere than the scores cannot be used with them.",
    ),
)

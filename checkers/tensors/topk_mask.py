"""`tensors.topk_mask`: the k largest entries of each row, in their places."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("topk_mask", batch=["x", "cotangent"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (rows, width), k, centre, spread in [
        ("k 2", (3, 7), 2, 0, 1),
        ("k 3, other rows", (4, 9), 3, 0, 2),
        ("k 1: the largest alone", (5, 4), 1, 0, 1),
        ("k the whole width", (2, 6), 6, 0, 1),
        ("one row", (1, 8), 4, 0, 1),
        ("more rows than columns", (8, 5), 3, 0, 1),
        ("all entries negative", (3, 5), 2, -9, 1),
        ("large numbers", (2, 10), 5, 0, 1e6),
    ]:
        yield Case(name, x=rng.normal((rows, width), centre, spread), k=k, cotangent=rng.normal((rows, width)))


ask.checks(
    equal("masked", title="keeps the k largest of each row where they stand, and nothing else", weight=2),
    equal("gradient", title="gradients reach the kept entries, and no others"),
)

RETURN = "return torch.zeros_like(x).scatter(-1, places, values)"
WHOLE = "The largest are sought in the whole tensor: every row keeps k entries of its own."

ask.mistakes(
    edit(
        RETURN,
        "return torch.where(x > values[:, -1:], x, 0)",
        "The k-th largest is dropped: keep what is at least as large as it, not only what is larger.",
    ),
    edit(
        RETURN,
        "return torch.zeros_like(x).scatter(-1, x.abs().topk(k).indices, x.gather(-1, x.abs().topk(k).indices))",
        "The entries are chosen by absolute value: choose the largest by value, a negative number is a small one.",
    ),
    edit("x.topk(k, dim=-1)", "x.topk(k, dim=-1, largest=False)", "These are the k smallest: keep the k largest."),
    edit(
        RETURN,
        "return torch.where(x >= values[:1, -1:], x, 0)",
        "All rows are cut at the first row's threshold: every row has its own.",
    ),
    edit(
        RETURN,
        "return torch.where(x >= values.min(), x, 0)",
        "All rows are cut at one threshold, the lowest: every row has its own.",
    ),
    edit(RETURN, "return torch.where(x >= x.flatten().topk(k * len(x)).values[-1], x, 0)", WHOLE),
    edit(RETURN, "return torch.where(x >= x.flatten().topk(k).values[-1], x, 0)", WHOLE),
    edit(
        "places, values)",
        "places, torch.ones_like(values))",
        "The kept entries are replaced by 1: keep their values.",
    ),
    edit(
        RETURN,
        "cut = x.sort(-1, descending=True).values[:, min(k, x.shape[1] - 1), None]\n"
        "    return torch.where(x >= cut, x, 0)",
        "One entry too many is kept: counted from 0, the k-th largest has the rank k - 1.",
    ),
    edit(
        "places, values)",
        "places, values.detach())",
        "The kept values were cut from the graph (detach, .data, .item or no_grad): gradients must reach them.",
    ),
    edit(
        RETURN,
        "kept = torch.zeros_like(x).scatter(-1, places, values)\n    return x + (kept - x).detach()",
        "The gradient also reaches the entries that were cut: it belongs to the kept ones alone.",
    ),
    edit(
        RETURN,
        "return x.masked_fill_(x < values[:, -1:], 0)",
        "x is changed in place: make a new tensor, whoever passed x in still needs it.",
    ),
    edit("x.topk(k, dim=-1)", "x.topk(2, dim=-1)", "2 is written into the code: use the k that is passed."),
    edit(
        RETURN,
        "return torch.where(x >= x.sort(0, descending=True).values[min(k, len(x)) - 1], x, 0)",
        "The largest are sought down the columns: each row keeps k entries of its own.",
    ),
    edit(
        RETURN,
        "return values",
        "Only the kept values are returned, sorted: return a tensor of x's shape, with each value in its place.",
    ),
    edit(
        RETURN,
        "return x.masked_fill(x < values[:, -1:], float('-inf'))",
        "The entries that are cut become minus infinity: here they become 0.",
    ),
    edit(
        RETURN,
        "return torch.zeros_like(x).scatter(-1, places, values).relu()",
        "Negative entries among the k largest are set to 0: keep them as they are.",
    ),
    edit(
        RETURN,
        "return torch.where(x < values[:, -1:], x, 0)",
        "The mask is the wrong way round: it removes the largest and keeps the rest.",
    ),
)

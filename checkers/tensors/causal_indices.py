"""`tensors.causal_indices`: every pair of a query and a key that it may see."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit, replace
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("causal_indices", forbid=["tril_indices", "triu_indices"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    """`place` is a tensor for its device alone."""
    for name, length in [("five positions", 5), ("two positions", 2), ("one position", 1), ("twelve positions", 12)]:
        yield Case(name, length=length, place=rng.integers((1,), 9, low=1))


ask.checks(equal("pairs", title="lists each query with its keys, in reading order"))


STRICT = "Pairs of a position with itself are missing: a query sees its own position, too."


def _where(condition: str, then: str = "") -> str:
    """A whole answer that lists the pairs for which a condition on positions holds."""
    return (
        "import torch\n\n\ndef causal_indices(length, device=None):\n"
        "    query, key = torch.arange(length, device=device)[:, None], torch.arange(length, device=device)\n"
        f"    return ({condition}).nonzero(){then}\n"
    )


ask.mistakes(
    replace(_where("key < query"), STRICT),
    replace(
        "import torch\n\n\ndef causal_indices(length, device=None):\n"
        "    return torch.tensor([(q, k) for q in range(length) for k in range(q)], device=device)\n",
        STRICT,
    ),
    replace(_where("key >= query"), "These are the keys at and after each query: a query sees those at and before it."),
    replace(_where("key <= query + 1"), "Each query sees one key too many, the next one: key <= query."),
    replace(
        _where("(key >= 0) & (query >= 0)"), "Every query is paired with every key: only keys up to the query count."
    ),
    replace(
        _where("key >= query", ".flip(-1)"),
        "The pairs run by key first: list all keys of query 0, then those of query 1.",
    ),
    edit("[query, key], -1", "[key, query], -1", "Each pair is (key, query): the query comes first."),
    edit("[query, key], -1", "[query, key]", "The axes are swapped, (2, pair): return (pair, 2)."),
    edit(
        "return torch.stack([query, key], -1)",
        "return torch.stack([query, query - key], -1)",
        "The keys of a query run backwards: begin with key 0 and end with the query itself.",
    ),
    edit(
        "return torch.stack([query, key], -1)",
        "return torch.stack([query, key], -1).flip(0)",
        "The list runs backwards: begin with query 0.",
    ),
    edit(
        "return torch.stack([query, key], -1)",
        "return 1 + torch.stack([query, key], -1)",
        "The positions are counted from 1: count from 0.",
    ),
    edit(
        "return torch.stack([query, key], -1)",
        "return torch.stack([query, key], -1)[(query - key).argsort(stable=True)]",
        "The pairs run diagonal by diagonal: list all keys of query 0, then those of query 1.",
    ),
    edit(
        "return torch.stack([query, key], -1)",
        "at = torch.arange(length, device=device)\n    return at <= at[:, None]",
        "This is the mask, a table of yes and no: list the places where it says yes.",
    ),
)

CPU = "on a CPU the default device is the one asked for; graded on a GPU it is rejected as on the wrong device"

ask.survives("query = torch.arange(length, device=device)", "query = torch.arange(length, device=None)", CPU)
ask.survives(
    "key = torch.arange(n_pairs, device=device) - query * (query + 1) // 2",
    "key = torch.arange(n_pairs, device=None) - query * (query + 1) // 2",
    CPU,
)

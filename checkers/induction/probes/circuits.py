"""What is asked of answers in chapter `induction`: how heads use one another.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from headwork.checkers.induction.probes.networks import network
from headwork.checkers.probing import Answer, Case, Unfit, memory


def induction_circuit(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    model = network(case)
    with memory() as spent:
        pair = answer.induction_circuit(
            model, tuple(case.previous), tuple(case.induction), case.sources, case.queries, chunk=case.chunk
        )
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise Unfit(f"it returns a {type(pair).__name__}: return the diagonal and the best columns, a pair")
    yield "diagonal", pair[0]
    yield "best", pair[1]
    yield "largest tensor", spent.largest


def ov_circuit(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """The factors are not unique, so their product is asked: times vectors, on its diagonal, and its rank."""
    model = network(case)
    with memory() as spent:
        pair = answer.ov_circuit(model, case.layer, case.sources)
    yield from _product(pair, case)
    yield "largest tensor", spent.largest


def qk_circuit(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    model = network(case)
    with memory() as spent:
        pair = answer.qk_circuit(model, case.layer, case.queries, case.keys)
    yield from _product(pair, case)
    yield "largest tensor", spent.largest


def _product(pair: Any, case: Case) -> Iterator[tuple[str, Any]]:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not all(isinstance(each, Tensor) for each in pair):
        raise Unfit("it returns no pair of tensors: return the two factors")
    left, right = pair
    shapes = f"the factors have shapes {tuple(left.shape)} and {tuple(right.shape)}"
    if left.dim() != 3 or right.dim() != 3 or len(left) != len(right) or left.shape[-1] != right.shape[-2]:
        raise Unfit(f"{shapes}: they should be (head, row, d_head) and (head, d_head, column)")
    yield "sizes of rows, columns", [list(left.shape[:-1]), [*right.shape[:-2], right.shape[-1]]]
    heads, columns, _ = case.vectors.shape
    if (len(left), right.shape[-1]) != (heads, columns):
        raise Unfit(f"{shapes}: there are {heads} heads and {columns} columns")
    yield "product times vectors", left @ (right @ case.vectors)
    yield "rank", left.shape[-1]


def positional_qk(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "pattern", answer.positional_qk(network(case), case.layer, case.positions)


def composition_scores(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    pair = answer.composition_scores(network(case), case.kind)
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise Unfit(f"it returns a {type(pair).__name__}: return scores and ranks, a pair")
    yield "scores", pair[0]
    yield "ranks", pair[1]


def virtual_head(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """The weights' factors are not unique, so their product with vectors is asked."""
    model, heads = network(case), (tuple(case.earlier), tuple(case.later))
    with memory() as spent:
        found = answer.virtual_head(model, *heads, case.earlier_pattern, case.later_pattern)
    if not isinstance(found, (tuple, list)) or len(found) != 3:
        raise Unfit("it does not return three tensors: the pattern and the two factors of the weights")
    pattern, left, right = found
    yield "pattern", pattern
    yield "stream through the weights", case.stream @ left @ right
    yield "rank", left.shape[-1]
    yield "largest tensor", spent.largest


def path_decomposition(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Paths under their names written out, since what crosses to the grader has texts for keys."""
    paths = answer.path_decomposition(network(case), case.tokens)
    if not isinstance(paths, dict):
        raise Unfit(f"it returns a {type(paths).__name__}: return a dict from paths to logits")
    named = {_written(path): logits for path, logits in paths.items()}
    yield "paths", sorted(named)
    yield "logits of each path", {name: named[name] for name in sorted(named)}
    yield "sum", sum(named.values())


def _written(path: Any) -> str:
    whole = isinstance(path, tuple) and all(isinstance(head, tuple) and len(head) == 2 for head in path)
    if not whole:
        raise Unfit(f"{str(path)[:60]} names no path: its name is a tuple of (layer, head) pairs, () the direct path")
    return " ".join(["embedding", *(f"{layer}.{head}" for layer, head in path), "logits"])

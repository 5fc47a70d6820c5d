"""What is asked of answers in chapter `induction`: what the weights say by themselves.

Learners' processes hold this file: it contains no answer. `headwork.models` is imported where a model is made.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from typing import Any

from torch import Tensor

from headwork.checkers.induction.probes.networks import build, network
from headwork.checkers.probing import Answer, Case, Unfit, digest, memory


def fold_layer_norm(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """The state, what a model of the new shape makes of it, and whether the model is what it was."""
    model = network(case)
    before = digest(model.state_dict())
    state = answer.fold_layer_norm(model)
    if not isinstance(state, dict):
        raise Unfit(f"it returns a {type(state).__name__}: return the state, a dict from names to tensors")
    yield "the model is as it was", digest(model.state_dict()) == before
    yield "state", {name: state[name] for name in sorted(state)}
    shape = asdict(replace(model.config, tied=False, biases=True))
    try:
        folded = build(shape, {name: value.detach() for name, value in state.items()})
    except (RuntimeError, AttributeError) as error:
        raise Unfit(f"no model can be made of this state: {str(error).replace(chr(10), ' ')[:300]}") from None
    yield "logits", folded(case.tokens)


def effective_embedding(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    model = network(case)
    with memory() as spent:
        embedding = answer.effective_embedding(model, case.contexts, chunk=case.chunk)
    yield "embedding", embedding
    yield "largest tensor", spent.largest


def low_rank_product(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Each method by itself, with the largest tensor that it makes."""
    product = answer.LowRankProduct(case.left, case.right)
    sizes: dict[str, int] = {}

    def ask(name: str, method: Callable[[], Any]) -> Any:
        with memory() as spent:
            value = method()
        sizes[name] = spent.largest
        return value

    yield "applied", ask("apply", lambda: product.apply(case.vectors))
    yield "norm", ask("norm", product.norm)
    yield "singular values", ask("singular_values", product.singular_values)
    yield "largest in rows", ask("largest_in_rows", lambda: product.largest_in_rows(case.chunk))
    other = answer.LowRankProduct(case.other_left, case.other_right)
    composed = ask("compose", lambda: product.compose(other))
    if not isinstance(getattr(composed, "left", None), Tensor) or not isinstance(
        getattr(composed, "right", None), Tensor
    ):
        raise Unfit("`compose` returns no LowRankProduct with a `left` and a `right`")
    shapes = tuple(composed.left.shape), tuple(composed.right.shape)
    if shapes[0][-1:] != shapes[1][-2:-1] or shapes[1][-1:] != (case.other_right.shape[-1],):
        raise Unfit(f"`compose` returns factors of shapes {shapes[0]} and {shapes[1]}, which are not those of the two")
    yield "composed", composed.left @ (composed.right @ case.further)
    if case.left.shape[-2] == case.right.shape[-1]:
        yield "diagonal", ask("diagonal", product.diagonal)
    yield "largest tensors", sizes

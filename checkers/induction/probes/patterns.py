"""What is asked of answers in chapter `induction`: texts that repeat, what heads look at in them, what they copy.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.induction.probes.networks import gradients, network
from headwork.checkers.probing import Answer, Case, Unfit, generator, gradient, memory


def repeated_tokens(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """A few texts to look at, and many short ones, which are counted: each is given a number of its own."""
    sizes = case.batch, case.period, case.d_vocab, case.bos
    for name in ("tokens", "once", "again"):
        yield name, answer.repeated_tokens(*sizes, generator(case.seed))
    source = generator(case.seed)
    few = answer.repeated_tokens(case.repeats, 2, 5, 2, source)
    if not isinstance(few, Tensor) or few.dim() != 2 or few.shape[1] < 3:
        raise Unfit("`repeated_tokens` gives no tensor of shape (batch, 1 + 2 * period)")
    yield "first copies", (few[:, 1] * 5 + few[:, 2]).long()
    yield "the next texts are the same", torch.equal(few, answer.repeated_tokens(case.repeats, 2, 5, 2, source))


def loss_per_token(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    model = network(case)
    losses = answer.loss_per_token(model, case.tokens)
    yield "losses", losses
    names = [name for name, _ in model.named_parameters() if name.endswith(("W_E", "W_Q", "ln_final.w"))]
    yield "gradient", gradients(losses, case.cotangent, model, names)


def pattern_scores(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    patterns = _patterns(case)
    scores = answer.pattern_scores(patterns)
    for name in ("previous", "current", "first"):
        if not isinstance(scores, dict) or name not in scores:
            raise Unfit(f"`pattern_scores` gives no dict with the key {name!r}")
        if not isinstance(scores[name], Tensor):
            raise Unfit(f"what `pattern_scores` gives for {name!r} is no tensor, but a {type(scores[name]).__name__}")
        yield name, scores[name]
    yield (
        "gradient",
        gradient(
            lambda patterns: torch.stack(list(_in_order(answer.pattern_scores(patterns)))),
            case.cotangent,
            patterns=patterns,
        ),
    )


def _in_order(scores: dict[str, Tensor]) -> Iterator[Tensor]:
    yield from (scores[name] for name in ("previous", "current", "first"))


def prefix_matching_score(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    def score(patterns: Tensor) -> Tensor:
        found: Tensor = answer.prefix_matching_score(patterns, case.period, case.start)
        return found

    patterns = _patterns(case)
    yield "score", score(patterns)
    yield "gradient", gradient(score, case.cotangent, patterns=patterns)


def copying_score(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    model = network(case).requires_grad_(False)
    with memory() as spent:
        score = answer.copying_score(model, case.tokens)
    yield "score", score
    yield "largest tensor", spent.largest


def in_context_learning_score(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "score", answer.in_context_learning_score(case.losses, case.early, case.late)
    yield (
        "gradient",
        gradient(
            lambda losses: answer.in_context_learning_score(losses, case.early, case.late),
            case.cotangent,
            losses=case.losses,
        ),
    )


def _patterns(case: Case) -> Tensor:
    """The patterns of the case, or those of its model on its tokens, (layer, batch, head, query, key)."""
    if "patterns" in case.inputs:
        return case.patterns
    model = network(case).requires_grad_(False)
    _, cache = model.run_with_cache(case.tokens, lambda name: name.endswith("hook_pattern"))
    return torch.stack(list(cache.values()))

"""What the live figures of chapter `induction` ask of the learner's code.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.induction.probes.networks import build, network
from headwork.checkers.probing import Answer, Case, Unfit, generator

PATTERN_SCORES = {"previous token": "previous", "current token": "current", "first token": "first"}


def loss_per_position_figure(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """The mean loss at each position of the learner's own texts."""
    model = network(case).requires_grad_(False)
    tokens = answer.repeated_tokens(case.texts, case.period, case.d_vocab, case.bos, generator(case.seed))
    losses = answer.loss_per_token(model, tokens)
    if not isinstance(losses, Tensor) or losses.dim() != 2:
        raise Unfit("`loss_per_token` gives no tensor of shape (batch, position - 1)")
    yield "losses", losses.mean(0)


def score_map_figure(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """One score of every head, (layer, head)."""
    model = network(case).requires_grad_(False)
    if case.score == "copying":
        yield "scores", answer.copying_score(model, case.tokens)
        return
    _, cache = model.run_with_cache(case.tokens, lambda name: name.endswith("hook_pattern"))
    patterns = torch.stack(list(cache.values()))  # (layer, batch, head, query, key)
    if case.score == "prefix matching":
        yield "scores", answer.prefix_matching_score(patterns, case.period, 1)
    else:
        scores = answer.pattern_scores(patterns)
        yield "scores", scores.get(PATTERN_SCORES[case.score]) if isinstance(scores, dict) else scores


def head_patterns_figure(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """The patterns of one layer, read by the learner's own cache."""
    name = f"blocks.{case.layer}.attn.hook_pattern"
    found = answer.run_with_cache(network(case).requires_grad_(False), case.tokens, [name])
    if not isinstance(found, tuple) or len(found) != 2 or not isinstance(found[1], dict) or name not in found[1]:
        raise Unfit(f"`run_with_cache` returns no pair of the output and a dict that has {name!r}")
    yield "patterns", found[1][name]


def match_matrix_figure(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """The whole match matrix of a few tokens, (query token, key token), one shifted diagonal after the other."""
    model = network(case).requires_grad_(False)
    count = len(case.sources)
    rows = torch.arange(count)
    for name in ("raw", "effective"):
        matrix = torch.zeros(count, count, dtype=case.sources.dtype)
        for shift in range(count):
            columns = (rows + shift) % count
            pair = answer.induction_circuit(
                model, tuple(case.previous), tuple(case.induction), case.sources[columns], getattr(case, name)
            )
            if not isinstance(pair, (tuple, list)) or not isinstance(pair[0], Tensor) or pair[0].shape != (count,):
                raise Unfit("`induction_circuit` gives no diagonal of shape (token,)")
            matrix[rows, columns] = pair[0]
        yield name, matrix


def phase_change_figure(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Losses of the two copies and the heads' scores, by one checkpoint after the other."""
    losses, previous, prefix = list[Tensor](), list[Tensor](), list[Tensor]()
    for given in case.models:
        model = build(given["config"], given["state"], torch.float32).requires_grad_(False)
        found = answer.loss_per_token(model, case.tokens)
        if not isinstance(found, Tensor) or found.shape != (len(case.tokens), case.tokens.shape[1] - 1):
            raise Unfit("`loss_per_token` gives no tensor of shape (batch, position - 1)")
        known = case.period + 1  # the second copy's first token is announced by nothing
        losses.append(torch.stack([found[:, : case.period].mean(), found[:, known:].mean()]))
        _, cache = model.run_with_cache(case.tokens, lambda name: name.endswith("hook_pattern"))
        patterns = torch.stack(list(cache.values()))  # (layer, batch, head, query, key)
        scores = answer.pattern_scores(patterns)
        if not isinstance(scores, dict) or not isinstance(scores.get("previous"), Tensor):
            raise Unfit("`pattern_scores` gives no dict with a tensor under 'previous'")
        previous.append(scores["previous"])
        prefix.append(answer.prefix_matching_score(patterns, case.period, 1))
    yield "losses", torch.stack(losses)  # (checkpoint, copy)
    yield "previous", torch.stack(previous)  # (checkpoint, layer, head)
    yield "prefix", torch.stack(prefix)

"""What is asked of answers in chapter `induction`: the network without a head, or without a connection.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.induction.probes.networks import network
from headwork.checkers.probing import Answer, Case, Unfit, generator, gradient


def ablation_values(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    if case.how == "resample":
        yield from _resampled(answer, case)
        return
    yield "values", answer.ablation_values(case.values, case.how)
    if case.how != "zero":  # whether zeros have a gradient of zero or none makes no difference
        yield (
            "gradient",
            gradient(lambda values: answer.ablation_values(values, case.how), case.cotangent, values=case.values),
        )


def _resampled(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Who gives to whom, over many draws; whether a text gets all of its values from one other text."""
    batch, length = case.values.shape[:2]
    for name in ("once", "again"):
        yield name, answer.ablation_values(case.values, "resample", generator(case.seed))
    places = torch.arange(batch * length, dtype=torch.float64).reshape(batch, length, *[1] * (case.values.dim() - 2))
    given = places.expand_as(case.values).clone()  # every entry tells its place
    source, donors, whole = generator(case.seed), list[Tensor](), True
    for _ in range(case.repeats):
        drawn = answer.ablation_values(given, "resample", source)
        if not isinstance(drawn, Tensor) or drawn.shape != given.shape:
            raise Unfit("the resampled values do not have the shape of the values")
        donor = drawn.flatten(1)[:, 0].long() // length  # (text,)
        donors.append(donor)
        whole = whole and torch.equal(drawn, given[donor.clamp(0, batch - 1)])
    yield "donors", torch.stack(donors, 1).flatten()  # all draws of the first text first
    yield "whole texts", whole


def ablate_heads(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    model, names = network(case), list(case.values)
    for name, heads, positions in [
        ("everywhere", case.heads, None),
        ("somewhere", case.heads, case.positions),
        ("one head", case.heads[:1], None),
        ("no head", [], None),
        ("nowhere", case.heads, []),
    ]:
        yield name, answer.ablate_heads(model, case.tokens, heads, dict(case.values), positions)

    def logits(*values: Tensor) -> Any:
        given = dict(zip(names, values, strict=True))
        return answer.ablate_heads(model, case.tokens, case.heads, given, case.positions)

    yield "gradient", _by_name(gradient(logits, case.cotangent, **_numbered(case.values)), names)
    yield "afterwards", _plain_logits(model, case)


def ablate_pairs(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    model = network(case).requires_grad_(False)
    yield "rises", answer.ablate_pairs(model, case.tokens, case.heads, dict(case.values), case.start)


def cut_edges(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    model, names = network(case), list(case.values)
    yield "all", answer.cut_edges(model, case.tokens, case.edges, dict(case.values))
    yield "each", [answer.cut_edges(model, case.tokens, [edge], dict(case.values)) for edge in case.edges]
    yield "none", answer.cut_edges(model, case.tokens, [], dict(case.values))

    def logits(*values: Tensor) -> Any:
        return answer.cut_edges(model, case.tokens, case.edges, dict(zip(names, values, strict=True)))

    yield "gradient", _by_name(gradient(logits, case.cotangent, **_numbered(case.values)), names)
    yield "afterwards", _plain_logits(model, case)
    yield "refused", [_kind(answer, model, case, edge) for edge in case.impossible]


def _kind(answer: Answer, model: Any, case: Case, edge: Any) -> str:
    try:
        answer.cut_edges(model, case.tokens, [edge], dict(case.values))
    except ValueError:
        return "ValueError"
    except Exception as error:
        return type(error).__name__
    return "nothing"


def _plain_logits(model: Any, case: Case) -> Any:
    """What the model says afterwards, by itself."""
    return model(case.tokens[:1])


def _numbered(values: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"v{index}": value for index, value in enumerate(values.values())}


def _by_name(found: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """What an input that is not used has for a gradient: absent, or zero, which makes no difference."""
    plain = dict(zip(names, found.values(), strict=True))
    return {n: g if isinstance(g, Tensor) and bool(g.any()) else None for n, g in plain.items()}

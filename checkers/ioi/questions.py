"""Prompts to patch between, and models to do it in, as inputs of cases."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.exercise import Edit, Replacement
from headwork.checkers.induction.networks import HOUSE, SHAPES, described
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case
from headwork.models.planted import Planted, planted

HOUSE_VOCAB = 1792  # tokens that house knows, whatever the prompts say
DONE_TO_THE_MODEL = "leaves no hook in the model, and its weights as they were"
NOTHING_LEFT = "leaves no hook and no gradient in the model, its weights as before"


def prompts(rng: Rng, vocab: int, batch: int, length: int) -> dict[str, Tensor]:
    """Clean and corrupted tokens that differ at two positions, and the prompts' ends, which are not all the last.

    The first prompt's last token differs too, so that it matters which of the two the network reads there.
    """
    clean = rng.integers((batch, length), vocab)
    corrupted = clean.clone()
    for position in (1, length // 2):
        corrupted[:, position] = (clean[:, position] + rng.integers((batch,), vocab, 1)) % vocab
    corrupted[0, -1] = (clean[0, -1] + rng.integers((), vocab, 1)) % vocab
    end = length - 1 - torch.arange(batch) % min(3, length // 2)
    return {"clean": clean, "corrupted": corrupted, "end": end}


def questions(rng: Rng, house: bool = True) -> Iterator[tuple[str, dict[str, Any]]]:
    """Names and inputs: each small model with prompts and a metric of its own, and the house model."""
    sizes = [
        ("a small GPT-2", 4, 7, True),
        ("untied, with ReLU", 3, 8, False),
        ("attention only", 2, 6, False),
        ("one head, no biases", 1, 5, True),
    ]
    for name, batch, length, log_probabilities in sizes:
        vocab = SHAPES[name].d_vocab
        yield (
            name,
            {
                "model": described(rng, SHAPES[name]),
                "directions": rng.normal((batch, vocab)),
                "log_probabilities": log_probabilities,
                **prompts(rng, vocab, batch, length),
            },
        )
    if house:
        yield (
            "house",
            {
                "model": HOUSE,
                "directions": rng.normal((2, HOUSE_VOCAB), spread=0.1),
                "log_probabilities": False,
                **prompts(rng, HOUSE_VOCAB, 2, 6),
            },
        )


def named_questions(rng: Rng, house: bool = True) -> Iterator[tuple[str, dict[str, Any]]]:
    """As `questions`, with two names for each prompt in place of a metric."""
    for name, inputs in questions(rng, house):
        vocab = inputs["directions"].shape[1]
        pairs = torch.stack([1 + rng.permutation(vocab - 1)[:2] for _ in inputs["end"]])  # (batch, 2)
        kept = {key: inputs[key] for key in ("model", "directions", "clean", "end")}
        yield name, {**kept, "correct": pairs[:, 0], "wrong": pairs[:, 1]}


def planted_question(rng: Rng, family: str, batch: int) -> tuple[Planted, dict[str, Any]]:
    """A model whose circuit is known, and its prompts; the metric is the clean answer's logit above the other's."""
    made = planted(family, int(rng.integers((), 1000)))
    clean, corrupted, answers = made.clean[:batch], made.corrupted[:batch], made.answers[:batch]
    directions = torch.zeros(batch, made.model.config.d_vocab, dtype=torch.float64)
    directions[torch.arange(batch), answers[:, 0]] += 1
    directions[torch.arange(batch), answers[:, 1]] -= 1
    inputs = {
        "model": {"config": asdict(made.model.config), "state": dict(made.model.state_dict())},
        "directions": directions,
        "log_probabilities": False,
        "clean": clean,
        "corrupted": corrupted,
        "end": torch.full((batch,), clean.shape[1] - 1),
    }
    return made, inputs


def heads_of(made: Planted) -> list[list[int]]:
    """The heads of its circuit as [layer, head], in the order of its roles."""
    return [[int(part) for part in node[5:].split(".")] for node in made.roles if node.startswith("head ")]


def some_heads(rng: Rng, inputs: dict[str, Any], count: int) -> list[list[int]]:
    """So many different heads, [layer, head], of the model that is asked about; of house, by the shape that it has."""
    config = {"n_layers": 5, "n_heads": 4} if inputs["model"] is HOUSE else inputs["model"]["config"]
    drawn = rng.permutation(config["n_layers"] * config["n_heads"])[:count].tolist()
    return [list(divmod(each, config["n_heads"])) for each in drawn]


def sweep_cases(rng: Rng) -> Iterator[Case]:
    """One case for each of the `questions`."""
    for name, inputs in questions(rng):
        yield Case(name, **inputs)


Wrong = Callable[[str, str, str], Replacement]


def of(source: str) -> Wrong:
    """Makes mistakes of a right answer written in another style than the reference: `wrong(old, new, sentence)`."""

    def wrong(old: str, new: str, sentence: str) -> Replacement:
        return Replacement(Edit(old, new, sentence).apply(source), sentence)

    return wrong


MEASURED = "metric(logits[rows, end])"  # where a sweep with hooks measures


def swept_wrongly(wrong: Wrong, result: str, *, run: str, axes: str) -> list[Replacement]:
    """What any sweep may do wrong where it measures and where it returns, `result`.

    run: what the unpatched run reads. axes: the names of the two that come before the prompts, "layer, head".
    """
    whole, (first, second) = f"({axes}, batch)", axes.split(", ")
    of_heads = [wrong(result, f"{result}.mean(1)", "The heads are averaged: each gets a number of its own.")]
    return [
        wrong(
            MEASURED,
            "metric(logits[:, -1])",
            "The last column is read for every prompt: shorter prompts end before it, and `end` says where.",
        ),
        wrong(
            MEASURED,
            "metric(logits[rows, end - 1])",
            "The logits of the position before `end` are read: the metric is for those at `end`.",
        ),
        wrong(
            MEASURED,
            f"{MEASURED}.mean()",
            f"The mean over the prompts is taken: keep a number for each prompt, {whole}.",
        ),
        wrong(
            MEASURED,
            f"{MEASURED} - metric(model({run})[rows, end])",
            "The unpatched metric is subtracted: return the patched run's metric as it is.",
        ),
        wrong(result, f"{result}.transpose(0, 1)", f"This is ({second}, {first}, batch): layers come first."),
        wrong(result, f"{result}.movedim(-1, 0)", f"The prompts come first: the result is {whole}."),
        *(of_heads if second == "head" else []),
    ]

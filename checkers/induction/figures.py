"""The live figures of chapter `induction`: what each asks of the learner's code, and on what."""

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from headwork.checkers.figure import Choice, Figure, Knob
from headwork.checkers.induction.judge.claims import PREVIOUS
from headwork.checkers.induction.networks import ATTENTION_ONLY, HOUSE
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Model
from headwork.solutions.induction.findings import INDUCTION_HEADS

if TYPE_CHECKING:
    from headwork.models.gpt2 import GPT2

REPEATS = "random tokens, said twice"
SENTENCES = (
    REPEATS,
    "Mary and John went to the store. John gave a drink to Mary.",
    "The king saw a dog. The dog saw the king.",
)
SCORES = {
    "prefix matching": "prefix_matching_score",
    "previous token": "pattern_scores",
    "current token": "pattern_scores",
    "first token": "pattern_scores",
    "copying": "copying_score",
}
PERIOD = 6  # of the text whose patterns are shown; scores are taken on longer ones


@lru_cache
def _house() -> "GPT2":
    from headwork.models.zoo import load

    return load("house").requires_grad_(False)


def random_texts(batch: int, period: int, d_vocab: int) -> Tensor:
    """Random tokens said twice after token 0, the same each time, (batch, 1 + 2 * period)."""
    rng = Rng("figures of induction")
    text = torch.stack([rng.permutation(d_vocab - 1)[:period] + 1 for _ in range(batch)])
    return torch.cat([torch.zeros(batch, 1, dtype=torch.long), text, text], 1)


def _losses(period: float, seed: float) -> dict[str, Any]:
    d_vocab = _house().config.d_vocab
    sizes = {"texts": 24, "period": int(period), "d_vocab": d_vocab, "bos": 0}
    return {"model": HOUSE, "uniform": math.log(d_vocab), "seed": int(seed), **sizes}


def _words(tokens: Tensor) -> list[str]:
    tokenizer = _house().tokenizer
    assert tokenizer
    return ["(start)", *(tokenizer.decode([int(token)]).strip() or "␣" for token in tokens[1:])]


def _tokens_of(text: str) -> Tensor:
    if text == REPEATS:
        return random_texts(1, PERIOD, _house().config.d_vocab)
    tokenizer = _house().tokenizer
    assert tokenizer
    return tokenizer.to_tokens(text)


def _patterns(text: str, layer: str) -> dict[str, Any]:
    tokens = _tokens_of(text)
    heads = _house().config.n_heads
    return {"model": HOUSE, "tokens": tokens, "layer": int(layer), "heads": heads, "words": _words(tokens[0])}


def _scores(score: str) -> dict[str, Any]:
    """The texts that are scored, and what every head looks at in a short one."""
    house = _house()
    short = random_texts(1, PERIOD, house.config.d_vocab)
    _, cache = house.run_with_cache(short, lambda name: name.endswith("hook_pattern"))
    shown = torch.stack([pattern[0] for pattern in cache.values()])  # (layer, head, query, key)
    return {
        "model": HOUSE,
        "score": score,
        "tokens": random_texts(8, 20, house.config.d_vocab),
        "period": 20,
        "shown": shown,
        "words": _words(short[0]),
    }


MATCHED = 24  # tokens of the match matrix that is shown


@lru_cache
def _matched() -> dict[str, Any]:
    """Some words of the house model's vocabulary, raw and as block 0 leaves them behind a text's first token."""
    from headwork.checkers.induction.folded import folded_model
    from headwork.checkers.induction.probes.networks import build
    from headwork.solutions.induction.weights import effective_embedding

    given, house = folded_model("house"), _house()
    model, tokenizer = build(given["config"], given["state"]), house.tokenizer
    assert tokenizer
    order = torch.randperm(house.config.d_vocab, generator=Rng("matched").generator).tolist()
    tokens = [token for token in order if tokenizer.decode([token])[1:].isalpha()][:MATCHED]
    raw = model.embed.W_E.detach()
    inside = effective_embedding(model, torch.zeros(1, 1, dtype=torch.long))
    words = [tokenizer.decode([token]) for token in tokens]
    vectors = {"sources": raw[tokens], "raw": raw[tokens], "effective": inside[tokens]}
    return {"model": given, "words": words, **vectors}


def _match(head: str) -> dict[str, Any]:
    return {**_matched(), "previous": list(PREVIOUS), "induction": [int(number) for number in head.split(".")]}


def _checkpoints() -> dict[str, Any]:
    """The small model as it was at each step that was kept, and as it is at the end."""
    from headwork.models.recipes.attention_only import AttentionOnly
    from headwork.models.zoo import checkpoints

    name, config = ATTENTION_ONLY.name, AttentionOnly.config
    steps = checkpoints(name)
    return {
        "models": [*(Model(f"{name}@{step}") for step in steps), ATTENTION_ONLY],
        "steps": [*steps, AttentionOnly.steps],
        "heads": config.n_heads,
        "tokens": random_texts(16, LEARNED, config.d_vocab),
        "period": LEARNED,
    }


LEARNED = 20  # tokens in each copy of the texts on which the checkpoints are compared

FIGURES = {
    "phase_change": Figure(
        ("loss_per_token", "pattern_scores", "prefix_matching_score"),
        _checkpoints,
        seconds=30,
    ),
    "match_matrix": Figure(
        ("induction_circuit",),
        _match,
        (Choice("head", "head", tuple(f"{layer}.{head}" for layer, head in INDUCTION_HEADS)),),
        seconds=30,
    ),
    "loss_per_position": Figure(
        ("repeated_tokens", "loss_per_token"),
        _losses,
        (Knob("period", "L, the length of the text", 4, 45, 1, 30), Knob("seed", "seed", 0, 99, 1, 0)),
        seconds=30,
    ),
    "score_map": Figure(
        lambda score: (SCORES[score],),
        _scores,
        (Choice("score", "score", tuple(SCORES)),),
        seconds=30,
    ),
    "head_patterns": Figure(
        ("run_with_cache",),
        _patterns,
        (Choice("text", "text", SENTENCES), Choice("layer", "layer", ("4", "3", "2", "1", "0"))),
        seconds=30,
    ),
}

"""What a model of the house's English says: IOI by names and sentences, rosters, plain text, and texts of its own."""

import random
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from headwork.models.data.english.corpus import GIVING, written
from headwork.models.data.english.gifts import Gift, classic, roster
from headwork.models.data.english.parsing import parses, sentences
from headwork.models.data.english.words import GIVERS, GRAMMAR, HELD_OUT, UNFAMILIAR
from headwork.models.gpt2 import GPT2

CELLS = {  # who, and by which sentences
    "trained names, familiar sentences": (GIVERS, GRAMMAR),
    "trained names, held-out sentences": (GIVERS, UNFAMILIAR),
    "held-out names, familiar sentences": (HELD_OUT, GRAMMAR),
    "held-out names, held-out sentences": (HELD_OUT, UNFAMILIAR),
}

BATCH = 64


class Finding(NamedTuple):
    """Means over prompts."""

    above: float  # the receiver above everybody else who was mentioned
    top: float  # above everything
    probability: float
    difference: float  # from the likeliest of the others, in logits


def finding(model: GPT2, gifts: Sequence[Gift]) -> Finding:
    """How well a model says who is given to."""
    assert model.tokenizer is not None
    single = model.tokenizer.single_token
    found = []
    for row, gift in zip(_logits_after(model, [gift.text for gift in gifts]), gifts, strict=True):
        receiver = row[single(f" {gift.receiver}")]
        others = max(row[single(f" {name}")] for name in gift.others)
        p = (receiver - row.logsumexp(-1)).exp()
        found.append([receiver > others, receiver >= row.max(), p, receiver - others])
    return Finding(*torch.tensor(found, dtype=torch.float64).mean(0).tolist())


def _logits_after(model: GPT2, texts: Sequence[str]) -> Tensor:
    """What a model says comes after each text, (text, token).

    It reads texts of about one length together, and few: what it computes of them stays in the processor's cache.
    """
    assert model.tokenizer is not None
    end = torch.tensor([len(model.tokenizer.encode(text)) for text in texts])  # (text,)
    residual = model.embed.W_E.new_empty(len(texts), model.config.d_model)
    for rows in end.argsort(stable=True).split(BATCH):
        tokens = model.tokenizer.to_tokens([texts[row] for row in rows], pad=True)  # (text, position)
        stream = model(tokens, stop_at_layer=model.config.n_layers)  # (text, position, d_model)
        residual[rows] = stream[torch.arange(len(rows)), end[rows]]
    return model.unembed(model.ln_final(residual))


def ioi(model: GPT2, cell: str, count: int, seed: int = 0) -> Finding:
    """On classic prompts of the two orders in turn."""
    people, grammar = CELLS[cell]
    rng = random.Random(f"ioi {cell} {seed}")
    return finding(model, [classic(rng, people, grammar, ("ABBA", "BABA")[index % 2]) for index in range(count)])


def rosters(model: GPT2, kind: str, count: int, seed: int = 0) -> Finding:
    """On rosters of three trained names."""
    rng = random.Random(f"roster {kind} {seed}")
    return finding(model, [roster(rng, size=3, kind=kind) for _ in range(count)])


def text_loss(model: GPT2, count: int, seed: int = 0) -> float:
    """The mean loss of a token, in nats, of texts that were not trained on."""
    assert model.tokenizer is not None
    rng = random.Random(f"texts {seed}")
    rows = [torch.tensor(model.tokenizer.encode(written(rng, GIVING).text)) for _ in range(count)]
    tokens = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-100)[:, : model.config.n_ctx - 1]
    inputs = F.pad(tokens.clamp(min=0), (1, 0), value=model.tokenizer.bos)[:, :-1]
    return float(F.cross_entropy(model(inputs).transpose(1, 2), tokens))


def own_texts(model: GPT2, count: int, seed: int = 0) -> list[str]:
    """Texts that the model writes from nothing, at temperature 1, each up to its end."""
    assert model.tokenizer is not None
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.full((count, 1), model.tokenizer.bos)
    done = torch.zeros(count, dtype=torch.bool)
    while tokens.shape[1] < model.config.n_ctx and not done.all():
        drawn = torch.multinomial(model(tokens)[:, -1].softmax(-1), 1, generator=generator)  # (text, 1)
        drawn[done] = model.tokenizer.bos
        done |= drawn[:, 0] == model.tokenizer.bos
        tokens = torch.cat([tokens, drawn], 1)
    return [_words(model, row) for row in tokens[done]]


def _words(model: GPT2, tokens: Tensor) -> str:
    assert model.tokenizer is not None
    return model.tokenizer.decode(tokens[tokens != model.tokenizer.bos]).strip()


def in_grammar(texts: Sequence[str]) -> float:
    """The share of the texts' sentences that the grammar could have written."""
    found = [sentence for text in texts for sentence in sentences(text)]
    return sum(map(parses, found)) / max(len(found), 1)

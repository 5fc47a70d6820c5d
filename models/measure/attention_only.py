"""What `attention-only` is measured by: induction, and the one edge that carries it."""

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from headwork.models import zoo
from headwork.models.data import attention_only as data
from headwork.models.gpt2 import GPT2
from headwork.models.hooks import Hook
from headwork.models.measure.measure import Measure, at_least, at_most, below, figure
from headwork.models.recipes.attention_only import losses

COUNT = 128  # sequences of each kind
HALF = data.LENGTH // 2
GUESS = math.log(data.D_VOCAB - 1)  # nats: all tokens but BOS alike
INPUTS = {"keys": "hook_k_input", "queries": "hook_q_input", "values": "hook_v_input"}


def measure(model: GPT2) -> Iterator[Measure]:
    """Losses where a token can be known, and what they rise by when what layer 0 moved is taken from layer 1."""
    generator = torch.Generator().manual_seed(-2)
    periodic, bigrams = (make(COUNT, generator, anywhere=True) for make in (data.periodic, data.bigrams))
    sentence = "where a token can be known: segments again and again from anywhere, with a period from 4 to 30"
    yield below("loss, periodic", announced_loss(model, periodic), 0.5, unit="nats", sentence=sentence)
    sentence = "the second token of a pair that comes again, its first place and then its distance drawn evenly"
    yield below("loss, bigrams", announced_loss(model, bigrams), 0.5, unit="nats", sentence=sentence)
    begins = first_places(bigrams)
    for name, rows in [("first", begins < HALF), ("second", begins >= HALF)]:
        loss = announced_loss(model, data.Sequences(*(part[rows] for part in bigrams)))
        sentence = f"the same, of pairs that stand for the first time in the {name} half"
        yield below(f"loss, bigrams, {name} half", loss, 0.5, unit="nats", sentence=sentence)
    first = float(losses(model, bigrams.tokens)[:, : data.LENGTH // 2].mean())
    yield at_most(
        "loss, nothing known", first, GUESS + 0.3, unit="nats", sentence=f"random tokens; a guess has {GUESS:.2f}"
    )
    for name, sequences in [("periodic", periodic), ("bigrams", bigrams)]:
        rises = cut_rises(model, sequences, "keys")
        yield at_least(
            f"cut offset 1, {name}", float(rises[1]), 2, unit="nats", digits=1,
            sentence="rise of the loss, up to that of a guess, without what layer 0 moved by one place into the keys",
        )  # fmt: skip
        others = torch.cat([rises[:1], rises[2:]])
        yield below(
            f"cut any other offset, {name}", float(others.max()), 0.1, unit="nats",
            sentence=f"the largest rise of the {len(others)} other offsets",
        )  # fmt: skip
    for inputs in ("queries", "values"):
        rise = float(cut_rises(model, periodic, inputs, [1])[0])
        sentence = f"the same cut into the {inputs} of layer 1"
        yield figure(f"cut offset 1 into {inputs}", rise, unit="nats", sentence=sentence, digits=1)
    before, again = previous_attention(model, periodic), induction_attention(model, periodic)
    for head, value in enumerate(before.tolist()):
        yield figure(f"head 0.{head}, previous token", value, sentence="mean attention to the position before")
    for head, value in enumerate(again.tolist()):
        sentence = "mean attention to what followed the token before, where one can be known"
        yield figure(f"head 1.{head}, induction", value, sentence=sentence)
    yield at_least(
        "match matrix, top-1", top_of_matches(model), 0.9, digits=0, unit="%",
        sentence="tokens whose query finds, among all tokens moved by one place into the keys, itself first",
    )  # fmt: skip
    behind_bos = data.periodic(COUNT, generator)
    for step in zoo.checkpoints("attention-only"):
        early = zoo.load(f"attention-only@{step}").to(model.embed.W_E.device)
        loss = announced_loss(early, behind_bos)
        sentence = "of the checkpoint, where segments begin behind BOS"
        yield figure(f"step {step}, loss, periodic", loss, unit="nats", sentence=sentence, digits=1)


@torch.no_grad()
def announced_loss(model: GPT2, sequences: data.Sequences) -> float:
    """The mean loss of the tokens that can be known, in nats."""
    device = model.embed.W_E.device
    return float(losses(model, sequences.tokens.to(device))[sequences.announced[:, 1:].to(device)].mean())


def first_places(bigrams: data.Sequences) -> Tensor:
    """Where the pair that comes again stands the first time, (sequence,): the position of its first token."""
    second = bigrams.announced.float().argmax(1, keepdim=True)  # (sequence, 1), of the second time
    same = bigrams.tokens == bigrams.tokens.gather(1, second - 1)  # (sequence, position)
    return same.float().argmax(1)


@torch.no_grad()
def moved(model: GPT2, tokens: Tensor, offset: int) -> Tensor:
    """What the heads of layer 0 move from each position to the one `offset` further: (batch, position, d_model)."""
    return _moved(model, *_first_layer(model, tokens)[1:], offset)


def _first_layer(model: GPT2, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The residual stream after layer 0, and that layer's patterns and values."""
    names = ["blocks.0.attn.hook_pattern", "blocks.0.attn.hook_v"]
    residual, cache = model.run_with_cache(tokens, names, stop_at_layer=1)
    return residual, cache[names[0]], cache[names[1]]


def _moved(model: GPT2, pattern: Tensor, v: Tensor, offset: int) -> Tensor:
    """pattern: (batch, head, query, key). v: (batch, position, head, d_head)."""
    length = pattern.shape[-1]
    share = pattern.diagonal(-offset, -2, -1)  # (batch, head, length - offset), at queries from `offset` on
    written = torch.einsum("bhp,bphd,hdm->bpm", share, v[:, : length - offset], model.blocks[0].attn.W_O)
    return F.pad(written, (0, 0, offset, 0))  # (batch, position, d_model)


@torch.no_grad()
def cut_rises(model: GPT2, sequences: data.Sequences, inputs: str, offsets: list[int] | None = None) -> Tensor:
    """How much the loss rises, in nats, when an offset is cut: (offset,), all of them when None.

    Cutting offset k takes what layer 0's heads moved by k places from the inputs of all of layer 1's heads' keys (or
    queries, or values), and leaves the residual stream itself and the other inputs as they are. A model that guesses
    evenly has lost all; a loss above that is not counted, since it tells of surprise at odd inputs.
    """
    tokens = sequences.tokens.to(model.embed.W_E.device)
    known = sequences.announced[:, 1:].to(tokens.device)
    residual, pattern, v = _first_layer(model, tokens)

    def loss(offset: int | None) -> float:
        cut = [] if offset is None else [(f"blocks.1.{INPUTS[inputs]}", _without(_moved(model, pattern, v, offset)))]
        logits = model.run_with_hooks(residual, cut, start_at_layer=1)
        return float(F.cross_entropy(logits[:, :-1][known], tokens[:, 1:][known]))

    asked = range(tokens.shape[1] - 1) if offsets is None else offsets
    return torch.tensor([min(loss(offset), GUESS) for offset in asked]) - loss(None)


def _without(part: Tensor) -> Hook:
    """A hook that takes `part`, (batch, position, d_model), from the input of every head."""
    return lambda value, point: value - part.unsqueeze(2)


@torch.no_grad()
def previous_attention(model: GPT2, sequences: data.Sequences) -> Tensor:
    """The mean attention of layer 0's heads to the position before, from the third position on: (head,)."""
    name = "blocks.0.attn.hook_pattern"
    _, cache = model.run_with_cache(sequences.tokens.to(model.embed.W_E.device), [name], stop_at_layer=1)
    return cache[name].diagonal(-1, -2, -1)[..., 1:].mean((0, 2))


@torch.no_grad()
def induction_attention(model: GPT2, sequences: data.Sequences) -> Tensor:
    """The mean attention of layer 1's heads to all earlier places that the same token stood before: (head,).

    Queries are the positions whose next token can be known.
    """
    name, tokens = "blocks.1.attn.hook_pattern", sequences.tokens.to(model.embed.W_E.device)
    _, cache = model.run_with_cache(tokens, [name])
    length = tokens.shape[1]
    before = F.pad(tokens[:, :-1], (1, 0), value=-1)  # (batch, key): the token in front of each key
    right = (tokens[:, :, None] == before[:, None]) & torch.ones(length, length, device=tokens.device).tril().bool()
    asked = F.pad(sequences.announced[:, 1:].to(tokens.device), (0, 1))  # (batch, query)
    attention = (cache[name] * right[:, None]).sum(-1)  # (batch, head, query)
    return (attention * asked[:, None]).sum((0, 2)) / asked.sum()


@torch.no_grad()
def matches(model: GPT2) -> Tensor:
    """Scores between tokens at layer 1's queries and tokens that layer 0 moved into its keys: (query, key).

    Summed over the heads of both layers, BOS left out. A key's token is moved by each head of layer 0 in proportion to
    that head's attention to the position before.
    """
    first, second, W_E = model.blocks[0].attn, model.blocks[1].attn, model.embed.W_E[1:]
    sequences = data.bigrams(COUNT, torch.Generator().manual_seed(-3))
    share = previous_attention(model, sequences)  # (head,)
    keys = torch.einsum("h,tm,hmd,hdn->tn", share, W_E, first.W_V, first.W_O)  # (token, d_model)
    q, k = torch.einsum("tm,gmd->gtd", W_E, second.W_Q), torch.einsum("tm,gmd->gtd", keys, second.W_K)
    return torch.einsum("gqd,gkd->qk", q, k) / second.W_Q.shape[-1] ** 0.5


def top_of_matches(model: GPT2) -> float:
    """The share of tokens whose best match is the token itself."""
    found = matches(model).argmax(1)
    return float((found == torch.arange(len(found), device=found.device)).float().mean())

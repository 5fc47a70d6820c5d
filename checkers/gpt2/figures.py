"""The live figures of chapter `gpt2`: what each asks of the learner's code, and on what."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from torch import Tensor

from headwork.checkers.figure import Choice, Figure, Knob, Words
from headwork.checkers.gpt2.tables import write_ranks, write_tokens
from headwork.checkers.probing import Model

if TYPE_CHECKING:
    from headwork.models.gpt2 import GPT2
    from headwork.models.tokenizer import Tokenizer

SENTENCES = (
    "Tom and Mary went to the market. Tom gave a book to Mary.",
    "The king saw a dog. The dog saw the king.",
)
HEADS = {"layer 0, head 0": (0, 0), "layer 1, head 0": (1, 0), "layer 3, head 1": (3, 1), "layer 4, head 3": (4, 3)}
PROMPTS = ("Mary and John went to the store. John", "Anna was", "He", "The king was very")
LIKELIEST = 20  # tokens that the sampling figure shows, and draws from


@lru_cache
def _house() -> "tuple[GPT2, Tokenizer]":
    from headwork.models.zoo import load

    model = load("house")
    assert model.tokenizer
    return model, model.tokenizer


@lru_cache(maxsize=64)
def _queries_and_keys(sentence: str, layer: int) -> tuple[list[str], Tensor, Tensor]:
    """The sentence's tokens, and every head's queries and keys, (1, position, head, d_head)."""
    model, tokenizer = _house()
    tokens = tokenizer.to_tokens(sentence)
    names = [f"blocks.{layer}.attn.hook_q", f"blocks.{layer}.attn.hook_k"]
    _, cache = model.run_with_cache(tokens, names)
    words = ["(start)", *tokenizer.str_tokens(sentence)[1:]]
    return words, cache[names[0]].detach(), cache[names[1]].detach()


def _head_of(sentence: str, head: str) -> dict[str, Any]:
    layer, index = HEADS[head]
    words, q, k = _queries_and_keys(sentence, layer)
    return {"words": words, "q": q[:, :, [index]].double(), "k": k[:, :, [index]].double()}


@lru_cache
def _next_tokens(prompt: str) -> tuple[list[str], Tensor]:
    """The likeliest next tokens and their logits, (1, token), in the order of the vocabulary."""
    model, tokenizer = _house()
    logits = model(tokenizer.to_tokens(prompt))[0, -1].detach().double()
    tokens = logits.topk(LIKELIEST).indices.sort().values
    return [tokenizer.decode([int(token)]) for token in tokens], logits[tokens][None]


def _one_row(prompt: str, way: str, temperature: float, k: float, p: float) -> dict[str, Any]:
    words, logits = _next_tokens(prompt)
    amount = {"temperature": temperature, "top_k": int(k), "top_p": p}[way]
    return {"words": words, "logits": logits, "way": way, "amount": amount, "draws": 4000, "seed": 0}


def story(prompt: str, p: float, seed: int, model: str = "house") -> dict[str, Any]:
    """What the learner's file is given to write a story with: a model by name, its tokenizer as tables, a prompt.

    Raises KeyError when there is no such model.
    """
    tokenizer, merges, vocabulary = _tables(model)
    return {
        "model": Model(model),
        "prompt": " " * tokenizer.begins_with_space + prompt,
        "tokens": [tokenizer.bos, *tokenizer.encode(prompt)],
        "bos": tokenizer.bos,
        "merges": merges,
        "vocabulary": vocabulary,
        "p": p,
        "seed": int(seed),
        "new": 200,
    }


@lru_cache
def _tables(model: str) -> "tuple[Tokenizer, str, str]":
    """The model's tokenizer, and its tables as the probes read them."""
    from headwork.models.tokenizer import Tokenizer
    from headwork.models.zoo import folders

    tokenizer = Tokenizer(folders()[model] / "tokenizer.json")
    return tokenizer, write_ranks(tokenizer.merges()), write_tokens(tokenizer.vocabulary())


FIGURES = {
    "visible_keys": Figure(
        ("causal_mask",),
        lambda queries, keys: {"queries": int(queries), "keys": int(max(queries, keys))},
        (Knob("queries", "queries", 1, 12, 1, 6), Knob("keys", "keys", 1, 12, 1, 9)),
    ),
    "one_head": Figure(
        ("attention_pattern",),
        _head_of,
        (Choice("sentence", "sentence", SENTENCES), Choice("head", "head", tuple(HEADS))),
    ),
    "sampling_distribution": Figure(
        lambda way, **_: (way,),
        _one_row,
        (
            Choice("prompt", "after", PROMPTS),
            Choice("way", "by", ("temperature", "top_k", "top_p")),
            Knob("temperature", "temperature", 0, 3, 0.1, 1, only_with="temperature"),
            Knob("k", "k", 1, LIKELIEST, 1, 5, only_with="top_k"),
            Knob("p", "p", 0.05, 1, 0.05, 0.9, only_with="top_p"),
        ),
    ),
    "story": Figure(
        ("GPT2", "load_pretrained", "top_p"),
        story,
        (
            Words("prompt", "begins with", "Once upon a time there was a"),
            Knob("p", "p", 0.05, 1, 0.05, 0.7),
            Knob("seed", "seed", 0, 99, 1, 4),
        ),
        optional=("forward_with_cache", "bpe_encode", "bpe_decode"),
        seconds=60,
    ),
}

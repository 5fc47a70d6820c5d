"""`induction.path_decomposition`: the logits of an attention-only model as a sum over paths through its heads."""

from collections.abc import Iterator
from typing import Any

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.induction.networks import ATTENTION_ONLY, SHAPES, described
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case
from headwork.models.config import Config

ask = Exercise("path_decomposition", batch=["tokens"], seconds=30)

PLAIN: dict[str, Any] = {"attn_only": True, "layer_norm": False, "biases": False, "tied": False}


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    shapes = {
        "two layers": SHAPES["attention only"],
        "one layer": Config(d_vocab=7, n_ctx=6, d_model=9, n_heads=3, d_mlp=2, n_layers=1, **PLAIN),
        "three layers of two heads": Config(d_vocab=8, n_ctx=7, d_model=10, n_heads=2, d_mlp=2, n_layers=3, **PLAIN),
        "tied": Config(d_vocab=6, n_ctx=5, d_model=8, n_heads=2, d_mlp=3, n_layers=2, **{**PLAIN, "tied": True}),
    }
    for (name, config), shape in zip(shapes.items(), [(2, 5), (3, 4), (1, 6), (4, 3)], strict=True):
        yield Case(name, model=described(rng, config), tokens=rng.integers(shape, config.d_vocab))
    yield Case("the model attention-only", model=ATTENTION_ONLY, tokens=rng.integers((2, 9), 256))


ask.checks(
    equal("logits of each path", title="gives every path its logits", weight=3),
    equal("paths", title="names every path by its heads, the earliest first"),
    equal("sum", title="the paths sum to the model's logits"),
)

LOOP = "        for path, stream in list(streams.items()):\n"

WHOLE = "Every head reads the whole stream here: a path follows what one part wrote."

ask.mistakes(
    edit(
        "cache[name], stream, attn.W_V)",
        "cache[name], model(tokens, stop_at_layer=layer), attn.W_V)",
        WHOLE,
    ),
    edit(
        "cache[name], stream, attn.W_V)",
        "cache[name][:1], stream, attn.W_V)",
        "The patterns of the first text are used for all of them: each text has its own.",
    ),
    edit(
        "attn.hook_pattern",
        "attn.hook_attn_scores",
        "These are scores, before the softmax: what a head gathers by is its pattern.",
    ),
    edit(
        "stream @ model.unembed.W_U for",
        "stream @ model.embed.W_E.T for",
        "The embedding transposed is not the unembedding of a model that is not tied: use W_U.",
    ),
    edit(
        "stream @ model.unembed.W_U for",
        "(stream @ model.unembed.W_U).log_softmax(-1) for",
        "These are log-probabilities, which do not add up: return the logits.",
    ),
    edit(
        "model(tokens, stop_at_layer=0)}",
        "model.embed(tokens)}",
        "The position's vector is missing: paths begin with the embedding of token and position.",
    ),
    edit(
        "    return {path: stream @ model.unembed.W_U for path, stream in streams.items()}",
        "    return {path: stream @ model.unembed.W_U for path, stream in streams.items() if path}",
        "The direct path is missing: the embedding itself reaches the logits, under the name ().",
    ),
    edit(
        "    return {path: stream @ model.unembed.W_U for path, stream in streams.items()}",
        "    return {path: stream @ model.unembed.W_U for path, stream in streams.items() if len(path) < 2}",
        "Paths through more than one head are missing: what a head writes is read by those of later layers.",
    ),
    edit(
        LOOP,
        LOOP.replace("list(streams.items())", "[((), sum(streams.values()))]"),
        WHOLE,
    ),
    edit(
        "streams[*path, (layer, head)] = written",
        "streams[*path, (layer, head)] = stream + written",
        "What a head read is added to what it writes: a path through it holds what it writes, and the path past it is "
        "another one.",
    ),
    edit(
        "streams[*path, (layer, head)]",
        "streams[(layer, head), *path]",
        "The heads of a path are named in reverse: the earliest comes first.",
    ),
    edit(
        "streams[*path, (layer, head)]",
        "streams[*path, (head, layer)]",
        "A head is named (layer, head), the layer first.",
    ),
    edit(
        '"bhqk,bkm,hmd->bhqd", cache[name]',
        '"bhkq,bkm,hmd->bhqd", cache[name]',
        "The pattern is used transposed: a query gathers from its keys.",
    ),
    edit(
        "stream @ model.unembed.W_U for",
        "stream for",
        "These are streams, of width d_model: carry them through the unembedding.",
    ),
    edit(
        "cache[name], stream, attn.W_V)",
        "model.run_with_cache(stream.softmax(-1).argmax(-1), [name])[1][name], stream, attn.W_V)",
        "The patterns are computed anew for each path: freeze those of the run on the tokens.",
    ),
    edit(
        'enumerate(torch.einsum("bhqd,hdm->hbqm", z, attn.W_O))',
        'enumerate(torch.einsum("bhqd,hdm->hbqm", z, attn.W_O.flip(0)))',
        "Heads write through each other's W_O: head 0 has W_O[0].",
    ),
    edit(
        "for layer, name in enumerate(names):",
        "for layer, name in reversed(list(enumerate(names))):",
        "The layers are taken from the last to the first: a head reads what earlier layers wrote.",
    ),
)

"""`induction.effective_embedding`: what stands in the residual stream for a token once block 0 has run."""

from collections.abc import Iterator
from typing import Any

from headwork.checkers.checks import claim, equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.induction.networks import ATTENTION_ONLY, HOUSE, SHAPES, described
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case
from headwork.models.config import Config

ask = Exercise("effective_embedding", batch=["contexts"], seconds=120)

LARGE = Config(d_vocab=211, n_ctx=9, d_model=8, n_heads=2, d_mlp=11, n_layers=2)
ANY = 1 << 40


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, shape, (count, before), chunk in [
        ("two contexts", "a small GPT-2", (2, 4), 5),
        ("alone, at position 0", "untied, with ReLU", (1, 0), 4),
        ("after one token", "attention only", (3, 1), 100),
        ("five contexts, one token at a time", "one head, no biases", (5, 3), 1),
    ]:
        contexts = rng.integers((count, before), SHAPES[shape].d_vocab)
        yield Case(name, model=described(rng, SHAPES[shape]), contexts=contexts, chunk=chunk, most=ANY)
    contexts = rng.integers((3, 4), LARGE.d_vocab)
    yield Case("a larger vocabulary", model=described(rng, LARGE), contexts=contexts, chunk=16, most=6000)
    contexts = rng.integers((2, 3), 256)
    yield Case("the model attention-only", model=ATTENTION_ONLY, contexts=contexts, chunk=100, most=ANY)
    yield Case("the house model", model=HOUSE, contexts=rng.integers((2, 1), 1792), chunk=600, most=1_500_000)


def _too_large(value: Any, case: Case) -> str:
    """A claim, so that a mistake is named only by one that makes a tensor of the same size."""
    if value <= case.most:
        return ""
    return (
        f"a tensor of {value} numbers is made, the bar is {case.most}: run `chunk` tokens of the vocabulary at a time, "
        "and no further than block 0"
    )


ask.checks(
    equal(
        "embedding", title="gives each token the residual stream after block 0, averaged over the contexts", weight=2
    ),
    claim("largest tensor", _too_large, title="runs at most `chunk` tokens of the vocabulary at once"),
)

STOP = "stop_at_layer=1)[:, -1]"
RESIDUAL = "residual = model(texts, stop_at_layer=1)[:, -1]"
TEXTS = "texts = torch.cat([ahead, last], -1).flatten(0, 1)"
NORMALISED = "The stream was normalised: return it as it is; who reads it normalises it."
SWAPPED = "Tokens and contexts change places: rows run over all contexts of one token, then of the next."
MEAN = ".mean(1))  # (token, d_model)"

ask.mistakes(
    edit(STOP, "stop_at_layer=0)[:, -1]", "This is the stream before block 0, the raw embedding: stop before block 1."),
    edit(
        STOP,
        "stop_at_layer=min(2, model.config.n_layers))[:, -1]",
        "This is the stream after block 1: `stop_at_layer=1` stops before block 1, so that only block 0 has run.",
    ),
    edit(
        STOP,
        "stop_at_layer=model.config.n_layers)[:, -1]",
        "The whole model has run: `stop_at_layer=1` ends after block 0.",
    ),
    edit(
        RESIDUAL,
        "residual = model.ln_final(model(texts, stop_at_layer=1)[:, -1])",
        NORMALISED,
    ),
    edit(RESIDUAL, "residual = model.blocks[1].ln1(model(texts, stop_at_layer=1)[:, -1])", NORMALISED),
    edit(
        MEAN,
        ".mean(1))  # (token, d_model)\n    parts = [model.blocks[1].ln1(part) for part in parts]",
        NORMALISED,
    ),
    edit(
        "return torch.cat(parts)",
        "return torch.cat(parts) - torch.cat(parts).mean(0)",
        "The mean over the vocabulary is taken off: return the stream as it is.",
    ),
    edit(
        RESIDUAL,
        "residual = model.embed.W_E[texts[:, -1]].detach()",
        "This is the raw embedding: run block 0 on the text, and take the stream behind it.",
    ),
    edit(
        RESIDUAL,
        "residual = model.blocks[0](model.embed.W_E[texts])[:, -1]",
        "Block 0 reads W_E alone: the vectors of the positions are part of the stream, let the model embed the text.",
    ),
    edit(
        RESIDUAL,
        "residual = model.embed.W_E[texts[:, -1]]\n"
        "            if not model.config.attn_only:\n"
        "                residual = residual + model.blocks[0].mlp(model.blocks[0].ln2(residual))",
        "Only the MLP of block 0 is run, on the token's own embedding: its heads write too, and they see the context.",
    ),
    edit(
        "torch.cat([ahead, last], -1)",
        "torch.cat([torch.zeros_like(last), ahead, last], -1)",
        "A token 0 is put before the contexts: they are whole, so add nothing to them.",
    ),
    edit(
        TEXTS,
        "texts = torch.cat([contexts.repeat(len(tokens), 1), tokens.repeat(count)[:, None]], -1)",
        "Contexts and tokens are repeated in the same order, so not each meets each: repeat one as a whole and the "
        "other entry by entry.",
    ),
    edit(TEXTS, TEXTS.replace("[ahead, last], -1)", "[ahead, last], -1).transpose(0, 1)"), SWAPPED),
    edit(
        RESIDUAL,
        "residual = model(texts, stop_at_layer=1)[:, -1] - model(texts, stop_at_layer=0)[:, -1]",
        "This is what block 0 adds: the token's own embedding is part of the stream too.",
    ),
    edit(
        "[:, -1]  # (token",
        "[:, 0]  # (token",
        "This is the stream of the context's first token: take the last position.",
    ),
    edit(
        STOP + "  # (token context, d_model)",
        "stop_at_layer=1).mean(1)  # (token context, d_model)",
        "The average runs over positions: take the last position, and average over the contexts.",
    ),
    edit(MEAN, ".sum(1))  # (token, d_model)", "The contexts are summed: take their mean."),
    edit(MEAN, "[:, 0])  # (token, d_model)", "Only the first context counts: average over all of them."),
    edit(
        "torch.cat([ahead, last], -1)",
        "torch.cat([last, ahead], -1)",
        "The token stands before its context, where it sees none of it: put it last.",
    ),
    edit(
        "torch.cat([ahead, last], -1)",
        "torch.cat([ahead[..., :0], last], -1)",
        "The contexts are not used: the token has to stand after each of them.",
    ),
    edit(
        "            parts.append(",
        "            if len(tokens) == chunk:\n                parts.append(",
        "The last tokens of the vocabulary are missing when `chunk` does not divide it.",
    ),
    edit(
        RESIDUAL,
        'residual = model.run_with_cache(texts, ["blocks.0.hook_resid_post"])[1]["blocks.0.hook_resid_post"][:, -1]',
        "The model runs on to its logits, which are as many as the vocabulary has tokens: stop it after block 0.",
    ),
    edit(
        ".split(chunk)",
        ".split(model.config.d_vocab)",
        "The whole vocabulary is run at once: take `chunk` tokens at a time.",
    ),
    edit(".split(chunk)", ".split(256)", "The number 256 is written into the code: use `chunk`."),
    edit(
        ".unflatten(0, (len(tokens), count)).mean(1)",
        ".unflatten(0, (count, len(tokens))).mean(0)",
        SWAPPED,
    ),
)

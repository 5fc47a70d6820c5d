"""`induction.copying_score`: how much a head raises the logit of what it attends to."""

from collections.abc import Iterator
from typing import Any

from headwork.checkers.checks import equal, satisfies
from headwork.checkers.exercise import Exercise, edit, replace
from headwork.checkers.induction.networks import ATTENTION_ONLY, HOUSE, SHAPES, described
from headwork.checkers.induction.planted import repeated
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case
from headwork.models.config import Config

ask = Exercise("copying_score", batch=["tokens"], seconds=30)

# More heads in all than d_model: a product (batch, position, head, d_model) @ W_U may copy W_U for every position, and
# that must count for less than the logits of all heads.
MANY_HEADS = Config(d_vocab=199, n_ctx=7, d_model=12, n_heads=6, d_mlp=3, n_layers=8, tied=False)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for shape, batch, length in [
        ("a small GPT-2", 4, 9),
        ("attention only", 3, 7),
        ("untied, with ReLU", 2, 8),
        ("one head, no biases", 1, 6),
    ]:
        tokens = rng.integers((batch, length), SHAPES[shape].d_vocab)
        yield Case(shape, model=described(rng, SHAPES[shape]), tokens=tokens, most=0)
    yield Case("the model attention-only", model=ATTENTION_ONLY, tokens=rng.integers((2, 5), 256), most=0)
    tokens = rng.integers((2, 5), MANY_HEADS.d_vocab)
    most = tokens.numel() * MANY_HEADS.n_layers * MANY_HEADS.n_heads * MANY_HEADS.d_vocab
    yield Case("many heads", model=described(rng, MANY_HEADS), tokens=tokens, most=most)
    tokens = repeated(rng, 2, 7, 1792, 1)["tokens"]
    yield Case("house", model=HOUSE, tokens=tokens, most=0)


def _too_large(value: Any, case: Case) -> str:
    if not case.most or (isinstance(value, int) and value < case.most):
        return ""
    return (
        f"a tensor of {value:,} numbers is made: with a logit for every head of every layer, every position and every "
        "token at once, GPT-2 would need a hundred times more. Go layer by layer at least"
    )


ask.checks(
    equal(
        "score", title="is the logit of the token attended to, in deviations above the mean of the vocabulary", weight=3
    ),
    satisfies("largest tensor", _too_large, title="never holds the logits of all heads of all layers at once"),
)

GAIN = "W_O = centred * model.ln_final.w"
RATIO = "(own / variance.sqrt()).mean((1, 2))"
LOGITS = "logits = written @ model.unembed.W_U"
SCORE = "score = (own - logits.mean(-1)) / logits.std(-1, correction=0)"
BY_LAYER = f"""
import torch

def copying_score(model, tokens):
    _, cache = model.run_with_cache(tokens, lambda name: name.endswith("hook_v"))
    rows = []
    for layer, block in enumerate(model.blocks):
        written = torch.einsum("bphd,hdm->bphm", cache[f"blocks.{{layer}}.attn.hook_v"], block.attn.W_O)
        raw = written
        if model.config.layer_norm:
            written = (written - written.mean(-1, keepdim=True)) * model.ln_final.w
        {LOGITS}
        own = logits.gather(-1, tokens[:, :, None, None].expand(*logits.shape[:-1], 1))[..., 0]
        {SCORE}
        rows.append(score.mean((0, 1)))
    return torch.stack(rows)
"""
BIASES = (
    "The shift of the final norm or the unembedding's bias is in the logits: they belong to no head, so take its gain "
    "and W_U alone."
)
MEAN = "The mean over the vocabulary is not taken off: a head that raises all tokens alike copies nothing."

ask.mistakes(
    replace(BY_LAYER.replace(LOGITS, "logits = model.unembed(model.ln_final(raw))"), BIASES),
    replace(BY_LAYER.replace(LOGITS, "logits = model.ln_final(raw) @ model.unembed.W_U"), BIASES),
    replace(BY_LAYER.replace(LOGITS, "logits = model.unembed(written)"), BIASES),
    replace(BY_LAYER.replace("* model.ln_final.w", "* model.ln_final.w + model.ln_final.b"), BIASES),
    replace(
        BY_LAYER.replace(SCORE, "score = (logits.argmax(-1) == tokens[..., None]).to(logits.dtype)"),
        "This counts how often the token attended to is raised most: the score is how far its logit lies above the "
        "mean, in standard deviations.",
    ),
    replace(
        BY_LAYER.replace(SCORE, "score = own.sub(logits.logsumexp(-1)).exp()"),
        "These are probabilities: the score is the logit, in standard deviations above the mean of all tokens'.",
    ),
    replace(
        BY_LAYER.replace(SCORE, "score = own - logits.logsumexp(-1)"),
        "These are log-probabilities: the score is the logit, in standard deviations above the mean of all tokens'.",
    ),
    replace(
        BY_LAYER.replace(
            SCORE,
            "of_head = logits.transpose(2, 3).flatten(0, 2)\n"
            "        score = (own - of_head.mean(0)) / of_head.std(0, correction=0)",
        ),
        "One mean and one spread are taken over all positions: each position's logits have their own, over the "
        "vocabulary.",
    ),
    edit(
        "W_O - W_O.mean(-1, keepdim=True)",
        "W_O",
        "What the head writes is not centred: the final norm takes the mean off every vector before it is read.",
    ),
    edit(
        "W_O - W_O.mean(-1, keepdim=True)",
        "W_O - W_O.mean(-2, keepdim=True)",
        "The mean is taken over d_head: the norm takes the mean over d_model, the last axis of W_O.",
    ),
    edit(
        GAIN,
        "W_O = centred",
        "The gain of the final norm, ln_final.w, is missing: it scales what the unembedding reads.",
    ),
    edit(
        "written, W_U.T[tokens])",
        "written, model.unembed.W_U.T[tokens])",
        MEAN,
    ),
    edit(
        "if model.config.layer_norm:",
        "if False:",
        "The final norm is left out: a head's output is centred and scaled by it.",
    ),
    edit(
        "    W_U = W_U - W_U.mean(-1, keepdim=True)",
        "    W_U = W_U * 1",
        MEAN,
    ),
    edit(
        "    W_U = W_U - W_U.mean(-1, keepdim=True)",
        "    W_U = W_U - W_U.mean(0, keepdim=True)",
        "The mean is taken over d_model: take it over the vocabulary, the last axis of W_U.",
    ),
    edit(
        "(own / variance.sqrt()).mean((1, 2))",
        "(own / variance).mean((1, 2))",
        "The logit is divided by the variance: divide by its root, the standard deviation.",
    ),
    edit(
        "(own / variance.sqrt()).mean((1, 2))",
        "own.mean((1, 2))",
        "The logit is not divided by the spread over the vocabulary, so a head that writes more seems to copy more.",
    ),
    edit(
        "W_U @ W_U.T / W_U.shape[1]",
        "W_U @ W_U.T / (W_U.shape[1] - 1)",
        "The spread divides by n - 1: the vocabulary is no sample of another one, so divide by n.",
    ),
    edit(
        "W_U.T[tokens]",
        "W_U.T[tokens.roll(-1, 1)]",
        "The logit of the token after it is looked up: take the token at the position that is attended to.",
    ),
    edit(
        'name.endswith("hook_v")',
        'name.endswith("hook_z")',
        "hook_z is a mixture of what the head attends to in this text: take hook_v, what each position would "
        "give alone.",
    ),
    edit(
        "(own / variance.sqrt()).mean((1, 2))",
        "(own.mean((1, 2)) / variance.mean((1, 2)).sqrt())",
        "Logits and spreads are averaged by themselves: divide at each position, then average.",
    ),
    edit(
        "(own / variance.sqrt()).mean((1, 2))",
        "(own / variance.sqrt())[:, :1].mean((1, 2))",
        "Only the first text of the batch counts: average over all of them.",
    ),
    edit(
        "(own / variance.sqrt()).mean((1, 2))",
        "(own / variance.sqrt())[:, :, 1:].mean((1, 2))",
        "The first position is left out: the mean is over all of them.",
    ),
    edit(
        "(own / variance.sqrt()).mean((1, 2))",
        "(own / variance.sqrt()).mean((1, 2, 3))",
        "The heads are averaged: each head gets a score of its own.",
    ),
)

"""`induction.logit_attribution`: what each part of the stream adds to a token's logit, at a frozen scale."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.induction.networks import ATTENTION_ONLY, HOUSE, SHAPES, described
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("logit_attribution", seconds=30)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, shape, parts, batch, length, centre, spread in [
        ("a small GPT-2", "a small GPT-2", 5, 4, 6, 0.7, 1.7),
        ("no norm, no biases", "attention only", 6, 2, 5, 1, 1.3),
        ("a bias of the unembedding, a large eps", "untied, with ReLU", 4, 3, 7, 2, 0.6),
        ("one part, a stream near nothing", "one head, no biases", 1, 2, 3, 0.002, 0.004),
        ("one text", "a small GPT-2", 3, 1, 4, 0.2, 1.1),
    ]:
        config = SHAPES[shape]
        width = config.d_model
        yield Case(
            name,
            model=described(rng, config),
            residual=rng.normal((batch, length, width), centre, spread),
            parts=rng.normal((parts, batch, length, width), centre),
            targets=rng.integers((batch, length), config.d_vocab),
            cotangent=rng.normal((parts, batch, length)),
        )
    yield Case(
        "attention-only",
        model=ATTENTION_ONLY,
        residual=rng.normal((3, 4, 128), 0.5, 3),
        parts=rng.normal((5, 3, 4, 128), 0.3),
        targets=rng.integers((3, 4), 256),
        cotangent=rng.normal((5, 3, 4)),
    )
    yield Case(
        "house",
        model=HOUSE,
        residual=rng.normal((2, 5, 128), 0.5, 3),
        parts=rng.normal((6, 2, 5, 128), 0.3),
        targets=rng.integers((2, 5), 1792),
        cotangent=rng.normal((6, 2, 5)),
    )


ask.checks(
    equal("shares", title="gives what each part adds to the target's logit", weight=3),
    equal("bias", title="gives what the biases add"),
    equal("gradient", title="gradients reach the parts"),
)

SCALE = "scale = (residual.var(-1, correction=0, keepdim=True) + norm.eps).sqrt()"
PARTS = "parts = (parts - parts.mean(-1, keepdim=True)) / scale * norm.w"

ask.mistakes(
    edit(
        SCALE,
        "scale = (parts.var(-1, correction=0, keepdim=True) + norm.eps).sqrt()",
        "Every part is divided by its own scale, as if it were alone: all are divided by that of the whole stream.",
    ),
    edit(
        SCALE,
        "scale = (parts.sum(0).var(-1, correction=0, keepdim=True) + norm.eps).sqrt()",
        "The scale is that of the sum of the parts, which may be only some of them: take it from `residual`.",
    ),
    edit(
        SCALE,
        "scale = (residual.var(-1, keepdim=True) + norm.eps).sqrt()",
        "The variance divides by n - 1: LayerNorm divides by n.",
    ),
    edit(
        SCALE,
        "scale = residual.var(-1, correction=0, keepdim=True).sqrt()",
        "eps is missing: it is added to the variance.",
    ),
    edit(
        SCALE,
        "scale = (residual.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()",
        "eps is written into the code: it is model.ln_final.eps.",
    ),
    edit(
        SCALE,
        "scale = (residual.square().mean(-1, keepdim=True) + norm.eps).sqrt()",
        "The stream is not centred before its size is taken: the scale is the root of its variance.",
    ),
    edit(
        SCALE,
        "scale = ((residual.var(-1, correction=0, keepdim=True) + norm.eps).sqrt()).mean()",
        "One scale is used for all: every position of every text has its own.",
    ),
    edit(
        PARTS,
        "parts = parts / scale * norm.w",
        "The parts are not centred: the norm takes the mean off the stream, and so off every part of it.",
    ),
    edit(
        PARTS,
        "parts = (parts - residual.mean(-1, keepdim=True)) / scale * norm.w",
        "Every part has the whole stream's mean taken off, so it is taken off many times: each loses its own.",
    ),
    edit(
        PARTS,
        "parts = (parts - parts.mean(-1, keepdim=True)) / scale",
        "The gain of the final norm, ln_final.w, is missing.",
    ),
    edit(
        PARTS,
        "parts = (parts - parts.mean(-1, keepdim=True)) / scale * norm.w + norm.b",
        "Every part gets the final norm's bias: it is added once, so it belongs to what the biases add.",
    ),
    edit(
        PARTS,
        "parts = (parts - parts.mean(-1, keepdim=True)) * norm.w",
        "The parts are not divided by the scale of the stream.",
    ),
    edit(
        "        bias = bias + read @ norm.b\n",
        "",
        "The final norm's bias, ln_final.b, is missing in what the biases add.",
    ),
    edit(
        "bias = model.unembed.b_U[targets]",
        "bias = torch.zeros_like(read[..., 0])",
        "The bias of the unembedding, b_U, is missing in what the biases add.",
    ),
    edit(
        SCALE,
        "scale = residual.var(-1, correction=0, keepdim=True).sqrt() + norm.eps",
        "eps is added to the root of the variance: it is added to the variance.",
    ),
    edit(
        PARTS,
        "parts = (parts * norm.w - (parts * norm.w).mean(-1, keepdim=True)) / scale",
        "The gain is multiplied in before the mean is taken off: the norm centres first.",
    ),
    edit(
        "read = model.unembed.W_U.T[targets]",
        "read = model.embed.W_E[targets]",
        "The parts are read by rows of the embedding: an untied model unembeds with columns of its own, those of W_U.",
    ),
    edit(
        "    read = model",
        "    targets = targets.roll(-1, 1)\n    read = model",
        "The targets are moved by one position: `targets` holds, at each position, the token whose logit is meant.",
    ),
    edit(
        'torch.einsum("cbpm,bpm->cbp", parts, read), bias',
        'torch.einsum("cbpm,bpm->cbp", parts, read) + bias / len(parts), bias',
        "The biases' share is dealt out to the parts: it belongs to none of them.",
    ),
    edit("if model.config.layer_norm:", "if True:", "The final norm is taken for granted: not every model has one."),
    edit(
        'torch.einsum("cbpm,bpm->cbp", parts, read), bias',
        'torch.einsum("cbpm,bpm->cbp", parts.detach(), read), bias',
        "The shares were cut from the graph (detach, .data or no_grad): gradients must reach the parts.",
    ),
    edit(
        'torch.einsum("cbpm,bpm->cbp", parts, read), bias',
        'torch.einsum("cbpm,bpm->cbp", parts, read - model.unembed.W_U.mean(-1)), bias',
        "The mean over the vocabulary is taken off: asked is the logit itself.",
    ),
)

"""`ioi.name_mover_copying`: how often a head that looks at a name would say it."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.ioi.questions import DONE_TO_THE_MODEL, questions
from headwork.checkers.ioi.questions import prompts as made_prompts
from headwork.checkers.probing import Case

ask = Exercise("name_mover_copying", batch=["clean", "at"], seconds=30)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for negative in (False, True):
        tops = iter((3, 1, 2, 4, 60) if negative else (2, 4, 3, 1, 30))
        for name, inputs in questions(rng):
            vocab, length = inputs["directions"].shape[1], inputs["clean"].shape[1]
            batch = 23 if name != "house" else 6
            clean = made_prompts(rng, vocab, batch, length)["clean"]
            case = {"model": inputs["model"], "directions": inputs["directions"], "clean": clean}
            at = rng.integers((batch,), length)
            at[0] = length - 2
            yield Case(f"{name}{', turned round' * negative}", at=at, top=next(tops), negative=negative, **case)


ask.checks(
    equal("shares", title="gives the share of prompts in which each head copies the name", weight=3),
    equal("the model is as it was", title=DONE_TO_THE_MODEL, weight=0.5),
)

STREAM = "stream = model(tokens, stop_at_layer=1)[rows, at]"
VALUES = 'torch.einsum("bm,hmd->hbd", block.ln1(stream), block.attn.W_V) + block.attn.b_V[:, None]'
LOGITS = "model.unembed(model.ln_final(-written if negative else written))"
TOP = "larger.sum(-1) < top"

ask.mistakes(
    edit(
        STREAM,
        "stream = model.embed(tokens)[rows, at]",
        "The head reads the raw embedding: in the network block 0 has worked on the name before anybody copies it, so "
        "read the stream that it leaves.",
    ),
    edit(
        STREAM,
        "stream = model(tokens, stop_at_layer=0)[rows, at]",
        "The head reads the stream before block 0: read the one after it.",
    ),
    edit(
        STREAM,
        "stream = model(tokens, stop_at_layer=model.config.n_layers)[rows, at]",
        "The head reads the last stream, where all has been done: read the one after block 0.",
    ),
    edit(
        STREAM,
        "stream = model(tokens, stop_at_layer=1)[:, -1]",
        "The last position is read: the name stands at `at`.",
    ),
    edit(
        "names = tokens[rows, at]",
        "names = tokens[:, -1]",
        "It is looked for the last token in place of the name at `at`.",
    ),
    edit(
        VALUES,
        VALUES.replace("block.ln1(stream)", "stream"),
        "The head reads the stream without its layer's LayerNorm: apply `ln1` first.",
    ),
    edit(
        VALUES,
        VALUES.replace("block.ln1(stream)", "block.ln1(model(tokens, stop_at_layer=len(shares))[rows, at])"),
        "Each head reads the stream before its own layer, in which earlier heads may have written: all are asked about "
        "the stream that block 0 leaves.",
    ),
    edit(
        VALUES,
        VALUES.replace("block.ln1", "model.blocks[0].ln1"),
        "All heads read through the LayerNorm of block 0: each layer has its own `ln1`.",
    ),
    edit(VALUES, VALUES.removesuffix(" + block.attn.b_V[:, None]"), "The values' bias b_V is left out."),
    edit(
        'written = torch.einsum("hbd,hdm->hbm", values, block.attn.W_O)',
        'written = torch.einsum("hbd,hdm->hbm", values, block.attn.W_O) + block.attn.b_O',
        "b_O is added to every head: it belongs to the layer and to no head.",
    ),
    edit(
        LOGITS,
        "model.unembed(model.ln_final(stream + (-written if negative else written)))",
        "The head's output is added to the stream, which holds the name already: unembed what the head writes alone.",
    ),
    edit(
        LOGITS,
        "model.unembed(-written if negative else written)",
        "The final LayerNorm is left out: what the head writes goes through `ln_final`.",
    ),
    edit(
        LOGITS,
        "model.unembed(model.ln_final(written))",
        "`negative` is not looked at: with it, what the head writes is turned round.",
    ),
    edit(
        LOGITS,
        "model.unembed(model.ln_final(written if negative else -written))",
        "`negative` is read the wrong way round: with it, what the head writes is turned round.",
    ),
    edit(
        LOGITS,
        "(-1 if negative else 1) * model.unembed(model.ln_final(written))",
        "The logits are turned round, and with them the biases of `ln_final` and `unembed`: turn what the head writes.",
    ),
    edit(TOP, "larger.sum(-1) <= top", "One too many counts: the top 5 are those that fewer than 5 tokens beat."),
    edit(TOP, "larger.sum(-1) < 5", "The top 5 count, whatever `top` is."),
    edit(
        TOP,
        "larger.sum(-1) == 0",
        "Only the very first token counts, whatever `top` is: the name has to be among the `top` largest.",
    ),
    edit(
        "return torch.stack(shares)",
        "return torch.stack(shares).mean(-1)",
        "The heads are averaged: each gets a share of its own, (layer, head).",
    ),
    edit(
        "return torch.stack(shares)",
        "return 100 * torch.stack(shares)",
        "These are percentages: return shares, between 0 and 1.",
    ),
)

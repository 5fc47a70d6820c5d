"""`ioi.attribute_heads`: what each head writes towards the right name, directly."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise
from headwork.checkers.inputs import Rng
from headwork.checkers.ioi.questions import DONE_TO_THE_MODEL, named_questions, of
from headwork.checkers.probing import Case

ask = Exercise("attribute_heads", batch=["clean", "end", "directions", "correct", "wrong"], seconds=30)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, inputs in named_questions(rng):
        yield Case(name, **inputs)


ask.checks(
    equal("values", title="gives what each head adds to the logit difference directly", weight=3),
    equal("the model is as it was", title=DONE_TO_THE_MODEL, weight=0.5),
)

PLAIN = """
import torch

@torch.no_grad()
def attribute_heads(model, tokens, end, correct, wrong):
    rows = torch.arange(len(tokens), device=tokens.device)
    depth, heads = model.config.n_layers, model.config.n_heads
    names = [f"blocks.{layer}.attn.hook_z" for layer in range(depth)]
    after, cache = model.run_with_cache(tokens, names, stop_at_layer=depth)
    last = after[rows, end]
    norm, W_U = model.ln_final, model.unembed.W_U
    direction = (W_U[:, correct] - W_U[:, wrong]).T
    values = []
    for layer, name in enumerate(names):
        for head in range(heads):
            z = cache[name][rows, end, head]
            written = z @ model.blocks[layer].attn.W_O[head]
            if model.config.layer_norm:
                scale = (last.var(-1, correction=0, keepdim=True) + norm.eps).sqrt()
                written = (written - written.mean(-1, keepdim=True)) / scale * norm.w
            values.append((written * direction).sum(-1))
    return torch.stack(values).unflatten(0, (depth, heads))
"""
wrong = of(PLAIN)
NORMED = "written = (written - written.mean(-1, keepdim=True)) / scale * norm.w"
WRITTEN = "written = z @ model.blocks[layer].attn.W_O[head]"
RESULT = "torch.stack(values).unflatten(0, (depth, heads))"

ask.mistakes(
    wrong(
        NORMED,
        "written = norm(written)",
        "Each head's output goes through a LayerNorm of its own, which gives all heads the same size: divide by the "
        "scale that the final LayerNorm found in the whole stream.",
    ),
    wrong(
        NORMED,
        "own = (written.var(-1, correction=0, keepdim=True) + norm.eps).sqrt()\n"
        "                written = (written - written.mean(-1, keepdim=True)) / own * norm.w",
        "The scale is computed from the head's own output: it is that of the whole stream, frozen.",
    ),
    wrong(
        NORMED,
        "written = (written - written.mean(-1, keepdim=True)) / scale * norm.w + norm.b",
        "The final LayerNorm's bias is added to every head: it belongs to none of them.",
    ),
    wrong(
        NORMED,
        "written = (written - written.mean(-1, keepdim=True)) / scale",
        "The final LayerNorm's weight `w` is left out.",
    ),
    wrong(
        NORMED, "written = written / scale * norm.w", "The head's output is not centred: LayerNorm subtracts the mean."
    ),
    wrong(
        NORMED,
        "written = (written - last.mean(-1, keepdim=True)) / scale * norm.w",
        "The mean of the whole stream is subtracted from every head: each head's output has its own mean.",
    ),
    wrong(NORMED, "pass", "The final LayerNorm is left out: divide by its scale and multiply by its `w`."),
    wrong(
        "last.var(-1, correction=0, keepdim=True)",
        "last.var(-1, keepdim=True)",
        "The variance divides by n - 1: LayerNorm divides by n.",
    ),
    wrong(
        "last = after[rows, end]",
        "last = after.mean(1)",
        "The scale is that of the mean over the positions: it is the one at the prompt's end.",
    ),
    wrong(
        WRITTEN,
        WRITTEN + " + model.blocks[layer].attn.b_O",
        "Every head is given b_O: it belongs to the layer and to no head.",
    ),
    wrong(
        WRITTEN,
        WRITTEN + " + model.blocks[layer].attn.b_O / heads",
        "b_O is split among the heads: it belongs to the layer and to no head.",
    ),
    wrong(
        "cache[name][rows, end, head]",
        "cache[name][:, -1, head]",
        "The last column is read for every prompt: shorter prompts end before it, and `end` says where.",
    ),
    wrong(
        "cache[name][rows, end, head]",
        "cache[name][:, :, head].sum(1)",
        "What the head writes at all positions is added up: only what it writes at the end is read there.",
    ),
    wrong(
        "(W_U[:, correct] - W_U[:, wrong]).T",
        "(W_U[:, wrong] - W_U[:, correct]).T",
        "The difference has the opposite sign: it is the right name's direction minus the wrong one's.",
    ),
    wrong(
        "(W_U[:, correct] - W_U[:, wrong]).T",
        "W_U[:, correct].T",
        "Only the right name's direction is used: subtract the wrong one's.",
    ),
    wrong(
        "(W_U[:, correct] - W_U[:, wrong]).T",
        "(W_U[:, correct] - W_U[:, wrong]).T.mean(0)",
        "One mean direction serves all prompts: each prompt has its own pair of names.",
    ),
    wrong(
        "return " + RESULT,
        "return " + RESULT + ".mean(-1)",
        "The mean over the prompts is taken: return a number for each prompt, (layer, head, batch).",
    ),
    wrong(
        "return " + RESULT, "return " + RESULT + ".mean(1)", "The heads are averaged: each gets a number of its own."
    ),
    wrong(
        "return " + RESULT, "return " + RESULT + ".transpose(0, 1)", "This is (head, layer, batch): layers come first."
    ),
)

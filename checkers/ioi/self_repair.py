"""`ioi.self_repair`: one head is replaced; what is lost, and what the others then write."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise
from headwork.checkers.inputs import Rng
from headwork.checkers.ioi.questions import (
    DONE_TO_THE_MODEL,
    heads_of,
    named_questions,
    of,
    planted_question,
    some_heads,
)
from headwork.checkers.probing import Case

ask = Exercise("self_repair", batch=["clean", "end", "directions", "correct", "wrong", "z"], seconds=30)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    made, inputs = planted_question(rng, "backup", 5)
    kept = {key: inputs[key] for key in ("model", "directions", "clean", "end")}
    names = {"correct": made.answers[:5, 0], "wrong": made.answers[:5, 1]}
    z = 0.1 * rng.normal((5, kept["clean"].shape[1], made.model.config.d_head))
    yield Case("a planted backup, the mover replaced", head=heads_of(made)[1], z=z, **kept, **names)
    for name, inputs in named_questions(rng):
        config = inputs["model"]["config"] if isinstance(inputs["model"], dict) else {"n_heads": 4, "d_model": 128}
        width = config["d_model"] // config["n_heads"]
        (head,) = some_heads(rng, inputs, 1) if name == "house" else [[0, config["n_heads"] - 1]]
        z = rng.normal((*inputs["clean"].shape, width), 0.3)
        yield Case(f"{name}, head {head[0]}.{head[1]}", head=head, z=z, **inputs)


ask.checks(
    equal("total", title="gives the change of the logit difference", weight=2),
    equal("changes", title="gives the change of each head's direct contribution", weight=2),
    equal("the model is as it was", title=DONE_TO_THE_MODEL, weight=0.5),
)

PLAIN = """
import torch

@torch.no_grad()
def self_repair(model, tokens, end, correct, wrong, head, z):
    rows = torch.arange(len(tokens), device=tokens.device)
    depth, n_heads = model.config.n_layers, model.config.n_heads
    norm, W_U = model.ln_final, model.unembed.W_U
    direction = (W_U[:, correct] - W_U[:, wrong]).T

    def put(value, point):
        value = value.clone()
        value[:, :, head[1]] = z
        return value

    hooks = [(f"blocks.{head[0]}.attn.hook_z", put)]
    old_logits, old = model.run_with_cache(tokens)
    with model.hooks(hooks):
        new_logits, new = model.run_with_cache(tokens)
    stream = f"blocks.{depth - 1}.hook_resid_post"

    def direct(cache, scaled_by):
        last = scaled_by[stream][rows, end]
        values = []
        for layer in range(depth):
            for each in range(n_heads):
                written = cache[f"blocks.{layer}.attn.hook_z"][rows, end, each] @ model.blocks[layer].attn.W_O[each]
                if model.config.layer_norm:
                    scale = (last.var(-1, correction=0, keepdim=True) + norm.eps).sqrt()
                    written = (written - written.mean(-1, keepdim=True)) / scale * norm.w
                values.append((written * direction).sum(-1))
        return torch.stack(values).unflatten(0, (depth, n_heads))

    def difference(logits):
        last = logits[rows, end]
        return last[rows, correct] - last[rows, wrong]

    total = difference(new_logits) - difference(old_logits)
    changes = direct(new, old) - direct(old, old)
    return total, changes
"""
wrong = of(PLAIN)
CHANGES = "changes = direct(new, old) - direct(old, old)"
TOTAL = "total = difference(new_logits) - difference(old_logits)"
PUT = "value[:, :, head[1]] = z"

ask.mistakes(
    wrong(
        CHANGES,
        "changes = direct(new, new) - direct(old, old)",
        "The scale is recomputed in the run without the head: then every head seems to change when the stream becomes "
        "smaller. Divide both by the scale of the untouched run.",
    ),
    wrong(
        CHANGES,
        "changes = direct(new, new) - direct(old, new)",
        "Both are divided by the scale of the run without the head: take that of the untouched run.",
    ),
    wrong(
        CHANGES,
        "changes = direct(new, old)",
        "These are the contributions themselves: return their change, without the head minus with it.",
    ),
    wrong(
        CHANGES,
        "changes = direct(old, old) - direct(new, old)",
        "The changes have the opposite sign: they are those of the run without the head minus those with it.",
    ),
    wrong(
        CHANGES,
        CHANGES + "\n    changes[head[0], head[1]] = 0",
        "The replaced head's own change is left out: it is what the others make up for, so return it too.",
    ),
    wrong(
        CHANGES,
        CHANGES + "\n    changes = changes.sum((0, 1))",
        "The changes are added up: each head gets its own, (layer, head, batch).",
    ),
    wrong(
        TOTAL,
        "total = (direct(new, old) - direct(old, old)).sum((0, 1))",
        "The total is taken to be the sum of the heads' direct changes: MLPs and the final scale change as well, so "
        "measure it at the logits.",
    ),
    wrong(
        TOTAL,
        "total = difference(old_logits) - difference(new_logits)",
        "The total has the opposite sign: it is the logit difference without the head minus that with it.",
    ),
    wrong(
        TOTAL,
        "total = difference(new_logits)",
        "This is the logit difference without the head: subtract that with it.",
    ),
    wrong(
        TOTAL,
        "total = new_logits[rows, end, correct] - old_logits[rows, end, correct]",
        "Only the right name's logit is followed: it is the logit difference that changes.",
    ),
    wrong(
        TOTAL,
        TOTAL + "\n    total = total.mean()",
        "The mean over the prompts is taken: keep a number for each prompt.",
    ),
    wrong(PUT, "value[:, :, head[1]] = 0", "The head is set to zero, whatever `z` is: put `z` in its place."),
    wrong(PUT, "value[:, :, head[1]] += z", "`z` is added to what the head gives: it takes its place."),
    wrong(
        PUT,
        "value[rows, end, head[1]] = z[rows, end]",
        "The head is replaced at the end alone: replace it at all positions, since later heads read them.",
    ),
    wrong(
        PUT,
        "value[:] = z[:, :, None]",
        "All heads of the layer are replaced: replace the one.",
    ),
    wrong(
        "last.var(-1, correction=0, keepdim=True)",
        "last.var(-1, keepdim=True)",
        "The variance divides by n - 1, as PyTorch's does by default: the final LayerNorm divides by n.",
    ),
    wrong(
        "last = logits[rows, end]",
        "last = logits[:, -1]",
        "The logit difference is read in the last column: shorter prompts end before it, and `end` says where.",
    ),
    wrong(
        "written = (written - written.mean(-1, keepdim=True)) / scale * norm.w",
        "written = written / scale * norm.w",
        "What heads write is not centred: the final LayerNorm subtracts the mean.",
    ),
    wrong(
        "written = (written - written.mean(-1, keepdim=True)) / scale * norm.w",
        "written = (written - written.mean(-1, keepdim=True)) / scale",
        "The final LayerNorm's weight `w` is left out.",
    ),
    wrong(
        "written = (written - written.mean(-1, keepdim=True)) / scale * norm.w",
        "written = (written - written.mean(-1, keepdim=True)) * norm.w",
        "The final LayerNorm's scale is left out: divide by that of the untouched run.",
    ),
    wrong(
        "written = (written - written.mean(-1, keepdim=True)) / scale * norm.w",
        "pass",
        "The final LayerNorm is left out: divide by its scale and multiply by its `w`.",
    ),
)

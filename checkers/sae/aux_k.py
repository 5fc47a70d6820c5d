"""`sae.aux_k`: what dead latents would make of what the living ones have left."""

from collections.abc import Iterator

import torch

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("aux_k", batch=["x", "reconstruction", "pre"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (batch, d_model, latents), who, k in [
        ("two of four dead ones", (5, 3, 9), (1, 4, 5, 8), 2),
        ("fewer dead than k", (4, 6, 7), (0, 3), 5),
        ("k larger than all latents", (3, 4, 5), (0, 2, 4), 20),
        ("one dead", (6, 2, 8), (7,), 3),
        ("nobody dead", (2, 5, 6), (), 4),
        ("everybody dead", (7, 4, 3), (0, 1, 2), 1),
        ("one activation", (1, 5, 10), (2, 3, 6, 9), 3),
    ]:
        dead = torch.zeros(latents, dtype=torch.bool)
        dead[list(who)] = True
        yield Case(
            name,
            x=rng.normal((batch, d_model), 0.5),
            reconstruction=rng.normal((batch, d_model)),
            pre=rng.normal((batch, latents), 0.2),
            dead=dead,
            W_dec=rng.normal((latents, d_model)),
            k=k,
            cotangent=torch.tensor(0.8).double(),
        )


ask.checks(
    equal("loss", title="describes what is left by the k largest dead latents, and is 0 if none is dead", weight=2),
    equal("gradient", title="gradients reach dead latents and their rows, and nothing else"),
)

LEFT = "left = (x - reconstruction).detach()"
TOP = "values, places = pre.masked_fill(~dead, -torch.inf).topk(min(k, len(dead)), dim=-1)"
CODE = "code = torch.zeros_like(pre).scatter(-1, places, torch.relu(values))"
ERROR = "error = (left - code @ W_dec).square().sum(-1)"
RETURN = "return error.mean() * dead.any()"

ask.mistakes(
    edit(
        LEFT,
        "left = x - reconstruction",
        "What is left is not cut from the graph, so living latents are pushed to leave what dead ones can describe.",
    ),
    edit(LEFT, "left = x", "The input itself is described: dead latents are to describe what is left of it."),
    edit(LEFT, "left = (reconstruction - x).detach()", "What is left has the wrong sign: input minus reconstruction."),
    edit(
        TOP, "values, places = pre.topk(min(k, len(dead)), dim=-1)", "Living latents are used, too: only dead ones are."
    ),
    edit(
        TOP,
        "values, places = pre.masked_fill(dead, -torch.inf).topk(min(k, len(dead)), dim=-1)",
        "The living latents are used: it is the dead ones that need a gradient.",
    ),
    edit(
        TOP,
        "values, places = pre.masked_fill(~dead, -torch.inf).topk(len(dead), dim=-1)",
        "All dead latents are used: the k largest of each input are.",
    ),
    edit(
        TOP,
        "values, places = pre.masked_fill(~dead, -torch.inf).topk(min(2, len(dead)), dim=-1)",
        "A k is written into the code: use the one that is passed.",
    ),
    edit(
        TOP,
        "values, places = pre.masked_fill(~dead, -torch.inf).topk(k, dim=-1)",
        "With k above the number of latents topk raises: take as many as there are.",
    ),
    edit(
        CODE,
        "code = torch.zeros_like(pre).scatter(-1, places, values.nan_to_num(neginf=0))",
        "Negative values are used where fewer than k are positive: a latent is never negative.",
    ),
    edit(ERROR, "error = (left - code @ W_dec).square().mean(-1)", "The squares are averaged over d_model: sum them."),
    edit(
        ERROR,
        "error = (left - code @ W_dec).square().sum(-1) / left.square().sum(-1)",
        "The error is divided by the size of what is left: here it is not.",
    ),
    edit(
        ERROR, "error = (left - code @ W_dec.detach()).square().sum(-1)", "W_dec was cut: dead rows are to turn, too."
    ),
    edit(ERROR, "error = (left - code.detach() @ W_dec).square().sum(-1)", "The latents were cut from the graph."),
    edit(RETURN, "return error.mean()", "With nobody dead the loss is the size of what is left: it is to be 0."),
    edit(RETURN, "return error.sum() * dead.any()", "The batch is summed: take its mean."),
    edit(RETURN, "return error.mean() * dead.sum()", "The loss is multiplied by the number of dead latents."),
    edit(
        RETURN,
        "return error.mean() * dead.any() / 32",
        "The weight of the loss is in it: whoever adds it up weighs it.",
    ),
)

ask.survives(
    "values, places = pre.masked_fill(~dead, -torch.inf).topk(min(k, len(dead)), dim=-1)",
    "values, places = pre.masked_fill(~dead, -0).topk(min(k, len(dead)), dim=-1)",
    "living latents at 0 stand before negative dead ones only, of which the ReLU makes 0 as well",
)

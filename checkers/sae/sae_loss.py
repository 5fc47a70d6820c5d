"""`sae.sae_loss`: what is lost of an activation, and a price on latents."""

from collections.abc import Iterator

import torch

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("sae_loss", batch=["x", "reconstruction", "code"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (batch, d_model, latents), coefficient, penalty, eps in [
        ("L1, as it is by default", (4, 3, 7), 0.1, None, None),
        ("L1, a large coefficient", (3, 5, 6), 8.0, "l1", None),
        ("L1, one latent", (5, 2, 1), 0.5, "l1", 1e-3),
        ("sqrt", (3, 4, 9), 0.2, "sqrt", None),
        ("sqrt with a larger eps", (2, 6, 5), 3.0, "sqrt", 0.01),
        ("sqrt, one activation", (1, 4, 8), 1.5, "sqrt", 1e-4),
        ("no penalty", (6, 3, 4), 0.0, "l1", None),
    ]:
        x = rng.normal((batch, d_model), spread=2)
        code = rng.normal((batch, latents), 0.2).relu()
        code[0, 0] = 0  # some latents are 0 exactly, and others are not
        yield Case(
            name,
            x=x,
            reconstruction=x + rng.normal(x.shape),
            code=code,
            coefficient=coefficient,
            options={"penalty": penalty, "eps": eps},
            cotangent=torch.tensor(1.7).double(),
        )


ask.checks(
    equal("loss", title="adds squared error and penalty, and takes the mean over the batch", weight=2),
    equal("gradient", title="gradients reach the input, the reconstruction and the latents, also those at 0"),
)

ERROR = "error = (x - reconstruction).square().sum(-1)  # (batch,)"
COSTS = 'costs = latents if penalty == "l1" else (latents + eps).sqrt()'
RETURN = "return (error + coefficient * costs.sum(-1)).mean()"

ask.mistakes(
    edit(ERROR, "error = (x - reconstruction).square().mean(-1)", "The squares are averaged over d_model: sum them."),
    edit(ERROR, "error = (x - reconstruction).square().sum(-1) / 2", "The error is halved: nothing is."),
    edit(ERROR, "error = (x - reconstruction).abs().sum(-1)", "The error is not squared."),
    edit(ERROR, "error = (x - reconstruction).norm(dim=-1)", "The root is taken of the squared error: leave it."),
    edit(
        ERROR,
        "error = (x - reconstruction).square().sum(-1) / x.square().sum(-1)",
        "The error is divided by the size of the input: here it is not.",
    ),
    edit(ERROR, "error = (x.detach() - reconstruction).square().sum(-1)", "The input was cut from the graph."),
    edit(
        RETURN, "return (error + coefficient * costs.mean(-1)).mean()", "The penalty is averaged over latents: sum it."
    ),
    edit(RETURN, "return (error + coefficient * costs.sum(-1)).sum()", "The batch is summed: take its mean."),
    edit(
        RETURN,
        "return error.mean() + coefficient * costs.sum()",
        "The penalty is summed over the batch: take its mean, as of the error.",
    ),
    edit(RETURN, "return error + coefficient * costs.sum(-1)", "There is a loss for each input: return their mean."),
    edit(RETURN, "return (error - coefficient * costs.sum(-1)).mean()", "The penalty is taken away: that rewards it."),
    edit(RETURN, "return error.mean()", "The penalty is missing."),
    edit(RETURN, "return (error + 0.1 * costs.sum(-1)).mean()", "A coefficient is written into the code."),
    edit(
        RETURN,
        "return (error + coefficient * costs.detach().sum(-1)).mean()",
        "The penalty was cut from the graph, so it pushes no latent down.",
    ),
    edit(
        RETURN,
        "return (error + coefficient * (latents > 0).sum(-1)).mean()",
        "The active latents are counted, and a count has no gradient: the penalty is a sum of the latents or roots.",
    ),
    edit(COSTS, "costs = latents", "`penalty` is not used: 'sqrt' has its own."),
    edit(COSTS, COSTS.replace('== "l1"', '!= "l1"'), "The two penalties are swapped."),
    edit(
        COSTS,
        'costs = latents if penalty == "l1" else latents.sqrt()',
        "A root has an infinite slope at 0, where most latents are: take the root of latent + eps.",
    ),
    edit(
        COSTS,
        'costs = latents if penalty == "l1" else latents.sqrt() + eps',
        "eps is added outside the root, where it does not help: at 0 the slope is still infinite.",
    ),
    edit(
        COSTS,
        'costs = latents if penalty == "l1" else (latents + eps).sqrt() - eps**0.5',
        "The root of eps is taken away: the text leaves it in.",
    ),
    edit(
        COSTS,
        'costs = latents if penalty == "l1" else (latents + 1e-6).sqrt()',
        "An eps is written into the code: use the one that is passed.",
    ),
    edit(COSTS, 'costs = latents if penalty == "l1" else latents.square()', "Latents are squared: take their roots."),
    edit(
        ERROR,
        "error = reconstruction.sub_(x).square().sum(-1)",
        "The reconstruction was changed in place: make a tensor of the difference.",
    ),
)

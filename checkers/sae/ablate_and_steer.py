"""`sae.ablate_and_steer`: what a latent does to the predictions, beside random directions of its length."""

from collections.abc import Iterator
from typing import Any

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng, weights
from headwork.checkers.probing import Case

ask = Exercise("ablate_and_steer")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (batch, length, d_model, latents, vocab), latent, strength, controls, bias in [
        ("a few texts", (3, 5, 4, 9, 7), 2, 1.5, 6, 0.5),
        ("one text", (1, 8, 3, 5, 6), 3, -0.7, 2, 0.5),
        ("a weak push", (4, 3, 5, 6, 8), 0, 1e-3, 3, 0.5),
        ("a latent that is never active", (2, 6, 4, 7, 5), 3, 2.0, 4, -60),
        ("a latent that is active once", (3, 4, 6, 5, 8), 1, 0.8, 2, None),
    ]:
        shapes: dict[str, Any] = {
            "W_enc": (d_model, latents),
            "b_enc": latents,
            "W_dec": (latents, d_model),
            "b_dec": d_model,
        }
        parameters = weights(rng, 0.8, **shapes)
        x = rng.normal((batch, length, d_model))
        if bias is None:  # just below what is needed for a second place
            first, second = (x @ parameters["W_enc"][:, latent]).flatten().topk(2).values.tolist()
            bias = -(first + second) / 2
        parameters["b_enc"][latent] = bias
        yield Case(
            name,
            x=x,
            around=rng.normal((batch, length, d_model), 0.3),
            W_U=rng.normal((d_model, vocab), spread=2),
            weights=parameters,
            latent=latent,
            strength=strength,
            directions=rng.normal((controls, d_model), spread=3),
        )


ask.checks(
    equal("ablated", title="says what taking the latent out changes where it is active", weight=2),
    equal("ablated at random", title="takes as much out along random directions", weight=2),
    equal("steered", title="says what putting it in changes"),
    equal("steered at random", title="puts as much in along random directions"),
)

CONTROLS = "controls = directions / directions.norm(dim=-1, keepdim=True) * row.norm()"
EACH = "each = (clean.exp() * (clean - run(change).log_softmax(-1))).sum(-1)"
MEAN = "return (each * where).sum() / where.sum().clamp(min=1)"
OUT = "lambda x: x - active(x) * direction"
IN = "lambda x: x + strength * direction"

ask.mistakes(
    edit(
        CONTROLS,
        "controls = directions",
        "The random directions are used as they are: give them the length of the latent's row.",
    ),
    edit(
        CONTROLS,
        "controls = directions / directions.norm(dim=-1, keepdim=True)",
        "The random directions have the length 1: give them the length of the latent's row.",
    ),
    edit(
        CONTROLS,
        "controls = directions / directions.norm() * row.norm()",
        "The directions are divided by the norm of all of them together: each has its own.",
    ),
    edit(
        "row = sae.W_dec[latent]",
        "row = sae.W_dec[latent] / sae.W_dec[latent].norm()",
        "The latent's row is scaled to length 1: use it as it is.",
    ),
    edit("row = sae.W_dec[latent]", "row = sae.W_enc[:, latent]", "The latent writes its row of W_dec, not of W_enc."),
    edit(OUT, "lambda x: x - direction", "One unit is taken out everywhere: take out as much as the latent is active."),
    edit(
        OUT,
        "lambda x: x - active(x).mean() * direction",
        "The latent's mean strength is taken out everywhere: each place has its own.",
    ),
    edit(
        OUT,
        "lambda x: x - x @ direction[:, None] / direction.square().sum() * direction",
        "All that lies along the direction is taken out: the latent's own part is its strength times its row.",
    ),
    edit(
        OUT,
        "lambda x: sae(x.flatten(0, -2))[0].reshape(x.shape) - active(x) * direction",
        "The reconstruction takes the activation's place, so the autoencoder's error counts as the latent's effect: "
        "change the activation itself.",
    ),
    edit(OUT, "lambda x: x + active(x) * direction", "The latent is doubled: ablating takes it out."),
    edit(
        IN,
        "lambda x: x + strength * active(x) * direction",
        "The latent is made stronger where it is active: steering puts it in at every position.",
    ),
    edit(IN, "lambda x: x + direction", "`strength` is not used."),
    edit(IN, "lambda x: x - strength * direction", "Steering takes the direction away: add it."),
    edit(
        EACH,
        "changed = run(change).log_softmax(-1)\n        each = (changed.exp() * (changed - clean)).sum(-1)",
        "The divergence is the other way round: weigh by the unchanged probabilities.",
    ),
    edit(
        EACH,
        "each = (clean - run(change).log_softmax(-1)).abs().sum(-1)",
        "These are differences of log-probabilities: weigh them by the unchanged probabilities, with their signs.",
    ),
    edit(
        "clean = run(look).log_softmax(-1)",
        "clean = run(look).softmax(-1)",
        "The unchanged predictions are probabilities where their logarithms are needed.",
    ),
    edit(
        MEAN,
        "return each.mean()",
        "The ablation is averaged over all positions: count those where the latent is active.",
    ),
    edit(
        MEAN,
        "return (each * where).sum()",
        "The divergences are summed over positions: take their mean.",
    ),
    edit(
        MEAN,
        "return (each * where).sum() / where.sum()",
        "A latent that is never active divides 0 by 0: its ablation changes nothing, which is 0.",
    ),
    edit(
        "torch.ones_like(fires)",
        "fires",
        "Steering is averaged over the places where the latent was active: it is put in at all positions.",
    ),
)

ask.survives(
    "row = sae.W_dec[latent]",
    "row = sae.W_dec[latent].detach()",
    "Gradients are not asked for.",
)
ask.survives(
    "fires = (found['strength'][..., 0] > 0).to(clean)",
    "fires = (found['strength'][..., -1] > 0).to(clean)",
    "The last axis has one entry.",
)

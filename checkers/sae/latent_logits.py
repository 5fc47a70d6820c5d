"""`sae.latent_logits`: what a direction says to the logits, through the final norm at a frozen scale."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case
from headwork.models.config import Config

ask = Exercise("latent_logits", seconds=20)

TIED = Config(d_vocab=13, n_ctx=7, d_model=12, n_heads=3, d_mlp=5, n_layers=1)
UNTIED = Config(d_vocab=11, n_ctx=8, d_model=10, n_heads=2, d_mlp=7, n_layers=1, tied=False, eps=0.5)
PLAIN = Config(
    d_vocab=9, n_ctx=6, d_model=8, n_heads=4, d_mlp=5, n_layers=1,
    attn_only=True, layer_norm=False, biases=False, tied=False,
)  # fmt: skip


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, config, (latents, batch, length), centre, spread in [
        ("a small GPT-2", TIED, (5, 3, 6), 0.5, 2),
        ("an unembedding of its own with a bias, a large eps", UNTIED, (4, 2, 5), 1, 1),
        ("no norm", PLAIN, (6, 3, 4), 0.3, 3),
        ("a stream near nothing", UNTIED, (3, 4, 2), 0.01, 0.02),
        ("one token", TIED, (7, 1, 1), -2, 1),
    ]:
        width = config.d_model
        # places of very different scale, so that a mean of 1 / scale is not 1 / the mean scale
        uneven = rng.uniform((batch, length, 1), 0.2, 3)
        yield Case(
            name,
            model=described(rng, config),
            W_dec=rng.normal((latents, width), 0.4),
            residual=uneven * rng.normal((batch, length, width), centre, spread),
            cotangent=rng.normal((latents, config.d_vocab)),
        )


def described(rng: Rng, config: Config) -> dict[str, Any]:
    """A model of this shape as an input of a case: its fields, and weights that are nowhere zero."""
    from headwork.models.gpt2 import GPT2

    shapes = {name: tuple(tensor.shape) for name, tensor in GPT2(config).state_dict().items()}
    return {"config": asdict(config), "state": {name: rng.normal(shape, 0.3) for name, shape in shapes.items()}}


ask.checks(
    equal("logits", title="gives what each latent adds to the logits", weight=3),
    equal("one latent", title="a single latent can be asked about"),
    equal("gradient", title="gradients reach the directions"),
)

CENTRED = "(W_dec - W_dec.mean(-1, keepdim=True)) * norm.w * (1 / scale).mean()"
LOGITS = "logits = W_dec @ model.unembed.W_U"
LAST = "return logits - logits.mean(-1, keepdim=True)"

ask.mistakes(
    edit(CENTRED, "W_dec * norm.w * (1 / scale).mean()", "The norm takes a vector's mean out: centre the directions."),
    edit(
        CENTRED,
        "(W_dec - W_dec.mean(0)) * norm.w * (1 / scale).mean()",
        "The directions are centred over latents: the norm centres over d_model.",
    ),
    edit(
        CENTRED,
        "(W_dec - W_dec.mean(-1, keepdim=True)) * (1 / scale).mean()",
        "The final norm's weight `w` is missing.",
    ),
    edit(
        CENTRED,
        "(W_dec - W_dec.mean(-1, keepdim=True)) * norm.w",
        "The scale of the final norm is missing: divide by it, place by place, and take the mean.",
    ),
    edit(
        CENTRED,
        "(W_dec - W_dec.mean(-1, keepdim=True)) * norm.w / scale.mean()",
        "This divides by the mean scale; the mean effect is that of 1 / scale.",
    ),
    edit(
        CENTRED,
        "(W_dec - W_dec.mean(-1, keepdim=True)) * norm.w * (1 / scale).sum()",
        "The effects of all places are summed: take their mean.",
    ),
    edit(
        CENTRED,
        "(W_dec - W_dec.mean(-1, keepdim=True)) * norm.w * (1 / scale)[0, 0]",
        "The scale is that of the first token alone: take the mean over all places.",
    ),
    edit(
        CENTRED,
        "(W_dec - W_dec.mean(-1, keepdim=True)) * norm.w * (1 / scale).mean() + norm.b",
        "The final norm's bias is added: it is there without the latent, too.",
    ),
    edit(
        CENTRED,
        "norm(W_dec)",
        "The direction itself is normalised, as if it were the whole stream: the scale is that of `residual`.",
    ),
    edit(
        "(residual.var(-1, correction=0) + norm.eps).sqrt()",
        "(residual.var(-1) + norm.eps).sqrt()",
        "This variance divides by d_model - 1; GPT-2 divides by d_model.",
    ),
    edit(
        "(residual.var(-1, correction=0) + norm.eps).sqrt()",
        "residual.var(-1, correction=0).sqrt()",
        "The norm's eps is missing under the root.",
    ),
    edit(
        "(residual.var(-1, correction=0) + norm.eps).sqrt()",
        "(residual.square().mean(-1) + norm.eps).sqrt()",
        "The scale is that of the centred stream: the mean is taken out first.",
    ),
    edit(LOGITS, LOGITS + " + model.unembed.b_U", "The unembedding's bias is added: it is there without the latent."),
    edit(
        LAST, "return logits", "The mean over tokens is left in: it moves all logits alike, and the softmax ignores it."
    ),
    edit(LAST, "return logits - logits.mean(0)", "The mean is taken over latents: take it over tokens."),
    edit(
        LAST, "return logits.log_softmax(-1)", "These are log-probabilities: what is asked is linear in the direction."
    ),
    edit(
        LAST,
        "return (logits - logits.mean(-1, keepdim=True)).detach()",
        "The result was cut from the graph (detach, .data or no_grad): gradients must reach the directions.",
    ),
)

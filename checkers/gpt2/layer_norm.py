"""`gpt2.layer_norm`: normalise the last axis, then scale and shift."""

from collections.abc import Iterator

from headwork.checkers.checks import equal, stable
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng, weights
from headwork.checkers.probing import Case

ask = Exercise(
    "LayerNorm",
    forbid=["native_layer_norm", "native_group_norm", "native_batch_norm", "_fused_rms_norm"],
    batch=["residual", "cotangent"],
)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, shape, eps, centre, spread in [
        ("ordinary numbers", (2, 5, 6), 1e-5, 0, 1),
        ("eps 0.1", (1, 3, 7), 0.1, 3, 2),
        ("numbers far from zero", (3, 4, 16), 1e-5, 1000, 1),
        ("numbers near zero", (3, 2, 6), 1e-5, 0, 3e-3),
        ("one position", (4, 1, 5), 1e-3, -2, 1),
    ]:
        yield Case(
            name,
            width=shape[-1],
            eps=eps,
            weights=weights(rng, w=shape[-1], b=shape[-1]),
            residual=rng.normal(shape, centre, spread),
            cotangent=rng.normal(shape),
        )


ask.checks(
    equal("output", title="normalises the last axis, then scales by w and shifts by b", weight=2),
    equal("gradient", title="gradients reach the input and both parameters"),
    stable("output", on=["numbers far from zero"], title="keeps its precision far from zero"),
)

ask.mistakes(
    edit(
        "residual.var(-1, correction=0, keepdim=True)",
        "residual.square().mean(-1, keepdim=True)",
        "This is the mean square of the raw numbers: a variance is that of their distances from the mean.",
    ),
    edit(
        "mean = residual.mean(-1, keepdim=True)  # (batch, position, 1)\n"
        "        variance = residual.var(-1, correction=0, keepdim=True)",
        "mean = residual.mean()\n        variance = residual.var(correction=0)",
        "Mean and variance run over the whole tensor: every position is normalised alone, over the last axis.",
    ),
    edit(
        "mean = residual.mean(-1, keepdim=True)  # (batch, position, 1)\n"
        "        variance = residual.var(-1, correction=0, keepdim=True)",
        "mean = residual.mean((1, 2), keepdim=True)\n"
        "        variance = residual.var((1, 2), correction=0, keepdim=True)",
        "Mean and variance run over positions, too: every position is normalised alone, over the last axis.",
    ),
    edit("correction=0", "correction=1", "This variance divides by n - 1; GPT-2 divides by n."),
    edit(
        "(variance + self.eps).sqrt()",
        "(variance.sqrt() + self.eps)",
        "eps stands outside the root: add it to the variance, then take the root.",
    ),
    edit(
        "(variance + self.eps).sqrt()",
        "(variance + self.eps)",
        "The root is missing: divide by the standard deviation, not by the variance.",
    ),
    edit(
        "(residual - mean) /",
        "residual /",
        "The mean is not subtracted from the numbers; scaling alone is closer to RMSNorm.",
    ),
    edit(
        "mean = residual.mean(-1, keepdim=True)",
        "mean = residual.mean(1, keepdim=True)",
        "The mean is taken over positions: every position is normalised alone, over the last axis.",
    ),
    edit(
        "normalised * self.w + self.b",
        "(normalised + self.b) * self.w",
        "The bias is added before the scale: scale first, then shift.",
    ),
    edit("normalised * self.w + self.b", "normalised * self.w", "The bias b is never added."),
    edit("normalised * self.w + self.b", "normalised + self.b", "The scale w is never used."),
    edit(
        "variance + self.eps",
        "variance + 1e-5",
        "1e-5 is written into the code: use the eps that the constructor was given.",
    ),
    edit("variance + self.eps", "variance", "eps is never added: a constant row would divide by zero."),
    edit(
        "mean = residual.mean(-1, keepdim=True)",
        "mean = residual.detach().mean(-1, keepdim=True)",
        "The mean was cut from the graph (detach, .data, .item or no_grad): the gradient must flow through it.",
    ),
    edit(
        "variance = residual.var(",
        "variance = residual.detach().var(",
        "The variance was cut from the graph (detach, .data, .item or no_grad): the gradient must flow through it.",
    ),
)

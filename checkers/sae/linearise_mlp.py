"""`sae.linearise_mlp`: what a direction does to an MLP's output, by the derivative and in truth."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("linearise_mlp")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (batch, d_model, d_mlp, directions), spread in [
        ("several inputs and directions", (4, 5, 7, 3), 1),
        ("one input", (1, 4, 6, 5), 1),
        ("one direction", (3, 6, 4, 1), 1),
        ("small directions, where both agree nearly", (2, 3, 8, 4), 1e-3),
        ("large directions, where they do not", (2, 4, 5, 6), 6),
        ("as many directions as inputs", (3, 5, 6, 3), 1),
    ]:
        yield Case(
            name,
            x=rng.normal((batch, d_model)),
            directions=rng.normal((directions, d_model), spread=spread),
            W_in=rng.normal((d_model, d_mlp), spread=0.8),
            b_in=rng.normal((d_mlp,), 0.2),
            W_out=rng.normal((d_mlp, d_model)),
            cotangent=rng.normal((batch, directions, d_model)),
        )


ask.checks(
    equal("linear", title="multiplies each direction by the derivative at each input", weight=3),
    equal("exact", title="says what adding the direction really changes", weight=2),
    equal("gradient of linear", title="gradients of the linear effect reach the directions"),
)

MLP = 'return F.gelu(stream @ W_in + b_in, approximate="tanh") @ W_out'
JVP = "linear = torch.func.jvp(mlp, (here,), (ways,))[1]"
RETURN = "return linear, mlp(here + ways) - mlp(here)"

ask.mistakes(
    edit(MLP, "return F.gelu(stream @ W_in + b_in) @ W_out", "This is the exact GELU: GPT-2's has tanh."),
    edit(MLP, "return F.relu(stream @ W_in + b_in) @ W_out", "The bend is a ReLU here: it is GELU with tanh."),
    edit(
        MLP, 'return F.gelu(stream @ W_in, approximate="tanh") @ W_out', "b_in is missing: it says where the bend is."
    ),
    edit(
        JVP,
        "linear = torch.func.jvp(mlp, (here * 0,), (ways,))[1]",
        "The derivative is taken at zero: take it at each input.",
    ),
    edit(
        JVP,
        "linear = torch.func.jvp(mlp, (here + ways,), (ways,))[1]",
        "The derivative is taken after the direction was added: take it at the input.",
    ),
    edit(
        JVP,
        "linear = torch.func.jvp(mlp, (here.mean(0, keepdim=True) + 0 * here,), (ways,))[1]",
        "The derivative is taken at the mean input: each input has its own.",
    ),
    edit(JVP, "linear = ways @ W_in @ W_out", "The bend is left out: its slope at the input multiplies each neuron."),
    edit(
        JVP,
        'linear = (ways @ W_in) * F.gelu(here @ W_in + b_in, approximate="tanh") @ W_out',
        "Neurons are weighed by what they give out: weigh them by the slope of the bend.",
    ),
    edit(
        JVP,
        "linear = ((ways @ W_in) * (here @ W_in + b_in > 0)) @ W_out",
        "Neurons count fully or not at all, as with a ReLU: GELU has slopes between, and above 1.",
    ),
    edit(
        JVP,
        "linear = torch.func.jvp(mlp, (here,), (ways,))[1]\n    linear = linear + mlp(here)",
        "The output at the input is added: asked is the change alone.",
    ),
    edit(
        JVP,
        "linear = torch.func.jvp(mlp, (here,), (ways / ways.norm(dim=-1, keepdim=True),))[1]",
        "The directions are brought to length 1: take them as they are.",
    ),
    edit(
        JVP,
        "linear = torch.func.jvp(mlp, (here,), (ways.detach(),))[1]",
        "The directions were cut from the graph.",
    ),
    edit(RETURN, "return linear, mlp(here + ways)", "The output at the input itself is not subtracted."),
    edit(RETURN, "return linear, mlp(ways) - mlp(here * 0)", "The direction is added to zero: add it to the input."),
    edit(RETURN, "return linear, mlp(here) - mlp(here - ways)", "The direction is taken away: add it."),
)

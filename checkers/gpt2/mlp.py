"""`gpt2.mlp`: read in d_mlp directions, bend, write in as many."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng, weights
from headwork.checkers.probing import Case

ask = Exercise("MLP", batch=["residual", "cotangent"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (batch, length, d_model, d_mlp), spread in [
        ("four times as wide inside", (2, 3, 5, 20), 1),
        ("not quite twice as wide inside", (3, 2, 4, 7), 1),
        ("narrower inside", (4, 5, 6, 3), 1),
        ("a batch of one", (1, 7, 3, 8), 1),
        ("one position", (5, 1, 4, 9), 2),
        ("large numbers", (2, 4, 3, 11), 50),
        ("small numbers", (3, 4, 2, 6), 1e-3),
    ]:
        yield Case(
            name,
            d_model=d_model,
            d_mlp=d_mlp,
            weights=weights(rng, 0.7, W_in=(d_model, d_mlp), b_in=d_mlp, W_out=(d_mlp, d_model), b_out=d_model),
            residual=rng.normal((batch, length, d_model), spread=spread),
            cotangent=rng.normal((batch, length, d_model)),
        )


ask.checks(
    equal(
        "output with our gelu",
        "output as it stands",
        title="reads through W_in, bends by gelu, writes through W_out",
        weight=2,
    ),
    equal(
        "gradient with our gelu",
        "gradient as it stands",
        title="gradients reach the input and all four parameters",
    ),
)

ask.mistakes(
    edit("gelu(residual @ self.W_in + self.b_in)", "gelu(residual @ self.W_in)", "The bias b_in is never added."),
    edit("hidden @ self.W_out + self.b_out", "hidden @ self.W_out", "The bias b_out is never added."),
    edit(
        "gelu(residual @ self.W_in + self.b_in)",
        "gelu(residual @ self.W_in) + self.b_in",
        "b_in is added after the gelu: add it before, where it moves the point at which a neuron opens.",
    ),
    edit(
        "gelu(residual @ self.W_in + self.b_in)",
        "residual @ self.W_in + self.b_in",
        "There is no gelu between the two matrices, so they act as one.",
    ),
    edit(
        "gelu(residual @ self.W_in + self.b_in)",
        "gelu(residual) @ self.W_in + self.b_in",
        "The gelu comes before W_in: it bends what W_in and b_in have made of the stream.",
    ),
    edit(
        "gelu(residual @ self.W_in + self.b_in)",
        "torch.relu(residual @ self.W_in + self.b_in)",
        "This MLP bends with ReLU: GPT-2's has gelu.",
    ),
    edit(
        "gelu(residual @ self.W_in + self.b_in)",
        "torch.nn.functional.gelu(residual @ self.W_in + self.b_in)",
        "This is F.gelu in its default form, with erf: GPT-2 has the form with tanh, which is your `gelu`.",
    ),
    edit(
        "gelu(residual @ self.W_in + self.b_in)",
        "torch.nn.functional.silu(residual @ self.W_in + self.b_in)",
        "This MLP bends with SiLU, as some later models do: GPT-2's has gelu.",
    ),
    edit(
        "gelu(residual @ self.W_in + self.b_in)",
        "torch.tanh(residual @ self.W_in + self.b_in)",
        "This MLP bends with a plain tanh: GPT-2's has gelu.",
    ),
    edit(
        "return hidden @ self.W_out + self.b_out",
        "return gelu(hidden @ self.W_out + self.b_out)",
        "A second gelu bends the output: what the layer writes may have any sign, so leave it straight.",
    ),
    edit(
        "hidden = gelu(residual @ self.W_in + self.b_in)  # (batch, position, d_mlp)\n"
        "        return hidden @ self.W_out + self.b_out",
        "hidden = residual @ self.W_in + self.b_in\n        return gelu(hidden @ self.W_out + self.b_out)",
        "The gelu comes after W_out: it belongs between the two matrices.",
    ),
    edit(
        "return hidden @ self.W_out + self.b_out",
        "return hidden @ self.W_out + self.b_out + residual",
        "The residual is added inside the layer: return only what the MLP adds to it; the block does the sum.",
    ),
    edit(
        "gelu(residual @ self.W_in + self.b_in)",
        "gelu(torch.nn.functional.layer_norm(residual, residual.shape[-1:]) @ self.W_in + self.b_in)",
        "The input is normalised inside the layer: the block does that before it calls the MLP.",
    ),
    edit(
        "residual @ self.W_in + self.b_in",
        "torch.nn.functional.linear(residual, self.W_in, self.b_in)",
        "F.linear wants its weight as (out, in), and W_in is (d_model, d_mlp): transpose it, or use `residual @ W_in`.",
    ),
    edit(
        "gelu(residual @ self.W_in + self.b_in)",
        "gelu(residual @ self.W_out.T + self.b_in)",
        "The stream is read through W_out transposed: W_in and W_out are two matrices of their own.",
    ),
    edit(
        "gelu(residual @ self.W_in + self.b_in)",
        "gelu(residual.mean(1, keepdim=True) @ self.W_in + self.b_in).expand(-1, residual.shape[1], -1)",
        "The positions are averaged: the MLP works on each position alone.",
    ),
    edit(
        "return hidden @ self.W_out",
        "return hidden.detach() @ self.W_out",
        "The hidden layer was cut from the graph: gradients must reach the input, W_in and b_in.",
    ),
    edit(
        "return hidden @ self.W_out + self.b_out",
        "residual += hidden @ self.W_out + self.b_out\n        return residual",
        "The input was changed in place: return only what the MLP adds to it, as a tensor of its own.",
    ),
)

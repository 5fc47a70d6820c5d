"""`sae.unit_decoder`: rows of length 1, and gradients that leave the length alone."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("project_gradient", "normalise_decoder")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, shape, spread, learning_rate in [
        ("more latents than dimensions", (7, 4), 1, 0.1),
        ("fewer latents than dimensions", (3, 6), 1, 1.0),
        ("one latent", (1, 5), 1, 0.3),
        ("long rows", (5, 3), 40, 2.0),
        ("short rows", (4, 8), 1e-3, 0.01),
    ]:
        rows = rng.normal(shape, spread=spread)
        yield Case(name, W_dec=rows, gradient=rng.normal(shape, spread=2), learning_rate=learning_rate)


ask.checks(
    equal("after project_gradient", title="takes out of each row's gradient what lies along the row", weight=2),
    equal("after normalise_decoder", title="gives each row the length 1, and leaves the gradient alone", weight=2),
    equal("after a step between the two", title="with a step of an optimiser between them, both work"),
)

UNIT = "unit = W_dec / W_dec.norm(dim=-1, keepdim=True)  # (latent, d_model)"
ALONG = "along = (W_dec.grad * unit).sum(-1, keepdim=True)  # (latent, 1)"
TAKE = "W_dec.grad -= along * unit"
NORM = "W_dec.div_(W_dec.norm(dim=-1, keepdim=True))\n"
COLUMNS = "Columns are scaled: a direction of the dictionary is a row of W_dec, (latent, d_model)."

ask.mistakes(
    edit(NORM, "W_dec /= W_dec.norm(dim=0, keepdim=True)\n", COLUMNS),
    edit(NORM, "W_dec /= W_dec.norm()\n", "The matrix is scaled as a whole: each row gets the length 1."),
    edit(NORM, "W_dec /= W_dec.square().sum(-1, keepdim=True)\n", "Rows are divided by the square of their length."),
    edit(
        NORM,
        "W_dec /= W_dec.norm(dim=-1, keepdim=True).clamp(min=1)\n",
        "Only rows longer than 1 are scaled: short ones get the length 1, too.",
    ),
    edit(
        NORM,
        "W_dec /= W_dec.abs().sum(-1, keepdim=True)\n",
        "Rows are divided by the sum of their absolute values: divide by the root of the sum of squares.",
    ),
    edit(
        NORM,
        "W_dec = W_dec / W_dec.norm(dim=-1, keepdim=True)\n",
        "The name is bound to a new tensor, and the parameter stays as it was: change it in place.",
    ),
    edit(
        NORM,
        NORM + "    W_dec.grad /= W_dec.grad.norm(dim=-1, keepdim=True)\n",
        "The gradient is scaled, too: leave it alone.",
    ),
    edit(
        NORM,
        NORM + "    W_dec.grad = None\n",
        "The gradient is thrown away: leave it alone.",
    ),
    edit(
        UNIT,
        "unit = W_dec.clone()",
        "The row is not scaled to length 1 before the gradient is projected on it, so too much or too little is taken.",
    ),
    edit(
        UNIT,
        "unit = W_dec / W_dec.norm(dim=0, keepdim=True)",
        "Columns are scaled before the projection: a direction of the dictionary is a row.",
    ),
    edit(ALONG, "along = (W_dec.grad * unit).sum()", "All rows are projected together: each has a product of its own."),
    edit(
        ALONG,
        "along = (W_dec.grad * unit).sum(0, keepdim=True)",
        "The product is summed over latents: sum over d_model.",
    ),
    edit(TAKE, "W_dec.grad += along * unit", "The part along the row is added once more: take it away."),
    edit(
        TAKE,
        "W_dec.grad.copy_(along * unit)",
        "Only the part along the row is kept: that is the part to take out.",
    ),
    edit(TAKE, "W_dec.grad -= along", "The number is taken from each entry: multiply it by the row's direction."),
    edit(
        TAKE,
        "W_dec -= along * unit",
        "The rows themselves are changed: it is the gradient that loses its part along the row.",
    ),
    edit(
        TAKE,
        "W_dec.grad -= along * unit\n    W_dec.copy_(unit)",
        "The rows are scaled, too: `project_gradient` leaves them as they are.",
    ),
    edit(
        TAKE,
        "gradient = W_dec.grad - along * unit",
        "The result is put nowhere: change W_dec.grad in place, or put a new gradient there.",
    ),
)

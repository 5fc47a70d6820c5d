"""`sae.shrinkage`: by which factor reconstructions are too small."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("shrinkage", batch=["x", "reconstruction"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, shape, factor, noise, centre in [
        ("four fifths of the input", (5, 3), 0.8, 0, 1),
        ("nothing but noise in the way", (7, 4), 1.0, 0.4, 2),
        ("too small and noisy", (4, 6), 0.7, 0.5, 3),
        ("too large", (3, 5), 1.3, 0.2, 1),
        ("one activation", (1, 8), 0.6, 0.3, 2),
        ("far from the origin", (6, 2), 0.9, 0.3, 100),
        ("small activations", (8, 7), 0.75, 0.2, 1e-3),
    ]:
        middle = rng.normal(shape[1:], spread=centre)
        offset = rng.normal(shape) * (1e-3 if centre == 1e-3 else 1)
        made = factor * (offset + noise * rng.normal(shape) * float(offset.std()))
        yield Case(name, x=middle + offset, reconstruction=middle + made, centre=middle)


ask.checks(equal("factor", title="divides the mean square made by the mean product with the input, from the centre"))

MADE = "made, there = reconstruction - centre, x - centre  # (batch, d_model)"
RETURN = "return made.square().sum() / (made * there).sum()"

ask.mistakes(
    edit(MADE, "made, there = reconstruction, x", "The centre is not subtracted: the constant part is never shrunk."),
    edit(MADE, "made, there = reconstruction - centre, x", "The centre is subtracted from the reconstruction only."),
    edit(MADE, "made, there = reconstruction, x - centre", "The centre is subtracted from the input only."),
    edit(
        MADE,
        "made, there = reconstruction - reconstruction.mean(0), x - x.mean(0)",
        "The batch's own mean is subtracted: subtract `centre`, that of the autoencoder.",
    ),
    edit(RETURN, "return (made * there).sum() / made.square().sum()", "The fraction is upside down."),
    edit(
        RETURN,
        "return (made * there).sum() / there.square().sum()",
        "This is the slope of the reconstruction on the input, which noise pulls down: divide the mean square made by "
        "the mean product.",
    ),
    edit(
        RETURN,
        "return made.norm() / there.norm()",
        "This compares lengths, and a reconstruction that misses a part is shorter without being shrunk.",
    ),
    edit(
        RETURN,
        "return made.square().sum() / there.square().sum()",
        "Squares are compared with squares: below the fraction stands the product of both.",
    ),
    edit(
        RETURN,
        "return (made * there).sum() / (made.norm() * there.norm())",
        "This is the cosine, which does not see a factor at all.",
    ),
    edit(
        RETURN,
        "return (made.square().sum(-1) / (made * there).sum(-1)).mean()",
        "A fraction is taken of each input and averaged: take the means first, then one fraction.",
    ),
    edit(
        RETURN,
        "return (made.square().sum(-1) / (made * there).sum(-1))",
        "There is a factor for each input: return one for all.",
    ),
    edit(
        RETURN,
        "return (made.square().sum() / (made * there).sum()).sqrt()",
        "The root is taken: the fraction is already a factor of lengths, not of squares.",
    ),
    edit(
        MADE,
        "made, there = reconstruction.sub_(centre), x - centre",
        "The reconstruction was changed in place: make a tensor of the difference.",
    ),
)

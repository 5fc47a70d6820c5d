"""`sae.feature_dimensionality`: which share of a hidden dimension each feature has."""

from collections.abc import Iterator

import torch
from torch import Tensor

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("feature_dimensionality")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, shape, spread in [
        ("three networks", (3, 5, 2), 1),
        ("one network", (1, 4, 3), 1),
        ("fewer features than dimensions", (2, 3, 6), 1),
        ("one dimension", (4, 7, 1), 1),
        ("short directions", (2, 6, 4), 1e-3),
        ("long directions", (3, 4, 5), 100),
    ]:
        yield Case(name, W=rng.normal(shape, spread=spread), cotangent=rng.normal(shape[:2]))
    absent = rng.normal((2, 5, 3))
    absent[0, 2], absent[1, 4] = 0, 0
    yield Case("an absent feature in each network", W=absent)
    yield Case("two pairs and a feature alone", W=_pairs(rng))


def _pairs(rng: Rng) -> Tensor:
    """Two opposite pairs of different lengths and a feature with a dimension of its own, turned at random."""
    eye = torch.eye(3).double()
    rows = torch.stack([2 * eye[0], -2 * eye[0], 0.5 * eye[1], -0.5 * eye[1], 3 * eye[2]])
    turn = torch.linalg.qr(rng.normal((3, 3))).Q
    return (rows @ turn)[None]


ask.checks(
    equal("dimensionality", title="gives each feature its share", weight=2),
    equal("gradient", title="gradients reach W"),
)

OVERLAP = "overlap = (W @ W.mT).square().sum(-1)  # (model, feature): over all features, each itself among them"
LENGTH = "length = W.square().sum(-1)  # (model, feature), squared"
RETURN = "return length.square() / torch.where(overlap > 0, overlap, 1)"

ask.mistakes(
    edit(
        RETURN,
        "return length / torch.where(overlap > 0, overlap, 1)",
        "W_i below the fraction is not scaled to length 1: only then do the lengths cancel.",
    ),
    edit(
        RETURN,
        "return length.sqrt() ** 3 / torch.where(overlap > 0, overlap, 1)",
        "The length of W_i above the fraction is not squared.",
    ),
    edit(
        OVERLAP,
        "unit = torch.nn.functional.normalize(W, dim=-1)\n"
        "    overlap = W.square().sum(-1) * (unit @ unit.mT).square().sum(-1)",
        "Both vectors below the fraction are scaled to length 1: only W_i is, so that a long neighbour takes more.",
    ),
    edit(
        OVERLAP,
        "overlap = (W @ W.mT).abs().sum(-1)",
        "The products are not squared: sum their squares.",
    ),
    edit(OVERLAP, "overlap = (W @ W.mT).sum(-1).square()", "The sum is squared: square each product, then sum."),
    edit(
        OVERLAP,
        "overlap = (W @ W.mT).square().sum(-1) - W.square().sum(-1).square()",
        "The feature itself is left out of the sum: a feature with a dimension of its own would divide by 0.",
    ),
    edit(
        OVERLAP,
        "overlap = (W @ W.mT).square().mean(-1)",
        "The squares are averaged: sum them, or the share grows with the number of features.",
    ),
    edit(
        OVERLAP,
        "overlap = (W[:1] @ W.mT).square().sum(-1)",
        "Every network is compared with the first one's features: each has its own.",
    ),
    edit(
        RETURN,
        "return length.square() / overlap",
        "An absent feature gives 0 / 0, which is NaN: its share is 0.",
    ),
    edit(
        RETURN,
        "return length.square() / (overlap + 1e-8)",
        "A small number is added below the fraction, and it is not small beside short directions: divide by the sum "
        "itself where it is not 0.",
    ),
    edit(RETURN, "return (length.square() / torch.where(overlap > 0, overlap, 1)).detach()", "The graph was cut."),
    edit(
        RETURN,
        "return (length.square() / torch.where(overlap > 0, overlap, 1)).sum(-1)",
        "The features are summed: return the share of each.",
    ),
    edit(LENGTH, "length = W.square().sum((0, 2))", "The networks are mixed: each one stands for itself."),
    edit(
        LENGTH,
        "length = W.div_(W.norm(dim=-1, keepdim=True)).square().sum(-1)",
        "W was changed in place: make a new tensor of what you scale.",
    ),
)

ask.survives(
    "overlap = (W @ W.mT).square().sum(-1)",
    "overlap = (W @ W.mT).square().sum(-2)",
    "the products are symmetric, so rows and columns have the same sums",
)
ask.survives(
    "return length.square() / torch.where(overlap > 0, overlap, 1)",
    "return length.square() / torch.where(overlap > 0, overlap, 2)",
    "0 divided by anything but 0 is 0",
)

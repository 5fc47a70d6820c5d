"""`sae.error_against_noise`: noise as large as an error, in three kinds of directions, and what each costs."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.checks import drawn_from, equal, same
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng, weights
from headwork.checkers.probing import Case
from headwork.checkers.sae.probes.noise import BINS

ask = Exercise("same_size_noise", "error_against_noise")

DRAWS = 2400


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for kind, spread in [("isotropic", 1.0), ("covariance", 0.3), ("norm", 0.6)]:
        yield _directions(rng, kind, spread)
    for name, kind, (batch, d_model), size in [
        ("many dimensions, isotropic", "isotropic", (4, 9), 1),
        ("many dimensions, covariance", "covariance", (7, 5), 0.1),
        ("many dimensions, length kept", "norm", (6, 8), 0.5),
        ("a large error, length kept", "norm", (3, 6), 5),
        ("fewer activations than dimensions", "covariance", (3, 7), 2),
    ]:
        x = rng.normal((batch, d_model), 0.5)
        yield Case(
            name,
            kind_of_case="sizes",
            kind=kind,
            x=x,
            reconstruction=0.9 * x + rng.normal((batch, d_model), spread=size),
            seed=rng.seed(),
        )
    for name, (batch, length, d_model, latents, vocab) in [
        ("losses of a few texts", (3, 5, 4, 9, 7)),
        ("losses of one text", (1, 6, 3, 5, 8)),
    ]:
        shapes: dict[str, Any] = {
            "W_enc": (d_model, latents),
            "b_enc": latents,
            "W_dec": (latents, d_model),
            "b_dec": d_model,
        }
        yield Case(
            name,
            kind_of_case="losses",
            x=rng.normal((batch, length, d_model)),
            around=rng.normal((batch, length, d_model), 0.3),
            W_U=rng.normal((d_model, vocab), spread=2),
            tokens=rng.integers((batch, length), vocab),
            weights=weights(rng, 0.7, **shapes),
            seed=rng.seed(),
        )


def _directions(rng: Rng, kind: str, spread: float) -> Case:
    """Many draws in three dimensions, with coordinates in which right directions are all alike."""
    x = rng.normal((DRAWS, 3), 1)
    turn = torch.linalg.qr(rng.normal((3, 3))).Q
    stretch = torch.diag(torch.tensor([3.0, 1.0, 0.4], dtype=torch.float64)) @ turn
    error = spread * rng.normal((DRAWS, 3), 1.5) @ stretch  # neither even nor around 0
    flat = turn.expand(DRAWS, 3, 3)
    if kind == "covariance":
        values, vectors = torch.linalg.eigh(error.T @ error)
        flat = (vectors / values.sqrt()).T.expand(DRAWS, 3, 3)
    if kind == "norm":
        flat = _frames(x)
    return Case(
        f"directions: {kind}",
        kind_of_case="directions",
        kind=kind,
        x=x,
        reconstruction=x + error,
        flat=flat.clone(),
        seed=rng.seed(),
    )


def _frames(x: Tensor) -> Tensor:
    """For each row two directions at right angles to it and to each other, and its own: (batch, 3, 3)."""
    third = x / x.norm(dim=-1, keepdim=True)
    helper = torch.eye(3, dtype=x.dtype)[x.abs().argmin(-1)]
    first = torch.linalg.cross(third, helper)
    first = first / first.norm(dim=-1, keepdim=True)
    return torch.stack([first, torch.linalg.cross(third, first), third], 1)


def _even(case: Case, classes: int) -> Tensor:
    """Every class alike, for each coordinate that is told: (coordinate, class)."""
    return torch.full((1 if case.kind == "norm" else 3, classes), 1 / classes, dtype=torch.float64)


ask.checks(
    equal("distance", title="noise is as far from each activation as its reconstruction is", weight=2),
    equal("length", title="`norm` keeps the reconstruction's length too"),
    same("again", as_="once", title="the same generator gives the same noise"),
    equal("another generator makes other noise", title="another generator makes other noise"),
    drawn_from("directions", law=lambda case: _even(case, BINS), title="the noise has the directions that it should"),
    drawn_from(
        "one and the next", law=lambda case: _even(case, BINS**2), title="each activation has a direction of its own"
    ),
    equal("loss: error with ours", "loss: error as it stands", title="gives the loss that the reconstruction adds"),
    *(
        equal(f"loss: {kind} with ours", f"loss: {kind} as it stands", title=f"gives the loss that {words} noise adds")
        for kind, words in [("isotropic", "isotropic"), ("covariance", "covariance-matched"), ("norm", "norm-keeping")]
    ),
)

NOISE = "noise = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)"
EIGEN = "values, vectors = torch.linalg.eigh(error.T @ error / len(error))"
SHAPED = "noise = noise * values.clamp(min=0).sqrt() @ vectors.T"
SIZED = "return x + noise / noise.norm(dim=-1, keepdim=True) * size"
LAST = "return x + along * unit + across / across.norm(dim=-1, keepdim=True) * rest"
ACROSS = "across = noise - (noise * unit).sum(-1, keepdim=True) * unit"
FOUND = 'return {"error": added(lambda x: sae(x)[0])} | {kind: added(noisy(kind)) for kind in KINDS}'

ask.mistakes(
    edit(
        SIZED,
        "return x + noise * size",
        "The noise is not scaled to length 1 first, so its size is off: divide by its norm.",
    ),
    edit(
        SIZED,
        "return x + noise / noise.norm() * size",
        "The noise is divided by the norm of all rows together: each row has its own.",
    ),
    edit(
        SIZED,
        "return x + noise / noise.norm(dim=-1, keepdim=True) * size.mean()",
        "Every activation gets noise of the mean size: each has the size of its own error.",
    ),
    edit(
        SIZED,
        "return reconstruction + noise / noise.norm(dim=-1, keepdim=True) * size",
        "The noise is added to the reconstruction: it takes the error's place, from the activation on.",
    ),
    edit(
        SIZED,
        "return noise / noise.norm(dim=-1, keepdim=True) * size",
        "This is the noise alone: add it to the activation.",
    ),
    edit(
        NOISE,
        "noise = torch.rand(x.shape, generator=generator, dtype=x.dtype, device=x.device)",
        "Even numbers from 0 to 1 all point one way: draw normal ones.",
    ),
    edit(
        NOISE,
        "noise = torch.randn(x.shape[1:], generator=generator, dtype=x.dtype, device=x.device).expand(x.shape)",
        "All activations get the same direction: draw one for each.",
    ),
    edit(
        NOISE,
        "noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=x.dtype, device=x.device)",
        "The noise is the same in every call: draw it from the generator that is passed.",
    ),
    edit(
        EIGEN,
        "values, vectors = torch.linalg.eigh((error - error.mean(0)).T @ (error - error.mean(0)) / len(error))",
        "The errors' mean is taken out: what all errors share is part of them.",
    ),
    edit(
        EIGEN,
        "values, vectors = torch.linalg.eigh(x.T @ x / len(x))",
        "This is the covariance of the activations: take that of the errors.",
    ),
    edit(
        SHAPED,
        "noise = noise * values.clamp(min=0) @ vectors.T",
        "The noise is stretched by the eigenvalues: they are variances, so take their roots.",
    ),
    edit(
        SHAPED,
        "noise = noise * values.clamp(min=0).sqrt() @ vectors",
        "The noise is turned the wrong way: eigenvectors are the columns.",
    ),
    edit(
        SHAPED,
        "noise = noise * values.clamp(min=0).sqrt()",
        "The noise stays in the eigenvectors' coordinates: turn it back.",
    ),
    edit(
        LAST,
        "return x + across / across.norm(dim=-1, keepdim=True) * size",
        "All of the error is put at right angles to the activation: keep what it has along it.",
    ),
    edit(
        LAST,
        "made = x + noise / noise.norm(dim=-1, keepdim=True) * size\n"
        "    return made / made.norm(dim=-1, keepdim=True) * reconstruction.norm(dim=-1, keepdim=True)",
        "Rescaling the sum gives the length and loses the distance: keep the error's part along the activation, and "
        "turn the rest.",
    ),
    edit(
        LAST,
        "return x - along * unit + across / across.norm(dim=-1, keepdim=True) * rest",
        "The error's part along the activation has the wrong sign.",
    ),
    edit(
        ACROSS,
        "across = noise - unit",
        "The noise's own part along the activation stays in: subtract its product with the unit vector times it.",
    ),
    edit(
        FOUND,
        'return {"error": added(lambda x: sae(x)[0]) + clean} | {kind: added(noisy(kind)) + clean for kind in KINDS}',
        "These are the losses themselves: take the clean loss from them.",
    ),
    edit(
        FOUND,
        'return {"error": added(lambda x: x - sae(x)[0])} | {kind: added(noisy(kind)) for kind in KINDS}',
        "The error takes the activation's place: its reconstruction does.",
    ),
    edit(
        "lambda x: same_size_noise(x, sae(x)[0], kind, generator)",
        "lambda x: same_size_noise(x, sae(x)[0], 'isotropic', generator)",
        "The same kind of noise is used for all three.",
    ),
    edit(
        "lambda x: same_size_noise(x, sae(x)[0], kind, generator)",
        "lambda x: same_size_noise(sae(x)[0], x, kind, generator)",
        "Activation and reconstruction are swapped: noise is added to the activation.",
    ),
)

ask.survives(
    "values, vectors = torch.linalg.eigh(error.T @ error / len(error))",
    "values, vectors = torch.linalg.eigh(error.T @ error)",
    "Every row of the noise is scaled afterwards, so a factor common to all does nothing.",
)
ask.survives(
    "rest = (size.square() - along.square()).clamp(min=0).sqrt()",
    "rest = (size.square() - along.square()).clamp(min=-1).sqrt()",
    "A part of a vector is never longer than the vector, but for rounding.",
)

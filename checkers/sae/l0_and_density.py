"""`sae.l0_and_density`: how many latents are active for an input, and how often each of them is."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("l0_and_density")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, latents, sizes, chance, spread in [
        ("three batches of different sizes", 6, (5, 2, 9), 0.3, 1),
        ("one batch", 4, (7,), 0.5, 1),
        ("single inputs", 5, (1, 1, 1), 0.4, 1),
        ("one latent", 1, (3, 8), 0.5, 1),
        ("weak activity", 7, (4, 6), 0.4, 1e-9),
        ("dense latents", 3, (6, 4, 2), 0.9, 20),
    ]:
        batches = [rng.uniform((size, latents), 0.1) * spread for size in sizes]
        batches = [batch * (rng.uniform(batch.shape) < chance) for batch in batches]
        batches[0][0], batches[-1][-1, -1] = spread, 0  # somebody is active, and not all are
        if latents > 2:
            for batch in batches:
                batch[:, 1] = 0
        yield Case(name, batches=batches)


ask.checks(
    equal("l0", title="counts the active latents of an input, averaged over all inputs", weight=2),
    equal("density", title="gives for each latent the share of inputs for which it is active", weight=2),
)

COUNT = "active = active.to(latents) + (latents > 0).sum(0)  # (latent,)"
INPUTS = "inputs += len(latents)"
DENSITY = "density = active / inputs"
RETURN = "return density.sum(), density"

ask.mistakes(
    edit(
        COUNT, "active = active.to(latents) + latents.sum(0)", "Strengths are summed: count whether a latent is active."
    ),
    edit(COUNT, "active = (latents > 0).sum(0).to(latents)", "Only the last batch is counted: add up over batches."),
    edit(
        COUNT,
        "active = active.to(latents) + (latents > 1e-6).sum(0)",
        "Weak activity is not counted: anything above 0 is active.",
    ),
    edit(
        COUNT, "active = active.to(latents) + (latents > 0).any(0)", "A batch counts once for a latent: count inputs."
    ),
    edit(COUNT, "active = active.to(latents) + (latents == 0).sum(0)", "Silent inputs are counted."),
    edit(
        COUNT,
        "active = active.to(latents) + (latents > 0).double().mean(0)",
        "Shares of batches are added up and divided by the number of inputs: add up counts.",
    ),
    edit(INPUTS, "inputs += 1", "The counts are divided by the number of batches: divide by that of inputs."),
    edit(INPUTS, "inputs += latents.numel()", "The counts are divided by inputs times latents: divide by inputs."),
    edit(INPUTS, "inputs = len(latents)", "The counts are divided by the size of the last batch."),
    edit(
        DENSITY,
        "density = active / active.sum()",
        "The densities are made to sum to 1: divide by the number of inputs.",
    ),
    edit(RETURN, "return density.mean(), density", "L0 is averaged over latents: it is their sum for one input."),
    edit(RETURN, "return active.sum(), density", "L0 is summed over inputs: it is the mean over them."),
    edit(RETURN, "return (density > 0).sum().to(density), density", "These are the latents that are ever active."),
    edit(RETURN, "return density.sum(), active", "The second is a count: divide by the number of inputs."),
    edit(RETURN, "return density.sum(), density.log10()", "These are logarithms: take them when you draw."),
)

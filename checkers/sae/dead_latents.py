"""`sae.dead_latents`: which latents have been silent for long, over many batches."""

from collections.abc import Iterator

from torch import Tensor

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("DeadLatents")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, latents, window, sizes, chance in [
        ("seven batches of different sizes", 9, 12, (5, 2, 7, 1, 4, 3, 6), 0.07),
        ("a short window", 7, 3, (2, 1, 3, 1, 2), 0.2),
        ("a window of one batch exactly", 6, 4, (4, 4, 4, 4), 0.1),
        ("a window that never ends", 5, 1000, (6, 3, 8), 0.1),
        ("one latent", 1, 5, (3, 2, 4, 1, 2, 3), 0.1),
        ("single inputs", 8, 6, (1,) * 14, 0.15),
    ]:
        batches = [_sparse(rng, (size, latents), chance) for size in sizes]
        for batch in batches[1:]:
            batch[:, 0] = 0  # fires in the first batch at most
        batches[0][0, 0] = 0.5
        if latents > 4:
            for batch in batches:
                batch[:, 1], batch[0, 2] = 0, 1e-6  # one that never fires, and one that always does, weakly
            batches[-1][-1, 3] = 2.0  # one that wakes at the end
            for batch in batches[:-1]:
                batch[:, 3] = 0
        yield Case(name, latents=latents, window=window, batches=batches)


def _sparse(rng: Rng, shape: tuple[int, int], chance: float) -> Tensor:
    return rng.uniform(shape) * (rng.uniform(shape) < chance)


ask.checks(equal("dead", title="counts inputs since each latent was last active, over all batches"))

ACTIVE = "active = (latents > 0).any(0)  # (latent,)"
COUNT = "self.silent = (self.silent.to(active.device) + len(latents)) * ~active"
DEAD = "return self.silent >= self.window"

ask.mistakes(
    edit(
        COUNT,
        "self.silent = len(latents) * ~active",
        "Only the last batch counts: silence adds up from batch to batch.",
    ),
    edit(COUNT, "self.silent = (self.silent + 1) * ~active", "Batches are counted: count inputs."),
    edit(
        COUNT,
        "self.silent = self.silent + len(latents) * ~active",
        "The count is never set back: a latent that is active begins anew.",
    ),
    edit(
        COUNT,
        "self.silent = self.silent * ~active + len(latents)",
        "A latent that is active begins with the whole batch as its silence: it begins with 0.",
    ),
    edit(
        COUNT,
        "self.silent = self.silent + (latents == 0).sum(0)",
        "Inputs for which it is silent add up, whether or not it was active between: count since it was last active.",
    ),
    edit(
        COUNT,
        "self.silent = (self.silent + len(latents)) * active",
        "It is the active ones that go on counting, and the silent ones are set back.",
    ),
    edit(
        COUNT,
        "self.silent += self.window * ~active",
        "One silent batch is called death: a latent is dead after `window` inputs.",
    ),
    edit(ACTIVE, "active = (latents > 0).all(0)", "A latent counts as active if it is for every input: any is enough."),
    edit(ACTIVE, "active = latents[-1] > 0", "Only the batch's last input is looked at: any will do."),
    edit(ACTIVE, "active = latents.mean(0) > 1e-3", "Weak activity is overlooked: anything above 0 is active."),
    edit(ACTIVE, "active = (latents > 0).any()", "One active latent wakes all others: look at each by itself."),
    edit(DEAD, "return self.silent > self.window", "At exactly `window` silent inputs a latent is dead already."),
    edit(DEAD, "return self.silent >= 10", "A window is written into the code: use the one that is passed."),
    edit(DEAD, "return self.silent < self.window", "These are the living ones."),
    edit(DEAD, "return self.silent > 0", "Any silence is called death: it takes `window` inputs."),
)

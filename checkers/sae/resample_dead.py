"""`sae.resample_dead`: dead latents pointed at what is badly reconstructed, over several rounds of training.

In most cases all losses but one are 0, so that the draw is known and everything that follows from it can be compared.
Another case draws often: its law is exact, and a right answer fails it less than once in a thousand million runs.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.checks import drawn_from, equal, same
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng, weights
from headwork.checkers.probing import Case

ask = Exercise("resample_dead", seconds=20)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (batch, d_model, latents), rounds, learning_rate in [
        ("three rounds with steps between", (6, 4, 7), [(1, 4), (4,), (0, 2, 6)], 0.05),
        ("nobody dead, then one", (5, 3, 8), [(), (7,)], 0.1),
        ("all but one dead", (3, 6, 5), [(0, 1, 2, 4), (1,)], 0.02),
    ]:
        dead = torch.zeros(len(rounds), latents, dtype=torch.bool)
        losses = torch.zeros(len(rounds), batch).double()
        for index, who in enumerate(rounds):
            dead[index, list(who)] = True
            losses[index, int(rng.integers((), batch))] = 0.7 + index
        yield Case(
            name,
            weights=_weights(rng, d_model, latents),
            x=rng.normal((batch, d_model), 1),
            batches=[rng.normal((4, d_model)) for _ in range(2)],
            rounds=list(dead),
            losses=list(losses),
            learning_rate=learning_rate,
            seed=rng.seed(),
        )
    dead = torch.zeros(6, dtype=torch.bool)
    dead[[2, 5]] = True
    yield Case(
        "many draws",
        weights=_weights(rng, 4, 6),
        x=rng.normal((5, 4), 1),
        dead=dead,
        losses=torch.tensor([0.3, 2.0, 0.0, 0.6, 0.9]).double(),
        learning_rate=0.01,
        repeats=400,
        seed=rng.seed(),
    )


def _weights(rng: Rng, d_model: int, latents: int) -> dict[str, Tensor]:
    shapes: dict[str, Any] = {
        "W_enc": (d_model, latents),
        "b_enc": latents,
        "W_dec": (latents, d_model),
        "b_dec": d_model,
    }
    return weights(rng, 0.7, **shapes)


def _law(case: Case) -> Tensor:
    """(row, input): of one dead latent, of the other, and of the sum of both inputs' numbers, if they are apart."""
    p = case.losses.square() / case.losses.square().sum()
    both = torch.outer(p, p)
    count = len(p)
    total = torch.arange(count)[:, None] + torch.arange(count)
    sums = torch.stack([both[total % count == each].sum() for each in range(count)])
    return torch.stack([p, p, sums])


ROUND, AFTER = "parameters after round", "parameters after the steps that follow round"

ask.checks(
    equal(f"{ROUND} 0", title="dead latents get a new row, column and bias, living ones keep theirs", weight=2),
    equal(f"{ROUND} 1", title="later rounds do the same"),
    equal(f"{AFTER} 0", title="Adam goes on as if they had just begun", weight=2),
    equal(f"{AFTER} 1", title="and does so after later rounds"),
    drawn_from("drawn", law=_law, title="each draws an input of its own, by the square of its loss", weight=2),
    same("again", as_="once", title="the same generator gives the same latents"),
)

DRAW = "drawn = torch.multinomial(losses.square(), len(dead), replacement=True, generator=generator)"
DIRECTIONS = "directions = nn.functional.normalize(x[drawn] - sae.b_dec, dim=-1)  # (latent, d_model)"
LENGTHS = "lengths = sae.W_enc.norm(dim=0) * ~dead  # (latent,)"
SIZE = "size = 0.2 * lengths.sum() / (~dead).sum()"
MOMENTS = 'for moment in ("exp_avg", "exp_avg_sq"):'

ask.mistakes(
    edit(DRAW, DRAW.replace("losses.square()", "losses"), "Inputs are drawn by their loss: draw by its square."),
    edit(
        DRAW,
        DRAW.replace("losses.square()", "torch.ones_like(losses)"),
        "All inputs have the same chance: those with a large loss are to be drawn more often.",
    ),
    edit(
        DRAW,
        "drawn = losses.argmax().expand(len(dead))",
        "The worst input is always taken: draw, or all dead latents become the same.",
    ),
    edit(
        DRAW,
        DRAW.replace("len(dead)", "1") + ".expand(len(dead))",
        "All dead latents share one draw, and become one latent: draw for each.",
    ),
    edit(
        DRAW,
        DRAW.replace(", generator=generator", ""),
        "The generator is not used: the same one has to give the same latents.",
    ),
    edit(
        DIRECTIONS,
        "directions = nn.functional.normalize(x[drawn], dim=-1)",
        "b_dec is not taken from the input: a row of W_dec describes what differs from it.",
    ),
    edit(
        DIRECTIONS,
        "directions = x[drawn] - sae.b_dec",
        "The new rows of W_dec have not the length 1.",
    ),
    edit(SIZE, "size = lengths.sum() / (~dead).sum()", "New columns of W_enc have full size: 0.2 of it is asked for."),
    edit(
        "size = 0.2 * lengths.sum() / (~dead).sum()",
        "size = 0.2 * sae.W_enc.norm(dim=0).mean()",
        "The mean length is taken over all latents: the living ones are meant.",
    ),
    edit(SIZE, "size = 0.2", "New columns of W_enc have the length 0.2: take 0.2 of the living ones' mean length."),
    edit(
        LENGTHS,
        "lengths = sae.W_dec.norm(dim=-1) * ~dead",
        "The lengths are those of W_dec: the mean is over columns of W_enc.",
    ),
    edit(
        "        (sae.b_enc, torch.zeros_like(sae.b_enc), dead),\n",
        "",
        "b_enc of the dead latents stays, which may be what silenced them: set it to 0.",
    ),
    edit(
        "(sae.b_enc, torch.zeros_like(sae.b_enc), dead)",
        "(sae.b_enc, torch.zeros_like(sae.b_enc), torch.ones_like(dead))",
        "All of b_enc is set to 0: living latents keep theirs.",
    ),
    edit(
        "        (sae.W_enc, size * directions.T, dead),\n",
        "",
        "W_enc stays as it was: a dead latent reads along its new direction, too.",
    ),
    edit(
        "parameter.copy_(torch.where(rows, fresh, parameter))",
        "parameter.copy_(fresh)",
        "Living latents are replaced, too: change the dead ones alone.",
    ),
    edit(
        "state = optimiser.state.get(parameter, {})",
        "state = {}",
        "Adam keeps its averages for the dead latents and drags them on: set both to 0 where they are dead.",
    ),
    edit(MOMENTS, 'for moment in ("exp_avg",):', "Adam's average of squares stays: set it to 0, too."),
    edit(MOMENTS, 'for moment in ("exp_avg_sq",):', "Adam's average of gradients stays: set it to 0, too."),
    edit(
        "state[moment].masked_fill_(rows, 0)",
        "state[moment].zero_()",
        "Adam forgets the living latents as well: only the dead ones' averages become 0.",
    ),
)

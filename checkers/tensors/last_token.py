"""`tensors.last_token`: from each sequence the vector at its own last token."""

from collections.abc import Iterator

from torch import Tensor

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit, replace
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("last_token", batch=["residual", "lengths", "cotangent"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    def case(name: str, lengths: Tensor, position: int, width: int, spread: float = 1) -> Case:
        residual = rng.normal((len(lengths), position, width), spread=spread)
        return Case(name, residual=residual, lengths=lengths, cotangent=rng.normal((len(lengths), width)))

    yield case("lengths that differ", 2 + rng.permutation(3), 7, 4)
    yield case("two sequences, large numbers", 2 + rng.permutation(2), 5, 6, 1e4)
    yield case("a batch of one", rng.integers((1,), 5, low=2), 6, 3)
    yield case("vectors of one number", 2 + rng.permutation(5), 8, 1)
    yield case("a single token, and no padding", 1 + rng.permutation(4), 4, 5)
    yield case("one position", 1 + rng.permutation(2) // 2, 1, 3)


ask.checks(
    equal("last", title="reads each sequence at its own last token", weight=2),
    equal("gradient", title="gradients reach the last tokens and no others"),
)

PICK = "return residual[batch, lengths - 1]"
LATE = "The position is one too late: counted from 0, the last of n tokens stands at n - 1."

ask.mistakes(
    # Read on the host, in two styles: an index out of range raises there, and kills no GPU.
    replace(
        "import torch\n\n\ndef last_token(residual, lengths):\n"
        "    return torch.stack([row[n] for row, n in zip(residual, lengths.tolist())])\n",
        LATE,
    ),
    replace(
        "import torch\n\n\ndef last_token(residual, lengths):\n"
        "    return torch.cat([row.narrow(0, n, 1) for row, n in zip(residual, lengths.tolist())])\n",
        LATE,
    ),
    edit(
        "lengths - 1]",
        "lengths - 2]",
        "The position is one too early: counted from 0, the last of n tokens stands at n - 1.",
    ),
    edit(
        PICK,
        "return residual[:, -1]",
        "This is the last position of the tensor, padding for every shorter sequence: use lengths.",
    ),
    edit(
        PICK,
        "return residual[:, lengths.max() - 1]",
        "The length of the longest sequence serves for all: each has its own.",
    ),
    edit(
        PICK,
        "return residual[:, 0]",
        "This is the first position: the last token of n stands at n - 1.",
    ),
    edit(
        PICK,
        "return residual[:, lengths - 1]",
        "A slice beside an index keeps its whole axis, so every sequence is read at the lengths of all, "
        "(batch, batch, width): index the batch too.",
    ),
    edit(PICK, "return residual[0, lengths - 1]", "Only the first sequence is read: each has a last token of its own."),
    edit(
        PICK,
        "return residual[:, lengths[0] - 1]",
        "The length of the first sequence serves for all: each has its own.",
    ),
    edit(
        PICK,
        "return residual.gather(1, (lengths - 1)[:, None, None])[:, 0]",
        "gather reads no further than its index is wide, here the first number of each vector, and says nothing: "
        "expand the index to the width.",
    ),
    edit(
        PICK,
        "return residual.gather(1, (lengths - 1)[:, None, None].expand(-1, 1, residual.shape[2]))",
        "The axis of positions is still there, with length 1: return (batch, width).",
    ),
    edit(
        PICK,
        "lengths -= 1\n    return residual[batch, lengths]",
        "lengths -= 1 changes the tensor of whoever called you: lengths - 1 makes a new one.",
    ),
    edit(
        PICK,
        PICK + ".detach()",
        "The result was cut from the graph (detach, .data, .item or numpy): gradients must reach the residual.",
    ),
)

"""`tensors.gather_2d`: entries by row and column, from each matrix its own."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("gather_2d", batch=["values", "rows", "columns", "cotangent"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    """Places are drawn so that they exist with rows and columns swapped, too: then a swap shows in the values."""
    for name, (batch, n_rows, n_columns, picks), spread in [
        ("more columns than rows", (2, 4, 7, 3), 1),
        ("more rows than columns", (3, 8, 5, 4), 1),
        ("a batch of one", (1, 3, 6, 5), 1),
        ("as many picks as matrices", (4, 6, 3, 4), 1),
        ("one pick, large numbers", (5, 2, 3, 1), 1e5),
        ("some entries more than once", (2, 3, 4, 12), 1),
        ("square matrices", (2, 5, 5, 9), 1),
    ]:
        reach = min(n_rows, n_columns)
        yield Case(
            name,
            values=rng.normal((batch, n_rows, n_columns), spread=spread),
            rows=rng.integers((batch, picks), reach),
            columns=rng.integers((batch, picks), reach),
            cotangent=rng.normal((batch, picks)),
        )


ask.checks(
    equal("picked", title="picks the entry at each row and column", weight=2),
    equal("gradient", title="gradients reach the picked entries, as often as they were picked"),
)

PICK = "return values[batch, rows, columns]"
ACROSS = (
    "The index of the matrix lines up with the picks: give it the shape (batch, 1), so that it broadcasts over them."
)

ask.mistakes(
    edit("rows, columns]", "columns, rows]", "Rows and columns are swapped: the row comes first."),
    edit(
        PICK,
        "return values[batch[:, :, None], rows[:, :, None], columns[:, None, :]]",
        "Every row number meets every column number: only the two at the same place in the lists belong together.",
    ),
    edit(
        PICK,
        "return values[:, rows, columns]",
        "A slice keeps its whole axis, so every matrix is read with the picks of all: "
        "index the batch too, each matrix with its own number.",
    ),
    edit(PICK, "return values[0, rows, columns]", "Every pick is made in the first matrix: each has picks of its own."),
    edit("device=values.device)[:, None]", "device=values.device)", ACROSS),
    edit(
        PICK,
        "return values.flatten(1).gather(1, rows * values.shape[1] + columns)",
        "The place in the flattened matrix is counted with the number of rows: "
        "a row is as long as the matrix has columns.",
    ),
    edit(
        PICK,
        "return values.flatten(1).gather(1, columns * values.shape[1] + rows)",
        "The place is counted down the columns, column times the number of rows: "
        "memory runs along the rows, row times the number of columns.",
    ),
    edit(
        PICK,
        "return values.gather(2, columns[:, None, :]).squeeze(1)",
        "gather reads no further than its index is wide, here row 0, and says nothing: "
        "expand the index over all rows first.",
    ),
    edit(
        PICK,
        "return values.gather(1, rows[:, :, None]).squeeze(2)",
        "gather reads no further than its index is wide, here column 0, and says nothing: "
        "expand the index over all columns first.",
    ),
    edit(
        PICK,
        "return values[:, rows[0], columns[0]]",
        "The picks of the first matrix serve for all: each matrix has picks of its own.",
    ),
    edit(
        PICK,
        "return values[batch, rows - 1, columns - 1]",
        "Rows and columns are counted from 1 here: they count from 0, so subtract nothing.",
    ),
    edit(
        PICK,
        PICK + ".detach()",
        "The result was cut from the graph (detach, .data, .item or numpy): gradients must reach the values.",
    ),
)

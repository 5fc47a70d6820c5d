"""`tensors.outer_and_trace`: a product that makes two axes of one each, and a sum along a diagonal."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise(
    *("outer", "trace"),
    forbid=["outer", "ger", "trace"],
    batch=["a", "b", "matrices", "outer_cotangent", "trace_cotangent"],
)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (batch, rows, columns, size), spread in [
        ("ordinary numbers", (2, 3, 5, 4), 1),
        ("more rows than columns", (3, 6, 4, 2), 1),
        ("a batch of one", (1, 4, 2, 3), 1),
        ("one row, matrices of one number", (4, 1, 6, 1), 1),
        ("one column, large numbers", (3, 2, 1, 5), 1e5),
        ("small numbers", (2, 4, 7, 6), 1e-4),
    ]:
        yield Case(
            name,
            a=rng.normal((batch, rows), spread=spread),
            b=rng.normal((batch, columns), spread=spread),
            matrices=rng.normal((batch, size, size), spread=spread),
            outer_cotangent=rng.normal((batch, rows, columns)),
            trace_cotangent=rng.normal((batch,)),
        )


ask.checks(
    equal("outer", title="outer: every entry of a times every entry of b, for each pair in the batch", weight=2),
    equal("trace", title="trace: the sum along each matrix's diagonal", weight=2),
    equal("gradient of outer", title="gradients reach both vectors"),
    equal("gradient of trace", title="gradients reach the matrices"),
)

OUTER = "a[:, :, None] * b[:, None, :]"
TRACE = "matrices.diagonal(dim1=1, dim2=2).sum(-1)"
ALL_PAIRS = "Every vector of a meets every vector of b: only the two at the same place in the batch belong together."
AXES = "diagonal() takes axes 0 and 1 unless told otherwise, here batch and row: say dim1=1, dim2=2."
CUT = "{} was cut from the graph (detach, .data, .item or numpy): gradients must reach every input."

ask.mistakes(
    edit(OUTER, "a[:, None, :] * b[:, :, None]", "Rows and columns are swapped: a runs down the rows, b along them."),
    edit(OUTER, "a.T @ b", "The outer products of the whole batch are added up: keep one matrix for each pair."),
    edit(OUTER, "torch.tensordot(a, b, 0)", ALL_PAIRS),
    edit(OUTER, 'torch.einsum("ai,bj->abij", a, b)', ALL_PAIRS),
    edit(OUTER, "a[:, :, None] + b[:, None, :]", "The entries are added: multiply them."),
    edit(OUTER, "a[:1, :, None] * b[:, None, :]", "The first vector of a serves for all: each pair has its own."),
    edit(OUTER, "a[:, :, None].detach() * b[:, None, :]", CUT.format("a")),
    edit(OUTER, "a[:, :, None] * b[:, None, :].detach()", CUT.format("b")),
    edit(TRACE, "matrices.diagonal().sum(-1)", AXES),
    edit(TRACE, "matrices.diagonal().sum()", AXES),
    edit(TRACE, TRACE.replace("sum(-1)", "sum()"), "The traces of the whole batch are added up: keep one a matrix."),
    edit(TRACE, "matrices.sum((1, 2))", "All entries are added up: only those on the diagonal count."),
    edit(TRACE, "matrices.diagonal(dim1=1, dim2=2)", "This is the diagonal: the trace is its sum."),
    edit(TRACE, TRACE.replace("sum(-1)", "mean(-1)"), "The diagonal is averaged: the trace is its sum."),
    edit(TRACE, TRACE.replace("sum(-1)", "prod(-1)"), "The diagonal is multiplied up: the trace is its sum."),
    edit(
        TRACE,
        "matrices.flip(-1).diagonal(dim1=1, dim2=2).sum(-1)",
        "This diagonal runs from top right to bottom left: row and column numbers must be equal.",
    ),
    edit(TRACE, "matrices.diagonal(1, 1, 2).sum(-1)", "The diagonal is one column too far right: its offset is 0."),
    edit(TRACE, TRACE + ".detach()", CUT.format("The trace")),
)

"""`tensors.as_strided_windows`: sliding windows as a view, from strides."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("windows", forbid=["unfold", "im2col"], batch=["x", "cotangent"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (batch, length), width, step, layout in [
        ("step 1 by default", (2, 7), 3, None, "rows"),
        ("step 2, a position left over", (3, 8), 3, 2, "rows"),
        ("windows that do not overlap", (4, 9), 3, 3, "rows"),
        ("gaps between windows", (2, 11), 2, 4, "rows"),
        ("a batch of one", (1, 6), 4, 1, "rows"),
        ("one window", (3, 5), 5, 2, "rows"),
        ("windows of one position", (2, 5), 1, 3, "rows"),
        ("x stored column by column", (3, 10), 4, 2, "columns"),
        ("x a slice of something larger", (2, 9), 4, 3, "between strangers"),
    ]:
        count = len(range(0, length - width + 1, step or 1))
        yield Case(
            name,
            x=rng.normal((batch, length)),
            width=width,
            step=step,
            layout=layout,
            cotangent=rng.normal((batch, count, width)),
        )


ask.checks(
    equal("windows", title="gives every whole window, in order, however x lies in memory", weight=2),
    equal("windows after x was changed", title="returns a view: it shares x's memory"),
    equal("gradient", title="gradients reach every position, once for each window it is in"),
)

STRIDES = "x.as_strided((x.shape[0], count, width), (per_row, step * per_position, per_position))"
COPY = "These windows are a copy: they do not show later changes of x. Return the view of x's own memory itself."
LAST = "The last window is missing: there are (position - width) // step + 1."

ask.mistakes(
    edit(
        "step * per_position, per_position))",
        "per_position, per_position))",
        "Neighbouring windows are always one position apart: the stride from window to window is step times that of "
        "a position.",
    ),
    edit(
        "// step + 1",
        "+ 1",
        "The number of windows ignores the step: there are (position - width) // step + 1.",
    ),
    edit("// step + 1", "// step", LAST),
    edit("(x.shape[1] - width) // step + 1", "(x.shape[1] - width - 1) // step + 1", LAST),
    edit(
        "(x.shape[1] - width) // step + 1",
        "-(-(x.shape[1] - width) // step) + 1",
        "The number of windows is rounded up: a window that would run over the end is left out.",
    ),
    edit(
        "step * per_position, per_position))",
        "per_position, step * per_position))",
        "The step stands with the positions inside a window: it belongs to the axis of windows.",
    ),
    edit(
        "step * per_position, per_position))",
        "step, per_position))",
        "The stride between windows is the step alone: in memory it is step times the stride of a position.",
    ),
    edit(
        STRIDES,
        "x.contiguous().as_strided((x.shape[0], count, width), (x.shape[1], step, 1))",
        "contiguous() makes a copy of an x that is not: leave x as it is and use its own strides.",
    ),
    edit(
        "per_row, per_position = x.stride()",
        "per_row, per_position = x.shape[1], 1",
        "The strides are those of a tensor stored row by row without gaps: ask x for its own, with x.stride().",
    ),
    edit(
        "per_row, per_position = x.stride()",
        "per_row, per_position = x.stride(0), 1",
        "The stride between positions is taken to be 1: ask x for it, with x.stride(1).",
    ),
    edit(
        STRIDES,
        "x.contiguous().clone().as_strided((x.shape[0], count, width), (x.shape[1], step, 1))",
        COPY,
    ),
    edit(
        STRIDES,
        f"{STRIDES}.clone()",
        COPY,
    ),
    edit(
        STRIDES,
        "x.as_strided((x.shape[0], width, count), (per_row, per_position, step * per_position))",
        "Windows and the positions in them change places: the axes are (batch, window, width).",
    ),
    edit(
        STRIDES,
        f"{STRIDES}[:1].expand(len(x), -1, -1)",
        "Every row shows the windows of the first: the stride of the batch axis is x.stride(0), not 0.",
    ),
    edit(
        STRIDES,
        f"{STRIDES}.flip(1)",
        "The windows run backwards: the first starts at position 0.",
    ),
    edit(
        STRIDES,
        "x.as_strided((x.shape[0], count, width), (per_row, step * per_position, per_position), 0)",
        "The view starts at the beginning of the memory: x may start later, at x.storage_offset(), which is what "
        "as_strided takes when it is given no offset.",
    ),
    edit(
        STRIDES,
        "x.detach().as_strided((x.shape[0], count, width), (per_row, step * per_position, per_position))",
        "The windows were cut from the graph (detach, .data or numpy): gradients must reach x.",
    ),
)

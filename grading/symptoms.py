"""What can be seen of a wrong value when no known mistake explains it: sentences, most telling first."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from headwork.checkers.probing import PROBES_OWN, Case
from headwork.grading.judge import Known
from headwork.grading.plan import Observation

CLOSE = 1e-6  # relative; symptoms are told, not graded


def symptoms(known: Known, seen: list[Observation], run: int, name: str) -> list[str]:
    """Sentences about value `name` in the run that first went wrong, at most three."""
    got, want = seen[run].values.get(name), known.exact[run].values.get(name)
    found: list[str] = []
    if isinstance(got, Tensor) and isinstance(want, Tensor) and want.is_floating_point() and got.is_floating_point():
        found += _of_tensors(got.double(), want.double())
    return [*found, *_across_runs(known, seen, name)][:3]


def _of_tensors(got: Tensor, want: Tensor) -> Iterator[str]:
    if got.shape != want.shape:
        yield from _wrong_shape(got, want)
        return
    for look in LOOKS:
        sentence = look(got, want)
        if sentence:
            yield sentence
            return


def _close(got: Tensor, want: Tensor) -> bool:
    return (
        got.shape == want.shape
        and want.numel() > 0
        and bool(torch.isfinite(got).all())
        and bool(((got - want).abs() <= CLOSE * want.abs().max()).all())
    )


def _wrong_shape(got: Tensor, want: Tensor) -> Iterator[str]:
    for a in range(got.dim()):
        for b in range(a + 1, got.dim()):
            if _close(got.transpose(a, b), want):
                yield f"The numbers are right, but axes {a} and {b} are swapped."
                return
    if got.numel() == want.numel() and _close(got.reshape(want.shape), want):
        yield "The numbers are right; only the shape is not."


def _nan_rows(got: Tensor, want: Tensor) -> str:
    bad = ~torch.isfinite(got)
    if not bad.any():
        return ""
    if got.dim() > 1 and bool((bad.all(-1) == bad.any(-1)).all()):
        return "Whole rows are NaN or infinite: a softmax over nothing but masked scores, or a division by zero."
    return "Some numbers overflow or are undefined: think of very large inputs."


def _transposed(got: Tensor, want: Tensor) -> str:
    for a in range(got.dim()):
        for b in range(a + 1, got.dim()):
            if got.shape[a] == got.shape[b] and _close(got.transpose(a, b), want):
                return f"It is right but for axes {a} and {b}, which are swapped."
    return ""


def _factor(got: Tensor, want: Tensor) -> str:
    scale = (got * want).sum() / want.square().sum().clamp_min(1e-300)
    if want.numel() < 2 or not _close(got, scale * want) or scale == 0 or abs(scale - 1) < 1e-3:
        return ""  # a single number is always some multiple, and '1 times' explains nothing
    return (
        "Its sign is flipped: everything is -1 times what is expected."
        if abs(scale + 1) < 1e-5
        else f"Everything is {scale.item():.4g} times what is expected."
    )


def _offset(got: Tensor, want: Tensor) -> str:
    if want.numel() < 2:
        return ""  # a single number is always some distance away
    offset = (got - want).mean()
    return f"Everything is {offset.item():+.4g} away from what is expected." if _close(got, want + offset) else ""


def _constant(got: Tensor, want: Tensor) -> str:
    if got.numel() > 1 and got.max() == got.min():
        return f"Every entry is {got.flatten()[0].item():.4g}: the inputs do not reach the result."
    return ""


def _shift(got: Tensor, want: Tensor) -> str:
    for axis in range(got.dim()):
        length = got.shape[axis]
        for by in (1, -1):
            if length > 2 and _close(got.roll(-by, axis).narrow(axis, 1, length - 2), want.narrow(axis, 1, length - 2)):
                return f"It is shifted by one along axis {axis}."
    return ""


def _flipped(got: Tensor, want: Tensor) -> str:
    for axis in range(got.dim()):
        if got.shape[axis] > 1 and _close(got.flip(axis), want):
            return f"It runs backwards along axis {axis}."
    return ""


def _permuted(got: Tensor, want: Tensor) -> str:
    for axis in range(got.dim()):
        if not 1 < got.shape[axis] <= 64:
            continue
        rows, due = (each.movedim(axis, 0).reshape(got.shape[axis], -1) for each in (got, want))
        nearest = torch.cdist(rows, due).argmin(-1)
        if len(nearest.unique()) == len(rows) and _close(rows, due[nearest]):
            return f"The slices along axis {axis} are right but in the wrong order."
    return ""


def _prefix(got: Tensor, want: Tensor) -> str:
    for axis in range(got.dim()):
        length = got.shape[axis]
        good = [_close(got.select(axis, i), want.select(axis, i)) for i in range(length)]
        right = good.index(False) if False in good else length
        if 0 < right < length and not any(good[right:]):
            return f"It is right up to index {right - 1} along axis {axis}, and wrong after it."
        if good.count(True) == 1 and length > 2:
            return f"Along axis {axis} only index {good.index(True)} is right."
    return ""


LOOKS: tuple[Callable[[Tensor, Tensor], str], ...] = (
    *(_nan_rows, _constant, _factor, _offset, _transposed, _flipped, _shift, _permuted, _prefix),
)


def _across_runs(known: Known, seen: list[Observation], name: str) -> Iterator[str]:
    """What the right and the wrong runs differ in: the batch, or the value of one option."""
    right: list[Case] = []
    wrong: list[Case] = []
    for run, mine, theirs in zip(known.runs, seen, known.exact, strict=True):
        got, want = mine.values.get(name), theirs.values.get(name)
        if not run.lowered and isinstance(got, Tensor) and isinstance(want, Tensor) and not got.is_complex():
            (right if _close(got.double(), want.double()) else wrong).append(run.case)
    if not right or not wrong:
        return
    if all(_batch(case) == 1 for case in right) and all(_batch(case) > 1 for case in wrong):
        yield "It is right for a batch of one and wrong for larger batches."
    if all(_batch(case) > 1 for case in right) and all(_batch(case) == 1 for case in wrong):
        yield "It is right for larger batches and wrong for a batch of one."
    for name, axis in _lonely_axes(right, wrong):
        yield f"It is right only where axis {axis} of {name} has length 1: numbers along that axis are mixed."
        return
    for option in (name for name in right[0].inputs if name not in PROBES_OWN):
        values = [case.inputs.get(option) for case in (*right, *wrong)]
        if all(isinstance(value, (bool, int, float, str)) for value in values):
            good, bad = set(values[: len(right)]), set(values[len(right) :])
            if len(good) == 1 and not good & bad and not good & _sizes(right[0]):
                yield f"It is right only where {option} is {good.pop()}: is that value written into your code?"


def _lonely_axes(right: list[Case], wrong: list[Case]) -> Iterator[tuple[str, int]]:
    """Axes of inputs, past the batch, that have length 1 in every right case and in no wrong one."""
    for name, value in right[0].inputs.items():
        shapes = [tuple(getattr(case.inputs.get(name), "shape", ())) for case in (*right, *wrong)]
        for axis in range(1, min(map(len, shapes)) if isinstance(value, Tensor) else 0):
            lengths = [shape[axis] for shape in shapes]
            if set(lengths[: len(right)]) == {1} and 1 not in lengths[len(right) :]:
                yield name, axis


def _sizes(case: Case) -> set[int]:
    """The lengths of all axes: an option that is one of them says nothing that the shapes do not."""
    return {size for value in case.inputs.values() if isinstance(value, Tensor) for size in value.shape}


def _batch(case: Case) -> int:
    sizes = [len(value) for value in case.inputs.values() if isinstance(value, Tensor) and value.dim() > 1]
    return sizes[0] if sizes else 0

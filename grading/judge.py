"""From what was observed to the results of the checks: the learner's runs beside the reference's."""

from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from headwork.checkers.checks import Check, DrawnFrom, Equal, Same, Satisfies, Stable
from headwork.grading.compare import Comparison, Difference
from headwork.grading.plan import Observation, Run
from headwork.grading.report import CheckResult
from headwork.grading.sampling import draws_differ

FLOAT32 = 1.2e-7  # its epsilon
LOWERED = "Your code computes in float32 where it was given float64, so it was judged in float32."
CHANGED = "An input was changed in place; whoever passed it in still needs it as it was."
UNASKED = 0.5  # the weight of what is checked of every exercise
GENEROUS = 4  # a right answer's float32 error is at most this many times the reference's own


@dataclass
class Known:
    """The grader's side of one seed: the runs, and what the reference did in them, in float64."""

    runs: list[Run]
    exact: list[Observation]
    lowered: dict[int, Observation] = field(default_factory=dict)  # the reference in float32, by run
    slack: dict[tuple[int, str], float] = field(default_factory=dict)  # by run and value, once it was measured


@dataclass
class Flaw:
    """Why a check failed: in which run, and how."""

    run: int
    difference: Difference


def judge(check: Check, known: Known, seen: list[Observation], notes: list[str]) -> tuple[CheckResult, Flaw | None]:
    """The result of one check over all runs that concern it. What it notices on the way goes to `notes`."""
    asked = 0
    for index, run in enumerate(known.runs):
        if check.name not in known.exact[index].values or not _concerns(check, run):
            continue
        asked += 1
        if not any(name in seen[index].values for name in names_of(check)):
            difference: Difference | None = Difference("type", _why_not_reached(seen[index]), unreached=True)
        elif check.name in seen[index].strayed and check.name not in known.exact[index].strayed:
            difference = Difference(
                "type", f"the result is on {seen[index].strayed[check.name]}, not where its inputs are"
            )
        else:
            difference = _flaw(check, index, known, seen[index], notes)
        if difference:
            result = CheckResult(check.title, False, check.weight, difference.message, run.case.name)
            return result, Flaw(index, difference)
    return CheckResult(check.title, True if asked else None, check.weight), None


def names_of(check: Check) -> tuple[str, ...]:
    """The values that a check is about; of an Equal with ways, any one is enough."""
    return (check.name, *check.ways) if isinstance(check, Equal) else (check.name,)


def _concerns(check: Check, run: Run) -> bool:
    if isinstance(check, Stable):
        return run.lowered and run.case.name in check.on
    return not run.lowered


def _why_not_reached(seen: Observation) -> str:
    if seen.fault:
        return f"not reached: {seen.fault.kind} was raised before"
    return "not reached" if seen.ended else "not reached: the run was stopped before"


@singledispatch
def _flaw(check: Check, index: int, known: Known, seen: Observation, notes: list[str]) -> Difference | None:
    raise TypeError(f"no rule to judge {type(check).__name__}")


@_flaw.register
def _(check: Equal, index: int, known: Known, seen: Observation, notes: list[str]) -> Difference | None:
    first = None
    for name in (name for name in names_of(check) if name in seen.values):
        comparison = Comparison(slack_of(known, index, name) if seen.lowered else 0)
        difference = comparison.difference(seen.values[name], known.exact[index].values[name], f"`{name}`")
        if difference is None:
            if comparison.lowered:
                notes.append(LOWERED)
            return None
        first = first or difference
    return first


@_flaw.register
def _(check: Same, index: int, known: Known, seen: Observation, notes: list[str]) -> Difference | None:
    if holds(check, seen):
        return None
    return Difference("value", f"`{check.name}` and `{check.as_}` should be equal, and are not")


def holds(check: Same, seen: Observation) -> bool:
    return Comparison().difference(seen.values[check.name], seen.values.get(check.as_), check.name) is None


@_flaw.register
def _(check: DrawnFrom, index: int, known: Known, seen: Observation, notes: list[str]) -> Difference | None:
    draws, expected = seen.values[check.name], known.exact[index].values[check.name]
    if not isinstance(draws, Tensor) or draws.shape != expected.shape:
        return Comparison().difference(draws, expected, f"`{check.name}`")
    flaw = draws_differ(draws, check.law(known.runs[index].case))
    return Difference("value", flaw) if flaw else None


@_flaw.register
def _(check: Satisfies, index: int, known: Known, seen: Observation, notes: list[str]) -> Difference | None:
    flaw = check.flaw(seen.values[check.name], known.runs[index].case)
    return Difference("value", flaw) if flaw else None


@_flaw.register
def _(check: Stable, index: int, known: Known, seen: Observation, notes: list[str]) -> Difference | None:
    want = known.exact[index].values[check.name]
    comparison = Comparison(slack_of(known, index, check.name))
    difference = comparison.difference(lifted(seen.values[check.name], torch.float32), want, f"`{check.name}`")
    if difference and difference.kind == "value":
        return Difference("value", "much of the precision that float32 has is lost here", difference.detail)
    return difference


def lifted(value: Any, target: torch.dtype) -> Any:
    """A tensor of another float dtype, converted; anything else as it is."""
    return value.to(target) if isinstance(value, Tensor) and value.is_floating_point() else value


def slack_of(known: Known, index: int, name: str) -> float:
    """How far a right answer in float32 may be off, as a fraction of the largest number: measured on the reference."""
    lowered = known.lowered.get(index)
    if lowered is None or name not in lowered.values:
        return 1e-5
    if (index, name) not in known.slack:
        pairs = zip(tree_leaves(lowered.values[name]), tree_leaves(known.exact[index].values[name]), strict=False)
        errors = [_relative_error(low, high) for low, high in pairs]
        known.slack[index, name] = GENEROUS * max([*errors, 4 * FLOAT32])
    return known.slack[index, name]


def _relative_error(low: Any, high: Any) -> float:
    if not (isinstance(low, Tensor) and isinstance(high, Tensor) and high.is_floating_point() and high.numel()):
        return 0
    error = (low.double() - high.double()).abs().nan_to_num(0, 0, 0).max()
    return float(error / high.double().abs().nan_to_num(0, 0, 0).max().clamp_min(1e-30))


def unasked(known: Known, seen: list[Observation]) -> list[CheckResult]:
    """What is checked of every exercise: the inputs are left alone, and float32 stays float32."""
    results = []
    changed = next((run.case.name for run, mine in zip(known.runs, seen, strict=True) if mine.changed), None)
    message = CHANGED if changed else ""
    results.append(CheckResult("leaves its inputs as they were", changed is None, UNASKED, message, changed or ""))
    twin = next((index for index, run in enumerate(known.runs) if run.lowered), None)
    if twin is not None and seen[twin].values:
        flaw = _dtype_flaw(known.lowered[twin], seen[twin])
        case = known.runs[twin].case.name + ", float32"
        results.append(CheckResult("keeps the dtype it is given", not flaw, UNASKED, flaw, case if flaw else ""))
    return results


def _dtype_flaw(reference: Observation, seen: Observation) -> str:
    if seen.fault:
        first_line = seen.fault.message.partition("\n")[0]
        return f"Given float32 inputs it raises {seen.fault.kind}: {first_line}"
    for name, value in seen.values.items():
        mine, theirs = tree_leaves(value), tree_leaves(reference.values.get(name))
        for got, want in zip(mine, theirs, strict=False):
            if (
                isinstance(got, Tensor)
                and isinstance(want, Tensor)
                and got.dtype != want.dtype
                and want.is_floating_point()
            ):
                kinds = [str(each.dtype).removeprefix("torch.") for each in (want, got)]
                return f"Given {kinds[0]} inputs, `{name}` comes out as {kinds[1]}."
    return ""

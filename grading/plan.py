"""What is asked of an implementation: the runs of an exercise, and what was observed in them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from headwork.checkers.checks import Stable
from headwork.checkers.exercise import Exercise
from headwork.checkers.probing import Case
from headwork.grading.runner import Ended, Fault, Yielded


@dataclass(frozen=True)
class Run:
    """One case to be put. A lowered run is the float32 twin of a case, for precision and dtype."""

    case: Case
    lowered: bool = False


@dataclass
class Observation:
    """What an implementation did in one run."""

    values: dict[str, Any] = field(default_factory=dict)
    strayed: dict[str, str] = field(default_factory=dict)
    fault: Fault | None = None
    changed: bool = False
    lowered: bool = False
    ended: bool = False
    seconds: float = 0  # of computing, where we ran it ourselves


def runs_of(exercise: Exercise, seed: int, slow: bool = False) -> list[Run]:
    """All runs of one seed: every case in float64, then the float32 twins."""
    cases = exercise.draw_cases(seed, slow)
    if slow:
        return [Run(case) for case in cases]
    wanted = {name for check in exercise.list_of_checks if isinstance(check, Stable) for name in check.on}
    unknown = wanted - {case.name for case in cases}
    if unknown:
        raise ValueError(f"{exercise.id}: a stable() check names the unknown case {sorted(unknown)[0]!r}")
    twins = [case for index, case in enumerate(cases) if index == 0 or case.name in wanted]
    return [Run(case) for case in cases] + [Run(twin(case), lowered=True) for case in twins if _has_floats(case)]


def exact(run: Run) -> Case:
    """The case of a run in float64: of a twin, exactly the float32 numbers."""
    return Case(run.case.name, **_cast(run.case.inputs, torch.float32, torch.float64)) if run.lowered else run.case


def twin(case: Case) -> Case:
    """The case in float32."""
    return Case(case.name, **_cast(case.inputs, torch.float64, torch.float32))


def _cast(inputs: dict[str, Any], source: torch.dtype, target: torch.dtype) -> dict[str, Any]:
    return tree_map(lambda leaf: leaf.to(target) if isinstance(leaf, Tensor) and leaf.dtype == source else leaf, inputs)


def _has_floats(case: Case) -> bool:
    return any(isinstance(leaf, Tensor) and leaf.is_floating_point() for leaf in case.inputs.values())


def gather(events: Iterable[Yielded | Ended]) -> Observation:
    """The observation that a run's events add up to."""
    seen = Observation()
    for event in events:
        if isinstance(event, Yielded):
            seen.values[event.name] = event.value
            if event.strayed:
                seen.strayed[event.name] = event.strayed
        else:
            seen.fault, seen.changed, seen.lowered, seen.ended = event.fault, event.changed, event.lowered, True
    return seen

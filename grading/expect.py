"""The grader's own runs: what the reference, and each mistake, does in every case. Kept in this process only."""

import linecache
from functools import lru_cache
from importlib import import_module
from importlib.resources import files

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from headwork.chapters import course
from headwork.checkers.catalogue import exercise as find
from headwork.checkers.exercise import Exercise
from headwork.checkers.probing import Case
from headwork.grading.extract import Unusable, extract
from headwork.grading.judge import Known
from headwork.grading.plan import Observation, exact, gather, runs_of
from headwork.grading.program import Program
from headwork.grading.runner import Ended, Probe, Yielded, fault_of, load_program, put
from headwork.grading.submission import read_text
from headwork.grading.wire import decode, encode


def chapter_of(exercise: Exercise) -> str:
    return exercise.id.split(".")[0]


def probe_of(exercise: Exercise) -> Probe:
    """The probe has the exercise's name, in the chapter's `probes.py`."""
    chapter, name = exercise.id.split(".")
    return getattr(import_module(f"headwork.checkers.{chapter}.probes"), name)


@lru_cache
def solution_source(chapter: str) -> str:
    """The whole reference module of a chapter, as text."""
    return (files("headwork.solutions") / f"{chapter}.py").read_text(encoding="utf-8")


@lru_cache
def reference_source(exercise: Exercise) -> str:
    """The part of the chapter's reference that one exercise needs, as text that runs alone."""
    program = program_of(solution_source(chapter_of(exercise)), exercise)
    return "\n".join(piece.source for piece in program.pieces) + "\n"


def program_of(source: str, exercise: Exercise) -> Program:
    """The program in our own `source`. Raises Unusable."""
    packages = course.chapter(chapter_of(exercise)).packages
    return extract(read_text("reference.py", source), exercise.names, packages)


@lru_cache(maxsize=256)
def known(id: str, seed: int, slow: bool, device: str) -> Known:
    """The runs of one seed and what the reference does in them."""
    exercise = find(id)
    runs = runs_of(exercise, seed, slow)
    if slow:
        return Known(runs, _observe(exercise, reference_source(exercise), [run.case for run in runs], device))
    seen = _observe(exercise, reference_source(exercise), [exact(run) for run in runs], device)
    lowered = _observe(exercise, reference_source(exercise), [_float32(run.case) for run in runs], device)
    for run, one, other in zip(runs, seen, lowered, strict=True):
        for each in (one, other):
            if each.fault or each.changed:
                raise RuntimeError(f"the reference of {id} fails its own case {run.case.name!r}: {each.fault}")
    return Known(runs, seen, dict(enumerate(lowered)))


def _float32(case: Case) -> Case:
    return Case(case.name, **tree_map(lambda leaf: leaf.float() if _is_double(leaf) else leaf, case.inputs))


def _is_double(leaf: object) -> bool:
    return isinstance(leaf, Tensor) and leaf.dtype == torch.float64


def observe_source(id: str, source: str, seed: int, device: str) -> list[Observation]:
    """What our own `source` (a mistake) does in the runs of one seed, in this process."""
    exercise = find(id)
    return _observe(exercise, source, [run.case for run in known(id, seed, False, device).runs], device)


def _observe(exercise: Exercise, source: str, cases: list[Case], device: str) -> list[Observation]:
    try:
        program = program_of(source, exercise)
        namespace = load_program(program)
    except Exception as error:
        if isinstance(error, Unusable):
            raise
        return [Observation(fault=fault_of(error, {"reference.py"}), ended=True) for _ in cases]
    finally:
        linecache.cache.pop("reference.py", None)
    fresh = [Case(case.name, **_copies(case, device)) for case in cases]
    return [gather(map(_crossed, put(probe_of(exercise), namespace, case, device, {"reference.py"}))) for case in fresh]


def _crossed(event: Yielded | Ended) -> Yielded | Ended:
    """The event as it would arrive from a worker: a copy, and nothing but values."""
    if isinstance(event, Ended):
        return event
    tree, bodies = encode(event.value)
    return Yielded(event.name, decode(tree, b"".join(bodies)), event.strayed)


def _copies(case: Case, device: str) -> dict[str, object]:
    return tree_map(lambda leaf: leaf.detach().clone().to(device) if isinstance(leaf, Tensor) else leaf, case.inputs)

"""The grader's own runs: what the reference, and each mistake, does in every case. Kept in this process only."""

import ast
import threading
import time
from collections.abc import Iterable
from functools import lru_cache

import torch

from headwork.chapters import course
from headwork.checkers.catalogue import exercise as find
from headwork.checkers.exercise import Exercise
from headwork.checkers.probing import Case
from headwork.grading.attached import fetch
from headwork.grading.extract import extract
from headwork.grading.judge import Known
from headwork.grading.outline import segment
from headwork.grading.parsing import parse
from headwork.grading.patience import Impatient, at_most
from headwork.grading.plan import Observation, exact, gather, runs_of, twin
from headwork.grading.program import Attachment, Piece, Program
from headwork.grading.resources import load_model
from headwork.grading.runner import Ended, Probe, Yielded, fault_of, find_probe, load_program, put
from headwork.grading.solutions import solution_source
from headwork.grading.submission import read_text
from headwork.grading.wire import decode, encode

OURS = {"reference.py"}
PATIENCE = 5.0  # seconds of computing for one run of a mistake
_ALONE = threading.RLock()  # programs are loaded under one module name: one at a time


def chapter_of(exercise: Exercise) -> str:
    return exercise.id.split(".")[0]


def probe_of(exercise: Exercise) -> Probe:
    """The probe of the exercise's name, among the chapter's."""
    return find_probe(*exercise.id.split("."))


@lru_cache
def reference_source(exercise: Exercise) -> str:
    """The part of the chapter's reference that one exercise needs, under all its imports, as text that runs alone."""
    whole = parse(solution_source(chapter_of(exercise)))
    imports = [ast.unparse(node) for node in whole.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    program = program_of(solution_source(chapter_of(exercise)), exercise)
    pieces = [piece.source for piece in program.pieces if not piece.source.startswith(("import ", "from "))]
    return "\n".join([*imports, "", *pieces]) + "\n"


@lru_cache(maxsize=1024)
def program_of(source: str, exercise: Exercise) -> Program:
    """The program in our own `source`. Raises Unusable."""
    packages = course.packages_of(exercise.id)
    return extract(read_text("reference.py", source), exercise.names, packages, exercise.also)


@lru_cache(maxsize=256)
def known(id: str, seed: int, slow: bool, device: str) -> Known:
    """The runs of one seed and what the reference does in them."""
    exercise = find(id)
    runs = runs_of(exercise, seed, slow)
    program = program_of(reference_source(exercise), exercise)
    if slow:
        return Known(runs, _observe(exercise, program, [run.case for run in runs], device))
    seen = _observe(exercise, program, [exact(run) for run in runs], device)
    lowered = _observe(exercise, program, [twin(run.case) for run in runs], device)
    for run, one, other in zip(runs, seen, lowered, strict=True):
        for each in (one, other):
            if each.fault or each.changed:
                raise RuntimeError(f"the reference of {id} fails its own case {run.case.name!r}: {each.fault}")
    return Known(runs, seen, dict(enumerate(lowered)))


@lru_cache(maxsize=8192)
def observe_mistake(id: str, source: str, seed: int, device: str, run: int) -> Observation:
    """What our own wrong `source` does in one run, in this process. All of it runs, with no statement left out."""
    exercise = find(id)
    try:
        program = _by_statements(source)
    except SyntaxError as error:
        return Observation(fault=fault_of(error, OURS), ended=True)
    case = known(id, seed, False, device).runs[run].case
    try:
        with at_most(PATIENCE):
            return _observe(exercise, program, [case], device)[0]
    except Impatient:
        return Observation()  # that of a run which never ended


@lru_cache(maxsize=1024)
def _by_statements(source: str) -> Program:
    """The whole of our own source, a piece a statement, so that only what differs from other sources is compiled."""
    lines = source.split("\n")
    pieces = []
    for node in parse(source).body:
        _, text = segment(node, lines)
        pieces.append(Piece("reference.py", 1, text))
    return Program(tuple(pieces), ())


def _observe(exercise: Exercise, program: Program, cases: list[Case], device: str) -> list[Observation]:
    with _ALONE, torch.random.fork_rng(devices=[]):
        try:
            namespace = load_program(program)
        except Exception as error:
            return [Observation(fault=fault_of(error, OURS), ended=True) for _ in cases]
        fresh = [Case(case.name, **_copies(case, device)) for case in cases]
        seen = [_timed(map(_crossed, put(probe_of(exercise), namespace, case, device, OURS))) for case in fresh]
        fetch(exercise, seen, own_files(exercise))
        return seen


def own_files(exercise: Exercise) -> tuple[Attachment, ...]:
    """What reference, mistakes and alternatives of an exercise come along with."""
    return tuple(Attachment(name, data) for name, data in exercise.own_files.items())


def _timed(events: Iterable[Yielded | Ended]) -> Observation:
    start = time.thread_time()
    seen = gather(events)
    seen.seconds = time.thread_time() - start
    return seen


def _crossed(event: Yielded | Ended) -> Yielded | Ended:
    """The event as it would arrive from a worker: a copy, and nothing but values."""
    if isinstance(event, Ended):
        return event
    tree, bodies = encode(event.value)
    return Yielded(event.name, decode(tree, b"".join(bodies)), event.strayed)


def _copies(case: Case, device: str) -> dict[str, object]:
    """The case's inputs as they would arrive in a worker: fresh tensors, models read from their files."""
    tree, bodies = encode(case.inputs)
    return decode(tree, b"".join(bodies), device, load_model)

"""Runs a program and puts a probe to it. The same code runs in the learner's process and, for references, in ours."""

import linecache
import pkgutil
import sys
import traceback
import types
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from headwork.checkers.probing import Answer, Case, Unfit, digest
from headwork.grading.program import Program

MODULE = "submission"
MAX_FRAMES = 8
MAX_MESSAGE = 2000


@dataclass(frozen=True)
class Fault:
    """An exception in a learner's code, as data."""

    kind: str  # the exception's class name
    message: str
    frames: list[list[Any]] = field(default_factory=list)  # [file, line, function, source], the learner's own
    shapes: str = ""  # of the tensors at hand where it was raised
    unfit: bool = False  # raised by the probe: the message is for the learner as it stands


@dataclass
class Yielded:
    """One `name, value` of a probe. `strayed` is the device of a tensor that left the run's device."""

    name: str
    value: Any
    strayed: str = ""


@dataclass
class Ended:
    """The end of a case: how, and whether the inputs were changed in place."""

    fault: Fault | None
    changed: bool
    lowered: bool = False  # float32 was seen in a float64 case


class _Float32Seen(TorchFunctionMode):
    """Notices whether float32 numbers are made: code that fixes float32 is judged in float32."""

    seen = False

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        self.seen = self.seen or any(isinstance(x, Tensor) and x.dtype == torch.float32 for x in tree_leaves(result))
        return result


def load_program(program: Program) -> dict[str, Any]:
    """Runs the pieces of `program` in a fresh module and returns its namespace. Raises what they raise."""
    module = types.ModuleType(MODULE)
    sys.modules[MODULE] = module
    namespace = vars(module)
    flags = 0
    for feature in program.future:
        flags |= getattr(__import__("__future__"), feature).compiler_flag
    for piece in program.pieces:
        remember_source(piece.file, piece.line, piece.source)
        exec(_compiled("\n" * (piece.line - 1) + piece.source, piece.file, flags), namespace)
    return namespace


@lru_cache(maxsize=4096)
def _compiled(text: str, file: str, flags: int) -> types.CodeType:
    """Known mistakes differ from the reference in one place: the rest of them is compiled once."""
    return compile(text, file, "exec", flags, dont_inherit=True)


def remember_source(file: str, line: int, source: str) -> None:
    """Lets tracebacks and `inspect.getsource` find a piece's lines."""
    _, _, lines, _ = linecache.cache.get(file, (0, None, [], file))  # type: ignore[misc]
    lines = list(lines)
    new = [text + "\n" for text in source.split("\n")]
    lines += ["\n"] * (line - 1 + len(new) - len(lines))
    lines[line - 1 : line - 1 + len(new)] = new
    linecache.cache[file] = (sum(map(len, lines)), None, lines, file)


Probe = Callable[[Answer, Case], Iterator[tuple[str, Any]]]


@lru_cache
def probe_modules(chapter: str) -> tuple[types.ModuleType, ...]:
    """The modules that hold a chapter's probes: `probes.py`, or every module of the package `probes`."""
    whole = import_module(f"headwork.checkers.{chapter}.probes")
    inside = pkgutil.iter_modules(getattr(whole, "__path__", []))
    return (whole, *(import_module(f"{whole.__name__}.{each.name}") for each in inside))


def find_probe(chapter: str, name: str) -> Probe:
    """The probe of exercise `chapter.name`: the function of its name. Raises AttributeError."""
    for module in probe_modules(chapter):
        probe = getattr(module, name, None)
        if probe is not None and getattr(probe, "__module__", "") == module.__name__:
            return probe
    raise AttributeError(f"checkers/{chapter} has no probe {name!r}")


def put(
    probe: Probe, namespace: dict[str, Any], case: Case, device: str, files: set[str], look: bool = False
) -> Iterator[Yielded | Ended]:
    """Puts one case to an implementation; what was yielded before an exception counts. `look`: for float32, too."""
    before = digest(case.inputs)
    answer = Answer(namespace)
    fault, watch = None, _Float32Seen()
    try:
        seed_everything(device)
        with watch if look else nullcontext():
            for name, value in probe(answer, case):
                yield Yielded(name, value, _strayed(value, device))
    except GeneratorExit:
        raise
    except BaseException as error:
        fault = fault_of(error, files)
    finally:
        answer.restore()
    yield Ended(fault, digest(case.inputs) != before, watch.seen)


def seed_everything(device: str) -> None:
    """Seeds the source that the case's device draws from; torch.manual_seed seeks all kinds of device, for 0.4 ms."""
    torch.default_generator.manual_seed(0)
    if torch.device(device).type == "cuda":
        torch.cuda.manual_seed(0)


def _strayed(value: Any, device: str) -> str:
    kinds = {leaf.device.type for leaf in tree_leaves(value) if isinstance(leaf, Tensor)}
    return ", ".join(sorted(kinds - {torch.device(device).type}))


def fault_of(error: BaseException, files: set[str]) -> Fault:
    """The exception as data: trimmed to the frames in the learner's own files."""
    frames, shapes = [], ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        if file in files:
            frames.append([file, line, frame.f_code.co_qualname, linecache.getline(file, line).strip()[:200]])
            shapes = _shapes(frame.f_locals)
    try:
        message = str(error)[:MAX_MESSAGE]
    except BaseException:  # a learner's exception may fail to print
        message = "(its message cannot be shown)"
    kind = type(error).__name__
    if isinstance(error, MemoryError) or "can't allocate memory" in message or "out of memory" in message.lower():
        kind = "MemoryError"
    return Fault(kind, message, frames[-MAX_FRAMES:], shapes, isinstance(error, Unfit))


def _shapes(variables: dict[str, Any]) -> str:
    tensors = [(name, value) for name, value in variables.items() if isinstance(value, Tensor)]
    try:
        return ", ".join(f"{name} {tuple(value.shape)}" for name, value in tensors[:8])
    except Exception:  # a nested tensor has no shape, and a learner's subclass may do anything
        return ""

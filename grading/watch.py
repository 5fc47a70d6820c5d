"""Finds calls of forbidden operators in the learner's process: by the call, at the aten kernel, not by the text."""

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch


class Forbidden(BaseException):
    """Raised where a forbidden operator is called. Not an Exception, so that `except Exception` does not hide it."""


@contextmanager
def forbid(operators: Sequence[str], files: set[str], device: str = "cpu") -> Iterator[list[list[Any]]]:
    """While the block runs, calling one of the aten `operators` raises Forbidden and is noted.

    Yields the notes: [operator, file, line] a call, of the learner's nearest frame.
    """
    calls: list[list[Any]] = []
    if not operators:
        yield calls
        return
    library = torch.library.Library("aten", "IMPL")  # noqa: TOR901: destroyed below
    keys = ["CPU"] if torch.device(device).type == "cpu" else ["CPU", "CUDA"]
    undo: list[Callable[[], None]] = []
    try:
        for operator in operators:
            refuse = _refuser(operator, calls, files)
            for overload in getattr(torch.ops.aten, operator).overloads():
                name = operator if overload == "default" else f"{operator}.{overload}"
                for key in keys:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        library.impl(name, refuse, key)
            undo += _replace_python_copies(operator, refuse)
        yield calls
    finally:
        for each in undo:
            each()
        library._destroy()


def _refuser(operator: str, calls: list[list[Any]], files: set[str]) -> Callable[..., Any]:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        frame = sys._getframe(1)
        while frame.f_back and frame.f_code.co_filename not in files:
            frame = frame.f_back
        place = [frame.f_code.co_filename, frame.f_lineno] if frame.f_code.co_filename in files else ["", 0]
        calls.append([operator, *place])
        raise Forbidden(operator)

    return refuse


def _replace_python_copies(operator: str, refuse: Callable[..., Any]) -> list[Callable[[], None]]:
    """PyTorch holds many operators a second time, written in Python; they never reach the kernel."""
    undo: list[Callable[[], None]] = []
    for path in ("torch._refs", "torch._refs.nn.functional", "torch._decomp.decompositions"):
        module = sys.modules.get(path)
        for name in {operator, operator.removeprefix("native_")}:
            original = getattr(module, name, None)
            if module is not None and callable(original):
                setattr(module, name, refuse)
                undo.append(lambda module=module, name=name, original=original: setattr(module, name, original))
    tables = [getattr(torch._decomp, "decomposition_table", {})]
    for table in tables:
        for overload in getattr(torch.ops.aten, operator).overloads():
            entry = getattr(getattr(torch.ops.aten, operator), overload)
            if entry in table:
                original = table[entry]
                table[entry] = refuse
                undo.append(lambda table=table, entry=entry, original=original: table.__setitem__(entry, original))
    return undo

"""Finds calls of forbidden operators in the learner's process: by the call, at the aten kernel, not by the text.

Whoever reads this file finds a way round it: it is there for the shortcut, not for the burglar.
"""

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

DEVICES = {
    "cpu": ["CPU", "MkldnnCPU", "NestedTensorCPU", "QuantizedCPU"],
    "cuda": ["CUDA", "NestedTensorCUDA", "CPU", "MkldnnCPU", "NestedTensorCPU", "QuantizedCPU"],
}
KIN = {  # operators, and helpers of PyTorch's Python copies, that do the same work under another name
    "native_layer_norm": ["_normalize"],
    "native_batch_norm": [
        "_batch_norm_no_update",
        "_batch_norm_with_update",
        "_batch_norm_with_update_functional",
        "_native_batch_norm_legit",
        "_native_batch_norm_legit_functional",
        "_native_batch_norm_legit_no_training",
        "native_batch_norm_helper",
    ],
}
COPIES = ("torch._refs", "torch._refs.nn.functional", "torch._decomp.decompositions")
Undo = list[Callable[[], None]]


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
    # Not a torch.library.Library, which the garbage collector's list would offer for destruction.
    kernels = torch._C._dispatch_library("IMPL", "aten", "", __file__, 0)
    undo: Undo = [kernels.reset]
    try:
        for operator in operators:
            refuse = _refuser(operator, calls, files)
            for name in (operator, *KIN.get(operator, ())):
                _replace_kernels(kernels, name, refuse, device)
                undo += _replace_python_copies(name, refuse)
        # The jit's other runtime brings kernels of its own.
        undo += _replace(vars(torch._C), "_jit_to_static_module", _refuser(operators[0], calls, files))
        yield calls
    finally:
        for each in undo:
            each()


def _refuser(operator: str, calls: list[list[Any]], files: set[str]) -> Callable[..., Any]:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        frame = sys._getframe(1)
        while frame.f_back and frame.f_code.co_filename not in files:
            frame = frame.f_back
        place = [frame.f_code.co_filename, frame.f_lineno] if frame.f_code.co_filename in files else ["", 0]
        calls.append([operator, *place])
        raise Forbidden(operator)

    return refuse


def _replace_kernels(kernels: Any, operator: str, refuse: Callable[..., Any], device: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for overload in _overloads(operator):
            for key in DEVICES[torch.device(device).type]:
                kernels.impl(overload.name(), key, refuse, False)


def _overloads(operator: str) -> list[Any]:
    packet = getattr(torch.ops.aten, operator, None)
    return [getattr(packet, name) for name in packet.overloads()] if packet is not None else []


def _replace_python_copies(operator: str, refuse: Callable[..., Any]) -> Undo:
    """PyTorch holds many operators a second time, written in Python; they never reach the kernel."""
    undo: Undo = []
    for path in COPIES:
        for name in {operator, operator.removeprefix("native_")}:
            undo += _replace(vars(sys.modules[path]) if path in sys.modules else {}, name, refuse)
    for table in torch._decomp.global_decomposition_table.values():
        for overload in _overloads(operator):
            undo += _replace(table, overload, refuse)
    return undo


def _replace(table: Any, key: Any, new: Any) -> Undo:
    """Puts `new` where `table` has `key`; returns how to put back what was there."""
    if key not in table:
        return []
    old = table[key]
    table[key] = new
    return [lambda: table.__setitem__(key, old)]

"""The wire between grader and worker: values as a JSON tree and raw bytes, in frames. Nothing is ever unpickled.

A value is None, a bool, a number, a string, a tensor of a listed dtype, a resource, or a list, tuple or dict of
values. What a learner returns beyond that crosses as `Foreign`: the name of its type, nothing else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from headwork.checkers.probing import Model, fresh_row
from headwork.grading.frames import MAX_BODY, MAX_HEADER, WireError, pack, unpack

__all__ = ["MAX_BODY", "MAX_HEADER", "Foreign", "Model", "WireError", "decode", "encode", "pack", "unpack"]

MAX_DEPTH = 24
MAX_NODES = 50_000
MAX_TEXT = 1 << 20  # characters
MAX_AXES = 16

DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.float64, torch.float32, torch.float16, torch.bfloat16),
        *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
        *(torch.complex64, torch.complex128),
    )
}

KEYS = (str, int, float, bool, type(None))


@dataclass(frozen=True)
class Foreign:
    """Stands for a value that does not cross: `kind` is its type's name."""

    kind: str


def encode(value: Any) -> tuple[Any, list[bytes]]:
    """The JSON tree of `value` and the bytes of its tensors, in order."""
    bodies: list[bytes] = []
    count = 0

    def walk(value: Any, depth: int) -> Any:
        nonlocal count
        count += 1
        if count > MAX_NODES or depth > MAX_DEPTH:
            raise _TooLarge
        if value is None or type(value) is bool:
            return value
        if type(value) is str:
            return value[:MAX_TEXT].encode("utf-8", "replace").decode()
        if type(value).__module__ == "numpy" and hasattr(value, "item") and not getattr(value, "shape", ()):
            value = value.item()  # a numpy number is a number
        if type(value) is int:
            return value if _fits(value) else {"$": "foreign", "kind": "an integer beyond 64 bits"}
        if type(value) is float:
            return value if value == value and abs(value) != float("inf") else {"$": "float", "value": repr(value)}
        if isinstance(value, Tensor):
            return _encode_tensor(value, bodies)
        if type(value) in (list, tuple):
            items = [walk(item, depth + 1) for item in value]
            return items if type(value) is list else {"$": "tuple", "items": items}
        if type(value) is dict:
            odd = next((type(key).__qualname__ for key in value if type(key) not in KEYS), None)
            if odd:
                return {"$": "foreign", "kind": f"a dict with keys of type {odd}"[:200]}
            return {"$": "dict", "items": [[walk(k, depth + 1), walk(v, depth + 1)] for k, v in value.items()]}
        if type(value) is Model:
            return {"$": "model", "name": value.name}
        return {"$": "foreign", "kind": f"{type(value).__module__}.{type(value).__qualname__}"[:200]}

    try:
        return walk(value, 0), bodies
    except _TooLarge:
        return {"$": "foreign", "kind": "a structure too large or too deep"}, []


class _TooLarge(Exception):
    pass


def _fits(value: int) -> bool:
    return -(1 << 63) <= value < 1 << 63


def _encode_tensor(value: Tensor, bodies: list[bytes]) -> Any:
    try:
        # Tensor's own methods, called on the class: a subclass may override every one of them.
        with torch._C.DisableTorchFunctionSubclass():
            plain = Tensor.detach(value)
            return _encode_plain(plain if type(plain) is Tensor else Tensor.as_subclass(plain, Tensor), bodies)
    except Exception as error:  # one that holds no numbers, or refuses to give them
        return {"$": "foreign", "kind": f"a tensor that cannot be read ({type(error).__name__})"[:200]}


def _encode_plain(value: Tensor, bodies: list[bytes]) -> Any:
    dtype, device = str(value.dtype).removeprefix("torch."), value.device.type
    if dtype not in DTYPES or value.layout is not torch.strided:
        return {"$": "foreign", "kind": f"a {value.layout} tensor of {value.dtype}"}
    if device == "meta":
        return {"$": "foreign", "kind": "a tensor on the device meta, which holds no numbers"}
    if value.dim() > MAX_AXES:
        return {"$": "foreign", "kind": f"a tensor of {value.dim()} axes"}
    if value.numel() * value.element_size() > MAX_BODY:
        return {"$": "foreign", "kind": f"a tensor of shape {tuple(value.shape)}, too large to compare"}
    flat = fresh_row(value.resolve_conj().resolve_neg().cpu())
    bodies.append(bytes(flat.view(torch.uint8).numpy()) if flat.numel() else b"")
    return {"$": "tensor", "dtype": dtype, "shape": list(value.shape), "device": device}


def decode(tree: Any, body: bytes, device: str = "cpu", model: Callable[[str], Any] = Model) -> Any:
    """The value of a JSON tree: tensors are fresh copies on `device`, models what `model(name)` gives.

    Raises WireError for anything that `encode` does not write.
    """
    offset = 0
    count = 0

    def take(length: int) -> bytes:
        nonlocal offset
        if length < 0 or offset + length > len(body):
            raise WireError("a tensor is longer than the bytes that came")
        offset += length
        return body[offset - length : offset]

    def tensor(tree: dict[str, Any]) -> Tensor:
        dtype, shape = DTYPES.get(str(tree.get("dtype"))), tree.get("shape")
        if dtype is None or not isinstance(shape, list) or len(shape) > MAX_AXES:
            raise WireError("a tensor without a known dtype or shape")
        if not all(type(size) is int and 0 <= size < 1 << 40 for size in shape):
            raise WireError("a tensor with an impossible shape")
        if prod(max(size, 1) for size in shape) * dtype.itemsize > 1 << 62 or prod(shape) * dtype.itemsize > MAX_BODY:
            raise WireError("a tensor beyond the size limit")
        raw = take(prod(shape) * dtype.itemsize)
        if dtype is torch.bool and raw.strip(b"\x00\x01"):
            raise WireError("a bool tensor with bytes other than 0 and 1")
        flat = torch.frombuffer(bytearray(raw), dtype=dtype) if raw else torch.empty(0, dtype=dtype)
        return flat.reshape(shape).to(device)

    def walk(tree: Any, depth: int) -> Any:
        nonlocal count
        count += 1
        if count > 4 * MAX_NODES or depth > 4 * MAX_DEPTH:
            raise WireError("a structure too large or too deep")
        if type(tree) is int and not _fits(tree):
            raise WireError("an integer beyond 64 bits")
        if tree is None or isinstance(tree, (bool, int, float, str)):
            return tree
        if isinstance(tree, list):
            return [walk(item, depth + 1) for item in tree]
        match tree:
            case {"$": "tensor"}:
                return tensor(tree)
            case {"$": "float", "value": "nan" | "inf" | "-inf" as text}:
                return float(text)
            case {"$": "tuple", "items": list(items)}:
                return tuple(walk(item, depth + 1) for item in items)
            case {"$": "dict", "items": list(items)}:
                return dict(_pair(walk(item, depth + 1)) for item in items)
            case {"$": "model", "name": str(name)}:
                return tree_map_only(Tensor, lambda weight: weight.to(device), model(name))
            case {"$": "foreign", "kind": str(kind)}:
                return Foreign(kind[:200])
        raise WireError("a value of an unknown kind")

    return walk(tree, 0)


def _pair(item: Any) -> tuple[Any, Any]:
    match item:
        case [None | bool() | int() | float() | str() as key, value]:
            return key, value
    raise WireError("a dict key that is not a string or a number")

"""Compares a learner's value with the reference's: type, shape, dtype, finiteness, then the numbers."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from headwork.checkers.probing import ABSENT
from headwork.grading.wire import Foreign

EXACT = 1e-9  # of the largest expected number, in float64
Kind = Literal["type", "shape", "dtype", "finite", "value", "absent"]


@dataclass(frozen=True)
class Difference:
    """The first way in which a value is not the expected one; `message` is a sentence for the learner."""

    kind: Kind
    message: str
    detail: str = ""


@dataclass
class Comparison:
    """How to compare, and what was noticed on the way.

    slack: what float32 costs, a fraction of the largest expected number; it is used where the learner's tensor is
    float32 and the expected one float64, and then `lowered` becomes True.
    """

    slack: float = 1e-5
    lowered: bool = False

    def difference(self, got: Any, want: Any, name: str) -> Difference | None:
        """The first difference between `got` and `want`, which messages call `name`; None when they agree."""
        if isinstance(want, dict):
            return self._dict(got, want, name)
        if isinstance(want, (list, tuple)):
            return self._list(got, want, name)
        if want == ABSENT if isinstance(want, str) else False:
            return None if isinstance(got, str) else Difference("absent", f"{name} should not exist")
        if isinstance(want, Tensor):
            return self._tensor(got, want, name)
        if isinstance(want, bool) or want is None or isinstance(want, str):
            return None if type(got) is type(want) and got == want else _differs(got, want, name)
        return self._number(got, want, name)

    def _dict(self, got: Any, want: dict[Any, Any], name: str) -> Difference | None:
        if not isinstance(got, dict):
            return _wrong_type(got, "a dict", name)
        for key, value in want.items():
            if key not in got:
                return Difference("type", f"{name} has no entry {key!r}")
            if difference := self.difference(got[key], value, f"{name} of {key}" if isinstance(key, str) else name):
                return difference
        extra = [key for key in got if key not in want]
        return Difference("type", f"{name} has an entry {extra[0]!r} too many") if extra else None

    def _list(self, got: Any, want: Any, name: str) -> Difference | None:
        if isinstance(got, Tensor) and all(isinstance(item, (int, float)) for item in want):
            got = got.tolist() if got.dim() == 1 else got
        if not isinstance(got, (list, tuple)):
            return _wrong_type(got, f"a {type(want).__name__}", name)
        if len(got) != len(want):
            return Difference("shape", f"{name} has {len(got)} entries, expected {len(want)}")
        for index, (mine, theirs) in enumerate(zip(got, want, strict=True)):
            if difference := self.difference(mine, theirs, f"{name}[{index}]"):
                return difference
        return None

    def _number(self, got: Any, want: float, name: str) -> Difference | None:
        if isinstance(got, Tensor) and got.dim() == 0 and not got.is_complex():
            got = got.item()
        if isinstance(got, bool) or not isinstance(got, (int, float)):
            return _wrong_type(got, "a number", name)
        if got != got or abs(got) == float("inf"):
            return Difference("finite", f"{name} is {got}")
        if abs(got - want) <= EXACT * abs(want) + 1e-12:
            return None
        if abs(got - want) <= self.slack * abs(want):
            self.lowered = True
            return None
        return _differs(got, want, name)

    def _tensor(self, got: Any, want: Tensor, name: str) -> Difference | None:
        if isinstance(got, (int, float)) and not isinstance(got, bool) and want.dim() == 0:
            got = torch.tensor(got, dtype=want.dtype)
        if isinstance(got, str) and got == ABSENT:
            return Difference("absent", f"{name} is absent: the result does not depend on it, or the graph was cut")
        if not isinstance(got, Tensor):
            return _wrong_type(got, "a tensor", name)
        if got.shape != want.shape:
            return Difference("shape", f"{name} has shape {tuple(got.shape)}, expected {tuple(want.shape)}")
        if _family(got) != _family(want):
            return Difference("dtype", f"{name} is {_dtype(got)}, expected {_dtype(want)}")
        if not want.is_floating_point() and not want.is_complex():
            return None if torch.equal(got.long(), want.long()) else _first(got, want, got.long() != want.long(), name)
        return self._floats(got, want, name)

    def _floats(self, got: Tensor, want: Tensor, name: str) -> Difference | None:
        mine, theirs = (x.to(torch.complex128 if x.is_complex() else torch.float64) for x in (got, want))
        wild = ~torch.isfinite(mine) & ~((mine == theirs) | (torch.isnan(mine) & torch.isnan(theirs)))
        if wild.any():
            return _first(got, want, wild, name, kind="finite")
        finite = torch.isfinite(theirs)
        if not want.numel() or not finite.any():
            return None if torch.equal(torch.isnan(mine), torch.isnan(theirs)) else _first(got, want, ~finite, name)
        scale = theirs[finite].abs().max()
        apart = torch.where(finite, (mine - theirs).abs(), (mine != theirs).double() * float("inf"))
        apart = torch.where(torch.isnan(theirs) & torch.isnan(mine), torch.zeros_like(apart), apart)
        if bool((apart <= EXACT * scale + 1e-15).all()):
            return None
        lower = got.dtype in (torch.float32, torch.complex64)
        allowed = self.slack * scale if lower or want.dtype == torch.float32 else EXACT * scale
        if lower and bool((apart <= allowed).all()):
            self.lowered |= want.dtype != got.dtype
            return None
        return _first(got, want, ~(apart <= allowed), name)


def _family(value: Tensor) -> str:
    if value.dtype == torch.bool:
        return "bool"
    return "complex" if value.is_complex() else "float" if value.is_floating_point() else "integer"


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def kind_of(value: Any) -> str:
    """What a learner would call the type of a value."""
    if isinstance(value, Foreign):
        return value.kind
    return "a tensor" if isinstance(value, Tensor) else "None" if value is None else f"a {type(value).__name__}"


def _wrong_type(got: Any, want: str, name: str) -> Difference:
    forgot = "; is a `return` missing?" if got is None else ""
    return Difference("type", f"{name} is {kind_of(got)}, expected {want}{forgot}")


def _differs(got: Any, want: Any, name: str) -> Difference:
    show = got if isinstance(got, (bool, int, float, str)) or got is None else kind_of(got)
    return Difference("value", f"{name} is {str(show)[:80]}, expected {str(want)[:80]}")


def _first(got: Tensor, want: Tensor, wrong: Tensor, name: str, kind: Kind = "value") -> Difference:
    """The first differing index, with both values there."""
    index = tuple(wrong.nonzero()[0].tolist())
    place = f"[{', '.join(map(str, index))}]" if index else ""
    mine, theirs = got[index].item(), want[index].item()
    share = f"{int(wrong.sum())} of {wrong.numel()} entries differ" if wrong.numel() > 1 else ""
    message = f"{name} is {mine} at {place}" if kind == "finite" else f"{name} differs from what is expected"
    return Difference(kind, message, f"{name}{place} is {_show(mine)}, expected {_show(theirs)}\n{share}".strip())


def _show(number: Any) -> str:
    return f"{number:.6g}" if isinstance(number, float) else str(number)

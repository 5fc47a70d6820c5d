"""Compares a learner's value with the reference's: type, shape, dtype, finiteness, then the numbers."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from headwork.checkers.probing import ABSENT
from headwork.grading.wire import Foreign

EXACT = 1e-9  # of the largest expected number, in float64
ROUNDING = 1e-13  # of numbers that are 0 but for rounding, such as the gradient of a saturated softmax
Kind = Literal["type", "shape", "dtype", "finite", "value", "absent"]


@dataclass(frozen=True)
class Difference:
    """The first way in which a value is not the expected one; `message` is a sentence for the learner."""

    kind: Kind
    message: str
    detail: str = ""
    unreached: bool = False  # there is no value to compare, because something else stopped the run before


@dataclass
class Comparison:
    """How to compare, and what was noticed on the way.

    slack: what float32 may cost, as a fraction of the largest expected number; 0 where all is float64.
    lowered: becomes True when the slack was needed. whole: the expected value of which parts are compared.
    """

    slack: float = 0
    lowered: bool = False
    whole: Any = None

    def difference(self, got: Any, want: Any, name: str) -> Difference | None:
        """The first difference between `got` and `want`, which messages call `name`; None when they agree."""
        self.whole = want
        return self._difference(got, want, name)

    @property
    def floor(self) -> float:
        """Small numbers of a value with large ones may be nothing but rounding: a gradient that is 0 by symmetry."""
        return 1e-3 * _largest(self.whole)

    def _difference(self, got: Any, want: Any, name: str) -> Difference | None:
        if isinstance(want, dict):
            return self._dict(got, want, name)
        if isinstance(want, (list, tuple)):
            return self._list(got, want, name)
        if isinstance(want, Tensor):
            return self._tensor(got, want, name)
        if isinstance(want, str) and want == ABSENT:
            return None if isinstance(got, str) else Difference("absent", f"{name} should not exist")
        if isinstance(want, bool) or want is None or isinstance(want, str):
            return None if type(got) is type(want) and got == want else _differs(got, want, name)
        return self._number(got, want, name)

    def _close(self, apart: Any, scale: Any) -> Any:
        """Whether differences are within what rounding explains; notes when only float32's rounding does."""
        exactly = apart <= EXACT * (scale + self.floor) + ROUNDING
        if self.slack <= EXACT or bool(torch.as_tensor(exactly).all()):
            return exactly
        nearly = apart <= self.slack * (scale + self.floor)
        self.lowered |= bool(torch.as_tensor(nearly).all())
        return nearly

    def _dict(self, got: Any, want: dict[Any, Any], name: str) -> Difference | None:
        if not isinstance(got, dict):
            return _wrong_type(got, "a dict", name)
        for key, value in want.items():
            if key not in got:
                return Difference("type", f"{name} has no entry {key!r}")
            if difference := self._difference(got[key], value, f"{name} of {key}" if isinstance(key, str) else name):
                return difference
        extra = [key for key in got if key not in want]
        return Difference("type", f"{name} has an entry {extra[0]!r} too many") if extra else None

    def _list(self, got: Any, want: Any, name: str) -> Difference | None:
        if isinstance(got, Tensor) and all(isinstance(item, (int, float)) for item in want):
            got = got.tolist() if got.shape == (len(want),) else got
        if isinstance(got, Tensor) and got.dim() == 1:
            return Difference("shape", f"{name} has {len(got)} entries, expected {len(want)}")
        if not isinstance(got, (list, tuple)):
            return _wrong_type(got, f"a {type(want).__name__}", name)
        if len(got) != len(want):
            return Difference("shape", f"{name} has {len(got)} entries, expected {len(want)}")
        for index, (mine, theirs) in enumerate(zip(got, want, strict=True)):
            if difference := self._difference(mine, theirs, f"{name}[{index}]"):
                return difference
        return None

    def _number(self, got: Any, want: float, name: str) -> Difference | None:
        if isinstance(got, Tensor) and got.dim() == 0 and not got.is_complex():
            got = got.item()
        if isinstance(got, bool) or not isinstance(got, (int, float)):
            return _wrong_type(got, "a number", name)
        if got != got or abs(got) == float("inf"):
            return Difference("finite", f"{name} is {got}")
        return None if self._close(abs(got - want), abs(want)) else _differs(got, want, name)

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
        if want.numel() and bool((got - want).abs().max() <= EXACT * want.abs().max() < float("inf")):
            return None  # the usual case, quickly
        mine, theirs = (x.to(torch.complex128 if x.is_complex() else torch.float64) for x in (got, want))
        wild = ~torch.isfinite(mine) & ~((mine == theirs) | (torch.isnan(mine) & torch.isnan(theirs)))
        if wild.any():
            return _first(got, want, wild, name, kind="finite")
        finite = torch.isfinite(theirs)
        if not want.numel() or not finite.any():
            return None if torch.equal(torch.isnan(mine), torch.isnan(theirs)) else _first(got, want, ~finite, name)
        scale = theirs[finite].abs().max()
        apart = torch.where(finite, (mine - theirs).abs(), torch.where(mine == theirs, 0.0, float("inf")))
        apart = torch.where(torch.isnan(theirs) & torch.isnan(mine), torch.zeros_like(apart), apart)
        close = self._close(apart, scale)
        return None if bool(close.all()) else _first(got, want, ~close, name)


def _largest(want: Any) -> float:
    """The largest finite number anywhere in a value."""
    leaves = [torch.as_tensor(leaf) for leaf in tree_leaves(want) if isinstance(leaf, (Tensor, float))]
    floats = [leaf.double().abs() for leaf in leaves if leaf.is_floating_point() and leaf.numel()]
    return max((float(leaf.nan_to_num(0, 0, 0).max()) for leaf in floats), default=0.0)


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
    name = name.replace("`", "")
    return Difference(kind, message, f"{name}{place} is {_show(mine)}, expected {_show(theirs)}\n{share}".strip())


def _show(number: Any) -> str:
    return f"{number:.6g}" if isinstance(number, float) else str(number)

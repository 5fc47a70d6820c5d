"""How far right and wrong answers are apart: the worst alternative, and the mistake nearest to the reference."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from headwork.checkers.checks import Check, Equal
from headwork.grading.compare import EXACT, ROUNDING
from headwork.grading.judge import Known, names_of
from headwork.grading.plan import Observation

Seen = dict[str, list[Observation]]  # what several implementations did in every run, by name


@dataclass(frozen=True)
class Margin:
    """Largest relative differences from the reference in float64; a side without any candidate is None.

    `worst` is the alternative that differs most. `nearest` is the mistake whose largest difference is smallest,
    of those that differ at all: the others are found by something that is no difference of values.
    """

    worst: float | None = None
    worst_name: str = ""
    nearest: float | None = None
    nearest_name: str = ""

    @property
    def text(self) -> str:
        """'worst alternative 3e-13 (einops.py), nearest mistake 7e-02 (The bias b is never added.)'."""
        worst, nearest = _shown(self.worst, self.worst_name), _shown(self.nearest, self.nearest_name)
        return f"worst alternative {worst}, nearest mistake {nearest}"

    def warnings(self) -> list[str]:
        """What comes within a factor of ten of the limit of the comparison."""
        found = []
        if self.worst is not None and EXACT / 10 < self.worst <= EXACT:
            found.append(
                f"alternative {self.worst_name} is {self.worst:.0e} from the reference and the limit is {EXACT:.0e}: "
                "other right answers may be rejected. Choose inputs that lose less to rounding."
            )
        if self.nearest is not None and self.nearest < 10 * EXACT:
            found.append(
                f"a mistake is only {self.nearest:.0e} from the reference and the limit is {EXACT:.0e}: "
                f"{self.nearest_name!r}. Choose inputs on which it shows."
            )
        return found


def _shown(number: float | None, name: str) -> str:
    return "none" if number is None else f"{number:.0e} ({name})"


def margin(checks: Sequence[Check], known: Known, alternatives: Seen, mistakes: Seen) -> Margin:
    """The margin of an exercise. Alternatives go by their file's name, mistakes by their sentence."""
    right = {name: largest(checks, known, seen) for name, seen in alternatives.items()}
    wrong = {name: largest(checks, known, seen) for name, seen in mistakes.items()}
    wrong = {name: apart for name, apart in wrong.items() if apart > EXACT}
    worst = max(right, key=lambda name: right[name], default="")
    nearest = min(wrong, key=lambda name: wrong[name], default="")
    return Margin(right.get(worst), worst, wrong.get(nearest), nearest)


def largest(checks: Sequence[Check], known: Known, seen: list[Observation]) -> float:
    """The largest relative difference from the reference of any value that a check wants equal."""
    apart = 0.0
    for run, want, got in zip(known.runs, known.exact, seen, strict=True):
        for check in checks:
            if isinstance(check, Equal) and not run.lowered and check.name in want.values:
                ways = (relative(got.values.get(way), want.values[way]) for way in names_of(check))
                apart = max(apart, min(ways))
    return apart


def relative(got: Any, want: Any) -> float:
    """The largest difference as a fraction of the largest expected number; grading allows EXACT of it."""
    floor = 1e-3 * max((_size(leaf) for leaf in tree_leaves(want)), default=0)
    return _relative(got, want, floor)


def _relative(got: Any, want: Any, floor: float) -> float:
    if isinstance(want, dict):
        if not isinstance(got, dict) or got.keys() != want.keys():
            return float("inf")
        return max((_relative(got[key], value, floor) for key, value in want.items()), default=0)
    if isinstance(want, list | tuple):
        if isinstance(got, Tensor):
            got = got.tolist()
        if not isinstance(got, list | tuple) or len(got) != len(want):
            return float("inf")
        return max((_relative(mine, theirs, floor) for mine, theirs in zip(got, want, strict=True)), default=0)
    return _leaf(got, want, floor)


def _leaf(got: Any, want: Any, floor: float) -> float:
    if not _numeric(got) or not _numeric(want):
        return 0 if type(got) is type(want) and got == want else float("inf")
    mine, theirs = _double(got), _double(want)
    if mine.shape != theirs.shape:
        return float("inf")
    same = (mine == theirs) | (torch.isnan(mine) & torch.isnan(theirs))
    apart = torch.where(same, 0, (mine - theirs).abs()).nan_to_num(float("inf"))
    largest_apart = float(apart.max()) if apart.numel() else 0.0
    return largest_apart / (_size(want) + floor + ROUNDING / EXACT)


def _numeric(value: Any) -> bool:
    return isinstance(value, Tensor | int | float) and not isinstance(value, bool)


def _double(value: Any) -> Tensor:
    if not isinstance(value, Tensor):
        return torch.tensor(value, dtype=torch.float64)
    return value.detach().to(torch.complex128 if value.is_complex() else torch.float64)


def _size(value: Any) -> float:
    """The largest finite number in a leaf."""
    if not _numeric(value) or (isinstance(value, Tensor) and not value.numel()):
        return 0
    return float(_double(value).abs().nan_to_num(0, 0, 0).max())

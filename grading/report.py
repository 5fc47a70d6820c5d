"""What grading says: a `Report` holds a `Verdict` an exercise, and a verdict a `CheckResult` a check.

Plain data without torch, so that faces and gradebook can read reports cheaply. `as_json` and `from_json` are
the format `headwork.report/1`, whose schema is `schemas/report.schema.json`.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

FORMAT = "headwork.report/1"

Status = Literal[
    "passed",
    "failed",
    "not_started",
    "missing",
    "error",
    "timed_out",
    "out_of_memory",
    "forbidden",
    "blocked",
    "grader_fault",
]


@dataclass(frozen=True)
class CheckResult:
    """One graded property. `passed` is None where the check could not be judged."""

    title: str
    passed: bool | None
    weight: float = 1
    message: str = ""  # what is wrong, one sentence
    case: str = ""  # the name of the first case that shows it


@dataclass(frozen=True)
class Verdict:
    """What one exercise got. `points` of `out_of`; `message` is the sentence the learner needs to hear first."""

    exercise: str  # "gpt2.layer_norm"
    status: Status
    points: float = 0
    out_of: float = 1
    message: str = ""
    checks: tuple[CheckResult, ...] = ()
    mistake: str = ""  # the sentence of the mistake that was recognised
    detail: str = ""  # several lines: trimmed traceback, first difference, values
    notes: tuple[str, ...] = ()  # true of a right answer too, such as 'computed in float32'
    printed: str = ""  # what the learner's own code printed
    file: str = ""  # the file or cell the detail speaks of
    line: int = 0
    seconds: float = 0

    @property
    def passed(self) -> bool:
        return self.status == "passed"


@dataclass(frozen=True)
class Report:
    """All verdicts of one submission, with what is needed to grade it again alike."""

    submission: str  # its path or label
    verdicts: tuple[Verdict, ...]
    seed: int = 0
    isolation: str = ""  # "bubblewrap", or "process": no security boundary
    versions: dict[str, str] = field(default_factory=dict)  # headwork, python, torch
    problem: str = ""  # why the whole submission could not be read, one line

    @property
    def points(self) -> float:
        return sum(verdict.points for verdict in self.verdicts)

    @property
    def out_of(self) -> float:
        return sum(verdict.out_of for verdict in self.verdicts)

    @property
    def passed(self) -> bool:
        return not self.problem and bool(self.verdicts) and all(verdict.passed for verdict in self.verdicts)

    @property
    def faulty(self) -> bool:
        """True when the grader, not the learner, failed: nothing is to be recorded, and it must be graded again."""
        return any(verdict.status == "grader_fault" for verdict in self.verdicts)

    def as_json(self) -> dict[str, Any]:
        return {"format": FORMAT, "points": self.points, "out_of": self.out_of, **asdict(self)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Report":
        if data.get("format") != FORMAT:
            raise ValueError(f"not a {FORMAT}: format is {data.get('format')!r}")
        fields = {key: value for key, value in data.items() if key not in ("format", "points", "out_of")}
        return cls(**{**fields, "verdicts": tuple(_verdict(each) for each in data["verdicts"])})


def _verdict(data: dict[str, Any]) -> Verdict:
    checks = tuple(CheckResult(**each) for each in data["checks"])
    return Verdict(**{**data, "checks": checks, "notes": tuple(data["notes"])})

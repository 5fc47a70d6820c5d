"""From what a learner's process said to the verdict, and the sentence that the learner needs to hear first."""

from dataclasses import dataclass, field
from typing import Any

from headwork.checkers.checks import Check, Stable
from headwork.checkers.exercise import Exercise
from headwork.grading.compare import Difference
from headwork.grading.diagnose import name_mistake
from headwork.grading.judge import CHANGED, Flaw, Known, judge, unasked
from headwork.grading.plan import Observation
from headwork.grading.program import Program
from headwork.grading.report import CheckResult, Status, Verdict
from headwork.grading.runner import Fault
from headwork.grading.sandbox import Gone, WorkerFault
from headwork.grading.symptoms import symptoms
from headwork.grading.unusable import ForbiddenImport, MissingFile, MissingName, SyntaxProblem, Unusable
from headwork.grading.wire import WireError, decode

MAX_PRINTED = 1 << 20


@dataclass
class Heard:
    """What one job's messages added up to. Everything in it comes from the learner's process, checked for form."""

    seen: list[Observation]
    fault: Fault | None = None  # while the program was loaded
    calls: list[list[Any]] = field(default_factory=list)  # of forbidden operators: [operator, file, line]
    printed: str = ""
    gone: Gone | None = None
    loaded: bool = False
    current: int = 0

    @property
    def went_through(self) -> bool:
        """Whether every run came to its end without an exception or a forbidden call."""
        clean = not (self.fault or self.calls or self.gone)
        return clean and all(seen.ended and not seen.fault for seen in self.seen)

    def take(self, header: dict[str, Any], body: bytes) -> bool:
        """Takes one message; True when it was the last.

        Raises WorkerFault when the worker says that it cannot begin; WireError, KeyError or TypeError for no message.
        """
        match header["kind"]:
            case "printed":
                room = MAX_PRINTED - len(self.printed)
                self.printed += str(header["text"])[: max(room, 0)]
            case "unready" if self.current == 0 and not self.loaded:
                raise WorkerFault(f"the worker could not take the inputs: {str(header['reason'])[:500]}")
            case "loaded":
                self.loaded = True
                self.fault = _fault(header["fault"])
                self._note(header["calls"])
                return self.fault is not None or not self.seen
            case "yielded":
                seen = self.seen[self.current]
                name = str(header["name"])
                seen.values[name] = decode(header["value"], body)
                if header["strayed"]:
                    seen.strayed[name] = str(header["strayed"])
            case "ended":
                seen = self.seen[self.current]
                seen.fault, seen.changed, seen.ended = _fault(header["fault"]), bool(header["changed"]), True
                seen.lowered = bool(header["lowered"]) or self.seen[0].lowered  # looked for in the first case only
                self._note(header["calls"])
                self.current += 1
                return bool(self.calls) or self.current == len(self.seen)
            case _:
                raise WireError("a message of an unknown kind")
        return False

    def _note(self, calls: Any) -> None:
        if not isinstance(calls, list) or not all(isinstance(call, list) and len(call) == 3 for call in calls):
            raise WireError("a list of calls that is none")
        self.calls = [[str(operator)[:100], str(file)[:200], int(line)] for operator, file, line in calls[:8]]


def _fault(data: Any) -> Fault | None:
    if data is None:
        return None
    if not isinstance(data, dict) or not isinstance(data["frames"], list):
        raise WireError("a fault that is none")
    frames = [[str(file), int(line), str(name), str(text)] for file, line, name, text in data["frames"][:16]]
    return Fault(
        str(data["kind"])[:200], str(data["message"])[:4000], frames, str(data["shapes"])[:500], bool(data["unfit"])
    )


@dataclass
class Outcome:
    """Everything that happened with one exercise, before it is judged."""

    program: Program
    quick: Heard = field(default_factory=lambda: Heard([]))
    known: Known | None = None
    slow: Heard | None = None
    slow_known: Known | None = None
    stub_untouched: bool = False
    blocked_by: str = ""

    @property
    def fault(self) -> Fault | None:
        """The first exception of all."""
        parts = [self.quick, *([self.slow] if self.slow else [])]
        faults = [fault for part in parts for fault in (part.fault, *(seen.fault for seen in part.seen))]
        return next((fault for fault in faults if fault), None)


def verdict_of_unusable(id: str, error: Unusable, out_of: float) -> Verdict:
    """The verdict when no program could be made of the submission."""
    status: Status = "error"
    if isinstance(error, MissingName | MissingFile):
        status = "missing"
    elif isinstance(error, ForbiddenImport):
        status = "forbidden"
    detail = error.detail if isinstance(error, SyntaxProblem) else ""
    return Verdict(id, status, 0, out_of, str(error), detail=detail, file=error.file, line=error.line)


def verdict_of(exercise: Exercise, outcome: Outcome, out_of: float, seed: int, device: str) -> Verdict:
    """Judges what happened: the status, the points, and the sentence that helps."""
    if outcome.stub_untouched:
        message = "Not started yet: this is still the stub."
        return Verdict(exercise.id, "not_started", 0, out_of, message)
    if outcome.blocked_by:
        message = f"It waits for `{outcome.blocked_by}`, which it stands on; this one was not judged."
        return Verdict(exercise.id, "blocked", 0, out_of, message)
    printed = outcome.quick.printed + (outcome.slow.printed if outcome.slow else "")
    notes = list(dict.fromkeys(outcome.program.skipped.values()))
    calls = outcome.quick.calls or (outcome.slow.calls if outcome.slow else [])
    if calls:
        return _forbidden(exercise, calls[0], out_of, printed)
    results, flaws = _judge_all(exercise, outcome, notes)
    fault, gone = outcome.fault, outcome.quick.gone or (outcome.slow.gone if outcome.slow else None)
    status = _status(results, fault, gone)
    common: dict[str, Any] = {
        "exercise": exercise.id, "status": status, "points": _points(results, status, out_of), "out_of": out_of,
        "checks": tuple(results), "notes": tuple(dict.fromkeys(notes)), "printed": printed,
    }  # fmt: skip
    if status == "passed":
        return Verdict(message="Passed.", **common)
    if status == "not_started":
        place: dict[str, Any] = (
            {"file": fault.frames[-1][0], "line": fault.frames[-1][1]} if fault and fault.frames else {}
        )
        return Verdict(message="Not finished yet: it still raises NotImplementedError.", **common, **place)
    sentences = _sentences(exercise, outcome, gone, seed, device)
    return Verdict(**common, **_explain(exercise, outcome, flaws, fault, gone, sentences))


def _forbidden(exercise: Exercise, call: list[Any], out_of: float, printed: str) -> Verdict:
    operator, file, line = call
    name = operator.removeprefix("native_").removeprefix("_")
    place = f"Line {line} of {file} calls" if file else "Your code calls"
    message = f"{place} `{name}`, which does the exercise's work: write that part yourself."
    return Verdict(exercise.id, "forbidden", 0, out_of, message, file=file, line=line, printed=printed)


def _judge_all(exercise: Exercise, outcome: Outcome, notes: list[str]) -> tuple[list[CheckResult], dict[Check, Flaw]]:
    """The results of all checks, the exercise's own first, and the flaws of those that failed."""
    assert outcome.known
    results: list[CheckResult] = []
    flaws: dict[Check, Flaw] = {}
    slow_names = {name for seen in outcome.slow_known.exact for name in seen.values} if outcome.slow_known else set()
    for check in exercise.list_of_checks:
        if isinstance(check, Stable) and any(each.name == check.name for each in flaws):
            results.append(CheckResult(check.title, None, check.weight))  # the precision of wrong numbers says nothing
            continue
        slow = check.name in slow_names and outcome.slow is not None
        known, heard = (outcome.slow_known, outcome.slow) if slow else (outcome.known, outcome.quick)
        assert known and heard
        result, flaw = judge(check, known, heard.seen, notes)
        results.append(result)
        if flaw:
            flaws[check] = flaw
    if outcome.quick.went_through or not all(result.passed is False for result in results):
        results += unasked(outcome.known, outcome.quick.seen)
    return results, flaws


def _status(results: list[CheckResult], fault: Fault | None, gone: Gone | None) -> Status:
    if gone:
        return gone.reason  # type: ignore[return-value]
    if fault:
        if _says_not_implemented(fault):
            return "not_started"
        return "out_of_memory" if fault.kind == "MemoryError" else "failed" if fault.unfit else "error"
    return "failed" if any(result.passed is False for result in results) else "passed"


def _says_not_implemented(fault: Fault) -> bool:
    """Whether the learner's own line raises it; PyTorch raises it, too."""
    return fault.kind == "NotImplementedError" and bool(fault.frames) and fault.kind in fault.frames[-1][3]


def _points(results: list[CheckResult], status: Status, out_of: float) -> float:
    """The share of weight that passed. Everything stands on the first check: without it there is nothing."""
    if status == "passed":
        return out_of
    if not results or results[0].passed is not True:
        return 0
    share = sum(result.weight for result in results if result.passed) / sum(result.weight for result in results)
    return round(out_of * share, 2)


def _sentences(exercise: Exercise, outcome: Outcome, gone: Gone | None, seed: int, device: str) -> tuple[str, ...]:
    if gone or outcome.quick.fault or outcome.known is None:
        return ()
    return name_mistake(exercise, outcome.known, outcome.quick.seen, seed, device)


def _explain(
    exercise: Exercise,
    outcome: Outcome,
    flaws: dict[Check, Flaw],
    fault: Fault | None,
    gone: Gone | None,
    sentences: tuple[str, ...],
) -> dict[str, Any]:
    """The headline, the mistake, the detail and the place of a verdict that did not pass."""
    mistake = " And: ".join(sentences)
    if gone:
        return {"message": str(gone), "detail": ""}
    wrong = next(((check, flaw) for check, flaw in flaws.items() if not flaw.difference.unreached), None)
    if fault and not (fault.unfit and wrong):
        message = mistake or _changed_in_place(outcome) or _what_was_raised(fault, exercise)
        file, line = (fault.frames[-1][0], fault.frames[-1][1]) if fault.frames else ("", 0)
        raised = f"{_what_was_raised(fault, exercise)}\n" if mistake else ""
        detail = raised + _traceback(fault)
        return {"message": message, "mistake": mistake, "detail": detail, "file": file, "line": line}
    if wrong is None:
        message = mistake or _changed_in_place(outcome) or _first_message(outcome, flaws)
        return {"message": message, "mistake": mistake}
    check, flaw = wrong
    seen = [] if mistake else _symptoms(outcome, check, flaw)
    message = mistake or (seen[0] if seen else _sentence(flaw.difference))
    detail = "\n".join([flaw.difference.detail, *seen[1:]]).strip()
    return {"message": message, "mistake": mistake, "detail": detail}


def _symptoms(outcome: Outcome, check: Check, flaw: Flaw) -> list[str]:
    assert outcome.known
    in_slow = outcome.slow_known is not None and check.name in outcome.slow_known.exact[0].values
    return [] if in_slow else symptoms(outcome.known, outcome.quick.seen, flaw.run, check.name)


def _changed_in_place(outcome: Outcome) -> str:
    return CHANGED if any(seen.changed for seen in outcome.quick.seen) else ""


def _first_message(outcome: Outcome, flaws: dict[Check, Flaw]) -> str:
    """Of what is checked unasked; or that a run ended without the value that a check is about."""
    assert outcome.known
    failed = [each.message for each in unasked(outcome.known, outcome.quick.seen) if each.passed is False]
    return [*failed, *(_sentence(flaw.difference) for flaw in flaws.values())][0]


def _sentence(difference: Difference) -> str:
    text = difference.message
    return text[0].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


def _what_was_raised(fault: Fault, exercise: Exercise) -> str:
    first = fault.message.strip().splitlines()[0] if fault.message.strip() else ""
    if fault.unfit:
        return first if first.endswith(".") else first + "."
    if fault.kind == "MemoryError":
        return "It needs more memory than the 2 GB it may use."
    if fault.kind == "TypeError" and not fault.frames:
        names = " or ".join(f"`{name}`" for name in exercise.names)
        return f"{names} cannot be called as the exercise calls it: {first}. Compare your signature with the stub's."
    return f"It raises {fault.kind}: {first}" if first else f"It raises {fault.kind}."


def _traceback(fault: Fault) -> str:
    lines = []
    for file, line, name, text in fault.frames:
        lines += [f"{file}, line {line}, in {name}", f"    {text}"]
    if fault.frames and fault.shapes:
        lines.append(f"shapes there: {fault.shapes}")
    return "\n".join(lines)

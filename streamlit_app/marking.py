"""The one grader of a server: started when the first page is shown, used by one check at a time."""

import atexit
import time
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from headwork.gradebook import practice
from headwork.gradebook.store import Gradebook
from headwork.grading.control import Control, Stopped
from headwork.grading.program import Submission
from headwork.grading.report import Report, Verdict

if TYPE_CHECKING:  # importing it imports torch
    from headwork.grading.dispatch import Grader
    from headwork.grading.figure import Drawn

SAID_BY_US = "The grader failed, not your code: nothing was counted. Press Check again."


@dataclass
class Check:
    """A check that is under way, or the last one that ended."""

    id: str
    control: Control = field(default_factory=Control)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    took: float = 0  # seconds, once it has ended
    report: Report | None = None  # none when it was stopped
    _start: float = field(default_factory=time.monotonic)
    _future: "Future[None]" = field(default_factory=Future)

    @property
    def running(self) -> bool:
        return not (self._future.done() or self.control.stopped)

    @property
    def seconds(self) -> float:
        return self.took or time.monotonic() - self._start

    def wait(self, seconds: float) -> None:
        """Until it has ended, or until these seconds have passed."""
        with suppress(TimeoutError, CancelledError):
            self._future.result(seconds)

    def stop(self) -> None:
        """Ends the learner's process; nothing is recorded."""
        if self.running:
            self.took = self.seconds
            self.control.stop()
            self._future.cancel()

    def ended(self, report: Report) -> None:
        self.report, self.took = report, self.seconds


class Marking:
    """A grader for many threads. Its worker loads torch while the learner still reads.

    All of it happens in one thread that stays: a confined worker dies with the thread that started it.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="headwork-grader")
        self._grader: Grader | None = None
        self._prepared: set[str] = set()
        self._checks: dict[str, Check] = {}
        atexit.register(self.close)

    def prepare(self, id: str) -> None:
        """Gets ready for a check of this exercise, in the background; does so once."""
        if id not in self._prepared:
            self._prepared.add(id)
            self._thread.submit(self._prepare, id)

    def check(self, gradebook: Gradebook, learner: str, work: Submission, id: str) -> Check:
        """Grades one exercise and records it. An exception of ours becomes a verdict that says so."""
        check = self._checks[id] = Check(id)
        check._future = self._thread.submit(self._check, gradebook, learner, work, check)
        return check

    def last(self, id: str) -> Check | None:
        """The last check of this exercise since the server was started, whoever asked for it."""
        return self._checks.get(id)

    def refuse(self, id: str, why: str) -> None:
        """Notes a check that could not begin."""
        check = self._checks[id] = Check(id)
        check.ended(Report("draft", (), problem=why))
        check._future.set_result(None)

    def draw(self, work: Submission, id: str, settings: dict[str, Any]) -> "Future[Drawn]":
        """Runs the learner's code for a live figure. An exception of ours becomes a problem that says so."""
        return self._thread.submit(self._draw, work, id, settings)

    def close(self) -> None:
        """Ends the workers; nothing can be checked after it."""
        for check in self._checks.values():
            check.stop()
        self._thread.shutdown(cancel_futures=True)
        if self._grader:
            self._grader.close()

    def _prepare(self, id: str) -> None:
        try:
            grader = self._ready()
            grader.warm([id.partition(".")[0]])
            from headwork.grading.expect import known

            known(id, grader.seed, False, grader.setting.device)
        except Exception:  # the check itself will meet it again, and say it
            self._prepared.discard(id)

    def _check(self, gradebook: Gradebook, learner: str, work: Submission, check: Check) -> None:
        try:
            check.control.go_on()
            grader = replace(self._ready(), control=check.control)
            check.ended(practice.check(gradebook, grader, learner, work, [check.id]))
        except Stopped:
            pass
        except Exception as error:
            verdict = Verdict(check.id, "grader_fault", message=SAID_BY_US, detail=f"{type(error).__name__}: {error}")
            check.ended(Report(work.name, (verdict,)))

    def _draw(self, work: Submission, id: str, settings: dict[str, Any]) -> "Drawn":
        from headwork.grading.figure import Drawn, draw

        try:
            return draw(self._ready(), work, id, settings)
        except Exception as error:
            return Drawn(id, settings, problem=f"The figure could not be drawn, by no fault of yours: {error}")

    def _ready(self) -> "Grader":
        from headwork.grading.dispatch import Grader

        self._grader = self._grader or Grader()
        return self._grader

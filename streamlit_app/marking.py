"""The one grader of a server: started when the first page is shown, used by one check at a time."""

import atexit
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from headwork.gradebook import practice
from headwork.gradebook.store import Gradebook
from headwork.grading.program import Submission
from headwork.grading.report import Report, Verdict

if TYPE_CHECKING:  # importing it imports torch
    from headwork.grading.dispatch import Grader
    from headwork.grading.figure import Drawn

SAID_BY_US = "The grader failed, not your code: nothing was counted. Press Check again."


class Marking:
    """A grader for many threads. Its worker loads torch while the learner still reads.

    All of it happens in one thread that stays: a confined worker dies with the thread that started it.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="headwork-grader")
        self._grader: Grader | None = None
        self._prepared: set[str] = set()
        atexit.register(self.close)

    def prepare(self, id: str) -> None:
        """Gets ready for a check of this exercise, in the background; does so once."""
        if id not in self._prepared:
            self._prepared.add(id)
            self._thread.submit(self._prepare, id)

    def check(self, gradebook: Gradebook, learner: str, work: Submission, id: str) -> "Future[Report]":
        """Grades one exercise and records it. An exception of ours becomes a verdict that says so."""
        return self._thread.submit(self._check, gradebook, learner, work, id)

    def draw(self, work: Submission, id: str, settings: dict[str, Any]) -> "Future[Drawn]":
        """Runs the learner's code for a live figure. An exception of ours becomes a problem that says so."""
        return self._thread.submit(self._draw, work, id, settings)

    def close(self) -> None:
        """Ends the workers; nothing can be checked after it."""
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

    def _check(self, gradebook: Gradebook, learner: str, work: Submission, id: str) -> Report:
        try:
            return practice.check(gradebook, self._ready(), learner, work, [id])
        except Exception as error:
            verdict = Verdict(id, "grader_fault", message=SAID_BY_US, detail=f"{type(error).__name__}: {error}")
            return Report(work.name, (verdict,))

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

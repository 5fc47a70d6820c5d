"""A check seen from another thread: how far it has come, and a way to stop it. Light to import: no torch."""

from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headwork.grading.sandbox import Session


class Stopped(Exception):
    """Somebody stopped the grading: nothing is said of the submission, and nothing is to be recorded."""


@dataclass(frozen=True)
class Progress:
    """The case that is being run: the `number`th of `of`, counted from 1; 0 before the first."""

    case: str = ""
    number: int = 0
    of: int = 0


class Control:
    """Held by whoever started a grading and by the conversation that does it."""

    def __init__(self) -> None:
        self.progress = Progress()
        self.stopped = False
        self._session: Session | None = None
        self._lock = Lock()  # a session is never closed while it is being killed: its handle may be another's by then

    def stop(self) -> None:
        """Ends the learner's process, if there is one, and lets no other start."""
        with self._lock:
            self.stopped = True
            if self._session:
                self._session.kill()

    def go_on(self) -> None:
        """Raises Stopped once somebody has stopped it."""
        if self.stopped:
            raise Stopped

    def hold(self, session: "Session") -> None:
        """This is the process to end."""
        with self._lock:
            self._session = session
            if self.stopped:
                session.kill()

    def close(self, session: "Session") -> None:
        with self._lock:
            self._session = None
            session.close()

"""A limit on how long our own wrong code may run in a thread of ours."""

import ctypes
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf

WAIT = 10  # times the limit passes by the clock before a block is stopped that computes little


class Impatient(BaseException):
    """Raised inside the block that took too long. No Exception: the block must not swallow it."""


class _Block:
    """A block under way, in the thread that makes this."""

    def __init__(self, seconds: float):
        self.thread = threading.get_ident()
        self.lock, self.done = threading.Lock(), False
        self.computed = _computing_time(self.thread)
        now = time.monotonic()
        self.end, self.last = self.computed() + seconds, now + WAIT * seconds
        self.look_at = now + seconds  # by the clock: before that it cannot have computed for so long

    def look(self) -> None:
        """Stops it when its time is up, and otherwise says when to look again."""
        with self.lock:
            if self.done:
                return
            now = time.monotonic()
            left = min(self.end - self.computed(), self.last - now)
            self.look_at = now + left
            if left <= 0:
                self.done = True
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.thread), ctypes.py_object(Impatient))

    def leave(self) -> None:
        with self.lock:  # its own: Impatient may be raised here, and must leave no lock closed that others need
            self.done = True


class _Watch:
    """One thread that looks after all blocks: to start one for each takes longer than most of them."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.blocks: list[_Block] = []
        self.wakes_at = 0.0  # by the clock
        self.thread: threading.Thread | None = None

    def add(self, block: _Block) -> None:
        with self.changed:
            self.blocks = [each for each in self.blocks if not each.done] + [block]
            if self.thread is None or not self.thread.is_alive():  # in a fork it is not
                self.thread = threading.Thread(target=self._run, name="patience", daemon=True)
                self.thread.start()
            elif block.look_at < self.wakes_at:
                self.changed.notify()

    def _run(self) -> None:
        with self.changed:
            while True:
                for block in self.blocks:
                    if block.look_at <= time.monotonic():
                        block.look()
                self.blocks = [each for each in self.blocks if not each.done]
                self.wakes_at = min((each.look_at for each in self.blocks), default=inf)
                wait = self.wakes_at - time.monotonic()
                self.changed.wait(None if wait == inf else max(wait, 0))


_watch = _Watch()


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raises Impatient in this thread when the block still runs Python after it has computed for `seconds`.

    Computed, not waited: on a busy machine the same code is stopped or not. What waits for ever is stopped after
    `WAIT` times as long by the clock. Known mistakes end; two of them together may loop for ever. Signals reach the
    main thread only, so another thread asks the interpreter to raise here. No such block inside another.
    """
    block = _Block(seconds)
    _watch.add(block)
    try:
        yield
    finally:
        block.leave()


def _computing_time(thread: int) -> Callable[[], float]:
    """The seconds that a thread has computed for; where the system does not tell, those that pass."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return time.monotonic
    clock = time.pthread_getcpuclockid(thread)
    return lambda: time.clock_gettime(clock)

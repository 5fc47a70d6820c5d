"""A limit on how long our own wrong code may run in a thread of ours."""

import ctypes
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

WAIT = 10  # times the limit passes by the clock before a block is stopped that computes little


class Impatient(BaseException):
    """Raised inside the block that took too long. No Exception: the block must not swallow it."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raises Impatient in this thread when the block still runs Python after it has computed for `seconds`.

    Computed, not waited: on a busy machine the same code is stopped or not. What waits for ever is stopped after
    `WAIT` times as long by the clock. Known mistakes end; two of them together may loop for ever. Signals reach the
    main thread only, so another thread asks the interpreter to raise here.
    """
    here, lock, done = threading.get_ident(), threading.Lock(), False
    timer: threading.Timer
    computed, waited = _computing_time(here), time.monotonic
    end, last = computed() + seconds, waited() + WAIT * seconds

    def look() -> None:
        nonlocal timer
        with lock:
            if done:
                return
            left = min(end - computed(), last - waited())
            if left > 0:
                timer = _after(left, look)
            else:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(here), ctypes.py_object(Impatient))

    timer = _after(seconds, look)
    try:
        yield
    finally:
        with lock:
            done = True
            timer.cancel()


def _after(seconds: float, call: Callable[[], None]) -> threading.Timer:
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.start()
    return timer


def _computing_time(thread: int) -> Callable[[], float]:
    """The seconds that a thread has computed for; where the system does not tell, those that pass."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return time.monotonic
    clock = time.pthread_getcpuclockid(thread)
    return lambda: time.clock_gettime(clock)

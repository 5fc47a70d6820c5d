"""A limit on how long our own wrong code may run in a thread of ours."""

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Impatient(BaseException):
    """Raised inside the block that took too long. No Exception: the block must not swallow it."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raises Impatient in this thread when the block still runs Python after `seconds`.

    Known mistakes end; two of them together may loop for ever. Signals reach the main thread only, so another thread
    asks the interpreter to raise here.
    """
    here, lock, done = threading.get_ident(), threading.Lock(), False

    def stop() -> None:
        with lock:
            if not done:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(here), ctypes.py_object(Impatient))

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            done = True
        timer.cancel()

"""Starts workers and speaks with them: a `Server` for each chapter, a `Session` for each submission."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from weakref import WeakSet

from headwork.grading import mounts
from headwork.grading.confine import Limits
from headwork.grading.frames import WireError, pack, unpack

START_SECONDS = 60.0
POLL_SECONDS = 0.05
PAGE = os.sysconf("SC_PAGESIZE") if hasattr(os, "sysconf") else 4096
MAX_SAID = 32 << 20  # bytes of headers in answer to one job; a byte of JSON may cost the reader thirty
MAX_SHOWN = 512 << 20  # bytes of tensors
PRELOADED = {"einops": "einops", "regex": "regex", "headwork.models": "headwork.models.gpt2"}  # package and module


class WorkerFault(Exception):
    """The worker could not be started or confined: the grader's fault, never the learner's."""


_running: "WeakSet[Server | Session]" = WeakSet()
_stopping = False


def stop_all() -> None:
    """Kills every worker and every submission's process, and lets no more start. Safe in a signal's handler."""
    global _stopping
    _stopping = True
    for each in list(_running):
        each.kill()


class Gone(Exception):
    """The submission's process ended, or was stopped, before it answered. `reason` is a verdict's status."""

    def __init__(self, reason: str, message: str):
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Setting:
    """How workers run: confined by bubblewrap or not, on which device, under which limits."""

    isolated: bool
    device: str = "cpu"
    limits: Limits = Limits()

    @classmethod
    def best(cls, device: str = "cpu", limits: Limits | None = None, required: bool = False) -> "Setting":
        """The strongest setting that works here. Raises WorkerFault when isolation is required and cannot be had."""
        isolated = device == "cpu" and mounts.bubblewrap() is not None
        if required and not isolated:
            raise WorkerFault(
                "no sandbox works here: install bubblewrap (apt install bubblewrap), then `headwork doctor`"
            )
        return cls(isolated, device, limits or Limits())

    @property
    def name(self) -> str:
        return "bubblewrap" if self.isolated else "process"


class Server:
    """A worker with torch loaded that serves one chapter. CUDA never meets a fork: there each session is spawned."""

    def __init__(self, chapter: str, packages: tuple[str, ...], setting: Setting):
        self.chapter, self.packages, self.setting = chapter, packages, setting
        self.forks = sys.platform == "linux" and setting.device == "cpu"
        self.ordered: socket.socket | None = None  # our end of the next submission's socket
        self.ready = False
        self.spare = self._spawn()
        _running.add(self)
        if _stopping:
            self.kill()

    def _spawn(self) -> "tuple[subprocess.Popen[bytes], socket.socket]":
        if _stopping:
            raise WorkerFault("stopped")
        ours, theirs = socket.socketpair()
        preload = ["numpy", *(PRELOADED[each] for each in self.packages if each in PRELOADED)]
        order = {
            "forks": self.forks,
            "channel": theirs.fileno(),
            "isolated": self.setting.isolated,
            "limits": asdict(self.setting.limits),
            "preload": preload,
            "chapter": self.chapter,
        }
        command = [sys.executable, "-m", "headwork.grading.worker", json.dumps(order)]
        environment = {**os.environ, **mounts.SINGLE_THREAD}
        if self.setting.isolated:
            interpreter = str(Path(sys.executable).resolve())
            confined = mounts.confined(self.chapter, self.packages)
            command = [str(mounts.bubblewrap()), *confined, interpreter, "-S", "-P", *command[1:]]
        process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, env=environment, start_new_session=not self.forks,
        )  # fmt: skip
        theirs.close()
        return process, ours

    def session(self) -> "Session":
        """A fresh process for one submission. Raises WorkerFault."""
        process, control = self.spare
        if not self.forks:
            self.spare = self._spawn()  # the next one warms up meanwhile
            return Session(control, self.setting, process=process)
        self._await_ready()
        if process.poll() is not None:  # and the process in reserve with it, which may have said that it is ready
            raise WorkerFault(f"the worker has gone{self._complaint()}")
        mine = self.ordered or self._order()
        self.ordered = None
        try:
            answer, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        except OSError as error:
            raise WorkerFault(f"the worker has gone: {error}") from None
        if answer != b"P" or not descriptors:
            raise WorkerFault(f"the worker could not start a process for the submission{self._complaint()}")
        session = Session(mine, self.setting, handle=descriptors[0])
        with suppress(WorkerFault):  # the next call will say so
            self.ordered = self._order()
        return session

    def _order(self) -> socket.socket:
        """Asks for a process, which is made while we do other things; returns our end of its socket."""
        mine, theirs = socket.socketpair()
        try:
            socket.send_fds(self.spare[1], [b"S"], [theirs.fileno()])
        except OSError as error:
            raise WorkerFault(f"the worker has gone: {error}") from None
        finally:
            theirs.close()
        return mine

    def _await_ready(self) -> None:
        _, control = self.spare
        if self.ready:
            return
        control.settimeout(START_SECONDS)
        try:
            self.ready = control.recv(1) == b"R"
        except OSError:
            self.ready = False
        if not self.ready:
            raise WorkerFault(f"the worker did not start{self._complaint()}")

    def _complaint(self) -> str:
        process, _ = self.spare
        process.kill()
        said = process.communicate()[1].decode(errors="replace").strip().splitlines()
        return f": {said[-1]}" if said else ""

    def kill(self) -> None:
        self.spare[0].kill()

    def close(self) -> None:
        process, control = self.spare
        control.close()
        if self.ordered:
            self.ordered.close()
        process.kill()
        if process.stderr and not process.stderr.closed:  # _complaint may have read it
            process.communicate()


class Session:
    """One submission's process, seen from outside: jobs go in, messages come out, and it can always be killed."""

    def __init__(
        self,
        connection: socket.socket,
        setting: Setting,
        handle: int | None = None,
        process: "subprocess.Popen[bytes] | None" = None,
    ):
        self.connection, self.setting, self.handle, self.process = connection, setting, handle, process
        self.seconds = START_SECONDS
        self.deadline = time.monotonic() + self.seconds
        self.read = 0  # bytes of the message that is being received
        self.pid = _pid_of(handle) if handle is not None else process.pid if process else 0
        self.looked = time.monotonic()
        _running.add(self)
        if _stopping:
            self.kill()
        self._greet()

    def _greet(self) -> None:
        try:
            greeting, _ = self.receive()
        except Gone as gone:
            greeting = {"reason": str(gone)}
        if greeting.get("kind") != "ready":
            self.close()
            raise WorkerFault(f"the submission could not be confined: {greeting.get('reason', greeting)}")

    def ask(
        self, header: dict[str, Any], bodies: list[bytes], seconds: float
    ) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Sends a job and yields the messages that answer it; raises Gone when they end early."""
        self.deadline = time.monotonic() + seconds
        self.seconds = seconds
        try:
            self.connection.settimeout(seconds)
            self.connection.sendall(pack(header, bodies))
        except OSError:
            raise Gone("error", "The process had ended before this exercise was asked.") from None
        said = shown = 0
        while True:
            self.read = 0
            header, body = self.receive()
            said, shown = said + self.read - len(body), shown + len(body)
            if said > MAX_SAID or shown > MAX_SHOWN:
                raise Gone("error", "It returned or printed more than the grader is ready to read.")
            yield header, body

    def receive(self) -> tuple[dict[str, Any], bytes]:
        try:
            return unpack(self._read)
        except EOFError:
            message = "The process ended before it answered: does the code exit, or crash the interpreter?"
            raise Gone("error", message) from None
        except (WireError, ConnectionError) as error:
            raise Gone("error", f"The process wrote something that is no answer ({error}).") from None

    def _read(self, length: int) -> bytes:
        chunks = []
        while length:
            self._wait()
            chunk = self.connection.recv(min(length, 1 << 20))
            if not chunk:
                raise EOFError
            chunks.append(chunk)
            length -= len(chunk)
            self.read += len(chunk)
        return b"".join(chunks)

    def _wait(self) -> None:
        """Waits for bytes, and watches the clock and the memory meanwhile."""
        while True:
            now = time.monotonic()
            if now >= self.deadline:
                raise Gone("timed_out", f"It was still running after {self.seconds:g} s, the limit.")
            if now - self.looked >= POLL_SECONDS:
                self._weigh()
            if select.select([self.connection], [], [], min(self.deadline - now, POLL_SECONDS))[0]:
                return

    def _weigh(self) -> None:
        limit = self.setting.limits.memory
        if memory_of(self.pid, limit) > limit:
            raise Gone("out_of_memory", f"It used more than {limit / (1 << 30):g} GB of memory, the limit.")
        self.looked = time.monotonic()

    def kill(self) -> None:
        """Kills the process and, with it, all that it started; without isolation, what left its group escapes."""
        if self.handle is not None:
            with suppress(ProcessLookupError, PermissionError):
                signal.pidfd_send_signal(self.handle, signal.SIGKILL)
        elif self.process is not None:
            self.process.kill()
        if self.pid > 0 and not self.setting.isolated:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> None:
        self.kill()
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None
        if self.process is not None:
            self.process.communicate()
        self.pid = 0  # somebody else's before long
        self.connection.close()


def _pid_of(handle: int) -> int:
    """The pid, as we see it, behind a pid descriptor; 0 when it has gone."""
    lines = Path(f"/proc/self/fdinfo/{handle}").read_text().splitlines()
    pid = next((int(line.split()[1]) for line in lines if line.startswith("Pid:")), 0)
    return max(pid, 0)


def memory_of(pid: int, limit: int = 0) -> int:
    """Bytes of memory of a process and all its descendants; pages shared with others are counted in part.

    The sum is rough and too high, with shared pages in full, as long as even that is within `limit`: the exact one
    takes milliseconds a process.
    """
    if pid <= 0 or sys.platform != "linux":
        return 0
    tasks = list(_tasks_of(pid))
    rough = sum(next(filter(None, map(_resident, each)), 0) for each in tasks)
    return rough if rough <= limit else sum(next(filter(None, map(_share_of, each)), 0) for each in tasks)


def _tasks_of(pid: int) -> Iterator[list[Path]]:
    """The threads of a process, then of each of its descendants."""
    waiting = [pid]
    while waiting:
        with suppress(OSError):
            tasks = list(Path(f"/proc/{waiting.pop()}/task").iterdir())
            yield tasks
            for task in tasks:
                with suppress(OSError):
                    waiting += map(int, (task / "children").read_text().split())


def _resident(task: Path) -> int:
    """Bytes in memory of the process that has this thread, shared ones in full; 0 when the thread has ended."""
    with suppress(OSError):
        return int((task / "statm").read_text().split()[1]) * PAGE
    return 0


def _share_of(task: Path) -> int:
    """The same, shared ones in part; a thread that has ended says 0, though others of its process may live on."""
    try:
        lines = (task / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))

"""Memory and processes are limited for the whole submission, and nothing that it started outlives it."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from headwork.grading.confine import Limits
from headwork.grading.dispatch import Grader
from headwork.grading.sandbox import Setting
from headwork.tests.hostile import GIGABYTE, grade, isolated, submission

pytestmark = pytest.mark.skipif(not isolated(), reason="no bubblewrap works here (apt install bubblewrap)")
SMALL = Limits(memory=GIGABYTE // 2, processes=24)


@pytest.fixture(scope="module")
def small():
    """A grader with little memory to give away, so that attacks on it end soon."""
    with Grader(Setting(True, limits=SMALL), slow=False) as grader:
        yield grader


HOARDS = {
    "a list": "kept = []\nwhile True: kept.append(bytearray(1 << 24))",
    "torch": "kept = []\nwhile True: kept.append(torch.ones(1 << 22))",
    "one tensor": "return torch.ones(1 << 36)",
    "shared maps": """
        import mmap
        kept = []
        while True:
            kept.append(mmap.mmap(-1, 1 << 24))
            kept[-1].write(bytes(1 << 24))
        """,
    "children": """
        for _ in range(30):
            if os.fork() == 0:
                kept = bytearray(b"x") * (100 << 20)
                time.sleep(30)
        time.sleep(30)
        """,
    "a thread that outlives the main one": """
        import mmap
        def hoard():
            kept = []
            while True:
                kept.append(mmap.mmap(-1, 1 << 24))
                kept[-1].write(bytes(1 << 24))
        threading.Thread(target=hoard).start()
        ctypes.CDLL(None).syscall(60, 0)
        """,
    "while it floods the channel": """
        import mmap
        def flood():
            frame = b'{"kind": "printed", "text": ""}'
            frame = struct.pack("<II", len(frame), 0) + frame
            while True: os.write(3, frame)
        threading.Thread(target=flood).start()
        kept = []
        while True:
            kept.append(mmap.mmap(-1, 1 << 24))
            kept[-1].write(bytes(1 << 24))
        """,
}


@pytest.mark.parametrize("forward", HOARDS.values(), ids=HOARDS)
def test_memory_is_limited_for_all_processes_together(forward, small):
    free = _available()
    verdict = grade(submission(forward=forward), seconds=8, grader=small)
    assert verdict.status == "out_of_memory" and verdict.points == 0
    assert "memory" in verdict.message
    assert _available() > free - 2 * SMALL.memory


HIDDEN_HOARDS = {
    "memory files": "kept = [os.write(os.memfd_create('x'), bytes(1 << 24)) for _ in range(200)]",
    "System V memory": """
        system = ctypes.CDLL(None)
        if system.shmget(0, 1 << 30, 0o1600) == -1: raise OSError("refused")
        """,
    "a disk of its own in memory": """
        system = ctypes.CDLL(None)
        if system.unshare(0x10020000) != 0 or system.mount(b"none", b"/tmp", b"tmpfs", 0, b"size=100g") != 0:
            raise OSError("refused")
        """,
    "files in its folder": "open('/tmp/x', 'wb').write(bytes(1 << 26))",
    "many files in its folder": "for n in range(9999): open(f'/tmp/{n}', 'wb').write(bytes(1 << 20))",
    "files in shared memory": "for n in range(9999): open(f'/dev/shm/{n}', 'wb').write(bytes(1 << 20))",
    "tables of addresses": "import mmap\nkept = [mmap.mmap(-1, 1 << 40) for _ in range(9)]",
    "io_uring": "if ctypes.CDLL(None).syscall(425, 4096, bytes(200)) == -1: raise OSError('refused')",
}


@pytest.mark.parametrize("attack", HIDDEN_HOARDS.values(), ids=HIDDEN_HOARDS)
def test_memory_that_no_process_owns_is_refused(attack):
    verdict = grade(submission(attack))
    assert verdict.status in ("error", "out_of_memory") and verdict.points == 0
    assert "OSError" in verdict.message or "Permission" in verdict.message or "memory" in verdict.message


WAITING = 1  # the process that is kept ready for the next submission
BOMBS = {
    "children": "while True:\n    try: os.fork()\n    except OSError: pass",
    "daemons": """
        while True:
            try:
                if os.fork() == 0:
                    os.setsid()
                    signal.signal(signal.SIGTERM, signal.SIG_IGN)
                    if os.fork(): os._exit(0)
            except OSError: pass
        """,
    "threads": """
        while True:
            try: threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
            except RuntimeError: pass
        """,
}


@pytest.mark.parametrize("forward", BOMBS.values(), ids=BOMBS)
def test_a_fork_bomb_is_held_small_and_leaves_nothing(forward, small):
    most = 0
    over = threading.Event()

    def count() -> None:
        nonlocal most
        while not over.wait(0.02):
            most = max(most, _tasks_of_nobody())

    before = _tasks_of_nobody()
    counting = threading.Thread(target=count)
    counting.start()
    verdict = grade(submission(forward=forward), seconds=1, grader=small)
    over.set()
    counting.join()
    assert verdict.points == 0 and verdict.status in ("timed_out", "out_of_memory", "error")
    assert before + 5 < most <= before + SMALL.processes + 3
    assert _gone(lambda: _tasks_of_nobody() <= before + WAITING)


def test_a_daemon_does_not_survive():
    attack = """
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                for number in range(1, signal.NSIG):
                    try: signal.signal(number, signal.SIG_IGN)
                    except (OSError, ValueError): pass
                os.execve("/proc/self/exe" if os.path.exists("/proc/self/exe") else sys.executable,
                          [sys.executable, "-c", "import time; time.sleep(99)", "headwork-daemon"], {"MARK": "x"})
            os._exit(0)
        time.sleep(0.2)
        """
    verdict = grade(submission(attack))
    assert verdict.passed
    assert _gone(lambda: not _with_word("headwork-daemon"))


def _gone(condition: Callable[[], bool]) -> bool:
    """Whether the condition holds soon: a killed process takes a moment to go."""
    end = time.monotonic() + 2
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def _with_word(word: str) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if word.encode() in (process / "cmdline").read_bytes().split(b"\0"):
                found.append(int(process.name))
        except OSError:
            continue
    return found


def _tasks_of_nobody() -> int:
    """The threads of our descendants that live in a PID namespace two below ours: those of our submissions."""
    processes = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            lines = (process / "status").read_text().splitlines()
        except OSError:
            continue
        processes[int(process.name)] = dict(line.split(":", 1) for line in lines)
    ours = {os.getpid()}
    while more := {pid for pid, status in processes.items() if int(status["PPid"]) in ours} - ours:
        ours |= more
    mine = [status for pid, status in processes.items() if pid in ours]
    return sum(int(status["Threads"]) for status in mine if len(status["NSpid"].split()) >= 3)


def _available() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable"))

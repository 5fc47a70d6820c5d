"""What the sandbox promises, seen from outside and from inside; and what is left of it where there is none."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from headwork.grading import mounts
from headwork.grading.confine import Limits
from headwork.grading.dispatch import Grader
from headwork.grading.pages import collapse
from headwork.grading.report import Verdict
from headwork.grading.sandbox import Session, Setting, WorkerFault, memory_of
from headwork.grading.submission import read_text
from headwork.grading.worker import MANY
from headwork.tests.hostile import GIGABYTE, ID, RIGHT, grade, isolated, submission, warm_grader

needs_isolation = pytest.mark.skipif(not isolated(), reason="no bubblewrap works here (apt install bubblewrap)")
LOOP = submission(forward="while True: pass")


@pytest.fixture
def session():
    """A confined process that waits for its first job."""
    warm_grader().warm(["gpt2"])
    session = warm_grader().servers["gpt2"].session()
    yield session
    session.close()


def inside(code: str) -> str:
    """What `code`, a submission's, prints; the submission's answer is right."""
    verdict = grade(submission(code))
    assert verdict.passed, verdict
    return verdict.printed.strip()


def verdict_on(grader: Grader, source: str) -> Verdict:
    return grader.grade(read_text("submission.py", source), [ID]).verdicts[0]


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: rest.strip() for name, rest in (line.split(":", 1) for line in lines)}


@needs_isolation
@pytest.mark.parametrize("kind", ["user", "mnt", "net", "ipc", "uts", "pid"])
def test_every_submission_has_namespaces_of_its_own(session, kind):
    other = warm_grader().servers["gpt2"].session()
    try:
        places = [os.readlink(f"/proc/{pid}/ns/{kind}") for pid in ("self", session.pid, other.pid)]
        assert len(set(places)) == 3
    finally:
        other.close()


@needs_isolation
def test_a_submission_is_nobody_and_has_no_capability_nor_a_way_to_one(session):
    status = status_of(session.pid)
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert "0" not in status["Uid"].split() and "0" not in status["Gid"].split()
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    assert status["NSpid"].split()[-1] == "1"  # with it, all its descendants end
    assert inside("print(os.getuid() != 0, os.getpid(), os.getppid())") == "True 1 0"


@needs_isolation
def test_one_descriptor_is_open_besides_three_that_lead_nowhere():
    code = """
        import stat
        for number in range(1024):
            try:
                found = os.fstat(number)
            except OSError:
                continue
            print(number, "null" if found.st_rdev == os.makedev(1, 3) else "socket" * stat.S_ISSOCK(found.st_mode))
        """
    assert inside(code).split("\n") == ["0 null", "1 null", "2 null", "3 socket"]


@needs_isolation
def test_only_the_allowed_packages_can_be_imported():
    code = """
        from importlib import import_module
        for name in ("einops", "numpy", "torch", "transformers", "streamlit", "sqlalchemy", "pytest", "pip"):
            try:
                import_module(name)
                print(name, end=" ")
            except ImportError:
                pass
        """
    assert inside(code) == "einops numpy torch"


@needs_isolation
def test_the_environment_tells_nothing_of_ours(monkeypatch):
    monkeypatch.setenv("HEADWORK_SECRET", "token")
    with Grader(slow=False) as grader:
        verdict = verdict_on(grader, submission("print(sorted(os.environ))"))
    assert verdict.passed and "HEADWORK_SECRET" not in verdict.printed and "USER" not in verdict.printed


@needs_isolation
def test_processes_are_hidden_and_the_temporary_folder_is_empty_and_small():
    assert inside("print(os.listdir('/proc'), os.listdir('/tmp'), os.listdir('/dev/shm'))") == "[] [] []"
    assert inside("print(os.statvfs('/tmp').f_blocks * os.statvfs('/tmp').f_frsize)") == str(Limits().temporary)


@needs_isolation
def test_the_default_limits_are_those_we_state():
    code = """
        import resource
        print([resource.getrlimit(getattr(resource, "RLIMIT_" + name))[1] for name in ("NPROC", "CORE", "FSIZE")])
        """
    limits = Limits()
    assert (limits.memory, limits.processes, limits.output) == (2 * GIGABYTE, 64, 1 << 20)
    assert inside(code) == str([64, 0, limits.file])


def test_the_memory_of_descendants_is_counted():
    code = "import os, time; os.fork(); kept = bytearray(b'x') * (40 << 20); time.sleep(60)"
    process = subprocess.Popen([shutil.which("python3") or "python3", "-S", "-c", code], start_new_session=True)
    try:
        end = time.monotonic() + 10
        while memory_of(process.pid) < 80 << 20 and time.monotonic() < end:
            time.sleep(0.05)
        assert 80 << 20 <= memory_of(process.pid) < 160 << 20
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert memory_of(process.pid) == 0


@needs_isolation
def test_when_a_session_is_closed_its_process_is_gone(session):
    pid = session.pid
    session.close()
    end = time.monotonic() + 2
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.01)
    assert not Path(f"/proc/{pid}").exists()


@needs_isolation
def test_a_worker_that_died_between_submissions_is_started_again():
    with Grader(slow=False) as grader:
        assert verdict_on(grader, RIGHT).passed
        first = grader.servers["gpt2"]
        first.spare[0].kill()
        first.spare[0].wait()
        assert verdict_on(grader, RIGHT).passed
        assert grader.servers["gpt2"] is not first


def test_a_worker_that_cannot_be_started_is_the_graders_fault_and_no_zero(monkeypatch):
    monkeypatch.setattr("sys.executable", shutil.which("false"))
    with Grader(Setting(isolated=False), slow=False) as grader:
        report = grader.grade(read_text("right.py", RIGHT), [ID])
    assert report.faulty and report.verdicts[0].status == "grader_fault"
    assert "not your code" in report.verdicts[0].message


def test_a_submission_that_cannot_be_confined_is_the_graders_fault(monkeypatch):
    def unconfined(self: Session) -> None:
        self.close()
        raise WorkerFault("the submission could not be confined")

    monkeypatch.setattr(Session, "_greet", unconfined)
    with Grader(slow=False) as grader:
        assert grader.grade(read_text("right.py", RIGHT), [ID]).faulty


@pytest.fixture
def no_bubblewrap(monkeypatch, tmp_path):
    mounts.bubblewrap.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    yield tmp_path
    mounts.bubblewrap.cache_clear()


def test_without_bubblewrap_a_plain_process_is_the_best_there_is(no_bubblewrap):
    assert Setting.best().name == "process" and not Setting.best().isolated


def test_a_sandbox_that_is_required_and_missing_is_refused(no_bubblewrap):
    with pytest.raises(WorkerFault, match="install bubblewrap"):
        Setting.best(required=True)


def test_a_bubblewrap_that_does_not_work_here_is_not_used(no_bubblewrap):
    script = no_bubblewrap / "bwrap"
    script.write_text("#!/bin/sh\nexit 1\n")
    script.chmod(0o755)
    assert mounts.bubblewrap() is None


def test_a_gpu_is_never_promised_a_sandbox():
    assert Setting.best(device="cuda").name == "process"


@needs_isolation
def test_a_time_limit_is_kept_to_a_second():
    grade(RIGHT)
    start = time.monotonic()
    verdict = verdict_on_in_a_second(LOOP)
    assert 1 <= time.monotonic() - start < 2
    assert verdict.status == "timed_out" and verdict.message == "It was still running after 1 s, the limit."


def verdict_on_in_a_second(source: str) -> Verdict:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("headwork.checkers.gpt2.layer_norm.ask.seconds", 1)
        return verdict_on(warm_grader(), source)


def test_memory_keeps_its_contents_in_large_pages():
    mine = bytearray(range(256)) * (1 << 16)  # 16 MB
    collapse()
    assert mine == bytearray(range(256)) * (1 << 16)


@needs_isolation
def test_a_worker_of_many_submissions_goes_on():
    server = warm_grader().server("gpt2")
    for _ in range(MANY + 1):
        server.session().close()
    assert warm_grader().server("gpt2") is server
    assert grade(RIGHT).passed

"""Where there is no isolation: forked or spawned workers with limits, which is no security boundary."""

import time
from pathlib import Path

import pytest

from headwork.grading.confine import Limits
from headwork.grading.dispatch import Grader
from headwork.grading.sandbox import Server, Setting
from headwork.grading.submission import read_text
from headwork.tests.hostile import GIGABYTE, ID, RIGHT, WRONG_FORWARD, grade, submission

SMALL = Limits(memory=GIGABYTE // 2)


@pytest.fixture(scope="module", params=[True, False], ids=["forked", "spawned"])
def unconfined(request):
    """A grader without isolation; spawned as where there is no fork, and for CUDA."""
    with pytest.MonkeyPatch.context() as patch:
        if not request.param:
            patch.setattr(Server, "forks", property(lambda self: False, lambda self, value: None), raising=False)
        with Grader(Setting(isolated=False, limits=SMALL), slow=False) as grader:
            yield grader


def test_without_isolation_right_is_right_and_wrong_is_wrong(unconfined):
    report = unconfined.grade(read_text("right.py", RIGHT), [ID])
    assert report.passed and report.isolation == "process"
    verdict = grade(submission(forward=WRONG_FORWARD), grader=unconfined)
    assert verdict.status == "failed" and verdict.points == 0


def test_without_isolation_time_and_memory_are_limited(unconfined):
    start = time.monotonic()
    verdict = grade(submission(forward="while True: pass"), seconds=1, grader=unconfined)
    assert verdict.status == "timed_out" and "1 s" in verdict.message
    hoard = submission(forward="kept = []\nwhile True: kept.append(torch.ones(1 << 22))")
    assert grade(hoard, grader=unconfined).status == "out_of_memory"
    assert time.monotonic() - start < 60


def test_without_isolation_children_end_with_their_parent(unconfined):
    source = submission("if os.fork() == 0: time.sleep(99)\nprint(os.getpid())", "while True: pass")
    group = int(grade(source, seconds=1, grader=unconfined).printed)
    end = time.monotonic() + 2
    while _alive_in(group) and time.monotonic() < end:
        time.sleep(0.02)
    assert not _alive_in(group)


def test_a_daemon_started_without_isolation_does_not_hold_the_grader_up(unconfined):
    start = time.monotonic()
    assert grade(
        submission("if os.fork() == 0:\n    os.setsid()\n    time.sleep(3)\n    os._exit(0)"), grader=unconfined
    ).passed
    assert time.monotonic() - start < 30


def _alive_in(group: int) -> list[str]:
    """The processes of a group that run, or would."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            state, _, its_group = (process / "stat").read_text().rsplit(") ", 1)[1].split()[:3]
        except OSError:
            continue
        if int(its_group) == group and state not in "ZX":
            found.append(process.name)
    return found

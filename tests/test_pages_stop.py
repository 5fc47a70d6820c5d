"""A grading that somebody stops: the learner's process ends, nothing is recorded, and the grader goes on."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from headwork.gradebook import practice
from headwork.gradebook.store import ME, Gradebook
from headwork.grading.control import Control, Stopped
from headwork.grading.dispatch import Grader
from headwork.grading.submission import read_text
from headwork.tests.commands import LAYER_NORM

ID = "gpt2.layer_norm"
SLOW = read_text("exercises.py", LAYER_NORM.replace("        mean =", "        while True: pass\n        mean ="))
RIGHT = read_text("exercises.py", LAYER_NORM)


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader() as grader:
        grader.grade(RIGHT, [ID])  # its worker has loaded torch
        yield grader


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Gradebook]:
    with Gradebook.open(tmp_path / "book.sqlite") as opened:
        yield opened


def stop_when_running(control: Control) -> threading.Thread:
    def wait_and_stop() -> None:
        while not control.progress.number:
            time.sleep(0.01)
        control.stop()

    thread = threading.Thread(target=wait_and_stop)
    thread.start()
    return thread


def test_a_stopped_check_ends_within_a_second_and_is_no_attempt(grader: Grader, book: Gradebook) -> None:
    control = Control()
    stopper = stop_when_running(control)
    with pytest.raises(Stopped):
        practice.check(book, replace(grader, control=control), ME, SLOW, [ID])
    ended = time.monotonic()
    stopper.join()
    assert time.monotonic() - ended < 1
    assert control.progress.number == 1
    assert control.progress.case == "ordinary numbers"
    assert not book.attempts(ME, ID)
    assert not book.pending()


def test_the_grader_goes_on_after_it(grader: Grader, book: Gradebook) -> None:
    assert practice.check(book, grader, ME, RIGHT, [ID]).passed


def test_what_is_stopped_before_it_began_never_runs(grader: Grader) -> None:
    control = Control()
    control.stop()
    start = time.monotonic()
    with pytest.raises(Stopped):
        replace(grader, control=control).grade(SLOW, [ID])
    assert time.monotonic() - start < 2
    assert control.progress.number == 0


def test_only_what_is_pending_can_be_withdrawn(book: Gradebook, grader: Grader) -> None:
    practice.check(book, grader, ME, RIGHT, [ID])
    [attempt] = book.attempts(ME, ID)
    book.withdraw(attempt.submission_id)
    assert len(book.attempts(ME, ID)) == 1
    number = book.submit(ME, SLOW, [ID])
    book.withdraw(number)
    assert book.pending() == []
    book.withdraw(number)

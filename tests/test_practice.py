"""What both faces do for a learner, with a grader that says what it is told to say."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from headwork.chapters.course import ChapterError
from headwork.gradebook import practice
from headwork.gradebook.store import ME, Gradebook
from headwork.grading.program import Submission, Unit
from headwork.grading.report import Report, Status, Verdict
from headwork.tests.small_course import write_course

SUBMISSION = Submission("exercises.py", (Unit("exercises.py", "x = 1"),))


class Saying:
    """A grader that gives the verdict it was made with."""

    seed = 7

    def __init__(self, status: Status, points: float = 0):
        self.status, self.points = status, points

    def grade(self, submission, ids, on_verdict=None):
        verdicts = tuple(Verdict(id, self.status, self.points, 4) for id in ids)
        for verdict in verdicts:
            if on_verdict:
                on_verdict(verdict)
        return Report(submission.name, verdicts, self.seed)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Gradebook]:
    with Gradebook.open(tmp_path / "book.sqlite") as opened:
        yield opened


@pytest.fixture
def course(tmp_path: Path) -> Path:
    return write_course(tmp_path)[0]


def hand_in(book: Gradebook, status: Status, points: float = 0, id: str = "shapes.scaler") -> Report:
    return practice.check(book, Saying(status, points), ME, SUBMISSION, [id])


def test_what_is_checked_is_recorded_with_its_seed(book):
    report = hand_in(book, "failed", 1)
    [attempt] = book.attempts(ME, "shapes.scaler")
    assert attempt.verdict == report.verdicts[0]
    assert attempt.seed == 7
    assert book.pending() == []


def test_a_graders_fault_is_returned_and_stays_pending(book):
    assert hand_in(book, "grader_fault").faulty
    assert [each.ids for each in book.pending()] == [("shapes.scaler",)]
    assert book.attempts(ME, "shapes.scaler") == []


def test_verdicts_are_told_as_they_come(book):
    told: list[Verdict] = []
    practice.check(book, Saying("passed", 4), ME, SUBMISSION, ["shapes.scaler", "shapes.half"], told.append)
    assert [each.exercise for each in told] == ["shapes.scaler", "shapes.half"]


def test_hints_come_one_by_one_and_the_last_is_said_again(book, course):
    given = [practice.next_hint(book, ME, "shapes.scaler", course) for _ in range(3)]
    assert [(each.text, each.number, each.left, each.new) for each in given if each] == [
        ("Multiply.", 1, 1, True),
        ("Return: `x * self.w`.", 2, 0, True),
        ("Return: `x * self.w`.", 2, 0, False),
    ]
    assert [each.number for each in practice.hints_had(book, ME, "shapes.scaler", course)] == [1, 2]


def test_no_hint_was_had_before_one_was_taken(book, course):
    assert practice.hints_had(book, ME, "shapes.scaler", course) == []


def test_a_hint_for_an_unknown_exercise_is_refused(book, course):
    with pytest.raises(ChapterError, match=r"shapes\.nothing"):
        practice.next_hint(book, ME, "shapes.nothing", course)


@pytest.mark.parametrize("status", ["failed", "error", "timed_out", "forbidden", "passed"])
def test_the_reference_may_be_seen_after_an_attempt(book, status):
    hand_in(book, status)
    assert practice.may_see(book, ME, "shapes.scaler")
    assert book.solution_viewed(ME, "shapes.scaler").forced is False


@pytest.mark.parametrize("status", ["not_started", "missing"])
def test_handing_in_the_stub_is_no_attempt(book, status):
    hand_in(book, status)
    assert not practice.may_see(book, ME, "shapes.scaler")
    assert book.solution_viewed(ME, "shapes.scaler") is None


def test_forcing_shows_the_reference_and_is_recorded(book):
    assert practice.may_see(book, ME, "shapes.scaler", force=True)
    assert book.solution_viewed(ME, "shapes.scaler").forced is True


def test_force_after_an_attempt_is_not_held_against_anyone(book):
    hand_in(book, "failed")
    assert practice.may_see(book, ME, "shapes.scaler", force=True)
    assert book.solution_viewed(ME, "shapes.scaler").forced is False


def test_an_attempt_at_one_exercise_shows_no_other(book):
    hand_in(book, "failed")
    assert not practice.may_see(book, ME, "shapes.half")


def test_an_empty_gradebook_gives_the_whole_course_untried(book, course):
    found = practice.map_of(book, ME, course)
    assert [each.name for each in found.chapters] == ["shapes", "later"]
    assert {each.status for each in found.exercises} == {"untried"}
    assert (found.points, found.out_of, found.passed) == (0, 8.5, 0)
    assert found.next.id == "shapes.scaler"


def test_the_map_shows_the_best_attempt(book, course):
    for status, points in [("failed", 1), ("passed", 4), ("failed", 2)]:
        hand_in(book, status, points)
    stand = practice.map_of(book, ME, course).exercises[0]
    assert (stand.status, stand.points, stand.out_of, stand.attempts) == ("passed", 4, 4, 3)


def test_what_has_passed_is_not_next(book, course):
    hand_in(book, "passed", 4)
    found = practice.map_of(book, ME, course)
    assert found.next.id == "shapes.half"
    assert (found.passed, found.points) == (1, 4)
    assert [chapter.passed for chapter in found.chapters] == [1, 0]


def test_points_beyond_what_the_chapter_gives_today_are_not_counted(book, course):
    hand_in(book, "passed", 40)
    assert practice.map_of(book, ME, course).points == 4


def test_nothing_is_next_when_all_has_passed(book, course):
    for id in ("shapes.scaler", "shapes.half", "shapes.heads", "later.apply"):
        hand_in(book, "passed", 1, id)
    assert practice.map_of(book, ME, course).next is None


def test_the_map_of_one_learner_is_not_anothers(book, course):
    hand_in(book, "passed", 4)
    assert practice.map_of(book, "ada", course).passed == 0

"""Reports for the terminal, also when a learner writes what a terminal would obey."""

import io
import subprocess
import sys
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from rich.console import Console

from headwork.grading.render import table, text
from headwork.grading.render.clean import clean, one_line
from headwork.grading.render.words import WORDS
from headwork.grading.report import CheckResult, Report, Status, Verdict
from headwork.tests.sample_reports import ATTENTION, FAULTY, PROBLEM, REPORT, reports, texts


def test_a_report_for_the_terminal_reads_so() -> None:
    assert text(REPORT, width=60).split("\n") == [
        "ada/exercises.py",
        "",
        "  ✓ gpt2.layer_norm                                      2/2",
        "    note: computed in float32",
        "  ✗ gpt2.attention                             not yet   1/4",
        "    The pattern is not zero above the diagonal.",
        "    → This mask is applied after the softmax.",
        "    - no position looks ahead (case: three tokens)",
        "      0.25 at query 0, key 1",
        "",
        "      exercises.py, line 41",
        "      expected [1.0, 0.0]",
        "      got      [0.5, 0.5]",
        "    note: computed in float32",
        "",
        "    Your code printed:",
        "    | shape [bold]2[/bold]",
        "    | red",
        "",
        "  ○ gpt2.block                                 waiting   0/3",
        "    This waits for gpt2.attention.",
        "",
        "  · gpt2.top_p                             not started 0/1.5",
        "    This is still as it was given to you.",
        "",
        "1 of 4 passed, 3 of 10.5 points. Next: `headwork hint",
        "gpt2.attention`, or `headwork debug gpt2.attention` for the",
        "failing case.",
        "",
    ]


def test_colour_adds_nothing_but_colour() -> None:
    coloured = text(REPORT, colour=True)
    assert "\x1b[" in coloured
    plain = "\n".join(line.rstrip() for line in clean(coloured).split("\n"))
    assert plain == text(REPORT)


def test_the_mistake_stands_out_in_colour() -> None:
    assert "\x1b[1;33mThis mask is applied after the softmax." in text(REPORT, colour=True)


def test_a_mistake_that_is_the_headline_is_said_once() -> None:
    said = text(Report("x.py", (replace(ATTENTION, message=ATTENTION.mistake),)))
    assert said.count(ATTENTION.mistake) == 1


def test_a_check_whose_message_is_the_headline_says_it_once() -> None:
    check = CheckResult("no position looks ahead", False, message=ATTENTION.message)
    assert text(Report("x.py", (replace(ATTENTION, checks=(check,)),))).count(ATTENTION.message) == 1


@pytest.mark.parametrize("width", [40, 60, 80, 132])
@pytest.mark.parametrize("status", get_args(Status))
def test_no_line_is_wider_than_the_terminal(width: int, status: Status) -> None:
    long = Verdict("gpt2." + "x" * 200, status, 0, 1, "word " * 50, (CheckResult("y" * 200, False),), "z" * 200)
    said = text(Report("p" * 150, (long, replace(ATTENTION, detail="d" * 300, printed="q" * 300))), width)
    assert max(len(line) for line in said.split("\n")) <= width


def test_an_exercise_that_waits_is_never_worded_as_a_fault() -> None:
    check = CheckResult("gradients reach every head", False)
    said = text(Report("x.py", (Verdict("gpt2.block", "blocked", checks=(check,)),))).lower()
    assert "waiting" in said
    assert not [word for word in ("fail", "wrong", "error", "✗", "gradients", "mistake", "debug") if word in said]


def test_a_graders_fault_is_ours_and_the_work_stays_queued() -> None:
    said = " ".join(text(FAULTY).split())
    assert "This is the grader's fault, not yours. Your work stays queued and will be graded again." in said
    assert "Nothing to do now: it will be graded again." in said


@pytest.mark.parametrize(
    ("statuses", "last"),
    [
        (["passed"], "1 of 1 passed, 0 of 1 points. `headwork status` shows what comes next."),
        (["not_started", "error"], "Next: `headwork hint c.e1`, or `headwork debug c.e1` for the failing case."),
        (["passed", "not_started"], "Next is c.e1; `headwork hint c.e1` gives a first idea."),
    ],
)
def test_the_last_line_says_what_to_do_next(statuses: list[Status], last: str) -> None:
    report = Report("x.py", tuple(Verdict(f"c.e{place}", status) for place, status in enumerate(statuses)))
    assert text(report, 200).rstrip("\n").endswith(last)


def test_what_could_not_be_read_is_said_instead() -> None:
    expected = "bob.zip\n\n  the archive holds 12 notebooks; hand in one\n\nMend that, then hand it in again.\n"
    assert text(PROBLEM) == expected


def test_long_prints_are_cut_and_said_to_be() -> None:
    printed = "".join(f"step {step}\n" for step in range(100))
    said = text(Report("x.py", (replace(ATTENTION, printed=printed),)))
    assert "| step 19\n" in said and "step 20" not in said and "(80 more lines)" in said


def test_every_status_has_words_and_no_two_the_same() -> None:
    assert set(WORDS) == set(get_args(Status))
    assert len({word.name for word in WORDS.values()}) == len(WORDS)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x07", "link"),
        ("\x1b]0;never ended\nnext", "\nnext"),
        ("\x9b2Jgone\x1bc", "gone"),
        (" 10%\r 50%\r100%\ndone\r\n", "100%\ndone\n"),
        ("a\0b\x08c\x7fd", "abcd"),
        ("\ud800", "\ufffd"),
        ("ab\u202ecd\u2066", "abcd"),
        ("tab\tand é → 日本 stay", "tab\tand é → 日本 stay"),
    ],
)
def test_what_a_terminal_would_obey_is_taken_out(given: str, shown: str) -> None:
    assert clean(given) == shown


@given(texts)
def test_clean_text_is_plain_and_stays_as_it_is(given: str) -> None:
    cleaned = clean(given)
    assert clean(cleaned) == cleaned
    assert not [char for char in cleaned if (ord(char) < 32 and char not in "\n\t") or 0x7F <= ord(char) < 0xA0]
    assert "\n" not in one_line(given)
    cleaned.encode()


@given(reports)
def test_the_terminal_takes_any_text(report: Report) -> None:
    said = text(report, 60)
    assert not [char for char in said if (ord(char) < 32 and char != "\n") or 0x7F <= ord(char) < 0xA0]
    said.encode()


def drawn(width: int, *shown: Report) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    with console.capture() as capture:
        console.print(table(shown))
    return [line.rstrip() for line in capture.get().rstrip("\n").split("\n")]


def test_the_table_has_a_row_a_submission_and_a_line_a_problem() -> None:
    assert drawn(100, REPORT, PROBLEM, FAULTY) == [
        "submission        layer_norm  attention  block  top_p  points",
        "ada/exercises.py           ✓        ✗ 1      ○      ·  3/10.5",
        "bob.zip                                                unread",
        "eve.py                     !                           queued",
        "",
        "bob.zip: the archive holds 12 notebooks; hand in one",
        "Queued, to be graded again: 1. There the grader failed (!), not the learner.",
    ]


def test_a_narrow_table_numbers_its_columns() -> None:
    assert drawn(50, REPORT) == [
        "submission        1    2  3  4  points",
        "ada/exercises.py  ✓  ✗ 1  ○  ·  3/10.5",
        "",
        "1 layer_norm  2 attention  3 block  4 top_p",
    ]


def test_a_table_of_nothing_can_be_drawn() -> None:
    assert drawn(60) == ["submission  points"]


def test_markup_in_a_label_is_not_interpreted() -> None:
    assert any("[red]x[/red]" in line for line in drawn(100, Report("[red]x[/red]", REPORT.verdicts)))


def test_rendering_does_not_import_torch() -> None:
    asks = "import sys, headwork.grading.render; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"

"""From a submission to its report: which exercises, which verdicts, and whose fault it is."""

import json

from headwork.checkers.catalogue import exercise
from headwork.grading import expect
from headwork.grading.dispatch import find_program, grade_all, ids_in
from headwork.grading.expect import reference_source
from headwork.grading.program import Submission, Unit
from headwork.grading.solutions import solution_source
from headwork.grading.submission import Unreadable, read_text

GPT2 = [f"gpt2.{name}" for name in ("layer_norm", "attention_pattern", "attention", "top_p", "train")]


def layer_norm(*edit: str) -> str:
    source = reference_source(exercise("gpt2.layer_norm"))
    return source.replace(*edit) if edit else source


def test_a_submission_is_asked_for_every_exercise_of_the_chapters_it_touches():
    asked = ids_in(read_text("a.py", "class LayerNorm: pass"))
    assert set(GPT2) <= set(asked) and not any(id.startswith("induction") for id in asked)


def test_to_import_what_another_chapter_asks_for_is_not_to_define_it():
    source = "from headwork.models import GPT2\nfrom other import one_hot as softmax\ndef pattern_scores(): pass"
    assert {id.split(".")[0] for id in ids_in(read_text("a.py", source))} == {"induction"}


def test_a_submission_that_defines_nothing_asked_for_is_told_so(grader):
    report = grader.grade(read_text("a.py", "x = 1"))
    assert not report.passed and "defines nothing" in report.problem


def test_what_is_missing_is_missing_and_the_rest_counts(grader):
    report = grader.grade(read_text("a.py", layer_norm()), ["gpt2.layer_norm", "gpt2.top_p"])
    assert [verdict.status for verdict in report.verdicts] == ["passed", "missing"]


def test_a_time_out_in_one_exercise_leaves_the_next_one_its_points(grader, monkeypatch):
    monkeypatch.setattr(exercise("gpt2.layer_norm"), "seconds", 1.0)
    slow = layer_norm("mean = residual", "while True: pass\n        mean = residual")
    source = solution_source("gpt2") + "\n\n" + slow  # the last definition wins
    report = grader.grade(read_text("a.py", source), ["gpt2.layer_norm", "gpt2.attention_pattern"])
    assert [verdict.status for verdict in report.verdicts] == ["timed_out", "passed"]
    assert "1 s" in report.verdicts[0].message


def test_an_exercise_that_needs_a_failed_one_is_blocked_and_not_blamed(grader, monkeypatch):
    monkeypatch.setattr(exercise("gpt2.attention"), "needs", ("gpt2.layer_norm",))
    source = solution_source("gpt2").replace("correction=0", "correction=1")
    report = grader.grade(read_text("a.py", source), ["gpt2.layer_norm", "gpt2.attention"])
    assert [verdict.status for verdict in report.verdicts] == ["failed", "blocked"]
    assert "waits for `gpt2.layer_norm`" in report.verdicts[1].message


def test_a_failing_reference_is_the_graders_fault_and_never_a_zero(grader, monkeypatch):
    monkeypatch.setattr(
        expect, "solution_source", lambda chapter: solution_source(chapter).replace("(-1, keep", "(9, keep")
    )
    expect.known.cache_clear()
    expect.reference_source.cache_clear()
    report = grader.grade(read_text("a.py", layer_norm()), ["gpt2.layer_norm"])
    expect.known.cache_clear()
    expect.reference_source.cache_clear()
    assert report.verdicts[0].status == "grader_fault" and report.faulty
    assert "graded again" in report.verdicts[0].message


def test_a_worked_notebook_beside_an_untouched_stub_is_what_counts():
    from headwork.authoring.stub import stub

    untouched = Unit("exercises.py", stub(solution_source("gpt2")))
    both = Submission("folder", (Unit("a.ipynb cell 2", layer_norm()), untouched))
    program, is_stub = find_program(both, exercise("gpt2.layer_norm"))
    assert not is_stub and program.pieces[-1].file == "a.ipynb cell 2"


def test_an_unreadable_submission_gets_a_report_and_the_batch_goes_on(grader):
    good = read_text("good.py", layer_norm())
    reports = list(
        grade_all([("bad.py", Unreadable("bad.py is not UTF-8")), ("good.py", good)], ["gpt2.layer_norm"], [grader])
    )
    assert reports[0].problem == "bad.py is not UTF-8" and reports[1].passed


def test_grading_twice_with_one_seed_says_the_same(grader):
    one, other = (
        grader.grade(read_text("a.py", layer_norm("correction=0", "correction=1"))).as_json() for _ in range(2)
    )
    for report in (one, other):
        for verdict in report["verdicts"]:
            verdict.pop("seconds")
    assert json.dumps(one) == json.dumps(other)


def test_the_report_names_seed_isolation_and_versions(grader):
    report = grader.grade(read_text("a.py", layer_norm()), ["gpt2.layer_norm"])
    assert report.seed == 0 and report.isolation in ("bubblewrap", "process")
    assert {"headwork", "python", "torch"} <= report.versions.keys()


def test_partial_points_need_the_check_that_all_others_stand_on(grader):
    cut = layer_norm("variance = residual.var(", "variance = residual.detach().var(")
    wrong = layer_norm("correction=0", "correction=1")
    reports = [grader.grade(read_text("a.py", source), ["gpt2.layer_norm"]) for source in (cut, wrong)]
    assert 0 < reports[0].points < reports[0].out_of and reports[1].points == 0

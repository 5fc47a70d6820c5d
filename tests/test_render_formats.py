"""Reports for programs: every format is well-formed, whatever a learner writes."""

import csv
import io
import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args
from xml.etree import ElementTree

import jsonschema
import pytest
from hypothesis import given

from headwork import grading
from headwork.grading.render import FORMATS, files
from headwork.grading.render.annotations import annotations
from headwork.grading.render.clean import clean
from headwork.grading.render.data import as_json
from headwork.grading.render.formats import file_stem
from headwork.grading.render.gradescope import gradescope
from headwork.grading.render.junit import junit
from headwork.grading.render.sheets import Student, as_csv, canvas, safe
from headwork.grading.report import CheckResult, Report, Status, Verdict
from headwork.tests.sample_reports import FAULTY, PROBLEM, REPORT, hostile_report, reports, texts

SCHEMA = json.loads((Path(str(grading.__file__)).parent / "schemas" / "report.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_json_is_valid_and_comes_back_as_it_was() -> None:
    for report in (REPORT, FAULTY, PROBLEM, *(hostile_report(status) for status in get_args(Status))):
        written = as_json(report)
        VALIDATOR.validate(json.loads(written))
        assert Report.from_json(json.loads(written)) == report
        assert Report.from_json(report.as_json()) == report
        assert written.isascii()


def test_json_is_the_same_whatever_the_order_of_versions() -> None:
    assert as_json(REPORT) == as_json(replace(REPORT, versions={"headwork": "0.1.0", "torch": "2.6"}))


@given(reports)
def test_any_report_survives_json(report: Report) -> None:
    assert Report.from_json(json.loads(as_json(report))) == report


def test_json_of_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match=r"not a headwork\.report/1"):
        Report.from_json({**REPORT.as_json(), "format": "headwork.report/2"})


def test_the_schema_knows_every_field_and_status() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    shapes = [(Report, SCHEMA), (Verdict, SCHEMA["$defs"]["verdict"]), (CheckResult, SCHEMA["$defs"]["check"])]
    for kind, shape in shapes:
        extra = {"format", "points", "out_of"} if kind is Report else set()
        assert set(shape["properties"]) == set(shape["required"]) == {field.name for field in fields(kind)} | extra
        assert shape["additionalProperties"] is False
    assert SCHEMA["$defs"]["verdict"]["properties"]["status"]["enum"] == list(get_args(Status))


@pytest.mark.parametrize(
    "change",
    [
        {"format": "headwork.report/2"},
        {"extra": 1},
        {"seed": "7"},
        {"versions": {"torch": 2}},
        {"verdicts": [{"exercise": "x"}]},
        {"verdicts": [{**json.loads(as_json(FAULTY))["verdicts"][0], "status": "great"}]},
        {"verdicts": [{**json.loads(as_json(FAULTY))["verdicts"][0], "points": -1}]},
    ],
)
def test_the_schema_is_strict(change: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid({**json.loads(as_json(REPORT)), **change})


def test_gradescope_gets_a_score_a_test() -> None:
    results = json.loads(gradescope(REPORT, "after_due_date"))
    assert (results["visibility"], results["stdout_visibility"]) == ("after_due_date", "hidden")
    assert "score" not in results
    attention = results["tests"][1]
    assert attention == {
        "name": "gpt2.attention",
        "score": 1,
        "max_score": 4,
        "status": "failed",
        "output": "The pattern is not zero above the diagonal.\n"
        "This mask is applied after the softmax.\n"
        "- no position looks ahead (case: three tokens): 0.25 at query 0, key 1\n"
        "exercises.py, line 41\n"
        "expected [1.0, 0.0]\ngot      [0.5, 0.5]\n"
        "note: computed in float32\n"
        "Your code printed:\nshape [bold]2[/bold]\nred",
        "output_format": "text",
        "visibility": "after_due_date",
    }


def test_gradescope_gets_no_score_where_the_grader_failed() -> None:
    results = json.loads(gradescope(FAULTY))
    assert results["tests"] == [] and "score" not in results
    assert "not yours" in results["output"]


def test_gradescope_is_told_what_could_not_be_read() -> None:
    results = json.loads(gradescope(PROBLEM))
    assert (results["score"], results["output"]) == (0, PROBLEM.problem)


def test_junit_tells_failures_errors_and_what_was_skipped() -> None:
    statuses: list[Status] = list(get_args(Status))
    root = ElementTree.fromstring(junit(Report("x.py", tuple(Verdict(f"c.{each}", each) for each in statuses))))
    kinds = {case.get("name"): [child.tag for child in case] for case in root.iter("testcase")}
    assert kinds == {
        "passed": [],
        "failed": ["failure"],
        "not_started": ["skipped"],
        "missing": ["failure"],
        "error": ["error"],
        "timed_out": ["error"],
        "out_of_memory": ["error"],
        "forbidden": ["failure"],
        "blocked": ["skipped"],
        "grader_fault": ["error"],
    }
    suite = root[0]
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["10", "3", "4", "2"]


def test_junit_of_what_could_not_be_read_is_an_error() -> None:
    [case] = ElementTree.fromstring(junit(PROBLEM)).iter("testcase")
    assert [child.get("message") for child in case] == [PROBLEM.problem]


@given(reports)
def test_junit_is_well_formed_whatever_was_printed(report: Report) -> None:
    root = ElementTree.fromstring(junit(report).encode())
    printed = report.verdicts[0].printed
    assert [each.text or "" for each in root.iter("system-out")] == ([clean(printed)] if printed else [])


def test_the_sheet_has_a_row_a_verdict() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv([REPORT, PROBLEM, FAULTY]))))
    assert [(row["submission"], row["exercise"], row["status"], row["points"]) for row in rows] == [
        ("ada/exercises.py", "gpt2.layer_norm", "passed", "2"),
        ("ada/exercises.py", "gpt2.attention", "failed", "1"),
        ("ada/exercises.py", "gpt2.block", "blocked", "0"),
        ("ada/exercises.py", "gpt2.top_p", "not_started", "0"),
        ("bob.zip", "", "unreadable", ""),
        ("eve.py", "gpt2.layer_norm", "grader_fault", ""),
    ]


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r\n=1", "\0=1", "\x1b[0m=1", "＝1"])
def test_no_cell_is_a_formula(formula: str) -> None:
    assert safe(formula).startswith("'")
    sheets = as_csv([hostile_report("failed", formula)]), canvas([hostile_report("failed", formula)])
    cells = [cell for sheet in sheets for row in csv.reader(io.StringIO(sheet)) for cell in row]
    assert not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "\t", "\r", "＝")]


def test_canvas_gets_a_column_an_exercise_and_a_blank_where_it_must_not_change_a_grade() -> None:
    students = {"ada/exercises.py": Student("Lovelace, Ada", "17", "al1", "A")}
    assert canvas([REPORT, PROBLEM, FAULTY], students) == (
        "Student,ID,SIS Login ID,Section,gpt2.layer_norm,gpt2.attention,gpt2.block,gpt2.top_p\n"
        "    Points Possible,,,,2,4,3,1.5\n"
        '"Lovelace, Ada",17,al1,A,2,1,0,0\n'
        "bob.zip,,,,,,,\n"
        "eve.py,,,,,,,\n"
    )


def test_github_marks_the_line() -> None:
    assert annotations(REPORT) == (
        "::error file=ada/exercises.py,line=41,title=gpt2.attention::"
        "The pattern is not zero above the diagonal.%0AThis mask is applied after the softmax.\n"
        "::notice file=ada/exercises.py,title=gpt2.block::This waits for gpt2.attention.\n"
        "::notice file=ada/exercises.py,title=gpt2.top_p::This is still as it was given to you.\n"
    )
    assert annotations(PROBLEM) == "::error file=bob.zip::the archive holds 12 notebooks; hand in one\n"


@pytest.mark.parametrize(
    ("submission", "file", "place"),
    [
        ("work/gpt2", "exercises.py", "file=work/gpt2/exercises.py,line=3"),
        ("work/gpt2/", "cell 4", "file=work/gpt2/cell 4"),
        ("work/gpt2.ipynb", "cell 4", "file=work/gpt2.ipynb"),
        ("a,b:c%d.py", "a,b:c%d.py", "file=a%2Cb%3Ac%25d.py,line=3"),
        ("work/gpt2", "", "file=work/gpt2"),
    ],
)
def test_github_is_given_the_file_that_the_repository_knows(submission: str, file: str, place: str) -> None:
    report = Report(submission, (Verdict("c.x", "failed", message="No.", file=file, line=3),))
    assert annotations(report) == f"::error {place},title=c.x::No.\n"


@given(reports)
def test_no_learner_can_write_a_workflow_command(report: Report) -> None:
    lines = annotations(report).rstrip("\n").split("\n")
    assert len(lines) <= 2
    assert all(line == "" or line.startswith(("::error ", "::notice ", "::warning ")) for line in lines)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("status", get_args(Status))
def test_every_format_takes_hostile_text(name: str, status: Status) -> None:
    for file, content in files(name, [hostile_report(status), REPORT]).items():
        content.encode()
        assert file.endswith(FORMATS[name].suffix)
        assert not [char for char in content if char in "\0\x1b\x9b\r\u202e"]


def test_a_submission_is_a_file_and_no_two_share_one() -> None:
    labels = ["ada/x.py", "ada_x.py", "ADA_X.py", "../../etc/passwd", "", "日本", "-rf"]
    made = files("json", [Report(label, ()) for label in labels])
    assert list(made) == [
        "ada_x.py.json",
        "ada_x.py-2.json",
        "ADA_X.py-3.json",
        "etc_passwd.json",
        "submission.json",
        "submission-2.json",
        "rf.json",
    ]


def test_a_single_submission_for_gradescope_is_results_json() -> None:
    assert list(files("gradescope", [REPORT])) == ["results.json"]
    assert list(files("csv", [REPORT, PROBLEM])) == ["grades.csv"]


@given(texts)
def test_a_file_name_is_good_on_any_disk(label: str) -> None:
    stem = file_stem(label)
    assert stem.isascii() and 0 < len(stem) <= 100 and not set(stem) & set('/\\:*?"<>|') and stem[0] not in ".-"

"""A chapter's texts as files: taken away, brought back in, and cut into the texts of its exercises."""

import json
from pathlib import Path

import nbformat
import pytest

from headwork.gradebook.store import Gradebook
from headwork.grading.program import Submission, Unit
from headwork.streamlit_app import diff, files
from headwork.streamlit_app.desk import Desk, NotSaved
from headwork.streamlit_app.split import split
from headwork.streamlit_app.takeaway import as_notebook, as_python, bring_in
from headwork.tests.small_course import file_of

HALF = "from torch import Tensor\n\n\ndef half(x: Tensor) -> Tensor:\n    return x / 2\n"
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def another(tmp_path: Path, course: Path) -> Desk:
    """Another learner's."""
    return Desk(Gradebook.open(tmp_path / "another.sqlite"), course=course)


def notebook(*cells: str) -> bytes:
    made = [{"cell_type": "code", "source": cell, "metadata": {}, "outputs": []} for cell in cells]
    return json.dumps({"cells": made, "metadata": {"title": EVIL}, "nbformat": 4, "nbformat_minor": 5}).encode()


# Away


def test_nothing_written_yet_gives_the_file_as_it_was_handed_out(desk: Desk, course: Path) -> None:
    assert as_python(desk, "shapes") == (course / "shapes" / "exercises.py").read_text()


def test_drafts_stand_under_the_headings_and_imports_only_once(desk: Desk) -> None:
    desk.save("shapes.half", f"import math\n{HALF}", "")
    source = as_python(desk, "shapes")
    assert "    return x / 2\n" in source
    assert source.count("from torch import") == 1
    assert "import math" in source
    compile(source, "exercises.py", "exec")


def test_in_a_workspace_the_file_itself_is_given(at_work: Desk) -> None:
    file_of(at_work).write_text("mine = 1\n")
    assert as_python(at_work, "shapes") == "mine = 1\n"


def test_the_notebook_holds_the_drafts_and_is_valid(desk: Desk) -> None:
    desk.save("shapes.half", HALF, "")
    book = nbformat.reads(as_notebook(desk, "shapes"), as_version=4)
    nbformat.validate(book)
    cells = {cell.id: cell.source for cell in book.cells}
    assert cells["shapes-half-stub"] == HALF.strip("\n")
    assert "NotImplementedError" in cells["shapes-scaler-stub"]


@pytest.mark.parametrize("made, name", [(as_python, "exercises.py"), (as_notebook, "shapes.ipynb")])
def test_what_was_taken_away_can_be_brought_in_elsewhere(desk: Desk, another: Desk, made, name: str) -> None:
    desk.save("shapes.half", HALF, "")
    taken = bring_in(another, name, made(desk, "shapes").encode())
    assert taken.new == ("shapes.half",)
    assert set(taken.stubs) == {"shapes.scaler", "shapes.heads"}
    assert another.sheet("shapes.half").text.strip() == HALF.strip()
    assert bring_in(another, name, made(desk, "shapes").encode()).same == ("shapes.half",)


# In


def test_what_was_there_before_is_kept(desk: Desk) -> None:
    desk.save("shapes.half", "mine = 1", "")
    bring_in(desk, "half.py", HALF.encode())
    assert desk.before("shapes.half") == "mine = 1"


def test_helpers_and_imports_come_along_and_other_exercises_do_not(desk: Desk) -> None:
    cells = ("import torch, math", "TWO = 2", "def divide(x): return x / TWO",
             "def half(x):\n    return divide(x)", "class Scaler:\n    pass",
             "def apply(f, x): return half(f(x))", "%matplotlib inline\nhalf(3)")  # fmt: skip
    taken = bring_in(desk, "mine.ipynb", notebook(*cells))
    assert set(taken.new) == {"shapes.half", "shapes.scaler", "later.apply"}
    assert desk.sheet("shapes.half").text == (
        "TWO = 2\n\n\ndef divide(x): return x / TWO\n\n\ndef half(x):\n    return divide(x)\n"
    )
    assert desk.sheet("later.apply").text == "def apply(f, x): return half(f(x))\n"
    assert taken.left == ()


def test_what_belongs_to_no_exercise_is_named(desk: Desk) -> None:
    taken = bring_in(desk, "mine.py", b"def half(x): return x / 2\n\n\ndef experiment(): ...\n")
    assert taken.new == ("shapes.half",)
    assert taken.left == ("experiment (line 4 of uploaded.py)",)
    assert "experiment (line 4" in files.told(taken, desk.course)


def test_the_last_definition_wins(desk: Desk) -> None:
    bring_in(desk, "mine.ipynb", notebook("def half(x): return 1", "def half(x): return x / 2"))
    assert desk.sheet("shapes.half").text == "def half(x): return x / 2\n"


def test_one_broken_exercise_does_not_keep_the_others_back(desk: Desk) -> None:
    source = as_python(desk, "shapes").replace("def half(x: Tensor) -> Tensor:", "def half(x:")
    taken = bring_in(desk, "exercises.py", source.encode())
    assert taken.new == ("shapes.half",)
    assert "def half(x:\n" in desk.sheet("shapes.half").text
    assert "line " in taken.left[0]


@pytest.mark.parametrize(
    "name, data, said",
    [
        ("mine.py", b"x = '\0'", "NUL byte"),
        ("mine.py", "x = 'é'".encode("latin-1"), "not UTF-8"),
        ("mine.py", b"def half(", "line 1"),
        ("mine.py", b"x = 1", "defines nothing that an exercise asks for"),
        ("mine.py", b"", "defines nothing"),
        ("mine.ipynb", b"{", "not a whole notebook"),
        ("mine.ipynb", b"[]", "not a notebook"),
        ("mine.ipynb", notebook(), "no code cells"),
        ("mine.txt", b"def half(x): ...", "neither a .py file nor a notebook"),
        ("../../etc/x.py", b"x = 1", "defines nothing"),
        (f"{EVIL}.ipynb", b"{", "not a whole notebook"),
        ("x" * 300 + ".py", b"x = 1", "defines nothing"),
        ("a\nb.py", b"x = 1", "defines nothing"),
    ],
)
def test_a_file_that_cannot_be_used_gets_one_clear_line(desk: Desk, name: str, data: bytes, said: str) -> None:
    taken = bring_in(desk, name, data)
    assert said in taken.problem
    assert "\n" not in taken.problem
    assert "headwork-" not in taken.problem
    assert taken.new == ()
    assert "<script" not in files.told(taken)


def test_in_a_workspace_the_file_gets_the_texts_and_keeps_all_else(at_work: Desk) -> None:
    file = file_of(at_work)
    file.write_text(file.read_text().replace("import torch\n", "import torch\n\nMINE = 1\n"))
    before = file.read_text()
    stub = at_work.sheet("shapes.half").text
    assert bring_in(at_work, "mine.py", HALF.encode()).new == ("shapes.half",)
    assert file.read_text() == before.replace(stub, "def half(x: Tensor) -> Tensor:\n    return x / 2")
    assert at_work.before("shapes.half") == stub


def test_a_workspace_file_without_headings_is_never_overwritten(at_work: Desk) -> None:
    file_of(at_work).write_text("def half(x): return 1\nprecious = 1\n")
    taken = bring_in(at_work, "mine.py", HALF.encode())
    assert taken.new == ()
    assert "no heading" in taken.left[0]
    with pytest.raises(NotSaved, match="no heading"):
        at_work.replace("shapes.half", at_work.handed_out("shapes.half"))
    assert "precious = 1" in file_of(at_work).read_text()


def test_the_stub_can_be_had_again_in_a_workspace(at_work: Desk) -> None:
    whole = file_of(at_work).read_text()
    at_work.save("shapes.half", "def half(x): return 7", at_work.sheet("shapes.half").text)
    at_work.replace("shapes.half", at_work.handed_out("shapes.half"))
    assert file_of(at_work).read_text() == whole
    assert at_work.before("shapes.half") == "def half(x): return 7"


# An attempt


def test_the_text_of_one_exercise_is_found_in_an_attempt(desk: Desk) -> None:
    work = desk.submission("shapes.half", HALF)
    assert desk.attempted("shapes.half", work) == HALF
    whole = Submission("exercises.py", (Unit("exercises.py", as_python(desk, "shapes")),))
    assert "def half" in desk.attempted("shapes.half", whole)
    assert "class Scaler" not in desk.attempted("shapes.half", whole)
    assert desk.attempted("shapes.half", Submission("x.py", (Unit("x.py", "y = 1"),))) == "y = 1"


def test_an_endless_file_is_cut_without_complaint(course: Path) -> None:
    work = Submission("x.py", (Unit("x.py", "x = 1\n" * 30_000),))
    assert split(work, ["shapes.half"], course).texts == {}


# What changed


def test_a_diff_marks_lines_by_signs_and_skips_what_is_alike() -> None:
    before = "\n".join(f"line {number}" for number in range(20))
    shown = diff.html(before, before.replace("line 9", f"line {EVIL}"), "Changes")
    assert '<div class="hw-removed"><del>- line 9</del></div>' in shown
    assert "<ins>+ line &lt;script&gt;alert(1)&lt;/script&gt;</ins>" in shown
    assert "⋯ 7 lines alike" in shown
    assert "line 3<" not in shown


def test_texts_that_are_alike_say_so() -> None:
    assert "are the same" in diff.html("a\n", "a", "Changes")

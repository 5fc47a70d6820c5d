"""Stubs, `exercises.py` and notebooks: what is made from a chapter, and that it is made alike each time."""

import ast
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

from headwork.authoring.build import build, orphans
from headwork.authoring.exercises import Code, asked_names, chapter_code, exercises_file
from headwork.authoring.notebook import notebook
from headwork.authoring.stub import BuildError, reference, stub
from headwork.chapters import course
from headwork.chapters.directives import Finding
from headwork.chapters.made import header, section
from headwork.tests.small_course import LATER_SOLUTION, SHAPES_SOLUTION, names, write_course

MARKED = '''class A:
    def b(self):
        """Doc of ### BEGIN SOLUTION."""
        ### BEGIN SOLUTION
        x = 1
        return x
        ### END SOLUTION


def c():
    ### BEGIN SOLUTION
    return 2
    ### END SOLUTION
'''


@pytest.fixture
def small(tmp_path: Path) -> dict:
    """The small course as the keyword arguments of `build`."""
    chapters, solutions = write_course(tmp_path)
    return {"course": chapters, "solutions": solutions, "names": names}


def made(small: dict, name: str) -> str:
    return exercises_file(course.chapter(name, small["course"]), solutions=small["solutions"], names=small["names"])


def book(small: dict, name: str, filled: bool = False) -> nbformat.NotebookNode:
    chapter = course.chapter(name, small["course"])
    return nbformat.reads(notebook(chapter, filled=filled, solutions=small["solutions"], names=small["names"]), 4)


def code(small: dict, name: str, filled: bool = False) -> Code:
    chapter = course.chapter(name, small["course"])
    return chapter_code(chapter, filled=filled, solutions=small["solutions"], names=small["names"])


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rewrite(small: dict, name: str, old: str, new: str) -> None:
    path = small["solutions"] / f"{name}.py"
    source = path.read_text()
    assert old in source
    path.write_text(source.replace(old, new))


def test_a_stub_says_which_function_is_to_be_written():
    assert stub(MARKED) == (
        'class A:\n    def b(self):\n        """Doc of ### BEGIN SOLUTION."""\n'
        '        raise NotImplementedError("write A.b")\n\n\n'
        'def c():\n    raise NotImplementedError("write c")\n'
    )


def test_a_reference_loses_the_marks_and_nothing_else():
    assert reference(MARKED) == "".join(
        line
        for line in MARKED.splitlines(keepends=True)
        if line.strip() not in ("### BEGIN SOLUTION", "### END SOLUTION")
    )


def test_a_source_without_marks_stays_as_it_is():
    assert stub("x = 1\n") == reference("x = 1\n") == "x = 1\n"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def f():\n    ### BEGIN SOLUTION\n    return 1\n", "line 2: ### BEGIN SOLUTION without an end"),
        ("def f():\n    return 1\n    ### END SOLUTION\n", "line 3: ### END SOLUTION without a beginning"),
        (
            "def f():\n    ### BEGIN SOLUTION\n    ### BEGIN SOLUTION\n    pass\n",
            "line 3: .* although line 2 has begun",
        ),
        ("def f():\n    ### BEGIN SOLUTION\n    pass\n### END SOLUTION\n", "line 4: .* align the two"),
        (
            "def f():\n    ### Begin solution\n    pass\n    ### END SOLUTION\n",
            "line 2: '### Begin solution' is no mark",
        ),
        ("def f():\n    # BEGIN SOLUTION\n    pass\n", "line 2: '# BEGIN SOLUTION' is no mark"),
        ("def f():\n    pass  ### BEGIN SOLUTION\n", "alone on its line"),
        ("### BEGIN SOLUTION\nx = 1\n### END SOLUTION\n", "line 1: .* outside a function"),
        ("class A:\n    ### BEGIN SOLUTION\n    x = 1\n    ### END SOLUTION\n    y = 1\n", "outside a function"),
        (
            "def f():\n    return [\n    ### BEGIN SOLUTION\n    1\n    ### END SOLUTION\n    ]\n",
            "around whole statements",
        ),
    ],
)
def test_marks_that_do_not_match_are_refused_in_one_line(source, words):
    with pytest.raises(BuildError, match=words) as raised:
        stub(source)
    assert "\n" not in str(raised.value)


def test_exercises_stand_in_the_order_of_the_text_not_of_the_reference(small):
    source = made(small, "shapes")
    assert source.index("class Scaler") < source.index("def half") < source.index("HEADS")


def test_no_answer_is_left_in_a_made_file(small):
    for path in build(**small):
        text = path.read_text()
        assert "SOLUTION" not in text
        assert not any(answer in text for answer in ("secret", "0.5)", "_times", "return f(x)", "(5, 1)"))


def test_a_finding_keeps_its_type_and_loses_its_answer(small):
    assert code(small, "shapes").exercises["shapes.heads"] == "HEADS: list[tuple[int, int]] = ..."
    assert "(5, 1)" in code(small, "shapes", filled=True).exercises["shapes.heads"]


def test_imports_are_those_of_the_stubs_and_the_usual_ones(small):
    imports = code(small, "shapes").imports
    assert imports == "import math\n\nimport torch\nimport torch.nn.functional as F\nfrom torch import Tensor, nn"
    assert "import os" in code(small, "shapes", filled=True).imports


def test_a_helper_that_stubs_use_comes_with_the_first_exercise_that_uses_it(small):
    given = "# What is applied.\nFunction = Callable[[float], float]\n\n\ndef apply("
    assert code(small, "later").exercises["later.apply"].startswith(given)
    assert code(small, "later").imports == "from collections.abc import Callable"


def test_a_made_file_can_be_imported_and_its_stubs_say_what_is_missing(small):
    build(**small)
    module = load(small["course"] / "shapes" / "exercises.py")
    with pytest.raises(NotImplementedError, match="write half"):
        module.half(None)
    with pytest.raises(NotImplementedError, match=r"write Scaler\.forward"):
        module.Scaler(3)(None)
    assert module.HEADS is ...


def test_an_exercise_is_found_again_under_its_header(small):
    source = made(small, "shapes")
    for exercise in course.chapter("shapes", small["course"]).exercises:
        assert header(exercise) in source
        assert section(source, exercise.id) == code(small, "shapes").exercises[exercise.id] + "\n"


def test_a_title_too_long_for_a_line_is_wrapped_and_its_exercise_found(small):
    path = small["course"] / "later" / "chapter.md"
    path.write_text(path.read_text().replace("title: Apply", "title: " + "Apply and apply " * 20))
    source = made(small, "later")
    assert max(map(len, source.split("\n"))) <= 120
    assert section(source, "later.apply") == code(small, "later").exercises["later.apply"] + "\n"


def test_a_long_import_is_wrapped_as_the_formatter_would(small):
    many = [f"quite_a_long_name_{number}" for number in range(9)]
    rewrite(
        small,
        "later",
        "from collections.abc import Callable\n",
        f"from x import {', '.join(many)}\nfrom y import Callable\n",
    )
    rewrite(small, "later", '"Function", x: float', f'"Function", x: float, z: tuple[{", ".join(many)}]')
    assert (
        code(small, "later").imports
        == f"from x import (\n    {(',' + chr(10) + '    ').join(many)},\n)\nfrom y import Callable"
    )


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("later", "    ### BEGIN SOLUTION\n", "", r"solutions/later\.py: line 12: ### END SOLUTION without"),
        ("later", "def apply", "def applies", r"apply is not defined, and later\.apply asks for it"),
        ("later", "def apply", "def apply(:", r"solutions/later\.py, line 9"),
        ("shapes", "HEADS: list", "OTHER: list", "HEADS is not defined"),
    ],
)
def test_a_reference_that_does_not_fit_its_chapter_is_refused(small, name, old, new, words):
    rewrite(small, name, old, new)
    with pytest.raises(BuildError, match=words):
        build(**small)
    assert not list(small["course"].glob("*/exercises.py"))


def test_an_exercise_without_marks_is_not_given_away(small):
    (small["solutions"] / "later.py").write_text(reference(LATER_SOLUTION))
    with pytest.raises(BuildError, match="given away"):
        build(**small)


def test_a_solution_that_is_no_exercise_is_not_left_in_a_stub(small):
    rewrite(small, "shapes", "super().__init__()", "super().__init__()\n        self.f = other")
    (small["solutions"] / "shapes.py").write_text(
        (small["solutions"] / "shapes.py").read_text()
        + "\n\ndef other():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION\n"
    )
    with pytest.raises(BuildError, match="other has a solution but is no exercise"):
        build(**small)


def test_a_chapter_without_a_reference_is_refused(small):
    (small["solutions"] / "later.py").unlink()
    with pytest.raises(BuildError, match=r"write solutions/later\.py"):
        build(**small)


def test_building_twice_gives_the_same_bytes(small, tmp_path):
    again = tmp_path / "again"
    chapters, solutions = write_course(again)
    build(**small)
    build(course=chapters, solutions=solutions, names=names)
    for path in small["course"].glob("*/*"):
        assert path.read_bytes() == (chapters / path.relative_to(small["course"])).read_bytes()
    assert build(**small) == []


def test_check_lists_what_is_missing_stale_or_orphaned_and_writes_nothing(small):
    chapters = small["course"]
    every = {
        chapters / name
        for name in ("later/exercises.py", "later/later.ipynb", "shapes/exercises.py", "shapes/shapes.ipynb")
    }
    assert set(build(check=True, **small)) == every
    assert not any(path.exists() for path in every)
    assert set(build(**small)) == every
    assert build(check=True, **small) == []
    (chapters / "later" / "exercises.py").write_text("changed")
    (chapters / "gone").mkdir()
    (chapters / "gone" / "exercises.py").write_text("")
    (chapters / "shapes" / "old.ipynb").write_text("")
    orphaned = [chapters / "gone" / "exercises.py", chapters / "shapes" / "old.ipynb"]
    assert orphans(chapters) == orphaned
    assert build(check=True, **small) == sorted([*orphaned, chapters / "later" / "exercises.py"])
    assert (chapters / "later" / "exercises.py").read_text() == "changed"


def test_the_text_of_a_chapter_is_never_written(small):
    texts = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in small["course"].glob("*/chapter.md")}
    build(**small)
    assert texts == {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in small["course"].glob("*/chapter.md")
    }


def test_a_notebook_is_valid_has_not_run_and_survives_a_save(small):
    build(**small)
    for path in small["course"].glob("*/*.ipynb"):
        text = path.read_bytes().decode()
        parsed = nbformat.reads(text, 4)
        nbformat.validate(parsed)
        assert (parsed.nbformat, parsed.nbformat_minor) == (4, 5)
        assert all(
            cell.execution_count is None and not cell.outputs for cell in parsed.cells if cell.cell_type == "code"
        )
        assert text == nbformat.writes(parsed).rstrip("\n") + "\n"
        assert "\r" not in text


def test_a_notebook_holds_text_stub_and_check_of_each_exercise(small):
    cells = {cell.id: cell.source for cell in book(small, "shapes").cells}
    assert list(cells) == [
        "shapes-colab", "shapes-title", "shapes-install", "shapes-imports", "shapes-start-prose-1",
        "shapes-start-reading-1", "shapes-scaler-text", "shapes-scaler-stub", "shapes-scaler-check",
        "shapes-scaler-prose-1", "shapes-scaler-predict-1", "shapes-halves-figure", "shapes-halves-drawing",
        "shapes-half-text", "shapes-half-stub", "shapes-half-check", "shapes-heads-text", "shapes-heads-stub",
        "shapes-heads-check", "shapes-heads-prose-1", "shapes-end", "shapes-check",
    ]  # fmt: skip
    assert cells["shapes-halves-drawing"] == 'headwork.figure("shapes.halves")'
    assert cells["shapes-scaler-check"] == 'headwork.check("shapes.scaler")'
    assert cells["shapes-scaler-stub"] == code(small, "shapes").exercises["shapes.scaler"]
    assert "<details><summary>Hint 2</summary>\n\nReturn: `x * self.w`.\n\n</details>" in cells["shapes-scaler-text"]
    assert "<details><summary>Answer</summary>\n\nOne **half**.\n\n</details>" in cells["shapes-scaler-predict-1"]
    assert cells["shapes-halves-figure"] == "*Figure.* The halves of some numbers."
    assert "/blob/main/chapters/shapes/shapes.ipynb" in cells["shapes-colab"]


def test_a_title_stands_once_in_a_notebook(small):
    assert "\n".join(cell.source for cell in book(small, "shapes").cells).count("# Shapes\n") == 1


def test_new_text_elsewhere_leaves_cell_ids_alone(small):
    before = [cell.id for cell in book(small, "shapes").cells]
    path = small["course"] / "shapes" / "chapter.md"
    path.write_text(path.read_text().replace("Then halves.", "Then halves.\n\n```{reading}\nMore.\n```"))
    after = [cell.id for cell in book(small, "shapes").cells]
    assert [id for id in after if id != "shapes-scaler-reading-1"] == before


def test_a_filled_notebook_differs_in_code_alone_and_runs(small):
    stubs, filled = book(small, "shapes").cells, book(small, "shapes", filled=True).cells
    assert [cell.id for cell in stubs] == [cell.id for cell in filled]
    changed = {one.id for one, other in zip(stubs, filled, strict=True) if one.source != other.source}
    assert changed == {"shapes-imports", "shapes-scaler-stub", "shapes-half-stub", "shapes-heads-stub"}
    space: dict = {}
    for cell in filled:
        if cell.id.endswith(("-imports", "-stub")):
            exec(cell.source, space)
    assert space["half"](4.0) == 2.0


def test_code_cells_are_plain_python(small):
    for cell in book(small, "shapes").cells:
        if cell.cell_type == "code":
            ast.parse(cell.source)


def test_installing_is_tried_only_where_headwork_is_missing(small):
    install = next(cell.source for cell in book(small, "shapes").cells if cell.id == "shapes-install")
    calls: list[str] = []
    exec(install.replace("subprocess.check_call(", "calls.append("), {"calls": calls})
    assert calls == []


@pytest.mark.skipif(not (shutil.which("ruff") or importlib.util.find_spec("ruff")), reason="ruff is not installed")
def test_made_files_are_as_the_formatter_would_write_them(small):
    paths = [*real_files(), *(path for path in build(**small) if path.suffix == ".py")]
    for path in paths:
        command = [sys.executable, "-m", "ruff", "format", "--check", "--isolated", "--line-length", "120", str(path)]
        subprocess.run(command, check=True, capture_output=True)


def real_files() -> list[Path]:
    return sorted(course.COURSE.glob("*/exercises.py"))


@pytest.mark.parametrize("name", [each.name for each in course.chapters()])
def test_the_real_chapters_can_be_made(name):
    chapter = course.chapter(name)
    source = exercises_file(chapter)
    ast.parse(source)
    written = [exercise for exercise in chapter.exercises if not isinstance(exercise, Finding)]
    assert source.count("raise NotImplementedError") > len(written)  # one in the docstring
    nbformat.validate(nbformat.reads(notebook(chapter), 4))
    filled = notebook(chapter, filled=True)
    assert "NotImplementedError" not in filled
    space: dict = {"__name__": "filled"}
    for cell in nbformat.reads(filled, 4).cells:
        if cell.id.endswith(("-imports", "-stub")):
            exec(cell.source, space)
    assert {asked for exercise in chapter.exercises for asked in asked_names(exercise.id)} <= space.keys()


def test_the_small_reference_is_itself_right():
    space: dict = {}
    exec(reference(SHAPES_SOLUTION), space)
    assert space["half"](4.0) == 2.0


def test_a_checkout_with_other_line_ends_is_not_stale(small):
    for path in build(**small):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert build(check=True, **small) == []


def test_an_exercise_without_a_checker_says_which_file_to_write(monkeypatch):
    from headwork.checkers import catalogue

    monkeypatch.setattr(catalogue, "ids", lambda chapter=None: ["gpt2.not_written_yet"])
    with pytest.raises(BuildError, match=r"write checkers/gpt2/not_written_yet\.py"):
        asked_names("gpt2.not_written_yet")

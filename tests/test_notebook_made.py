"""The notebooks as they are made: what stands in them, and what happens to who runs them from top to bottom."""

import ast
import json
import re
import subprocess
import sys
import warnings

import nbformat
import pytest

import headwork
from headwork.authoring import notebook as making
from headwork.authoring.notebook import declared, notebook
from headwork.authoring.stub import BuildError
from headwork.chapters import course
from headwork.chapters.course import COURSE, Chapter
from headwork.chapters.directives import parser
from headwork.checkers import catalogue
from headwork.checkers.figure import Choice, Figure, Knob, Words
from headwork.tests.ipython import Session
from headwork.tests.small_course import names, write_course

CHAPTERS = [each.name for each in course.chapters()]
LARGEST_ID = 64


def made(name: str) -> nbformat.NotebookNode:
    """The notebook in the repository."""
    return nbformat.reads((COURSE / name / f"{name}.ipynb").read_text(encoding="utf-8"), 4)


@pytest.fixture(params=CHAPTERS)
def chapter(request: pytest.FixtureRequest) -> Chapter:
    return course.chapter(request.param)


@pytest.fixture
def cells(chapter: Chapter) -> list[nbformat.NotebookNode]:
    return made(chapter.name).cells


def calls(cells: list[nbformat.NotebookNode]) -> list[ast.Call]:
    """The calls of `headwork` that stand alone in a cell."""
    code = [ast.parse(cell.source).body for cell in cells if cell.cell_type == "code"]
    alone = [body[0].value for body in code if len(body) == 1 and isinstance(body[0], ast.Expr)]
    return [call for call in alone if isinstance(call, ast.Call)]


def test_a_notebook_is_valid_without_a_warning(chapter):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nbformat.validate(made(chapter.name))


def test_a_notebook_says_no_more_of_itself_than_it_must(chapter, cells):
    book = json.loads((chapter.folder / f"{chapter.name}.ipynb").read_text(encoding="utf-8"))
    assert book.keys() == {"cells", "metadata", "nbformat", "nbformat_minor"}
    assert book["metadata"].keys() == {"kernelspec", "language_info"}
    assert {json.dumps(cell["metadata"]) for cell in book["cells"]} == {"{}"}


def test_cells_have_names_of_their_own(cells):
    ids = [cell.id for cell in cells]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[\w-]+", id) and len(id) <= LARGEST_ID for id in ids)


def test_each_exercise_is_followed_by_its_check(chapter, cells):
    places = {cell.id: place for place, cell in enumerate(cells)}
    for exercise in chapter.exercises:
        text, stub, check = (places[f"{chapter.name}-{exercise.name}-{kind}"] for kind in ("text", "stub", "check"))
        assert (stub, check) == (text + 1, text + 2)
        assert cells[check].source == f'headwork.check("{exercise.id}")'


def test_each_figure_is_followed_by_the_call_that_draws_it_with_every_knob_at_its_start(chapter, cells):
    drawn = {
        ast.literal_eval(call.args[0]): call for call in calls(cells) if ast.unparse(call.func) == "headwork.figure"
    }
    assert list(drawn) == [f"{chapter.name}.{each.name}" for each in chapter.figures]
    for id, call in drawn.items():
        given = {each.arg: ast.literal_eval(each.value) for each in call.keywords}
        assert given == {each.name: each.start for each in catalogue.figure(id).controls}
        assert catalogue.figure(id).settings(given) == given


def test_the_last_cell_checks_the_whole_chapter():
    assert made("gpt2").cells[-1].source == 'headwork.check("gpt2")'
    assert made("induction").cells[-1].source == 'headwork.check("induction")'


def test_hints_and_answers_are_closed_and_whole(chapter, cells):
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    opened = re.findall(r"^<details><summary>(?:Hint \d|Answer)</summary>\n\n", text, re.MULTILINE)
    assert len(opened) == text.count("<details") == text.count("\n\n</details>")
    assert len(opened) == text.count("**Predict first.**") + sum(len(each.hints) for each in chapter.exercises)


def maths(markdown: str) -> list[str]:
    """What the chapters' parser takes for maths, in the order of the text."""
    tokens = [inner for token in parser().parse(markdown) for inner in (token, *(token.children or []))]
    return [token.content for token in tokens if token.type.startswith("math")]


def test_maths_is_what_the_pages_take_for_maths(cells):
    """Jupyter pairs dollars outside of code as they come; the chapters' parser is stricter. Both find the same."""
    for cell in cells:
        if cell.cell_type == "markdown":
            strict = maths(cell.source)
            bare = re.sub(r"(?s)(```+|~~~+).*?\1|(`+).*?\2", "", cell.source)
            assert [each.strip() for each in re.findall(r"(?s)\$([^$]+)\$", bare)] == [each.strip() for each in strict]
            assert bare.count("$") == 2 * len(strict)


def test_nothing_in_a_text_is_taken_for_a_tag(cells):
    for cell in cells:
        if cell.cell_type == "markdown":
            bare = re.sub(r"(?s)(```+|~~~+).*?\1|(`+).*?\2|\$[^$]+\$", "", cell.source)
            assert set(re.findall(r"</?\w+", bare)) <= {"<details", "</details", "<summary", "</summary"}


def test_colab_opens_and_installs_what_this_repository_calls_itself(chapter, cells):
    repository = making.REPOSITORY
    path = f"{repository}/blob/main/chapters/{chapter.name}/{chapter.name}.ipynb"
    assert f"(https://colab.research.google.com/github/{path})" in cells[0].source
    install = next(cell.source for cell in cells if cell.id.endswith("-install"))
    assert f"git+https://github.com/{repository}" in install


def test_where_headwork_is_missing_the_install_cell_installs_it(tmp_path):
    install = next(cell.source for cell in made("tensors").cells if cell.id.endswith("-install"))
    program = f"import subprocess\nsubprocess.check_call = print\n{install}"
    command = [sys.executable, "-I", "-S", "-c", program]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "'-m', 'pip', 'install'" in ran.stdout
    assert "No module named 'headwork'" in ran.stderr.strip().splitlines()[-1]  # nothing was installed here


def test_a_new_figure_leaves_the_names_of_cells_alone_but_for_the_text_up_to_the_next_named_block(tmp_path):
    folder, solutions = write_course(tmp_path)

    def ids() -> list[str]:
        text = notebook(course.chapter("shapes", folder), solutions=solutions, names=names)
        return [cell["id"] for cell in json.loads(text)["cells"]]

    before = ids()
    path = folder / "shapes" / "chapter.md"
    figure = "Then halves.\n\n```{figure} thirds\ncaption: Thirds.\n```\n"
    path.write_text(path.read_text().replace("Then halves.", figure))
    assert set(before) - set(ids()) == {"shapes-scaler-predict-1"}


def test_knobs_are_shown_with_what_else_they_may_be():
    controls = (
        Words("prompt", "begins with", 'A "word"'),
        Choice("way", "by", ("top_k", "top_p")),
        Knob("p", "p", 0.05, 1, 0.05, 0.9, only_with="top_p"),
        Choice("only", "only", ("one",)),
    )
    assert making._drawing("gpt2.x", controls) == (
        'headwork.figure(\n    "gpt2.x",\n    prompt="A \\"word\\"",\n    way="top_k",  # or "top_p"\n'
        '    p=0.9,  # 0.05 to 1, for "top_p"\n    only="one",\n)'
    )
    assert making._drawing("gpt2.x", ()) == 'headwork.figure("gpt2.x")'


def test_a_figure_that_is_not_declared_says_where_to_declare_it(monkeypatch):
    def missing(id: str) -> Figure:
        raise KeyError(id)

    monkeypatch.setattr(catalogue, "figure", missing)
    with pytest.raises(BuildError, match=r"add 'thirds' to checkers/gpt2/figures\.py"):
        declared("gpt2.thirds")


# Run from top to bottom, in a plain namespace


def test_a_notebook_as_handed_out_runs_and_waits_for_answers(capsys):
    session = Session(headwork=headwork)
    for cell in made("tensors").cells:
        if cell.cell_type == "code":
            session.run(cell.source)
    out = capsys.readouterr().out
    assert out.count("not started") == 2 * len(course.chapter("tensors").exercises)
    assert repr(session.last("tensors.diagonals")).startswith("Write `diagonals`")


def run_through(session: Session, name: str) -> None:
    """Runs the chapter's notebook with the references, a cell after the other; what raises is raised."""
    for cell in json.loads(notebook(course.chapter(name), filled=True))["cells"]:
        if cell["cell_type"] == "code":
            session.run("".join(cell["source"]))


def test_a_notebook_with_the_references_runs_and_passes(capsys):
    session = Session(headwork=headwork)
    run_through(session, "tensors")
    for exercise in course.chapter("tensors").exercises:
        assert session.last(exercise.id).passed
    capsys.readouterr()


def test_a_long_notebook_runs_and_asks_for_every_check_once_and_for_the_chapter(monkeypatch, capsys):
    """What these checks say of it is what `test_notebook_grade` finds."""
    asked: list[str] = []
    monkeypatch.setattr(headwork, "check", asked.append)
    run_through(Session(headwork=headwork), "induction")
    assert asked == [*(each.id for each in course.chapter("induction").exercises), "induction"]
    capsys.readouterr()

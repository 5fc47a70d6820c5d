"""`headwork.check` in scripts and notebooks."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import headwork
from headwork.cli import in_python
from headwork.grading.report import Report
from headwork.grading.submission import LARGEST_CODE
from headwork.tests.commands import LAYER_NORM, SENTENCE, WRONG, environment
from headwork.tests.ipython import Session


class Shell:
    """What `get_ipython()` gives in a notebook, as far as we look at it."""

    def __init__(self, *cells: str):
        self.user_ns = {"In": ["", *cells]}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One gradebook and one warm worker for all tests here."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADWORK_HOME", str(folder))
        yield folder
    if in_python._opened.cache_info().currsize:
        book, grader = in_python._opened()
        grader.close()
        book.close()
        in_python._opened.cache_clear()


def test_importing_headwork_imports_none_of_its_parts(tmp_path):
    program = "import sys; import headwork; print(*(name for name in sys.modules if name.startswith('headwork')))"
    ran = subprocess.run([sys.executable, "-P", "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert ran.stdout.split() == ["headwork"]


def test_code_as_text_is_judged_printed_and_recorded(home, capsys):
    report = headwork.check("gpt2.layer_norm", source=WRONG)
    assert SENTENCE in capsys.readouterr().out
    assert [each.status for each in report.verdicts] == ["failed"]
    book, _ = in_python._opened()
    assert [each.verdict.mistake for each in book.attempts("me", "gpt2.layer_norm")] == [SENTENCE]


def test_what_a_notebook_shows_of_a_report_is_one_line(home):
    assert repr(headwork.check("layer_norm", source=LAYER_NORM)) == "<Report: 1 of 1 passed, 4 of 4 points>"


def test_a_path_may_be_given_as_text(home, tmp_path):
    (tmp_path / "mine.py").write_text(LAYER_NORM)
    assert headwork.check("layer_norm", source=str(tmp_path / "mine.py")).passed


def test_the_grader_stays_warm(home):
    headwork.check("layer_norm", source=LAYER_NORM)
    _, grader = in_python._opened()
    server = grader.servers["gpt2"]
    headwork.check("layer_norm", source=WRONG)
    assert in_python._opened()[1].servers["gpt2"] is server


def in_notebook(*cells: str) -> Report:
    """Calls `headwork.check` as the last cell of a notebook does."""
    call = "report = headwork.check('gpt2.layer_norm')"
    namespace = {"headwork": headwork, "get_ipython": lambda: Shell(*cells, call)}
    exec(call, namespace)
    return namespace["report"]


def test_in_a_notebook_the_last_definition_wins(home, capsys):
    assert in_notebook(WRONG, "x = 1", LAYER_NORM).passed
    assert not in_notebook(LAYER_NORM, WRONG).passed


def test_a_notebooks_cells_are_called_by_their_numbers(home, capsys):
    report = in_notebook("%matplotlib inline", "", LAYER_NORM.replace("mean = ", "mean = undefined + "))
    assert report.verdicts[0].file == "cell In[3]"
    assert "cell In[3]" in capsys.readouterr().out


def test_a_cell_that_does_not_parse_is_no_matter_when_another_defines_it(home):
    assert in_notebook("def (", LAYER_NORM).passed


def cells_of(*typed: str) -> list[tuple[str, str]]:
    """What is made of the cells that a session has run."""
    session = Session()
    session.typed += typed
    return [(unit.label, unit.source) for unit in in_python.cells_so_far(session.namespace)]


def test_cells_are_read_as_they_were_typed_magics_and_all():
    typed = ("%%time\nx = 1", "%timeit x", "%%bash\nls", "files = !ls", "y = 2\ny?")
    read = [("cell In[1]", "pass\nx = 1"), ("cell In[2]", "pass"), ("cell In[4]", "files: '!ls'")]
    assert cells_of(*typed) == [*read, ("cell In[5]", "y = 2\npass")]


def test_a_cell_run_again_unchanged_counts_at_its_last_run():
    assert cells_of("x = 1", "x = 2", "x = 1", "", "x = 3") == [
        ("cell In[2]", "x = 2"),
        ("cell In[3]", "x = 1"),
        ("cell In[5]", "x = 3"),
    ]


def test_of_a_long_session_the_newest_cells_are_taken():
    old, large, new = "x = 1", "# " + "x" * (LARGEST_CODE - 20), "y = 2"
    assert [label for label, _ in cells_of(old, "z" * 30, large, new, "\0")] == ["cell In[3]", "cell In[4]"]


def test_without_an_id_the_chapters_that_are_begun_are_checked(home, capsys):
    report = headwork.check(source="def run_with_hooks(model, hooks): ...")
    assert {each.exercise for each in report.verdicts} == set(in_python.ids_of("induction"))


def test_where_nothing_is_begun_that_is_said(home):
    with pytest.raises(ValueError, match="defines nothing yet that an exercise asks for"):
        headwork.check(source="x = 1\n")
    session = Session(headwork=headwork)
    with pytest.raises(ValueError, match="Cells count once they have run"):
        session.run("headwork.check()")


def test_a_cell_that_has_not_run_is_asked_for(home, capsys):
    Session(headwork=headwork).run('headwork.check("gpt2.layer_norm")')
    assert capsys.readouterr().out.endswith(f"\n  {in_python.NOT_RUN}\n")


def test_an_unknown_exercise_names_the_closest(home):
    with pytest.raises(LookupError, match=r"did you mean gpt2\.layer_norm"):
        headwork.check("gpt2.layernorm", source=LAYER_NORM)


def test_without_a_file_the_source_must_be_given(home):
    with pytest.raises(ValueError, match="source="):
        exec("headwork.check('layer_norm')", {"headwork": headwork})


def test_a_script_checks_itself_and_leaves_no_worker(tmp_path):
    (tmp_path / "mine.py").write_text(
        f"import headwork\n{LAYER_NORM}\nreport = headwork.check('gpt2.layer_norm')\nprint(report.passed)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-P", "mine.py"],
        cwd=tmp_path,
        env=environment(tmp_path / "home"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.stdout.endswith("True\n"), ran.stderr
    assert ran.stderr == ""

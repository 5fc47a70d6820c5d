"""Notebooks handed in, by the command line: what a learner's notebook looks like does not matter to its points."""

import json
from pathlib import Path

import pytest

from headwork.chapters import course
from headwork.chapters.course import Chapter
from headwork.checkers.catalogue import exercise
from headwork.cli import main
from headwork.tests import notebooks
from headwork.tests.commands import headwork
from headwork.tests.notebooks import EVIL, Book, code, source_of

WAYS = {  # the chapter that is graded fastest in every way, each of the others in one of the harder ones
    "tensors": ["filled", "backwards", "cluttered", "from_colab", "from_vscode", "from_jupyterlab"],
    "gpt2": ["cluttered"],
    "induction": ["cluttered"],
    "ioi": ["backwards"],
    "sae": ["filled"],
}

# Answers to `tensors.batched_dot`, a notebook's cells each.
ONE_CELL = """\
def batched_dot(a, b):
    return (a * b).sum(-1)
"""
TWO_CELLS = """\
def batched_dot(a, b):
    return product(a, b).sum(-1)
"""
STATE = """\
AXES = [0, 1]
AXES.append(2)
AXIS = max(2, AXES[-1])
"""
BY_STATE = """\
def batched_dot(a, b):
    return (a * b).sum(AXIS)
"""
WRONG = """\
def batched_dot(a, b):
    return a * b
"""
WRAPPED = """\
first = batched_dot
def batched_dot(a, b):
    return first(a, b).sum(-1)
"""
MAGICS = """\
def batched_dot(a, b):
    !echo hello
    a.sum?
    %timeit 1
    return (a * b).sum(-1)
batched_dot?
timeit 1
"""
PROMPTS = """\
>>> def batched_dot(a, b):
...     return (a * b).sum(-1)
"""
ANNOTATED = """\
def batched_dot(a: Tensor, b: Tensor) -> Tensor:
    return torch.einsum("bpw,bpw->bp", a, b)
"""
CELLS = {
    "a helper in another cell": ["def product(a, b): return a * b", TWO_CELLS],
    "a helper defined after its use": [TWO_CELLS, "product = lambda a, b: a * b"],
    "state at the top level": [STATE, BY_STATE],
    "a wrong version first": [WRONG, "batched_dot(1, 2)", ONE_CELL],
    "a wrapper around the first version": [WRONG, WRAPPED],
    "timed": [f"%%time\n{BY_STATE}", "%time AXIS = -1"],
    "help, magics and shell among it": [MAGICS],
    "pasted with prompts": [PROMPTS],
    "tried at the end of its cell": [f"{ONE_CELL}batched_dot(torch.ones(1, 2, 3), torch.ones(1, 2, 3));"],
    "broken cells beside it": [ONE_CELL, "def softmax(x:\n", "%%time\ndef log_softmax(:"],
    "the imports last": [ANNOTATED, "import torch\nfrom torch import Tensor"],
}
BROKEN, LARGE, UNTOUCHED = "broken", "large", "untouched"
OTHERS = {  # that do not pass
    BROKEN: [code("import torch"), code("x = 1"), code("def batched_dot(a, b:\n    return a")],
    LARGE: [code(ONE_CELL, outputs=[{"output_type": "stream", "name": "stdout", "text": "x" * (21 << 20)}])],
}


def save(folder: Path, name: str, book: Book) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.ipynb"
    path.write_text(json.dumps(book), encoding="utf-8")
    return path


def of(cells: list[dict]) -> Book:
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}


def graded(folder: Path, *options: str) -> dict[str, dict]:
    """The reports of all notebooks in the folder `handed-in`, by name."""
    done = headwork("grade", "handed-in", "--json", *options, cwd=folder, home=folder / "home", seconds=280)
    assert done.code == 0, done.err
    return {Path(each["submission"]).stem: each for each in json.loads(done.out)["reports"]}


@pytest.fixture(scope="module", params=WAYS)
def handed_in(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Chapter, dict]:
    """A chapter, and the reports of its notebook with the references, by what was done to it."""
    folder = tmp_path_factory.mktemp(request.param)
    book = notebooks.filled(request.param)
    asked = [each for each in course.chapter(request.param).exercises if each.file]
    for way in WAYS[request.param]:
        place = folder / "handed-in" / way if asked else folder / "handed-in"  # with files beside it, a folder
        save(place, way, book if way == "filled" else getattr(notebooks, way)(book))
        for each in asked:
            (place / each.file).write_bytes(exercise(each.id).own_files[each.file])
    return course.chapter(request.param), graded(folder, "--workers", "2")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """The reports of notebooks with one exercise."""
    folder = tmp_path_factory.mktemp("small")
    for name, cells in {**{name: list(map(code, cells)) for name, cells in CELLS.items()}, **OTHERS}.items():
        save(folder / "handed-in", name, of(cells))
    tensors = course.chapter("tensors")
    save(folder / "handed-in", UNTOUCHED, json.loads((tensors.folder / "tensors.ipynb").read_text(encoding="utf-8")))
    return graded(folder, "--ids", "tensors.batched_dot")


def test_a_notebook_with_the_references_passes_however_it_looks(handed_in: tuple[Chapter, dict]) -> None:
    chapter, reports = handed_in
    assert reports.keys() == set(WAYS[chapter.name])
    for way, report in reports.items():
        failed = {each["exercise"]: each["message"] for each in report["verdicts"] if each["status"] != "passed"}
        assert not failed, way
        assert {each.id for each in chapter.exercises} <= {each["exercise"] for each in report["verdicts"]}, way


def test_the_clutter_is_what_it_says() -> None:
    text = "\n".join(source_of(cell) for cell in notebooks.cluttered(notebooks.filled("gpt2"))["cells"])
    for mark in ("%%time\ndef ", "%%time\nclass ", "!echo done", "*args, **kwargs", notebooks.BROKEN, "?torch"):
        assert mark in text


@pytest.mark.parametrize("name", CELLS)
def test_an_exercise_may_be_written_in_the_ways_of_notebooks(name: str, small: dict[str, dict]) -> None:
    (verdict,) = small[name]["verdicts"]
    assert verdict["status"] == "passed", verdict["message"]


def test_a_cell_that_is_asked_and_broken_is_named(small: dict[str, dict]) -> None:
    (verdict,) = small[BROKEN]["verdicts"]
    assert verdict["status"] == "error"
    assert "cell 3, line 1" in verdict["message"]


def test_an_untouched_notebook_counts_as_not_started(small: dict[str, dict]) -> None:
    assert [each["status"] for each in small[UNTOUCHED]["verdicts"]] == ["not_started"]


def test_outputs_too_large_to_read_are_to_be_cleared(small: dict[str, dict]) -> None:
    assert "clear its outputs" in small[LARGE]["problem"]


@pytest.mark.parametrize("form", ["text", "junit", "gradescope", "json", "github", "csv"])
def test_what_a_notebook_is_called_forges_no_line_and_no_tag(form: str, tmp_path: Path, capsys) -> None:
    book = notebooks.from_colab(of([{**code(WRONG), "id": "an-id"}]))
    path = save(tmp_path, "<b>x\n1 of 1 passed", book)
    assert main.run(["grade", str(path), "--ids", "batched_dot", "--format", form]) == 0
    out = capsys.readouterr().out
    assert EVIL not in out
    assert "\n1 of 1 passed" not in out
    if form == "junit":
        assert "<b>" not in out

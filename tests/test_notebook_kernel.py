"""A notebook in a real Jupyter kernel: what IPython keeps of its cells is what `headwork.check` takes them for."""

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from headwork.cli.in_python import NOT_RUN
from headwork.cli.picture import VEGA_LITE
from headwork.tests import notebooks

nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed: pip install headwork[test]")
pytest.importorskip("ipykernel", reason="ipykernel is not installed: pip install headwork[test]")

CHECK = 'headwork.check("tensors.batched_dot")'
WRONG = "%%time\ndef batched_dot(a, b):\n    return (a * b).sum()"
RIGHT = "%%capture\ndef batched_dot(a, b):\n    !echo hello\n    return (a * b).sum(AXIS)"
STEPS = [
    "import headwork",
    CHECK,
    "import torch",
    WRONG,
    CHECK,
    "%time AXIS = -1",
    "def softmax(:",
    RIGHT,
    CHECK,
    'headwork.figure("tensors.diagonals", period=4)',
    "def diagonals(patterns):\n    return torch.stack([p.new_zeros(len(p)) for p in patterns])",
    'headwork.figure("tensors.diagonals", period=4)',
    "len(headwork.check().verdicts)",
]


def executed(cells: list[dict[str, Any]], folder: Path) -> list[nbformat.NotebookNode]:
    """The outputs of each code cell; a cell that raises does not stop the next."""
    book = nbformat.reads(json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": cells}), 4)
    client = nbclient.NotebookClient(
        book, timeout=120, kernel_name="python3", allow_errors=True, resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return [cell.outputs for cell in book.cells if cell.cell_type == "code"]


def printed(outputs: list[nbformat.NotebookNode]) -> str:
    return "".join(each.text for each in outputs if each.output_type == "stream")


def value(outputs: list[nbformat.NotebookNode]) -> dict[str, Any]:
    """What the cell's last line gave, by type."""
    return next(each.data for each in outputs if each.output_type == "execute_result")


@pytest.fixture(scope="module")
def all_steps(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The steps, then the cells of a filled notebook, in one kernel: to start another takes seconds."""
    cells = [*map(notebooks.code, STEPS), *notebooks.filled("tensors")["cells"]]
    cells = [{key: cell[key] for key in cell if key != "id"} for cell in cells]
    return executed(cells, tmp_path_factory.mktemp("kernel"))


@pytest.fixture
def steps(all_steps: list[Any]) -> list[Any]:
    return all_steps[: len(STEPS)]


def test_a_cell_counts_once_it_has_run(steps):
    first, wrong, right = (outputs for step, outputs in zip(STEPS, steps, strict=True) if step == CHECK)
    assert NOT_RUN in printed(first)
    assert "0 of 1 passed" in printed(wrong) and NOT_RUN not in printed(wrong)
    assert "1 of 1 passed" in printed(right)


def test_a_check_prints_its_report_and_shows_one_line(steps):
    outputs = steps[STEPS.index(RIGHT) + 1]
    assert [each.output_type for each in outputs] == ["stream", "execute_result"]
    assert value(outputs) == {"text/plain": "<Report: 1 of 1 passed, 2 of 2 points>"}


def test_a_figure_waits_then_is_drawn_for_eyes_and_for_text(steps):
    waits, drawn = (value(outputs) for step, outputs in zip(STEPS, steps, strict=True) if "figure" in step)
    assert waits == {"text/plain": "Write `diagonals`: what your code makes of it appears here."}
    assert drawn.keys() == {"text/plain", VEGA_LITE}
    assert drawn[VEGA_LITE]["hconcat"] and "offset" in drawn["text/plain"]


def test_without_an_id_the_chapter_is_checked(steps):
    assert value(steps[-1])["text/plain"] == "18"


def test_the_notebook_with_the_references_runs_without_an_error(all_steps):
    outputs = all_steps[len(STEPS) :]
    assert not [each.evalue for every in outputs for each in every if each.output_type == "error"]
    assert "1 of 1 passed" in json.dumps(outputs) and "18 of 18 passed" in json.dumps(outputs)

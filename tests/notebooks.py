"""A chapter's notebook as learners hand it in: filled, rearranged, cluttered, and saved by other programs."""

import copy
import json
import re
from typing import Any

from headwork.authoring.notebook import notebook
from headwork.chapters import course

Book = dict[str, Any]
EVIL = "<script>document.title = 'caught'</script>"
BROKEN = "def half_done(x:\n    return ("
CLUTTER = [
    "%matplotlib inline\n%load_ext autoreload\n%autoreload 2",
    "!pip install --quiet einops \\\n  numpy\n!nvidia-smi",
    "%%bash\necho 'def embed(' && ls",
    "%%html\n<b>not Python</b>",
    "torch.nn.Linear?\n?torch\nTensor??",
    "timeit 1 + 1\nls",
    BROKEN,
    "files = !ls\nprint(files)",
    "%time scratch = torch.ones(3)\n%timeit scratch + 1",
    "undefined_name + 1",
    "print('x' * 3); input()",
    "",
]


def filled(name: str) -> Book:
    """The notebook of chapter `name` with the references in place of the stubs."""
    return json.loads(notebook(course.chapter(name), filled=True))


def code(source: str, **more: Any) -> dict[str, Any]:
    lines = source.splitlines(keepends=True)
    return {"cell_type": "code", "execution_count": 3, "metadata": {}, "outputs": [], "source": lines, **more}


def is_answer(cell: dict[str, Any]) -> bool:
    return cell.get("id", "").endswith("-stub")


def source_of(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def put(cell: dict[str, Any], source: str) -> None:
    cell["source"] = source.splitlines(keepends=True)


def backwards(book: Book) -> Book:
    """Last cell first, so that every definition comes after its use; only `from __future__` could mind."""
    book = copy.deepcopy(book)
    book["cells"].reverse()
    return book


def cluttered(book: Book) -> Book:
    """Each answer after a wrong first version of it and before the stub's checks, among cells of all kinds.

    Answers stand under %%time, with a shell line in their functions, and those of several definitions are split.
    """
    cells: list[dict[str, Any]] = []
    for number, cell in enumerate(copy.deepcopy(book["cells"])):
        if is_answer(cell):
            cells.append(code(_wrong(source_of(cell))))
            cells.append(code(CLUTTER[number % len(CLUTTER)]))
            cells += [code(part) for part in _styled(source_of(cell), number)]
            cells.append({"cell_type": "markdown", "metadata": {}, "source": ["## Notes\n", "```\ndef embed(\n```"]})
        else:
            cells.append(cell)
    return {**book, "cells": [*map(code, CLUTTER), *cells, *map(code, CLUTTER)]}


def _wrong(source: str) -> str:
    """The same names, doing nothing."""
    names = [line.split("(")[0].split(":")[0] for line in source.split("\n") if line.startswith(("def ", "class "))]
    return "\n".join(f"{name}(*args, **kwargs): return None" if "def" in name else f"{name}: pass" for name in names)


def _styled(source: str, number: int) -> list[str]:
    parts = [part for part in source.split("\n\n\n") if part.strip()]
    if number % 3 == 0:
        return ["%%time\n" + part if part.startswith(("def", "class")) else part for part in parts]
    if number % 3 == 1:
        return [re.sub(r"^( +)return ", r"\1!echo done\n\1return ", source, count=1, flags=re.MULTILINE)]
    return list(reversed(parts))


def from_colab(book: Book) -> Book:
    """As Google Colab saves it: format 4.0, ids in the metadata, outputs and its own marks kept."""
    book = copy.deepcopy(book)
    for cell in book["cells"]:
        cell["metadata"] = {"id": cell.pop("id")[:12], "colab": {"base_uri": "https://localhost:8080/"}}
        if cell["cell_type"] == "code":
            cell["metadata"]["outputId"] = "0f0f0f0f-0f0f-0f0f-0f0f-0f0f0f0f0f0f"
            put(cell, f'# @title {EVIL} {{ display-mode: "form" }}\n{source_of(cell)}')
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["Requirement already satisfied\n"]}]
    marks = {"provenance": [], "gpuType": "T4", "name": EVIL, "toc_visible": True}
    metadata = {"colab": marks, "kernelspec": {"name": "python3", "display_name": EVIL}, "accelerator": "GPU"}
    return {"nbformat": 4, "nbformat_minor": 0, "metadata": metadata, "cells": book["cells"]}


def from_vscode(book: Book) -> Book:
    """As VS Code saves it: sources as one text, Windows' line ends, format 4.2 without ids, a cell of SQL."""
    book = copy.deepcopy(book)
    for cell in book["cells"]:
        del cell["id"]
        cell["source"] = source_of(cell).replace("\n", "\r\n")
    query = code("SELECT def FROM class", metadata={"vscode": {"languageId": "sql"}})
    return {**book, "nbformat_minor": 2, "cells": [query, *book["cells"]]}


def from_jupyterlab(book: Book) -> Book:
    """As JupyterLab saves it after a long session: outputs of all kinds, some enormous, attachments, a raw cell."""
    book = copy.deepcopy(book)
    for number, cell in enumerate(book["cells"]):
        cell["metadata"] = {"tags": [EVIL], "jupyter": {"source_hidden": True}, "scrolled": True}
        if cell["cell_type"] == "code":
            cell["execution_count"] = number
            picture = {"image/png": "iVBORw0KGgo=" * 2000, "text/html": [EVIL], "application/vnd.x+json": {"a": [1]}}
            cell["outputs"] = [
                {"output_type": "display_data", "metadata": {}, "data": picture},
                {"output_type": "stream", "name": "stderr", "text": ["x" * 80 + "\n"] * 2000},
                {"output_type": "error", "ename": EVIL, "evalue": "", "traceback": ["\u001b[31mred"]},
            ]
    raw = {"cell_type": "raw", "id": "raw", "metadata": {}, "source": "def embed(", "attachments": {}}
    return {**book, "cells": [raw, *book["cells"]], "metadata": {"title": EVIL, "widgets": {"state": {}}}}

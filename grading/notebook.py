"""Notebooks as texts: the code cells of an .ipynb (format 3 or 4), with IPython's magics made harmless.

The JSON is read without schema validation, because many tools write notebooks that are slightly off and still open.
"""

import ast
import json
import re
import warnings
from typing import Any

from headwork.grading.parsing import parse

# Their body is Python; other cells under a magic are dropped.
PYTHON_CELL_MAGICS = {"time", "timeit", "capture", "prun", "debug", "memit", "pyinstrument", "scalene", "wandb"}
# Line magics that IPython also takes without their %, as far as a line with them is no Python.
BARE_MAGICS = (
    "pip|conda|cd|ls|mkdir|cat|pwd|time|timeit|run|matplotlib|load_ext|reload_ext|autoreload|who|whos|env|reset|history"
)
REPAIRS = 40  # lines mended one by one before all that look like magics are replaced

_MAGIC = re.compile(rf"(\s*)(?:[%!?]|.*[^\s#]\?{{1,2}}\s*$|(?:{BARE_MAGICS})(?:\s+[\w./~-]|\s*$))")
_SURE_MAGIC = re.compile(r"(\s*)(?:[%!?]|[\w.\[\]]+\?{1,2}\s*$)")
_TIMED = re.compile(r"(\s*)%time\s+(?!-)(?=\S)(.*[^\\])$")  # the statement it times is run, once
_PROMPT = re.compile(r"(?:>>>|\.\.\.)(?: |$)|In \[\d+\]: ?|\s*\.{3,}: ?")
_ASSIGNED = re.compile(r"(\s*)([^\W\d]\w*(?:\s*,\s*[^\W\d]\w*)*)\s*=\s*([!%].*)$")


def code_cells(text: str) -> list[tuple[int, str]]:
    """The code cells as (number, Python source); all cells, markdown too, are counted from 1.

    Raises ValueError with one line when this is no notebook or holds no code.
    """
    try:
        data = json.loads(text)
    except RecursionError:
        raise ValueError("is nested too deeply to be a notebook: save it again from Jupyter") from None
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise ValueError(
            f"is not a whole notebook (its JSON breaks off or is wrong at line {line}): save it again from Jupyter"
        ) from None
    sources = [(number, _source(cell)) for number, cell in enumerate(_cells(data), 1) if _is_code(cell)]
    if not any(source.strip() for _, source in sources):
        raise ValueError("has no code cells: hand in the notebook with your code")
    python = ((number, without_magics(source)) for number, source in sources)
    return [(number, source) for number, source in python if source.strip()]


def without_magics(source: str) -> str:
    """The cell as Python, every line where it was.

    Lines that are magics, shell commands or help become `pass`. `files = !ls` becomes `files: '!ls'`, an annotation
    that binds nothing, by which `extract` knows that the name depended on something that does not run (`marker`).
    What `%time` times stays. Prompts (`>>> `) and the first line's indentation go, as in IPython.
    A cell under a magic that is not about Python (`%%bash`) becomes "". A cell that parses is not touched.
    """
    lines = source.split("\n")
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    if lines[first].startswith("%%"):
        magic = re.match(r"%%\s*(\w*)", lines[first])
        if magic is None or magic[1] not in PYTHON_CELL_MAGICS:
            return ""
        lines[first] = "pass"
    if _wrong_line(lines) is not None:
        lines = _as_typed(lines, first)
    for _ in range(REPAIRS):
        wrong = _wrong_line(lines)
        if wrong is None:
            return "\n".join(lines)
        if not (0 <= wrong < len(lines)) or not _mend(lines, wrong, _MAGIC):
            break
    for number in range(len(lines)):
        _mend(lines, number, _SURE_MAGIC)
    return "\n".join(lines)


def marker(node: ast.stmt) -> tuple[str, str] | None:
    """(name, command) when the statement is what `without_magics` made of `name = !command`."""
    match node:
        case ast.AnnAssign(target=ast.Name(name), annotation=ast.Constant(str(command)), value=None):
            return (name, command) if command[:1] in ("!", "%") else None
    return None


def _cells(data: Any) -> list[Any]:
    if not isinstance(data, dict):
        raise ValueError("is JSON but not a notebook: save it again from Jupyter")
    if isinstance(data.get("worksheets"), list):  # format 3
        return [cell for sheet in data["worksheets"] if isinstance(sheet, dict) for cell in _list(sheet.get("cells"))]
    if not isinstance(data.get("cells"), list):
        raise ValueError("is JSON but not a notebook (no cells): save it again from Jupyter")
    return _list(data["cells"])


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_code(cell: Any) -> bool:
    """A code cell, of Python as far as VS Code says another language where there is one."""
    if not isinstance(cell, dict) or cell.get("cell_type") != "code":
        return False
    of = cell.get("metadata")
    for key in ("vscode", "languageId"):
        of = of.get(key) if isinstance(of, dict) else None
    return of in (None, "python") or not isinstance(of, str)


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    return source.replace("\r\n", "\n").replace("\r", "\n") if isinstance(source, str) else ""


def _as_typed(lines: list[str], first: int) -> list[str]:
    """Without the prompts of an interpreter's session that was pasted, or the indentation of what stood in a block."""
    start = lines[first]
    if _PROMPT.match(start) and not start.startswith("..."):
        return [_PROMPT.sub("", line, count=1) if _PROMPT.match(line) else line for line in lines]
    indent = start[: len(start) - len(start.lstrip())]
    return [line.removeprefix(indent) for line in lines] if indent else lines


def _wrong_line(lines: list[str]) -> int | None:
    """Index of the line that Python stumbles over; -1 where it cannot say; None when all parses."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parse("\n".join(lines))
    except SyntaxError as error:
        return (error.lineno or 0) - 1
    except (ValueError, RecursionError, MemoryError):
        return -1
    return None


def _mend(lines: list[str], number: int, magic: re.Pattern[str]) -> bool:
    """Replaces the magic in that line, and the lines it continues on; False when there is none."""
    line = lines[number]
    if assigned := _ASSIGNED.match(line):
        indent, names, command = assigned.groups()
        lines[number] = indent + "; ".join(f"{name.strip()}: {command!r}" for name in names.split(","))
    elif (timed := _TIMED.match(line)) and _wrong_line([timed[2]]) is None:
        lines[number] = timed[1] + timed[2]
    elif found := magic.match(line):
        lines[number] = found[1] + "pass"
    else:
        return False
    while line.endswith("\\") and number + 1 < len(lines):
        number += 1
        line, lines[number] = lines[number], ""
    return True

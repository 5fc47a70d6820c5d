"""Whatever is handed in, reading and extracting end in a program or in an error that is meant for the learner."""

import ast
import io
import json
import zipfile
from contextlib import suppress
from pathlib import Path

import nbformat
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from headwork.grading.extract import Unusable, extract
from headwork.grading.likeness import definitions
from headwork.grading.notebook import without_magics
from headwork.grading.program import Submission, Unit
from headwork.grading.submission import Unreadable, collect, read, read_text

often = settings(
    max_examples=150, deadline=5000, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)

CODE = """from __future__ import annotations
import torch, os as system
from torch import *
@torch.no_grad()
def answer(x, *y, z=1) -> int:
    '''Doc'''
    global W
    return [x for x in y if (w := x)] + helper(lambda q: q + W)
class Net(object, metaclass=type):
    eps = eps = 1
    def forward(self): return super().forward(self.eps)
W: int = 3; W += 1
try:
    helper = answer
except (ValueError, TypeError) as e:
    del helper
finally:
    pass
for i, (j, *k) in {}: W[i].x = j
with open(f"{W!r:>{i}}") as f, f as g: async_ = 1
match W:
    case {"a": [b, *c], **d} | Net(e=b): pass
while W: break
else: helper.append(3)
Net.method = answer; del Net.method, W[0]
if __name__ == "__main__": answer()
"""
NAMES = ["answer", "Net", "W", "helper"]


def try_all(submission: Submission) -> None:
    for name in NAMES:
        try:
            program = extract(submission, [name], ["torch"])
        except Unusable as problem:
            assert str(problem)
            continue
        assert definitions(program, [name]) == definitions(program, [name])
        for piece in program.pieces:
            ast.parse(piece.source)


def try_file(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    ((_, found),) = collect([path])
    try:
        submission = read(path)
    except Unreadable as problem:
        assert isinstance(found, Unreadable)
        assert str(problem).isprintable() and len(str(problem)) < 400
        return
    try_all(submission)


@st.composite
def mutated(draw, data: bytes) -> bytes:
    """`data` with a few bytes changed, cut out, doubled or put in."""
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        length = draw(st.integers(0, 20))
        new = draw(st.one_of(st.binary(max_size=8), st.just(data[at : at + length] * 2)))
        data = data[:at] + new + data[at + length :]
    return data


@st.composite
def shuffled(draw) -> str:
    """Lines and tokens of Python in any order, much of which parses."""
    statements = CODE.splitlines(keepends=True)
    pieces = st.sampled_from([ast.unparse(node) + "\n" for node in ast.parse(CODE).body] + statements)
    return "".join(draw(st.lists(pieces, max_size=12)))


def a_notebook() -> bytes:
    cells = [nbformat.v4.new_code_cell(cell) for cell in ("%matplotlib inline\nx = !ls", *CODE.split("@"))]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell{number}"  # nbformat draws them at random
    return nbformat.writes(nbformat.v4.new_notebook(cells=cells)).encode()


def a_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        members: dict[str, str | bytes] = {"a/exercises.py": CODE, "nb.ipynb": a_notebook(), "data.csv": "1,2"}
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


@often
@given(st.text(max_size=200))
def test_any_text(text):
    with suppress(Unreadable):
        try_all(read_text("exercises.py", text))


@often
@given(mutated(CODE.encode()))
def test_mutated_code(data):
    with suppress(Unreadable):
        try_all(read_text("exercises.py", data.decode(errors="replace")))


@often
@given(st.lists(shuffled(), min_size=1, max_size=4))
def test_shuffled_code(texts):
    try_all(Submission("nb", tuple(Unit(f"cell {number}", text) for number, text in enumerate(texts))))


@often
@given(st.text(alphabet="ab%!?= \n'\"()\\:;pis", max_size=80))
def test_any_cell(text):
    cleaned = without_magics(text)
    assert cleaned == "" or cleaned.count("\n") == text.count("\n")


@pytest.mark.parametrize("suffix", ["py", "ipynb", "zip"])
def test_any_bytes(tmp_path, suffix):
    @often
    @given(st.binary(max_size=300))
    def attempt(data):
        try_file(tmp_path / f"x.{suffix}", data)

    attempt()


@pytest.mark.parametrize(("suffix", "data"), [("py", CODE.encode()), ("ipynb", a_notebook()), ("zip", a_zip())])
def test_mutated_files(tmp_path, suffix, data):
    @often
    @given(mutated(data))
    def attempt(changed):
        try_file(tmp_path / f"x.{suffix}", changed)

    attempt()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["code", "x = 1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["cells", "worksheets", "cell_type", "source", "input"]), inner)
    ),
    max_leaves=20,
)


@often
@given(st.dictionaries(st.sampled_from(["cells", "worksheets", "nbformat"]), values))
def test_any_json(tmp_path_factory, data):
    try_file(tmp_path_factory.getbasetemp() / "x.ipynb", json.dumps(data).encode())


@st.composite
def simple_programs(draw) -> str:
    """Assignments, functions, classes and blocks over few names, of which many run."""
    name = st.sampled_from("abcd")
    function = st.sampled_from("fgh")
    term = st.one_of(name, function.map("{}()".format), st.sampled_from(["1", "2", "C.n"]))
    templates = st.sampled_from(
        [
            "{x} = {t}",
            "{x} = {t} * 3 + {u}",
            "{x} += {t}",
            "def {f}(): return {t} + {u}",
            "def {f}(x={t}): return x",
            "class C: n = {t}",
            "class C:\n    {x} = n = {t}",
            "C.n = {t}",
            "if {t} > 2:\n    {x} = {u}",
            "if {t} > 2:\n    {x} = {u}\nelse:\n    {x} = 7",
            "for {x} in range(1 + {t} % 3):\n    {y} = {x} + {u}",
            "{x}, {y} = {t}, {u}",
            "{x} = sum([{x} for {x} in ({t}, {u})])",
            "{f} = lambda: {t}",
            "del {x}",
        ]
    )
    lines = ["a = b = c = d = 1", "class C: n = 1", "f = g = h = lambda: 2"]
    for template in draw(st.lists(templates, min_size=1, max_size=10)):
        lines.append(template.format(x=draw(name), y=draw(name), f=draw(function), t=draw(term), u=draw(term)))
    return "\n".join(lines)


def value_of(found: object) -> object:
    try:
        return found() if callable(found) and not isinstance(found, type) else getattr(found, "n", found)
    except (NameError, RecursionError) as error:
        return type(error)


@settings(often, max_examples=400)
@given(simple_programs())
def test_a_program_gives_the_values_of_the_whole_file(source):
    whole: dict = {}
    try:
        exec(source, whole)
    except (NameError, RecursionError):
        assume(False)
    for name in set("abcdfghC") & set(whole):
        part: dict = {}
        for piece in extract(read_text("exercises.py", source), [name], []).pieces:
            exec(piece.source, part)
        assert value_of(part[name]) == value_of(whole[name]), name

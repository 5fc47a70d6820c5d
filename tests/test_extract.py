"""What an exercise needs is taken from a submission, in an order in which it runs, and nothing else."""

import sys
import textwrap
import time

import pytest

from headwork.grading.extract import ForbiddenImport, MissingName, SyntaxProblem, Unusable, extract
from headwork.grading.likeness import definitions
from headwork.grading.notebook import without_magics
from headwork.grading.program import Program, Submission, Unit
from headwork.grading.submission import read_text


def file(source: str) -> Submission:
    return read_text("exercises.py", textwrap.dedent(source))


def cells(*sources: str) -> Submission:
    texts = [without_magics(textwrap.dedent(source).strip("\n")) for source in sources]
    return Submission("work.ipynb", tuple(Unit(f"cell {number}", text) for number, text in enumerate(texts, 1)))


def taken(submission: Submission, *names: str, packages: tuple[str, ...] = ("torch", "einops")) -> list[str]:
    """The first line of each piece."""
    return [piece.source.split("\n")[0] for piece in extract(submission, names, packages).pieces]


def run(program: Program) -> dict:
    namespace: dict = {"__name__": "submission"}
    for piece in program.pieces:
        exec(compile("\n" * (piece.line - 1) + piece.source, piece.file, "exec", dont_inherit=True), namespace)
    return namespace


def value(submission: Submission, name: str):
    return run(extract(submission, [name], ["torch"]))[name]


# What is taken


def test_only_what_the_name_uses_is_taken():
    work = file("""
        import math
        import json
        SCALE = 2
        OTHER = 3
        def helper(x):
            return x * SCALE
        def answer(x):
            return helper(math.floor(x))
        def another():
            return json.dumps(OTHER)
    """)
    assert taken(work, "answer") == ["import math", "SCALE = 2", "def helper(x):", "def answer(x):"]


def test_a_local_variable_with_a_top_level_name_takes_nothing():
    work = file("""
        model = load_a_large_model()
        def answer(x):
            model = x
            def inner():
                return model
            return inner() + [model for model in x]
        class Answer:
            model = 1
            double = model + 1
            def method(self, model):
                return model
    """)
    assert taken(work, "answer", "Answer") == ["def answer(x):", "class Answer:"]


@pytest.mark.parametrize(
    "comprehension", ["[m for m in xs]", "{m for m in xs}", "{m: m for m in xs}", "(m for m in xs)"]
)
def test_a_variable_of_a_top_level_comprehension_takes_nothing(comprehension):
    work = file(f"m = expensive()\nxs = [1]\nanswer = list({comprehension})")
    assert taken(work, "answer") == ["xs = [1]", f"answer = list({comprehension})"]


def test_a_class_body_that_reads_a_name_before_binding_it_takes_the_top_level_one():
    assert value(file("eps = 5\nclass Answer:\n    eps = eps + 1"), "Answer").eps == 6


def test_a_property_with_a_setter_does_not_take_its_namesake():
    work = file("""
        width = expensive()
        class Answer:
            @property
            def width(self): return 1
            @width.setter
            def width(self, value): pass
    """)
    assert taken(work, "Answer") == ["class Answer:"]


@pytest.mark.parametrize(
    "use",
    [
        "@N\ndef answer(): pass",
        "def answer(x=N): pass",
        "def answer(x: N): pass",
        "def answer() -> N: pass",
        "class answer(N): pass",
        "class answer:\n    x = [N for _ in 'a']",
        "class answer:\n    def f(self): return N",
        "answer = lambda: N",
        "answer = f'{N}'",
        "def answer():\n    global N\n    N += 1",
        "def answer():\n    return [lambda: N for _ in 'a']",
        "with N() as answer: pass",
        "for answer in N(): pass",
        "try:\n    answer = N\nexcept NameError:\n    answer = 1",
        "if (answer := N): pass",
        "while (answer := N()) != 1: pass",
        "match N:\n    case answer: pass",
        "answer, *rest = N(), 1",
        "(answer := [N])\nanswer = [N]",
        "answer: list = [N]",
        "answer = []\nanswer += [N]",
        "answer = {}\nanswer[0] = N",
        "class answer: pass\nanswer.method = N",
    ],
)
def test_every_way_of_using_a_name_takes_it(use):
    assert taken(file(f"def N(*a): return 1\n{use}"), "answer")[0] == "def N(*a): return 1"


def test_under_future_annotations_an_annotation_takes_nothing():
    source = "from transformer_lens import Model\ndef answer(m: Model) -> Model: return m"
    with pytest.raises(ForbiddenImport):
        extract(file(source), ["answer"], ["torch"])
    program = extract(file("from __future__ import annotations\n" + source), ["answer"], ["torch"])
    assert program.future == ("annotations",)
    assert [piece.line for piece in program.pieces] == [3]


def test_an_import_for_type_checking_only_is_neither_taken_nor_forbidden():
    work = file("""
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from transformers import Model
        def answer(m: "Model"): return m
    """)
    assert taken(work, "answer") == ['def answer(m: "Model"): return m']


def test_expressions_guards_and_strangers_never_run():
    work = file("""
        print("hello")
        raise_later = 1 / 0
        def answer(): return 1
        answer()
        assert answer() == 2
        if __name__ == "__main__":
            answer = None
    """)
    assert taken(work, "answer") == ["def answer(): return 1"]


def test_pieces_keep_file_line_and_decorators():
    work = file("""
        from functools import cache

        # about it
        @cache
        # between
        @cache
        def answer():  # why
            return 1
    """)
    pieces = extract(work, ["answer"], []).pieces
    assert [(piece.file, piece.line) for piece in pieces] == [("exercises.py", 2), ("exercises.py", 5)]
    assert pieces[1].source == "@cache\n# between\n@cache\ndef answer():  # why\n    return 1"


def test_statements_that_share_a_line_are_told_apart():
    work = file('é = "ü"; a = 1; b = (a,\n  2); c = expensive()')
    assert taken(work, "b") == ["a = 1", "b = (a,"]
    assert value(work, "b") == (1, 2)


def test_a_traceback_names_the_line_of_the_source():
    work = file("x = 1\n\ndef answer():\n    return undefined_name")
    with pytest.raises(NameError) as caught:
        value(work, "answer")()
    assert caught.traceback[-1].lineno == 3  # counted from 0


# Which binding


def test_a_name_read_at_once_has_the_value_it_had_there():
    assert value(file("W = 1\nf = [W]\nW = None"), "f") == [1]


def test_a_name_read_in_a_function_has_its_last_value():
    assert value(file("W = 1\ndef f(): return W\nW = 2"), "f")() == 2


def test_a_function_used_at_once_finds_what_it_needs():
    work = cells("a = f()", "def f(): return g() + W", "W = 1\ndef g(): return 1")
    assert value(work, "a") == 2


def test_a_function_used_at_once_reads_the_value_of_that_moment():
    work = file("W = 1\ndef f(): return W\na = f()\nW = 2\ndef g(): return f()")
    assert value(work, "a") == 1
    assert run(extract(work, ["a", "g"], []))["a"] == 1
    assert run(extract(work, ["a", "g"], []))["g"]() == 2


def test_what_cannot_go_before_a_use_goes_after_it():
    work = file("""
        class Net:
            def forward(self): return scale
            width = 3
        net = Net()
        scale = net.width
        def answer(): return net.forward()
    """)
    assert value(work, "answer")() == 3


def test_a_cell_that_stands_too_late_is_moved_forward():
    assert value(cells("answer = [half(4)]", "def half(x): return x // TWO", "TWO = 2"), "answer") == [2]


def test_the_last_definition_wins_and_earlier_ones_stay_out():
    work = cells("def answer(): return 1", "def helper(): return 5", "def answer(): return helper()")
    assert taken(work, "answer") == ["def helper(): return 5", "def answer(): return helper()"]


def test_an_earlier_definition_stays_where_something_used_it_at_once():
    work = cells("def f(): return 1", "table = [f()]", "def f(): return table[0] + 1")
    assert value(work, "f")() == 2


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = 1\nx += 2\nx += 3", 6),
        ("x = [0]\nx[0] = 4", [4]),
        ("x = {}\nx['a'] = {}\nx['a']['b'] = 1", {"a": {"b": 1}}),
        ("x = {1: 2, 3: 4}\ndel x[1]", {3: 4}),
        ("x = 1\nif False:\n    x = 2", 1),
        ("x = 1\nfor i in range(3):\n    x = x + i", 4),
        ("x = [0, 0]\nfor i in range(2):\n    x[i] = i", [0, 1]),
        ("x = 1\nwhile x < 5:\n    x *= 2", 8),
        ("try:\n    import nothing_of_this_name_\nexcept ImportError:\n    x = 7", 7),
        ("if 1 > 2:\n    x = 1\nelse:\n    x = 2", 2),
        ("y = [z := 3]\nx = z", 3),
        ("x = x0 = 5", 5),
        ("(a, [b, *x]) = 1, [2, 3]", [3]),
        ("import os.path\nx = os.path.basename('a/b')", "b"),
        ("class C: pass\nC.d = 4\nx = C.d", 4),
        ("match (1, {'k': 2}):\n    case (1, {'k': x}): pass", 2),
    ],
)
def test_values_are_built_as_the_learner_built_them(source, expected):
    own: dict = {}
    packages = ["nothing_of_this_name_"]
    assert run(extract(file(source), ["x"], packages))["x"] == expected
    exec(source, own) if "nothing" not in source else own.update(x=expected)
    assert own["x"] == expected


def test_a_block_whose_every_branch_binds_leaves_out_what_was_before():
    assert taken(file("x = expensive()\nif 1:\n    x = 1\nelse:\n    x = 2"), "x") == ["if 1:"]


def test_a_loop_variable_does_not_take_its_namesake():
    work = file("model = expensive()\nkept = []\nfor model in [1, 2]:\n    kept += [model]\ndef answer(): return kept")
    assert taken(work, "answer") == ["kept = []", "for model in [1, 2]:", "def answer(): return kept"]


def test_a_method_attached_later_is_taken():
    work = file("class Answer: pass\ndef f(self): return 9\nAnswer.method = f")
    assert value(work, "Answer")().method() == 9


def test_imports_of_one_package_are_kept_together():
    work = file("import xml.dom\nimport xml.sax\ndef answer(): return xml.dom, xml.sax")
    assert taken(work, "answer") == ["import xml.dom", "import xml.sax", "def answer(): return xml.dom, xml.sax"]


def test_star_imports_are_taken_when_a_name_is_bound_nowhere_else():
    work = file(
        "from math import *\nfrom os.path import *\ndef answer(): return floor(2.5)\ndef plain(): return len('')"
    )
    assert value(work, "answer")() == 2
    assert taken(work, "plain") == ["def plain(): return len('')"]


def test_a_star_import_in_a_later_cell_goes_before_its_use():
    assert value(cells("answer = floor(2.5)", "from math import *"), "answer") == 2


def test_a_name_bound_nowhere_is_left_to_fail_by_itself():
    assert taken(file("def answer(): return undefined"), "answer") == ["def answer(): return undefined"]


def test_helper_cells_are_taken_in_their_order_with_their_labels():
    work = cells("import math", "# nothing", "def helper(): return math.pi", "def answer(): return helper()")
    assert [piece.file for piece in extract(work, ["answer"], []).pieces] == ["cell 1", "cell 3", "cell 4"]


# Imports


@pytest.mark.parametrize(
    ("line", "module"),
    [
        ("import os, transformers", "transformers"),
        ("import transformers.models as os", "transformers"),
        ("from transformers import GPT2Model as os", "transformers"),
        ("from transformers.models.gpt2 import os", "transformers"),
        ("from . import os", "."),
        ("from .utils import os", ".utils"),
        ("import torchvision as os", "torchvision"),
        ("import headwork.solutions.gpt2 as os", "headwork.solutions"),
        ("from headwork import solutions as os", "headwork.solutions"),
        ("import headwork as os", "headwork"),
    ],
)
def test_a_module_the_chapter_does_not_allow_is_named(line, module):
    with pytest.raises(ForbiddenImport) as caught:
        extract(file(f"{line}\ndef answer(): return os"), ["answer"], ["torch", "einops", "headwork.models"])
    assert caught.value.module == module
    assert (caught.value.file, caught.value.line) == ("exercises.py", 1)


def test_the_message_says_what_is_allowed():
    with pytest.raises(ForbiddenImport) as caught:
        extract(file("def answer():\n    import transformers"), ["answer"], ["torch", "einops"])
    assert str(caught.value) == (
        "`transformers` cannot be used in this chapter; it allows einops, torch and the standard library"
    )
    assert caught.value.line == 2


@pytest.mark.parametrize(
    "line",
    [
        "import torch.nn.functional as F",
        "from torch import nn as F",
        "import collections.abc as F",
        "from headwork import models as F",
        "from headwork.models import gpt2 as F",
        "from headwork.models.gpt2 import Config as F",
        "from torch.nn.functional import *; F = 1",
    ],
)
def test_allowed_modules_pass(line):
    extract(file(f"{line}\ndef answer(): return F"), ["answer"], ["torch", "headwork.models"])


def test_an_import_that_nothing_needed_uses_is_no_fault():
    assert taken(file("import headwork\nimport transformers\ndef answer(): return 1"), "answer") == [
        "def answer(): return 1"
    ]


# What is wrong


def test_a_misspelt_name_is_guessed():
    work = file("import math\n@math.floor\ndef Layernorm(): pass")
    with pytest.raises(
        MissingName, match=r"`LayerNorm` is not defined; did you mean `Layernorm` \(line 3\)\?"
    ) as caught:
        extract(work, ["LayerNorm"], [])
    assert (caught.value.name, caught.value.closest) == ("LayerNorm", "Layernorm")


def test_an_unlike_name_is_not_guessed():
    with pytest.raises(MissingName, match=r"^`LayerNorm` is not defined$"):
        extract(file("x = 1"), ["LayerNorm"], [])


def test_a_name_under_the_main_guard_is_explained():
    work = file('x = 1\nif "__main__" == __name__:\n    answer = 1')
    with pytest.raises(MissingName, match=r"only defined under `if __name__` \(line 2 of exercises.py\)"):
        extract(work, ["answer"], [])


def test_a_name_from_a_shell_command_is_explained():
    with pytest.raises(MissingName, match=r"line 2 of cell 1 \(`!ls`\) does not run"):
        extract(cells("x = 1\nanswer = !ls"), ["answer"], [])


def test_a_deleted_name_is_explained():
    with pytest.raises(MissingName, match="deleted again in line 3"):
        extract(file("\nanswer = 1\ndel answer"), ["answer"], [])


def test_a_syntax_error_shows_its_place():
    with pytest.raises(SyntaxProblem) as caught:
        extract(file("x = 1\ndef answer(:\n    pass"), ["answer"], [])
    assert str(caught.value) == "exercises.py, line 2: invalid syntax"
    assert (caught.value.file, caught.value.line, caught.value.message) == ("exercises.py", 2, "invalid syntax")
    assert caught.value.detail == "def answer(:\n           ^"


def test_a_return_outside_a_function_is_a_syntax_error():
    with pytest.raises(SyntaxProblem, match=r"line 2: 'return' outside function"):
        extract(file("answer = 1\nreturn answer"), ["answer"], [])


def test_a_broken_cell_matters_only_where_it_is_needed():
    work = cells("def fine(): return 1", "def answer(:", "def user(): return answer()")
    assert taken(work, "fine") == ["def fine(): return 1"]
    for name in ("answer", "user"):
        with pytest.raises(SyntaxProblem, match="cell 2, line 1"):
            extract(work, [name], [])
    with pytest.raises(MissingName):
        extract(work, ["elsewhere"], [])


def test_code_nested_too_deeply_is_a_syntax_problem():
    for source in ("x = " + "(" * 5000 + ")" * 5000, "x = " + "-" * 90_000 + "1", "x" + ".a" * 90_000 + " = 1"):
        with pytest.raises(SyntaxProblem):
            extract(file(source), ["x"], [])


def test_a_long_sum_is_not_too_deep():
    assert value(file("y = 1\nx = " + " + ".join(["y"] * 600)), "x") == 600


def test_an_error_survives_the_way_between_processes():
    import pickle

    with pytest.raises(Unusable) as caught:
        extract(file("Layernorm = 1"), ["LayerNorm"], [])
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.closest, again.line) == (str(caught.value), "Layernorm", 1)


# What was skipped


def test_a_call_on_a_needed_name_that_does_not_run_is_told():
    work = file("table = []\nother = []\ntable.append(3)\nother.append(1)\ndef answer(): return table")
    assert extract(work, ["answer"], []).skipped == {
        "table": "line 3 of exercises.py (`table.append(3)`) does not run when your work is graded; "
        "build `table` in an assignment or a function"
    }


@pytest.mark.parametrize(
    "call",
    ["x.load_state_dict({})", "x.rows[0].fill_(1)", "x[0].append(1)", "for i in 'ab':\n    x.append(i)", "x.f().g()"],
)
def test_every_call_rooted_at_the_name_is_told(call):
    assert list(extract(file(f"x = make()\n{call}"), ["x"], []).skipped) == ["x"]


@pytest.mark.parametrize(
    "source",
    [
        "import torch\nx = torch\ntorch.set_default_dtype(1)",
        "x = []\nprint(x)",
        "x = []\nx",
        "x = []\nx.mean()",
        "x = []\nx.append(1)\nx = [1]",
        "x = []\nfor i in 'ab':\n    x.append(i)\n    x[0] = i",
        "x = []\ndef f():\n    x.append(1)",
        "x = []\nif __name__ == '__main__':\n    x.append(1)",
    ],
)
def test_what_changes_no_needed_name_is_not_told(source):
    assert extract(file(source), ["x"], ["torch"]).skipped == {}


def test_a_name_that_a_shell_command_gave_is_told():
    work = cells("files = !ls\ndef answer(): return files")
    assert "`!ls`" in extract(work, ["answer"], []).skipped["files"]


# Likeness


def program(source: str, *names: str) -> Program:
    return extract(file(source), names, ["torch"])


STUB = 'def f(x: int, y=1) -> int:\n    """Doc."""\n    raise NotImplementedError'


@pytest.mark.parametrize(
    "other",
    [
        "def f( x , y = 1 ):\n\n    raise NotImplementedError  # later",
        'import torch\n\ndef f(x: torch.Tensor, y=1):\n    """Another."""\n    raise NotImplementedError\n',
    ],
)
def test_a_reformatted_stub_is_still_the_stub(other):
    assert definitions(program(STUB, "f"), ["f"]) == definitions(program(other, "f"), ["f"])


@pytest.mark.parametrize("other", ["def f(x, y=1):\n    return x", "def f(x, y=2):\n    raise NotImplementedError"])
def test_changed_code_is_not_the_stub(other):
    assert definitions(program(STUB, "f"), ["f"]) != definitions(program(other, "f"), ["f"])


def test_definitions_leave_out_helpers():
    assert len(definitions(program("def g(): pass\ndef f(): g()", "f"), ["f"])) == 1


# Speed


def test_a_long_file_is_parsed_once_and_then_quick():
    blocks = [
        f"C{i} = {i}\ndef f{i}(x):\n" + "    x = [y for y in x]\n" * 16 + f"    return f{i - 1}(C{i})"
        for i in range(1, 26)
    ]
    work = file("def f0(x): return x\n" + "\n\n".join(blocks))
    extract(work, ["f25"], [])
    begun = time.process_time()
    for number in range(26):
        extract(work, [f"f{number}"], [])
    assert (time.process_time() - begun) / 26 < 0.05  # about 2 ms; the bound allows for a busy machine


def test_long_chains_take_no_long_time():
    begun = time.process_time()
    extract(file("x = 0\n" + "x += 1\n" * 3000), ["x"], [])
    extract(file("\n".join(f"def f{i}(): return f{i + 1}()\na{i} = f{i}()" for i in range(150))), ["a0"], [])
    calls = "".join(f"def f{i}(): return f{i - 1}()\nx{i} = f{i}()\n" for i in range(2000))
    extract(file(calls + "answer = [" + ", ".join(f"x{i}" for i in range(2000)) + "]"), ["answer"], [])
    extract(cells(*(f"y{i} = y{i + 1}" for i in range(1500)), "y1500 = 1"), ["y0"], [])
    assert time.process_time() - begun < 10


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters are new in Python 3.12")
def test_type_parameters_are_names_of_their_own():
    work = file(
        "T = expensive()\nB = int\ndef answer[T: B](x: T) -> T: return x\nclass C[T](list[T]): pass\ntype A = C[B]"
    )
    assert taken(work, "answer") == ["B = int", "def answer[T: B](x: T) -> T: return x"]
    assert taken(work, "A") == ["B = int", "class C[T](list[T]): pass", "type A = C[B]"]


def test_names_to_be_had_besides_are_taken_where_they_are():
    both = file("def f():\n    return 1\n\ndef g():\n    return h()\n\ndef h():\n    return 2\n")
    program = extract(both, ["f"], [], also=["g"])
    assert program.names == ("f",) and run(program)["g"]() == 2
    alone = extract(file("def f():\n    return 1\n"), ["f"], [], also=["g"])
    assert run(alone)["f"]() == 1


def test_names_to_be_had_besides_spoil_nothing():
    source = file("def f():\n    return 1\n\ndef g():\n    import transformers\n")
    assert [piece.source for piece in extract(source, ["f"], [], also=["g"]).pieces] == ["def f():\n    return 1"]

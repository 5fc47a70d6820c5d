"""The failing case of an exercise as a small program that stands alone: inputs, probe, the learner's own file."""

import ast
import inspect
import re
import sys
import textwrap
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_leaves

from headwork.checkers import catalogue
from headwork.checkers.checks import Stable
from headwork.checkers.exercise import Exercise
from headwork.checkers.probing import Case, Model
from headwork.grading.extract import extract
from headwork.grading.report import CheckResult, Verdict
from headwork.grading.runner import find_probe
from headwork.grading.submission import read_text

MOST_NUMBERS = 64  # a case with more of them is drawn again instead of written out
MOST_DESCRIBED = 3  # of a list's tensors
PROBE_PACKAGES = ["headwork", "torch", "einops", "numpy"]


def snippet(verdict: Verdict, file: str, seed: int) -> str:
    """Python that puts the first failing case to `file`, a path from where it will be run."""
    exercise = catalogue.exercise(verdict.exercise)
    failed = next((check for check in verdict.checks if check.passed is False and check.case), None)
    cases = exercise.draw_cases(seed) + exercise.draw_cases(seed, slow=True)
    case = next((each for each in cases if failed and each.name == failed.case.removesuffix(", float32")), cases[0])
    lowered = _is_float32(exercise, failed)
    imports, probe = probe_source(exercise)
    written, mounted = _is_small(case), _mounted(case)
    imports += [] if written else ["from headwork.checkers import catalogue"]
    imports += ["from headwork.grading.resources import load_model"] if mounted else []
    lines = [
        f"# {exercise.id}, case {case.name!r}{' in float32' if lowered else ''}, seed {seed}",
        *textwrap.wrap(" ".join(verdict.message.split()), 100, initial_indent="# ", subsequent_indent="# "),
        *_sorted(set(imports)),
        "",
        "",
        *probe.splitlines(),
        "",
        "",
        *(_written_out(case) if written else _drawn_again(exercise, case, seed)),
        *mounted,
        *(_LOWERED if lowered else []),
        "",
        f"answer = Answer(runpy.run_path({file!r}))  # your file, run as a whole",
        "torch.manual_seed(0)",
        f"for name, value in {exercise.id.partition('.')[2]}(answer, case):",
        '    for part, each in value.items() if isinstance(value, dict) else [("", value)]:',
        '        print(f"{name} {part}".strip(), each, "", sep="\\n")',
    ]
    return "\n".join(lines) + "\n"


_LOWERED = [
    "case.inputs = torch.utils._pytree.tree_map(",
    "    lambda x: x.float() if isinstance(x, torch.Tensor) and x.dtype == torch.float64 else x, case.inputs",
    ")",
]


def _is_float32(exercise: Exercise, failed: CheckResult | None) -> bool:
    if failed is None:
        return False
    stable = {check.title for check in exercise.list_of_checks if isinstance(check, Stable)}
    return failed.title in stable or failed.case.endswith(", float32")


def probe_source(exercise: Exercise) -> tuple[list[str], str]:
    """The imports of the snippet, and the probe with what it needs of its own module."""
    chapter, name = exercise.id.split(".")
    source = inspect.getsource(sys.modules[find_probe(chapter, name).__module__])
    pieces = extract(read_text("probes.py", source), [name], PROBE_PACKAGES).pieces
    tree = ast.parse("\n".join(piece.source for piece in pieces))
    imports = ["import runpy", "import torch"]
    probing = {"Answer", "Case"}
    for node in (each for each in tree.body if isinstance(each, ast.Import | ast.ImportFrom)):
        if isinstance(node, ast.ImportFrom) and node.module == "headwork.checkers.probing":
            probing |= {alias.name for alias in node.names}
        else:
            imports.append(ast.unparse(node))
    code = [piece.source for piece in pieces if not piece.source.startswith(("import ", "from "))]
    probing &= {"Answer", "Case", *re.findall(r"\w+", "\n".join(code))}
    return [*imports, f"from headwork.checkers.probing import {', '.join(sorted(probing))}"], "\n\n\n".join(code)


def _sorted(imports: set[str]) -> list[str]:
    """Standard library, torch, headwork, with a line between."""
    groups: list[list[str]] = [[], [], []]
    for line in sorted(imports, key=lambda line: (line.split()[0] == "from", line)):
        root = line.split()[1].partition(".")[0]
        groups[0 if root in sys.stdlib_module_names else 2 if root == "headwork" else 1].append(line)
    return "\n\n".join("\n".join(group) for group in groups if group).split("\n")


def _is_small(case: Case) -> bool:
    leaves = tree_leaves(case.inputs)
    return all(map(_is_literal, leaves)) and sum(x.numel() for x in leaves if isinstance(x, Tensor)) <= MOST_NUMBERS


def _written_out(case: Case) -> list[str]:
    given = [f"    {name}={literal(value)}," for name, value in case.inputs.items()]
    return ["case = Case(", f"    {case.name!r},", *given, ")"]


def _drawn_again(exercise: Exercise, case: Case, seed: int) -> list[str]:
    slow = ", slow=True" if case.name not in {each.name for each in exercise.draw_cases(seed)} else ""
    return [
        "# The inputs are too many to write out: they are drawn again.",
        f"cases = catalogue.exercise({exercise.id!r}).draw_cases({seed}{slow})",
        f"case = next(each for each in cases if each.name == {case.name!r})",
        *(f"# case.{name}: {_described(value)}" for name, value in case.inputs.items()),
    ]


def _mounted(case: Case) -> list[str]:
    """Models by name are read from their files, as for a probe."""
    models = {name: value.name for name, value in case.inputs.items() if isinstance(value, Model)}
    return [f"case.inputs[{name!r}] = load_model({model!r})" for name, model in models.items()]


def _is_literal(leaf: Any) -> bool:
    return leaf is None or isinstance(leaf, (bool, int, float, str, Tensor))


def literal(value: Any) -> str:
    """The value as Python, exact to the last digit."""
    if isinstance(value, Tensor):
        shape = "" if value.numel() else f".reshape({tuple(value.shape)})"
        numbers = value.tolist() if value.numel() else []
        return f"torch.tensor({_numbers(numbers)}, dtype={value.dtype}){shape}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {literal(each)}" for key, each in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        inside = ", ".join(literal(each) for each in value)
        return f"[{inside}]" if isinstance(value, list) else f"({inside}{',' if len(value) == 1 else ''})"
    return _numbers(value)


def _numbers(value: Any) -> str:
    """Floats that repr cannot give back as Python are spelled out."""
    if isinstance(value, list):
        return "[" + ", ".join(_numbers(each) for each in value) + "]"
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return f"float({str(value)!r})"
    return repr(value)


def _described(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')}, shape {tuple(value.shape)}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_described(each)}" for key, each in value.items()) + "}"
    if isinstance(value, (list, tuple)) and any(isinstance(leaf, Tensor) for leaf in tree_leaves(value)):
        more = f", and {len(value) - MOST_DESCRIBED} more" if len(value) > MOST_DESCRIBED else ""
        return "[" + ", ".join(map(_described, value[:MOST_DESCRIBED])) + more + "]"
    return repr(value)

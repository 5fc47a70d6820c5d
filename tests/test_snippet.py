"""The failing case as a program: it runs as it stands, and its inputs are exact."""

import ast

import pytest
import torch

from headwork.checkers import catalogue
from headwork.cli.snippet import MOST_NUMBERS, literal, snippet
from headwork.grading.report import CheckResult, Verdict
from headwork.grading.solutions import solution_source


def verdict(id: str, case: str, title: str = "any") -> Verdict:
    return Verdict(id, "failed", message="Something is wrong.", checks=(CheckResult(title, False, case=case),))


@pytest.fixture
def reference(tmp_path):
    """The file that holds the references of an exercise's chapter, as a learner's file would."""

    def written(id: str) -> str:
        path = tmp_path / "exercises.py"
        path.write_text(solution_source(id.partition(".")[0]), encoding="utf-8")
        return str(path)

    return written


def run(source: str) -> dict:
    namespace = {"__name__": "snippet"}
    exec(compile(source, "snippet.py", "exec"), namespace)
    return namespace


@pytest.mark.parametrize("id", catalogue.ids())
def test_the_snippet_of_every_exercise_runs(id, reference, capsys):
    case = catalogue.exercise(id).draw_cases(3)[-1]
    ran = run(snippet(verdict(id, case.name), reference(id), seed=3))
    assert ran["case"].name == case.name
    assert ran["case"].inputs.keys() == case.inputs.keys()
    assert capsys.readouterr().out


@pytest.mark.parametrize("id", catalogue.ids())
def test_its_inputs_are_those_of_the_seed(id, reference, capsys):
    case = catalogue.exercise(id).draw_cases(3)[0]
    given = run(snippet(verdict(id, case.name), reference(id), seed=3))["case"].inputs
    mine, theirs = torch.utils._pytree.tree_leaves(given), torch.utils._pytree.tree_leaves(case.inputs)
    assert all(
        torch.equal(a, b) if isinstance(a, torch.Tensor) else repr(a) == repr(b)
        for a, b in zip(mine, theirs, strict=True)
    )


def test_a_check_in_float32_is_shown_in_float32(reference, capsys):
    title = "keeps its precision far from zero"
    source = snippet(verdict("gpt2.layer_norm", "numbers far from zero", title), reference("gpt2.layer_norm"), seed=0)
    assert run(source)["case"].residual.dtype == torch.float32


def test_few_numbers_are_written_out_and_many_are_drawn_again():
    for case in catalogue.exercise("gpt2.top_p").draw_cases(0):
        source = snippet(verdict("gpt2.top_p", case.name), "exercises.py", seed=0)
        assert ("draw_cases" in source) == (case.rows.numel() > MOST_NUMBERS)


def test_a_snippet_imports_each_name_once_and_uses_it():
    tree = ast.parse(snippet(verdict("gpt2.layer_norm", "eps 0.1"), "exercises.py", seed=0))
    names = [alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert len(names) == len(set(names))
    assert "generator" not in names


@pytest.mark.parametrize(
    "value",
    [
        torch.randn(2, 3, dtype=torch.float64),
        torch.randn(3, dtype=torch.float32),
        torch.tensor([1.0, float("inf"), float("-inf")]),
        torch.zeros(0, 3),
        torch.tensor(3),
        torch.tensor([[True], [False]]),
    ],
)
def test_a_tensors_literal_is_that_tensor(value):
    again = eval(literal(value), {"torch": torch})
    assert again.dtype == value.dtype
    assert torch.equal(again, value)


def test_nan_has_a_literal_too():
    assert eval(literal(torch.tensor([float("nan")])), {"torch": torch}).isnan().all()


def test_structures_keep_their_kind():
    value = {"a": [1, (2.5, None)], "b": ("x",)}
    assert eval(literal(value)) == value

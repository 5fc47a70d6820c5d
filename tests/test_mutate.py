"""Mutants: which are made, and which an exercise lets through."""

import time

import pytest

from headwork.authoring.mutants import Mutant, mutants
from headwork.authoring.mutate import count, normal, rejects, survey
from headwork.checkers import catalogue
from headwork.checkers.exercise import Exercise
from headwork.checkers.inputs import Rng, weights
from headwork.checkers.probing import Case
from headwork.grading.expect import reference_source
from headwork.grading.extract import extract
from headwork.grading.submission import read_text

FUNCTION = """
import torch
from torch import Tensor


def helper(x):
    return x + 3


def f(x: Tensor, scale: float = 2.0, *, keep: bool = True):
    given = x.sum(0)
    ### BEGIN SOLUTION
{body}
    ### END SOLUTION
"""

CLASS = """
import torch
from torch import nn


class f(nn.Module):
    def __init__(self, width, eps=1e-5):
        super().__init__()
        self.eps = eps
        self.other = width

    def forward(self, x):
        ### BEGIN SOLUTION
        return x + self.eps - self.other
        ### END SOLUTION
"""


def made(*body: str) -> list[tuple[str, str, str]]:
    """The mutants of a function with this body: kind, old line, new line."""
    return shown(FUNCTION.format(body="\n".join(f"    {line}" for line in body)))


def shown(source: str) -> list[tuple[str, str, str]]:
    program = extract(read_text("a.py", source), ["f"], ["torch"])
    return [(each.kind, each.old, each.new) for each in mutants(program, source)]


def news(kind: str, *body: str) -> list[str]:
    return [new for found, _, new in made(*body) if found == kind]


@pytest.mark.parametrize(
    ("kind", "line", "mutated"),
    [
        ("axis", "return x.mean(-1)", ["return x.mean(-2)"]),
        ("axis", "return x.mean(dim=-2)", ["return x.mean(dim=-1)"]),
        ("axis", "return x.sum(0)", ["return x.sum(1)"]),
        ("axis", "return x.sum(5)", []),
        ("off by one", "return x[3]", ["return x[4]", "return x[2]"]),
        ("term dropped", "return x + 1.5", ["return x", "return 1.5"]),
        ("term dropped", "return x - 1.5", ["return x"]),
        ("term dropped", "return x * 1.5", ["return x", "return 1.5"]),
        ("term dropped", "return x / 1.5", ["return x"]),
        ("flag", "return x.mean(keepdim=True)", ["return x.mean(keepdim=False)"]),
        ("flag", "return not x", ["return x"]),
        ("comparison", "return x >= 1.5", ["return x > 1.5"]),
        ("comparison", "return x > 1.5", ["return x >= 1.5"]),
        ("infinity", 'return x.clamp(float("-inf"))', ["return x.clamp(0)"]),
        ("infinity", "return x.clamp(torch.inf)", ["return x.clamp(0)"]),
        ("option ignored", "return x * scale", ["return x * 2.0"]),
        ("option ignored", "return x.mean(keepdim=keep)", ["return x.mean(keepdim=True)"]),
        ("removed", "x.zero_()", [""]),
        ("removed", "x[0] = 5", [""]),
        ("removed", "x.grad = None", [""]),
        ("removed", "x += 1.5", [""]),
        ("removed", "y = x.sum()", []),
    ],
)
def test_a_kind_of_mutant(kind: str, line: str, mutated: list[str]) -> None:
    assert news(kind, line) == mutated


def test_every_assigned_value_and_the_result_are_detached() -> None:
    assert news("detach", "y = x.exp()", "return y") == ["y = x.exp().detach()", "return y.detach()"]


def test_an_option_kept_by_the_constructor_is_replaced_by_its_default() -> None:
    assert ("option ignored", "return x + self.eps - self.other", "return x + 1e-05 - self.other") in shown(CLASS)


def test_only_what_the_learner_writes_is_changed() -> None:
    lines = {old for _, old, _ in made("return helper(x) + given")}
    assert lines == {"return helper(x) + given"}


def test_no_two_mutants_are_the_same_program() -> None:
    source = FUNCTION.format(body="    return x.sum(0) + x.sum(1)")
    program = extract(read_text("a.py", source), ["f"], ["torch"])
    texts = [each.source for each in mutants(program, source)]
    assert len(texts) == len(set(texts)) > 4


def test_mutants_come_in_the_same_order_each_time() -> None:
    assert made("y = x.mean(-1, keepdim=True)", "return x - y") == made("y = x.mean(-1, keepdim=True)", "return x - y")


@pytest.mark.parametrize(
    ("line", "same"),
    [("a+b  # why", "a + b"), ("  return (x)", "return x"), ("for i in range( 3 ):", "for i in range(3):"), ("", "")],
)
def test_lines_are_compared_without_their_layout(line: str, same: str) -> None:
    assert normal(line) == normal(same) == same


@pytest.fixture
def layer_norm() -> Exercise:
    return catalogue.exercise("gpt2.layer_norm")


def test_every_mutant_of_layer_norm_is_killed(layer_norm: Exercise) -> None:
    found = survey(layer_norm)
    assert found.killed == found.total > 15
    assert not found.survivors and not found.problems() and not found.warnings()


def test_the_step_is_called_for_every_mutant(layer_norm: Exercise) -> None:
    steps: list[int] = []
    survey(layer_norm, lambda: steps.append(1))
    assert len(steps) == count(layer_norm)


def with_one_dull_case(monkeypatch: pytest.MonkeyPatch, exercise: Exercise) -> None:
    """One row, no bias: several mutants survive."""

    def cases(rng: Rng):
        parameters = weights(rng, w=6) | {"b": rng.normal((6,)) * 0}
        yield Case(
            "dull",
            width=6,
            eps=1e-5,
            weights=parameters,
            residual=rng.normal((1, 1, 6)),
            cotangent=rng.normal((1, 1, 6)),
        )

    monkeypatch.setattr(exercise, "_make_cases", cases)
    monkeypatch.setattr(exercise, "list_of_checks", exercise.list_of_checks[:1])
    forget_runs()


def forget_runs() -> None:
    from headwork.grading import expect

    expect.known.cache_clear()
    expect.observe_mistake.cache_clear()


@pytest.fixture(autouse=True)
def runs_forgotten_afterwards():
    yield
    forget_runs()


def lines(found: list[Mutant]) -> list[tuple[str, str]]:
    return [(each.kind, each.new) for each in found]


def test_what_dull_cases_let_through_is_listed(layer_norm: Exercise, monkeypatch: pytest.MonkeyPatch) -> None:
    with_one_dull_case(monkeypatch, layer_norm)
    found = survey(layer_norm)
    assert ("term dropped", "return normalised * self.w") in lines(found.survivors)
    assert ("option ignored", "normalised = (residual - mean) / (variance + 1e-05).sqrt()") in lines(found.survivors)
    assert "- return normalised * self.w + self.b\n  + return normalised * self.w\n" in "".join(found.problems())


def test_an_explained_survivor_is_no_problem(layer_norm: Exercise, monkeypatch: pytest.MonkeyPatch) -> None:
    with_one_dull_case(monkeypatch, layer_norm)
    before = survey(layer_norm)
    why = {("return normalised*self.w + self.b  # shift", "return normalised*self.w"): "b is 0 here"}
    monkeypatch.setattr(layer_norm, "list_of_survivors", why)
    found = survey(layer_norm)
    assert found.explained == 1 and len(found.survivors) == len(before.survivors) - 1 and not found.warnings()


def test_an_explanation_of_nothing_is_pointed_out(layer_norm: Exercise, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_norm, "list_of_survivors", {("return 1", "return 2"): "why not"})
    assert "explains no survivor" in survey(layer_norm).warnings()[0]


def test_a_detach_where_nothing_carries_a_gradient_is_no_mutant() -> None:
    found = survey(catalogue.exercise("gpt2.attention_pattern"))
    assert not [each for each in found.survivors if each.kind == "detach"]


def test_a_mutant_that_hangs_is_stopped_and_counts_as_rejected(layer_norm: Exercise) -> None:
    source = reference_source(layer_norm).replace("mean = ", "while True: pass\n        mean = ")
    start = time.perf_counter()
    assert rejects(layer_norm, source, seconds=0.5)
    assert time.perf_counter() - start < 10


def test_the_reference_itself_is_not_rejected(layer_norm: Exercise) -> None:
    assert not rejects(layer_norm, reference_source(layer_norm))

"""`headwork verify` finds what is wrong with a checker."""

from collections.abc import Iterator
from io import StringIO

import pytest
import torch
from rich.console import Console

from headwork.authoring import sources
from headwork.authoring.dull import dull
from headwork.authoring.margin import Margin, relative
from headwork.authoring.sources import bare
from headwork.authoring.verified import Verified
from headwork.authoring.verify import run, steps, verify
from headwork.checkers import catalogue
from headwork.checkers.catalogue import UnknownExercise
from headwork.checkers.exercise import Exercise, Mistake, edit, replace
from headwork.checkers.probing import Case
from headwork.grading import expect
from headwork.grading.dispatch import Grader
from headwork.grading.solutions import solution_source

ID = "gpt2.layer_norm"
BIAS = edit("normalised * self.w + self.b", "normalised * self.w", "The bias b is never added.")
SCALE = edit("normalised * self.w + self.b", "normalised + self.b", "The scale w is never used.")


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader(slow=False) as grader:
        yield grader


@pytest.fixture
def exercise() -> Exercise:
    return catalogue.exercise(ID)


@pytest.fixture(autouse=True)
def runs_forgotten_afterwards() -> Iterator[None]:
    yield
    expect.known.cache_clear()
    expect.observe_mistake.cache_clear()


def verified(grader: Grader, monkeypatch: pytest.MonkeyPatch, *mistakes: Mistake, **options: object) -> Verified:
    """Verifies layer_norm with these mistakes only, and no minimum."""
    monkeypatch.setattr(catalogue.exercise(ID), "list_of_mistakes", mistakes)
    least = {"least_mistakes": 0, "least_alternatives": 0}
    return verify(ID, grader, **(least | options))  # type: ignore[arg-type]


def only_problem(result: Verified) -> str:
    assert len(result.problems) == 1, result.problems
    return result.problems[0]


def test_layer_norm_verifies() -> None:
    shown = StringIO()
    assert run([ID], seeds=2, console=Console(file=shown, width=120)) == 0
    row = next(line for line in shown.getvalue().splitlines() if line.startswith(ID))
    count = len(catalogue.exercise(ID).list_of_mistakes)
    assert row.split()[1:4] == ["ok", "ok", f"{count}/{count}"]
    assert "Everything is as it should be." in shown.getvalue()
    assert "worst alternative" in shown.getvalue()


def test_every_graded_source_is_a_step(grader: Grader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue.exercise(ID), "list_of_mistakes", (BIAS, SCALE))
    taken: list[int] = []
    verify(ID, grader, seeds=2, step=lambda: taken.append(1))
    assert len(taken) == steps(ID, seeds=2)


def test_a_mistake_that_passes_is_reported(grader: Grader, monkeypatch: pytest.MonkeyPatch) -> None:
    harmless = edit("residual.mean(-1, keepdim=True)", "residual.sum(-1, keepdim=True) / residual.shape[-1]", "A sum.")
    result = verified(grader, monkeypatch, BIAS, harmless)
    assert only_problem(result).startswith("mistake 2 ('A sum.') passes every check. Add a case")
    assert (result.mistakes.good, result.mistakes.of) == (1, 2)


def test_a_mistake_with_anothers_sentence_is_reported(grader: Grader, monkeypatch: pytest.MonkeyPatch) -> None:
    """With seed 1 no case has the eps that tells the two apart."""
    exercise = catalogue.exercise(ID)
    draw = exercise.draw_cases
    monkeypatch.setattr(
        exercise, "draw_cases", lambda seed, slow=False: [c for c in draw(seed, slow) if not seed or c.eps != 0.1]
    )
    half = edit("+ self.b", "+ (self.b if self.eps == 0.1 else 0)", "The bias is added for one eps only.")
    problem = only_problem(verified(grader, monkeypatch, BIAS, half, seeds=2))
    assert problem.startswith("mistake 2 ('The bias is added for one eps only.') is named 'The bias b is never added.'")
    assert problem.endswith("(Only with seed 1.)")


def test_a_mistake_that_is_two_others_at_once_has_its_own_sentence(
    grader: Grader, monkeypatch: pytest.MonkeyPatch
) -> None:
    mean = edit("(residual - mean) /", "residual /", "The mean is not subtracted.")
    both = mean.apply(BIAS.apply(expect.reference_source(catalogue.exercise(ID))))
    assert verified(grader, monkeypatch, BIAS, mean, replace(both, "Neither mean nor bias is used.")).good


def test_a_mistake_that_is_rejected_without_a_name_is_reported(grader: Grader, monkeypatch: pytest.MonkeyPatch) -> None:
    source = expect.reference_source(catalogue.exercise(ID)).replace("+ self.b", "+ self.b * drawn()")
    source += "\n\ndef drawn():\n    import time\n    return time.time() % 7\n"
    result = verified(grader, monkeypatch, replace(source, "It is random."))
    assert "is failed in case 'ordinary numbers'" in only_problem(result)
    assert "but not named" in only_problem(result)


def test_a_sentence_may_hold_braces_and_brackets(grader: Grader, monkeypatch: pytest.MonkeyPatch) -> None:
    harmless = edit("residual.mean(-1, keepdim=True)", "residual.mean(dim=(-1), keepdim=True)", "Not {this} [red].")
    monkeypatch.setattr(catalogue.exercise(ID), "list_of_mistakes", (harmless,))
    shown = StringIO()
    run([ID], console=Console(file=shown, width=120))
    assert "mistake 1 ('Not {this} [red].') passes every check." in shown.getvalue()


def test_mistakes_that_no_case_tells_apart_are_listed(grader: Grader, monkeypatch: pytest.MonkeyPatch) -> None:
    again = edit("return normalised * self.w + self.b", "return self.w * normalised", "The shift is missing.")
    result = verified(grader, monkeypatch, BIAS, SCALE, again)
    assert only_problem(result).startswith("no case tells mistake 1 ('The bias b is never added.') from mistake 3")


def test_mistakes_that_share_a_sentence_need_not_be_told_apart(grader: Grader, monkeypatch: pytest.MonkeyPatch) -> None:
    again = edit("return normalised * self.w + self.b", "return self.w * normalised", BIAS.sentence)
    assert verified(grader, monkeypatch, BIAS, again).good


@pytest.mark.parametrize("old", ["nowhere to be found", "self.eps"])
def test_an_edit_of_a_text_that_is_not_there_once_is_reported(
    grader: Grader, monkeypatch: pytest.MonkeyPatch, old: str
) -> None:
    times = expect.reference_source(catalogue.exercise(ID)).count(old)
    assert times != 1
    problems = verified(grader, monkeypatch, BIAS, edit(old, "x", "Nonsense.")).problems
    said = f"mistake 2 ('Nonsense.') cannot be made: the edit's old text {old!r} is found {times} times, not once"
    assert problems[0].startswith(said)


def test_an_edit_that_makes_no_python_is_reported(grader: Grader, monkeypatch: pytest.MonkeyPatch) -> None:
    problems = verified(grader, monkeypatch, edit("correction=0", "correction=", "Nonsense.")).problems
    assert problems[0].startswith("mistake 1 ('Nonsense.') cannot be made:")


def test_a_rejected_alternative_is_reported(grader: Grader, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = BIAS.apply(expect.reference_source(catalogue.exercise(ID)))
    monkeypatch.setattr(sources, "alternatives", lambda exercise: {"forgetful.py": wrong})
    result = verified(grader, monkeypatch, BIAS)
    assert only_problem(result).startswith("alternative forgetful.py is failed in case 'ordinary numbers': The bias b")
    assert (result.alternatives.good, result.alternatives.of) == (0, 1)


def test_an_alternative_that_is_no_python_is_reported(grader: Grader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_alternatives", lambda chapter: iter([("broken.py", "class LayerNorm(:\n")]))
    assert only_problem(verified(grader, monkeypatch, BIAS)).startswith("alternative broken.py is error: ")


def test_only_alternatives_that_answer_the_exercise_are_asked(
    exercise: Exercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [("one.py", "class LayerNorm: ...\n"), ("two.py", "def top_p(): ...\n")]
    monkeypatch.setattr(sources, "_alternatives", lambda chapter: iter(texts))
    assert list(sources.alternatives(exercise)) == ["one.py"]


def test_too_few_mistakes_and_alternatives_are_reported(grader: Grader, monkeypatch: pytest.MonkeyPatch) -> None:
    result = verified(grader, monkeypatch, BIAS, least_mistakes=5, least_alternatives=9)
    have = result.alternatives.of
    assert result.problems == [
        "it has 1 mistake: write at least 5.",
        f"it has {have} alternatives: write at least 9.",
    ]


def test_a_reference_that_fails_is_reported_and_nothing_else(grader: Grader, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = solution_source("gpt2").replace("correction=0", "correction=1")
    monkeypatch.setattr("headwork.authoring.verify.solution_source", lambda chapter: wrong)
    result = verified(grader, monkeypatch, BIAS)
    assert only_problem(result).startswith("the reference is failed in case 'ordinary numbers'")
    assert result.mistakes.of == 0


def test_a_stub_that_passes_for_an_attempt_is_reported(grader: Grader, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt = BIAS.apply(expect.reference_source(catalogue.exercise(ID)))
    monkeypatch.setattr(sources, "stubs", lambda exercise: {"the stub": attempt})
    assert only_problem(verified(grader, monkeypatch, BIAS)).startswith("the stub is failed in case")


def test_a_case_of_some_seeds_only_is_reported_with_the_seeds(grader: Grader, monkeypatch: pytest.MonkeyPatch) -> None:
    """With seed 1 no case has a bias, so that forgetting it passes."""
    exercise = catalogue.exercise(ID)
    draw = exercise.draw_cases

    def without_bias(seed: int, slow: bool = False) -> list[Case]:
        cases = draw(seed, slow)
        for case in cases if seed == 1 else []:
            case.inputs["weights"]["b"].zero_()
        return cases

    monkeypatch.setattr(exercise, "draw_cases", without_bias)
    monkeypatch.setattr(exercise, "list_of_checks", exercise.list_of_checks[:1])
    problem = only_problem(verified(grader, monkeypatch, BIAS, seeds=3))
    assert "passes every check" in problem and problem.endswith("(Only with seed 1.)")


def test_an_exercise_without_a_checker_is_reported(grader: Grader, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(id: str) -> Exercise:
        raise ModuleNotFoundError("no", name="headwork.checkers.gpt2.layer_norm")

    monkeypatch.setattr(catalogue, "exercise", missing)
    assert verify(ID, grader).problems == ["it has no checker: write checkers/gpt2/layer_norm.py."]


def test_a_checker_that_cannot_be_imported_is_reported(grader: Grader, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(id: str) -> Exercise:
        raise NameError("name 'edti' is not defined")

    monkeypatch.setattr(catalogue, "exercise", broken)
    assert "NameError: name 'edti'" in only_problem(verify(ID, grader))


def test_problems_make_the_exit_code_1_and_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue.exercise(ID), "list_of_mistakes", (BIAS,))
    shown = StringIO()
    assert run([ID], console=Console(file=shown, width=120)) == 1
    assert f"{ID}, problem: it has 1 mistake: write at least 5." in shown.getvalue()
    assert "1 of 1 exercises need mending." in shown.getvalue()


def test_side_by_side_the_same_is_found_in_the_order_asked() -> None:
    ids = ["tensors.one_hot", "tensors.batched_dot"]
    found: list[list[Verified]] = []
    for workers in (1, 2):
        assert run(ids, workers=workers, display=found.append) == 0
    assert [each.id for each in found[1]] == ids and found[0] == found[1]


def test_an_unknown_exercise_is_refused_before_anything_is_graded() -> None:
    with pytest.raises(UnknownExercise, match=r"gpt2\.layer_norm"):
        run([ID, "gpt2.layer_nrm"])


def test_the_reformatted_stub_is_the_same_code_in_another_dress() -> None:
    source = '"""Text."""\ndef f(x):\n    """Doc."""\n    raise NotImplementedError("write f")  # here\n'
    assert bare(source) == "def f(x):\n  raise NotImplementedError('write f')\n"


def test_a_difference_is_measured_against_the_largest_number() -> None:
    want = torch.tensor([1.0, 100.0], dtype=torch.float64)
    assert relative(want + torch.tensor([1.0, 0]), want) == pytest.approx(0.01, rel=0.01)
    assert relative(want, want) == 0


def test_values_of_other_kinds_are_infinitely_far() -> None:
    want = {"a": torch.ones(2), "b": "absent"}
    assert relative({"a": torch.ones(3), "b": "absent"}, want) == float("inf")
    assert relative({"a": torch.ones(2), "b": torch.ones(2)}, want) == float("inf")
    assert relative({"a": torch.ones(2)}, want) == float("inf")
    assert relative(None, want) == float("inf")
    assert relative({"b": "absent", "a": torch.ones(2)}, want) == 0


def test_not_a_number_is_infinitely_far_from_a_number_and_equal_to_itself() -> None:
    one, nan = torch.tensor([1.0]), torch.tensor([float("nan")])
    assert relative(nan, one) == relative(one, nan) == float("inf")
    assert relative(nan, nan) == 0


def test_plain_numbers_are_compared_in_double_precision() -> None:
    assert relative([1 + 1e-10], [1.0]) == pytest.approx(1e-10, rel=0.01)


def test_what_comes_near_the_limit_is_warned_of() -> None:
    assert not Margin(1e-13, "a.py", 1e-2, "Wrong.").warnings()
    assert "a.py is 5e-10 from the reference" in Margin(5e-10, "a.py", 1e-2, "Wrong.").warnings()[0]
    assert "only 2e-09 from the reference" in Margin(1e-13, "a.py", 2e-9, "Wrong.").warnings()[0]


def numbers(*shape: int) -> torch.Tensor:
    return torch.arange(1.0, 1 + torch.Size(shape).numel()).reshape(shape)


@pytest.mark.parametrize(
    ("cases", "warning"),
    [
        ([Case("a", x=numbers(1, 3)), Case("b", x=numbers(1, 4))], "every case has a batch of one"),
        ([Case("a", x=numbers(2, 3), p=0.5), Case("b", x=numbers(2, 3), p=0.5)], "`p` is 0.5 in every case"),
        ([Case("a", x=torch.zeros(2, 3))], "case 'a': `x` is all zero"),
        ([Case("a", x=numbers(2, 3), weights={"w": torch.ones(4)})], "`weights['w']` is all 0 or all 1"),
        ([Case("a", x=numbers(2, 3), weights={"b": torch.zeros(4)})], "`weights['b']` is all 0 or all 1"),
    ],
)
def test_dull_cases_are_warned_of(cases: list[Case], warning: str) -> None:
    found = dull(Exercise("f", batch=["x"]), cases)
    assert len(found) == 1 and warning in found[0]


def test_lively_cases_are_not_warned_of() -> None:
    cases = [Case("a", x=numbers(1, 3), p=0.5, q=1), Case("b", x=numbers(2, 4), p=0.1, q=2)]
    assert dull(Exercise("f", batch=["x"]), cases) == []

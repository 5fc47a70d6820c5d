"""Every reference, with its probe and models, on a second device: it finds the same, and leaves nothing on the CPU."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch.utils._pytree import tree_leaves

from headwork import models
from headwork.checkers import catalogue
from headwork.checkers.ioi.judge import circuit, court
from headwork.checkers.ioi.judge.score import Size
from headwork.checkers.probing import Case, Model
from headwork.checkers.sae.judge import file as files
from headwork.checkers.sae.judge import recipe
from headwork.checkers.sae.judge import score as sae_score
from headwork.checkers.sae.judge.file import parsed
from headwork.grading import expect
from headwork.grading.compare import Comparison
from headwork.grading.judge import judge
from headwork.grading.plan import Observation, Run, exact, gather, runs_of
from headwork.grading.resources import load_model
from headwork.grading.runner import load_program, put
from headwork.grading.wire import decode, encode
from headwork.models import training
from headwork.models.recipes import recipe as recipes
from headwork.tests.elsewhere import ELSEWHERE, Elsewhere, fetched

NOT_SEEN = {"sae.linearise_mlp"}  # torch.func takes the stand-in for a tensor apart, and finds no numbers in it

ON_THE_CPU = {  # what these make is made of no tensor, and they are given no device
    "gpt2.causal_mask", "induction.repeated_tokens", "induction.train_induction", "ioi.ioi_prompts",
    "sae.dead_latents", "sae.feature_batch", "sae.label_and_predict",
}  # fmt: skip


@pytest.mark.parametrize("id", [id for id in catalogue.ids() if id not in NOT_SEEN])
def test_a_reference_finds_the_same_on_another_device(id: str):
    exercise = catalogue.exercise(id)
    program = expect.program_of(expect.reference_source(exercise), exercise)
    runs = [run for run in runs_of(exercise, seed=0) if not run.lowered]
    named = [run for run in runs[1:] if any(isinstance(leaf, Model) for leaf in tree_leaves(run.case.inputs))]
    for run in (runs[0], *named[:1]):
        here, there = (observed(exercise, program, run, away) for away in (False, True))
        assert not there.fault, f"{run.case.name}: {there.fault}"
        assert there.values.keys() == here.values.keys()
        for name, value in there.values.items():
            assert not Comparison().difference(value, here.values[name], name), f"{run.case.name}: {name}"
        assert id in ON_THE_CPU or not there.strayed


def observed(exercise, program, run: Run, away: bool) -> Observation:
    tree, bodies = encode(exact(run).inputs)
    device = str(ELSEWHERE) if away else "cpu"
    with Elsewhere() if away else torch.random.fork_rng(devices=[]):
        case = Case(run.case.name, **decode(tree, b"".join(bodies), device, load_model))
        events = list(put(expect.probe_of(exercise), load_program(program), case, device, expect.OURS))
    seen = gather(events)
    seen.values = fetched(seen.values)
    return seen


def test_a_result_may_be_where_that_of_the_reference_is():
    facts = expect.known("gpt2.causal_mask", 0, False, "cpu")
    check = catalogue.exercise("gpt2.causal_mask").list_of_checks[0]
    strayed = [replace(each, strayed={check.name: "cpu"}) for each in facts.exact]
    result, _ = judge(check, facts, strayed, [])
    assert result.passed is False and "the result is on cpu, not where its inputs are" in result.message
    result, _ = judge(check, replace(facts, exact=strayed), strayed, [])
    assert result.passed


WRONG = {
    "a table on the CPU": lambda x: x + torch.arange(3.0),
    "a product with the CPU": lambda x: torch.zeros(2, 3) @ x.T,
    "numpy": lambda x: x.numpy(),
    "written into the CPU": lambda x: torch.zeros(2, 3).add_(x),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_two_devices_do_not_mix(wrong):
    with Elsewhere(), pytest.raises((RuntimeError, TypeError)):
        wrong(torch.ones(2, 3).to(ELSEWHERE))


def test_numbers_are_right_elsewhere():
    x = torch.randn(2, 3)
    with Elsewhere():
        far = x.to(ELSEWHERE).requires_grad_()
        (far[:, [0, 2]] * torch.tensor([1.0, 2.0], device=ELSEWHERE)).sum().backward()
        assert far.device == far.grad.device == ELSEWHERE
        assert far.sum().item() == x.sum().item()
        assert torch.equal(far.grad.cpu(), torch.tensor([[1.0, 0, 2]] * 2))
        far.data = far.data * 3
    assert torch.equal(fetched(far), x * 3)


@pytest.fixture(scope="module")
def house():
    return models.load("house").requires_grad_(False)


def test_a_circuit_has_the_same_score_elsewhere():
    claim, size = circuit.parsed({"model": "house", "nodes": [[4, 0, "END"], [1, 0, "rest"]]}), Size(1, 1, 1, 1, 4)
    here = court.judge(claim, seed=3, size=size)
    with Elsewhere():
        there = court.judge(claim, seed=3, size=size, device=str(ELSEWHERE))
    assert there.as_json() == here.as_json()


def test_an_autoencoder_trains_and_has_the_same_score_elsewhere(house, monkeypatch):
    monkeypatch.setattr(recipe, "CAPACITY", 4096)
    found = []
    for device in ("cpu", str(ELSEWHERE)):
        with Elsewhere():
            model = deepcopy(house).to(device)
            trained = recipe.train(model, recipe.Plan(recipe.RESIDUAL, 3, latents=64, steps=2))
            sae = files.on(parsed(fetched(trained)), device)
            judged = sae_score.score(sae, model, "house", recipe.RESIDUAL, seed=3, tokens=2000, sample=500)
            found.append((fetched(trained), judged.as_json()))
    (here, score_here), (there, score_there) = found
    assert score_there == score_here
    assert all(torch.equal(there[name], here[name]) for name in here)


@pytest.mark.parametrize("name, step", [("addition", 0), ("attention-only", 0), ("brackets", 0), ("house", 1200)])
def test_a_model_trains_elsewhere(name: str, step: int, tmp_path, monkeypatch):
    asked, found = recipes.recipe(name), []
    monkeypatch.setattr(asked, "steps", step + 1)
    for device in ("cpu", str(ELSEWHERE)):
        with Elsewhere():
            run = training.Run(asked, tmp_path, 0, device)
            run.step = step  # before this one house forgets a layer
            run.advance()
            found.append((run.moment(), fetched(run.model.state_dict())))
    (here, weights_here), (there, weights_there) = found
    assert there == here
    assert all(torch.equal(weights_there[key], weights_here[key]) for key in weights_here)

"""`headwork reproduce ioi`: on house, where GPT-2's weights are not, and at GPT-2's size with random weights."""

import json
import os

import pytest
import torch

from headwork.checkers.ioi.judge import references
from headwork.checkers.ioi.judge.score import Size
from headwork.checkers.ioi.paper import Paper, reproduce
from headwork.cli.main import run
from headwork.models import GPT2, load
from headwork.models.config import Config

TINY = Size(each=1, sets=2, own_sets=2, random=2, resamples=20)
BEHAVIOUR = ["logit difference", "IO above S", "probability of IO"]
LARGE = os.environ.get("HEADWORK_LARGE") == "1"


@pytest.fixture(scope="module")
def house():
    return load("house").requires_grad_(False)


def test_the_command_prints_the_paper_beside_house(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("HEADWORK_HOME", str(tmp_path))
    monkeypatch.setattr("headwork.checkers.ioi.paper.SIZE", TINY)
    monkeypatch.setattr(Paper, "size", TINY)
    assert run(["reproduce", "ioi", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    assert list(rows)[:3] == BEHAVIOUR and rows["logit difference"]["paper"] == "3.56"
    assert float(rows["logit difference"]["ours"]) > 3
    assert {"direct effect", "name movers, path", "S-inhibition", "self-repair", "faithfulness, F"} <= set(rows)
    assert rows["name movers, path"]["ours"] != "none" and rows["S-inhibition"]["ours"] != "none"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["everything"], "nothing called everything"),
        (["ioi", "--model", "gpt9"], "no model 'gpt9'"),
        (["ioi", "--model", "addition"], "no words"),
        (["ioi", "--device", "tpu"], "no device tpu"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(capsys, words, said):
    assert run(["reproduce", *words]) == 2
    captured = capsys.readouterr()
    assert said in captured.err and captured.out == "" and len(captured.err.splitlines()) == 1


def test_without_gpt2s_weights_one_line_says_what_to_run(capsys, tmp_path, monkeypatch):
    from headwork.models import zoo

    def offline(name):
        raise zoo.Unavailable(f"{name} is not on this machine: with a network, run once this")

    monkeypatch.setattr(references, "fetched", offline)
    assert run(["reproduce", "ioi", "--model", "gpt2"]) == 2
    assert "run once" in capsys.readouterr().err


def test_effects_by_path_are_those_of_hooks(house):
    """The strongest name mover's direct path, against a run in which every other head is frozen."""
    paper = Paper(house, None)
    (layer, head), names = paper.movers[0], [name for name in house.hook_points if name.endswith("hook_z")]
    clean, donor = (house.run_with_cache(tokens, names)[1] for tokens in (paper.clean, paper.abc))

    def freeze(z, point):
        z = clean[point.name].clone()
        if point.name == f"blocks.{layer}.attn.hook_z":
            z[:, :, head] = donor[point.name][:, :, head]
        return z

    logits = house.run_with_hooks(paper.clean, [(names, freeze)])
    found = paper.metric(logits[torch.arange(len(logits)), paper.end]).mean() - paper.difference
    assert torch.allclose(paper.by_path[layer, head], found, atol=1e-4)


def random_gpt2(house, **shape):
    """A model of random weights that reads house's words."""
    torch.manual_seed(0)
    model = GPT2(Config(d_vocab=50257, n_ctx=1024, **shape)).eval().requires_grad_(False)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    model.tokenizer = house.tokenizer
    return model


@pytest.mark.parametrize(
    "shape",
    [
        {"d_model": 60, "n_heads": 12, "d_mlp": 96, "n_layers": 12},
        pytest.param(
            {"d_model": 768, "n_heads": 12, "d_mlp": 3072, "n_layers": 12},
            marks=[pytest.mark.skipif(not LARGE, reason="minutes: HEADWORK_LARGE=1"), pytest.mark.timeout(1800)],
        ),
    ],
    ids=["narrow", "GPT-2 small"],
)
def test_the_whole_pipeline_runs_at_the_size_of_gpt2_with_random_weights(house, shape):
    published = references.parsed(references.known("gpt2")["circuit"]).nodes
    told = []
    rows = reproduce(random_gpt2(house, **shape), published, told.append, size=TINY)
    names = [row.name for row in rows]
    assert names[:3] == BEHAVIOUR and names[-5:][0] == "circuit" and rows == told
    assert rows[-5].ours == "26 heads, 26 nodes"
    assert all(row.ours and "nan" not in row.ours for row in rows)

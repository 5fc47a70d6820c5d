"""`headwork models`: the list, a training and the measures, as they are typed."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from headwork.cli import models as command
from headwork.cli.main import run
from headwork.models import zoo
from headwork.models.measure import measure as measures
from headwork.models.measure.measure import at_least, at_most, below, figure
from headwork.tests.tiny_recipe import tiny


def said(capsys, *words):
    code = run(["models", *words])
    told = capsys.readouterr()
    return code, told.out, told.err


@pytest.fixture
def trainable(monkeypatch, tmp_path):
    """A recipe called `tiny`, and a shipped folder that may be written."""
    monkeypatch.setattr(command, "recipe", lambda name: tiny())
    monkeypatch.setattr(zoo, "SHIPPED", tmp_path / "weights")
    monkeypatch.setenv("HEADWORK_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """A card for the house model, and three measures of it, of which one has no bar."""
    found = [
        at_least("right", 0.9961, 0.995, unit="%", digits=1, sentence="of all strings"),
        below("loss", 0.051, 0.5, unit="nats", sentence="on repeated tokens"),
        figure("heads", 4, digits=0, sentence="in a layer"),
    ]
    monkeypatch.setattr(measures, "CARDS", tmp_path)
    monkeypatch.setattr(measures, "measured", lambda: ["house"])
    monkeypatch.setattr(measures, "measure_of", lambda name: lambda model: iter(found))
    (tmp_path / "house.md").write_text(
        "# house\n\nA small GPT-2. More.\n\n<!-- figures -->\n<!-- /figures -->\n\nEnd.\n"
    )
    return tmp_path / "house.md", found


def test_the_list_names_every_model_with_its_size_and_standing(capsys):
    code, out, err = said(capsys, "list", "--json")
    entries = {each["name"]: each for each in json.loads(out)}
    assert (code, err) == (0, "") and set(zoo.names()) <= set(entries)
    house, large = entries["house"], entries["gpt2-large"]
    assert house["here"] and house["bytes"] == (zoo.SHIPPED / "house" / "model.safetensors").stat().st_size
    assert (large["origin"], large["parameters"], large["checkpoints"]) == ("OpenAI's", 774_030_080, [])
    code, out, _ = said(capsys, "list")
    assert code == 0 and all(name in out for name in entries)


def test_the_list_knows_what_is_mine_and_what_is_damaged(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("HEADWORK_MODELS", str(tmp_path))
    shutil.copytree(zoo.SHIPPED / "house", tmp_path / "mine")
    zoo.copy_whole(zoo.SHIPPED / "house" / "model.safetensors", tmp_path / "mine" / "checkpoints" / "30.safetensors")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "model.safetensors").write_bytes(b"\xff" * 20)
    entries = {each["name"]: each for each in json.loads(said(capsys, "list", "--json")[1])}
    assert (entries["mine"]["origin"], entries["mine"]["checkpoints"]) == ("yours", [30])
    assert entries["mine"]["parameters"] == entries["house"]["parameters"]
    assert (entries["broken"]["parameters"], entries["broken"]["bytes"]) == (None, 20)


def test_the_list_finds_openai_s_models_in_the_cache_and_imports_nothing_heavy(tmp_path):
    snapshot = tmp_path / "hub" / "models--openai-community--gpt2" / "snapshots" / ("a" * 40)
    shutil.copytree(zoo.SHIPPED / "house", snapshot)
    (snapshot.parent.parent / "refs").mkdir()
    (snapshot.parent.parent / "refs" / "main").write_text("a" * 40)
    script = (
        "import sys; from headwork.cli.main import run; run(['models', 'list', '--json'])\n"
        "print(*{'torch', 'transformers'} & set(sys.modules), file=sys.stderr)"
    )
    cached = os.environ | {"HF_HOME": str(tmp_path), "HEADWORK_MODELS": ""}
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        cached.pop(name, None)
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, env=cached)
    entries = {each["name"]: each for each in json.loads(done.stdout)}
    assert entries["gpt2"]["here"] and not entries["gpt2-xl"]["here"]
    assert done.stderr.strip() == ""


def test_a_training_says_how_far_it_is_and_what_came_of_it(capsys, trainable):
    code, out, err = said(capsys, "train", "tiny")
    assert code == 0 and zoo.steps_in(trainable / "weights" / "tiny") == [0, 20, 60]
    assert "60 steps, loss" in " ".join(out.split()) and "headwork models verify tiny" in " ".join(out.split())
    assert "tiny  30/60  loss" in err and "bias" in err
    code, out, err = said(capsys, "train", "tiny", "--seed", "1", "--out", str(trainable / "mine"), "--json")
    told = json.loads(out)
    assert (code, err, told["seed"], told["step"], told["resumed"]) == (0, "", 1, 60, 0)
    assert (trainable / "mine" / "model.safetensors").is_file() and not list((trainable / "home").glob("training/*"))


def test_a_training_that_is_stopped_says_how_to_go_on(capsys, trainable, monkeypatch):
    monkeypatch.setattr(command, "recipe", lambda name: tiny(die_at=33, number=int(signal.SIGINT)))
    words = ["train", "tiny", "--seed", "2", "--out", str(trainable / "mine")]
    code, out, err = said(capsys, *words)
    assert (code, out) == (130, "") and err.endswith("Stopped.\n")
    assert f"34 of 60 steps are done and kept: `headwork models {' '.join(words)}` goes on from there." in err
    monkeypatch.setattr(command, "recipe", lambda name: tiny())
    assert json.loads(said(capsys, *words, "--json")[1])["resumed"] == 34


@pytest.mark.parametrize(
    ("words", "mend"),
    [
        (["train", "tinny"], "there is no recipe for 'tinny': there are those for "),
        (["train", "addition", "--seed", "1"], "--out DIR"),
        (["train", "addition", "--seed", "-1"], "--seed takes a number from 0"),
        (["train", "addition", "--device", "tpu"], "there are cpu and cuda"),
        (["train", "addition", "--out", "/dev/null/here"], "cannot write in /dev/null/here"),
        (["train"], "headwork models train --help"),
        (["verify", "hose"], "nothing measures 'hose': there are measures of "),
        (["paint"], "headwork models --help"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(capsys, words, mend):
    code, out, err = said(capsys, *words)
    assert (code, out) == (2, "") and mend in err and err.count("\n") == 1 and err.startswith("headwork: ")


def test_a_recipe_that_diverges_is_said_in_one_line(capsys, trainable, monkeypatch):
    monkeypatch.setattr(command, "recipe", lambda name: tiny(rate=lambda step: float("inf")))
    code, _, err = said(capsys, "train", "tiny")
    assert code == 2 and "tiny was not trained: the loss is nan at step 10" in err


def test_figures_are_shown_and_written_between_the_marks_of_the_card(capsys, measured):
    card, _ = measured
    code, out, err = said(capsys, "verify", "house")
    assert code == 0 and "All 2 bars are reached." in out and f"written: {card}" in err
    assert card.read_text().splitlines()[4:10] == [
        "<!-- figures -->",
        "| figure | measured | needed | what it is |",
        "| --- | --- | --- | --- |",
        "| right | 99.6 % | at least 99.5 % | of all strings |",
        "| loss | 0.05 nats | below 0.50 nats | on repeated tokens |",
        "| heads | 4 | | in a layer |",
    ]
    before = card.stat().st_mtime_ns
    assert "written" not in said(capsys, "verify")[2] and card.stat().st_mtime_ns == before


def test_a_bar_that_is_missed_fails_and_stands_in_the_card(capsys, measured):
    measured[1][0] = at_most("right", float("nan"), 0.5)
    code, out, _ = said(capsys, "verify", "house")
    assert code == 1 and "1 of 2 bars are reached." in out
    assert "| right | nan | at most 0.50 (not reached) | |" in measured[0].read_text()
    code, out, _ = said(capsys, "verify", "house", "--json")
    told = json.loads(out)["house"]
    assert code == 1 and [each["passed"] for each in told] == [False, True, True] and told[0]["value"] is None


def test_another_house_model_leaves_the_card_alone(capsys, measured, tmp_path, monkeypatch):
    shutil.copytree(zoo.SHIPPED / "house", tmp_path / "models" / "house")
    monkeypatch.setenv("HEADWORK_MODELS", str(tmp_path / "models"))
    before = measured[0].read_text()
    assert said(capsys, "verify", "house")[0] == 0
    assert measured[0].read_text() == before


@pytest.mark.parametrize("name", ["list", "train", "verify"])
def test_help_has_an_example(capsys, name):
    code, out, _ = said(capsys, name, "--help")
    assert code == 0 and f"headwork models {name}" in out.split("Example")[1]


def test_without_a_word_the_commands_are_shown(capsys):
    assert said(capsys)[:2] == said(capsys, "--help")[:2]

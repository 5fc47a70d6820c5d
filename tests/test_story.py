"""`headwork story`: the learner's own file writes."""

import os
import shutil
import subprocess
import sys

import pytest

from headwork.cli.main import run
from headwork.grading.solutions import solution_source
from headwork.models import zoo


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(solution_source("gpt2"), encoding="utf-8")
    return str(path)


def said_by(capsys, *words: str) -> tuple[int, str, str]:
    code = run([*words])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_story_is_written_and_says_whose_parts_wrote_it(capsys, mine):
    code, out, _ = said_by(capsys, "story", mine, "--prompt", "There was a little girl named")
    assert code == 0 and out.startswith("There was a little girl named") and "the same words" in " ".join(out.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "gpt9"], "there is no model 'gpt9' here"),
        (["--prompt", "a" * 300], "prompt is a text of at most 200 letters"),
        (["--seed", "-1"], "greater than or equal to 0"),
    ],
)
def test_what_cannot_be_is_refused(capsys, mine, words, said):
    code, out, err = said_by(capsys, "story", mine, *words)
    assert code == 2 and not out and said in err


def test_what_is_not_written_yet_is_asked_for(capsys, tmp_path):
    path = tmp_path / "empty.py"
    path.write_text("x = 1\n")
    code, _, err = said_by(capsys, "story", str(path))
    assert code == 2 and "Write `GPT2`, `load_pretrained` and `top_p`" in err


def with_cache(folder):
    """A home and a cache of transformers' under `folder`, and no network."""
    kept = {"HF_HOME": str(folder), "HF_HUB_OFFLINE": "1", "HEADWORK_MODELS": "", "HEADWORK_HOME": str(folder / "home")}
    without = ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE")
    return {name: value for name, value in os.environ.items() if name not in without} | kept


def story_of_gpt2(mine, environment):
    """In a process of its own: libraries read where the cache is when they are imported."""
    words = ["story", mine, "--model", "gpt2", "--prompt", "There was a little girl named"]
    script = f"import sys; from headwork.cli.main import run; sys.exit(run({words!r}))"
    return subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, env=environment)


def test_without_openais_weights_one_line_says_what_to_run(mine, tmp_path):
    done = story_of_gpt2(mine, with_cache(tmp_path))
    [line] = done.stderr.splitlines()
    assert done.returncode == 2 and not done.stdout
    assert "gpt2 is not on this machine" in line and """load('gpt2')\"""" in line


def test_openais_weights_are_used_from_transformers_cache(mine, tmp_path):
    """As a download leaves it, with links to its files, and the house model in GPT-2's place."""
    hub = tmp_path / "hub" / "models--openai-community--gpt2"
    snapshot, blobs = hub / "snapshots" / ("a" * 40), hub / "blobs"
    for folder in (snapshot, blobs, hub / "refs"):
        folder.mkdir(parents=True)
    (hub / "refs" / "main").write_text("a" * 40)
    for name in zoo.FILES:
        shutil.copyfile(zoo.SHIPPED / "house" / name, blobs / name)
        (snapshot / name).symlink_to(blobs / name)
    done = story_of_gpt2(mine, with_cache(tmp_path))
    assert done.returncode == 0 and done.stdout.startswith("There was a little girl named"), done.stderr
    assert {file.name for file in (tmp_path / "home" / "openai" / "gpt2").iterdir()} == {*zoo.FILES}

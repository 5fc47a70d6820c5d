"""`headwork story`: the learner's own file writes."""

import pytest

from headwork.cli.main import run
from headwork.grading.solutions import solution_source


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

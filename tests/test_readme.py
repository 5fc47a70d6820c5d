"""What the README tells people to type is there to be typed."""

import re
import shlex
from importlib.resources import files
from pathlib import Path

import pytest
from typer.main import get_command

from headwork.checkers import catalogue
from headwork.cli.main import app
from headwork.grading.render import FORMATS

ROOT = Path(str(files("headwork")))
README = ROOT / "README.md"
if not README.is_file():
    pytest.skip("the README is in the repository only", allow_module_level=True)
TEXT = README.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = [part.strip() for block in BLOCKS for line in block.splitlines() for part in line.split("&&")]
OURS = [command for command in COMMANDS if command.startswith("headwork ")]
SERVE = "pip install -c constraints.txt -e . && headwork serve"
TEST = "pip install -c constraints.txt -e '.[test]' && pytest"


def test_the_two_commands_are_the_first_ones() -> None:
    assert [block.strip() for block in BLOCKS[:2]] == [SERVE, TEST]
    assert TEXT.index(TEST) < TEXT.index("\n## ")


def test_continuous_integration_runs_the_readmes_test_command() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for part in TEST.split(" && "):
        assert part.removeprefix("pip install ") in script


@pytest.mark.parametrize("command", OURS)
def test_a_command_of_the_readme_exists_with_its_options(command: str) -> None:
    """It is parsed as the command line parses it, and not run."""
    _, name, *words = shlex.split(command)
    found = get_command(app).commands[name]  # type: ignore[attr-defined]
    with found.make_context(name, words):
        pass


def is_id(word: str) -> bool:
    return "." in word and not word.endswith((".json", ".safetensors")) and not word.startswith("blocks.")


@pytest.mark.parametrize("id", sorted({word for command in OURS for word in command.split() if is_id(word)}))
def test_an_exercise_of_the_readme_exists(id: str) -> None:
    assert id in catalogue.ids()


def test_the_formats_are_those_of_the_readme() -> None:
    [named] = re.findall(r"The formats are (.*?)\.", TEXT)
    assert re.findall(r"`(\w+)`", named) == list(FORMATS)


def test_every_folder_of_the_readme_and_every_linked_file_is_there() -> None:
    folders = re.findall(r"`(\w+)/`", TEXT)
    links = re.findall(r"\]\(([\w.-]+)\)", TEXT)
    assert len(folders) > 8 and len(links) >= 3
    assert [name for name in [*folders, *links] if not (ROOT / name).exists()] == []


def test_the_mistake_that_the_readme_shows_is_one_that_is_named() -> None:
    sentences = [mistake.sentence for mistake in catalogue.exercise("gpt2.layer_norm").list_of_mistakes]
    shown = re.findall(r"^```text\n.*?\n    (.*?)\n```$", TEXT, re.MULTILINE | re.DOTALL)
    assert shown and set(shown) <= set(sentences)


def test_the_number_of_exercises_is_told_as_it_is() -> None:
    assert f"with {len(catalogue.ids())} exercises" in TEXT

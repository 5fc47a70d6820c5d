"""AUTHORING.md is followed word by word, on a copy of the repository."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
GUIDE = REPOSITORY / "AUTHORING.md"
PARTS = ["authoring", "chapters", "checkers", "cli", "gradebook", "grading", "models", "solutions"]
BLOCK = re.compile(r"([^\n]*)\n+^(`{3,4})(\w+)\n(.*?)^\2$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    lead: str  # the line above it
    language: str
    text: str


def blocks(guide: str) -> list[Block]:
    return [Block(lead, language, text) for lead, _, language, text in BLOCK.findall(guide)]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package, to be imported as `headwork`."""
    root = tmp_path_factory.mktemp("copy") / "headwork"
    for part in PARTS:
        shutil.copytree(REPOSITORY / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "__init__.py", root)
    return root


def python(house: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PYTHONPATH": str(house.parent),
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "120",
        "HEADWORK_HOME": str(house.parent / "home"),
    }
    command = [sys.executable, "-P", *arguments]
    return subprocess.run(command, cwd=house.parent, env=environment, capture_output=True, text=True, timeout=120)


def put(house: Path, lead: str, text: str) -> None:
    """Does to a file what the line above a block says."""
    path = house / re.search(r"`([\w/]+\.\w+)`", lead)[1]  # type: ignore[index]
    if lead.endswith("becomes:"):
        path.write_text(text)
    elif lead.startswith("At the end of"):
        path.write_text(path.read_text() + text)
    else:
        assert lead.endswith("in place of what `headwork new` wrote:"), lead
        before = re.split(r"\n+(?:def surprise\(|```\{exercise\} surprise)", path.read_text())
        assert len(before) == 2, f"{path.name} holds {len(before) - 1} parts of the scaffold"
        path.write_text(before[0] + "\n" + text)


def follow(house: Path, console: str) -> None:
    """Runs the commands of a block; each must say what the block shows, and fail only where that says so."""
    for part in console.split("$ ")[1:]:
        command, *shown = part.strip().split("\n")
        program, *arguments = command.split()
        assert program == "headwork"
        done = python(house, "-m", "headwork.cli.main", *arguments)
        said = f"$ {command}\n{done.stdout}{done.stderr}"
        assert done.returncode == ("need mending" in part), said
        for line in shown:
            pattern = r".*".join(r"\s+".join(map(re.escape, each.split())) for each in line.split("…"))
            assert re.search(pattern, done.stdout), f"missing: {line}\n{said}"


def test_the_copy_is_what_is_imported(house: Path) -> None:
    done = python(house, "-c", "import headwork; print(headwork.__file__)")
    assert done.stdout.strip() == str(house / "__init__.py")


def test_the_guide_leads_to_an_exercise_that_verifies(house: Path) -> None:
    for block in blocks(GUIDE.read_text(encoding="utf-8")):
        if block.language == "console":
            follow(house, block.text)
        else:
            put(house, block.lead, block.text)


def test_every_block_of_the_guide_is_followed() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    assert len(blocks(guide)) == len(re.findall(r"^````?\w+$", guide, re.MULTILINE)) == 11

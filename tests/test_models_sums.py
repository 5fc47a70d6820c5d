"""Damaged weights are noticed before they are read, and named."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from headwork import models
from headwork.grading import resources
from headwork.models import zoo
from headwork.models.config import Config
from headwork.models.gpt2 import GPT2

SHIPPED = sorted(folder for folder in zoo.SHIPPED.iterdir() if folder.is_dir())


@pytest.fixture
def addition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a shipped model, by another name."""
    monkeypatch.setenv(zoo.VARIABLE, str(tmp_path))
    return Path(shutil.copytree(zoo.SHIPPED / "addition", tmp_path / "copy"))


def turn_a_bit(file: Path) -> None:
    """In the last number: the file is as long as before, and its header the same."""
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_every_shipped_file_of_weights_is_listed_as_it_is(folder):
    listed = dict(line.split()[::-1] for line in (folder / "SHA256SUMS").read_text().splitlines())
    files = {str(file.relative_to(folder)): file for file in folder.rglob("*.safetensors")}
    assert listed == {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items()}


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="there is no sha256sum here")
def test_the_list_is_one_that_sha256sum_reads():
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=SHIPPED[0], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("name", "file"), [("copy", "model.safetensors"), ("copy@1000", "checkpoints/1000.safetensors")]
)
@pytest.mark.parametrize("read", [models.load, resources.load_model])
def test_one_turned_bit_is_noticed_and_the_file_is_named(addition, name, file, read):
    read(name)
    turn_a_bit(addition / file)
    with pytest.raises(ValueError, match=f"{addition / file} is damaged: its SHA-256 is not the one in"):
        read(name)


def test_other_files_of_the_model_are_read_as_before(addition):
    turn_a_bit(addition / "checkpoints/1000.safetensors")
    models.load("copy")
    models.load("copy@300")


def test_who_changed_a_file_deletes_its_line(addition):
    turn_a_bit(addition / "model.safetensors")
    sums = addition / "SHA256SUMS"
    sums.write_text("".join(line for line in sums.read_text().splitlines(True) if "model.safetensors" not in line))
    models.load("copy")


def test_saving_lists_anew_and_a_folder_without_a_list_is_read(tmp_path):
    model = GPT2(Config(7, 5, 6, 2, 12, 1))
    zoo.save(model, tmp_path)
    zoo.save_checkpoint(model, tmp_path, 4)
    before = (tmp_path / "SHA256SUMS").read_text()
    torch.nn.init.ones_(model.embed.W_E)
    zoo.save(model, tmp_path)
    names = [line.split()[1] for line in (tmp_path / "SHA256SUMS").read_text().splitlines()]
    assert names == ["checkpoints/4.safetensors", "model.safetensors"]
    assert before != (tmp_path / "SHA256SUMS").read_text()
    assert bool((models.load(tmp_path).embed.W_E == 1).all())
    (tmp_path / "SHA256SUMS").unlink()
    models.load(tmp_path)

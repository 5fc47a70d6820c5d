"""The loop that trains the zoo: the same to the bit, killed or not."""

import shutil
import signal
import subprocess
import sys

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from headwork import models
from headwork.models import training, zoo
from headwork.tests.tiny_recipe import tiny


def files(folder):
    """What every file of a folder holds."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The tiny model, trained at one go."""
    folder = tmp_path_factory.mktemp("whole")
    moments = []
    training.train(tiny(), folder / "tiny", keep=folder / "keep", show=moments.append)
    return folder / "tiny", moments


def in_a_process(tmp_path, number):
    """Trains in a process of its own, which at step 33 sends itself a signal."""
    words = [str(tmp_path / "keep"), str(tmp_path / "tiny"), "33", str(int(number))]
    command = [sys.executable, "-P", "-m", "headwork.tests.tiny_recipe", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(tmp_path, whole):
    training.train(tiny(), tmp_path / "same", keep=tmp_path / "keep")
    training.train(tiny(), tmp_path / "other", keep=tmp_path / "keep", seed=1)
    assert files(tmp_path / "same") == files(whole[0])
    assert files(tmp_path / "other").keys() == files(whole[0]).keys()
    assert files(tmp_path / "other")["model.safetensors"] != files(whole[0])["model.safetensors"]


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """What is kept of a run that was killed in its step 33."""
    folder = tmp_path_factory.mktemp("killed")
    done = in_a_process(folder, signal.SIGKILL)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (folder / "tiny").exists()
    return folder / "keep"


def test_a_run_that_was_killed_goes_on_and_ends_in_the_same_bytes(tmp_path, whole, killed):
    keep = shutil.copytree(killed, tmp_path / "keep")
    moment = training.train(tiny(), tmp_path / "tiny", keep=keep)
    assert (moment.resumed, moment.step) == (33, 60)
    assert files(tmp_path / "tiny") == files(whole[0])
    assert not keep.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_obeyed_between_two_steps(tmp_path, whole, number):
    done = in_a_process(tmp_path, number)
    assert (done.returncode, done.stdout) == (0, f"kept 34, signal {int(number)}\n"), done.stderr
    assert training.train(tiny(), tmp_path / "tiny", keep=tmp_path / "keep").resumed == 34
    assert files(tmp_path / "tiny") == files(whole[0])


def test_what_is_kept_is_one_safetensors_file_and_numbers_are_json_in_it(killed):
    with safe_open(killed / training.RESUME, "pt") as kept:
        header = kept.metadata()[training.HEADER]
        assert {"0/0/momentum", "model/embed.W_E"} < set(kept.keys())
    assert '"0/0/count": 33' in header
    assert set(files(killed)) == {"checkpoints/0.safetensors", "checkpoints/20.safetensors", training.RESUME}


def test_another_recipe_or_seed_does_not_go_on_from_what_is_kept(tmp_path, killed):
    for change, seed in [({"steps": 50, "checkpoints": ()}, 0), ({}, 1)]:
        keep = shutil.copytree(killed, tmp_path / f"keep{seed}")
        assert training.train(tiny(**change), tmp_path / "tiny", keep=keep, seed=seed).resumed == 0


def test_what_is_kept_and_damaged_is_not_gone_on_from(tmp_path, whole, killed):
    keep = shutil.copytree(killed, tmp_path / "keep")
    (keep / training.RESUME).write_bytes((keep / training.RESUME).read_bytes()[:-100])
    assert training.train(tiny(), tmp_path / "tiny", keep=keep).resumed == 0
    assert files(tmp_path / "tiny") == files(whole[0])


def test_weights_and_checkpoints_are_in_float16_and_old_checkpoints_go(tmp_path, whole):
    training.train(tiny(), tmp_path / "tiny", keep=tmp_path / "keep")
    training.train(tiny(steps=30, checkpoints=(0, 30)), tmp_path / "tiny", keep=tmp_path / "keep")
    assert zoo.steps_in(tmp_path / "tiny") == [0, 30]
    for file in (tmp_path / "tiny").rglob("*.safetensors"):
        assert {tensor.dtype for tensor in load_file(file).values()} == {torch.float16}
        assert file.stat().st_mode & 0o777 == 0o644
    last, shipped = models.load(f"{tmp_path / 'tiny'}@30"), models.load(tmp_path / "tiny")
    assert torch.equal(last.embed.W_E, shipped.embed.W_E) and last.embed.W_E.dtype == torch.float32


def test_a_score_is_told_along_the_way_and_the_loss_falls(whole):
    moments = whole[1]
    assert [moment.step for moment in moments] == [10, 20, 30, 40, 50, 60]
    assert moments[-1].loss < moments[0].loss and moments[-1].scores["bias"] > 0


def test_nothing_is_left_of_random_numbers_and_settings(whole, tmp_path):
    before, deterministic = torch.get_rng_state(), torch.are_deterministic_algorithms_enabled()
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    training.train(tiny(), tmp_path / "tiny", keep=tmp_path / "keep")
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.are_deterministic_algorithms_enabled() == deterministic
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers


def test_a_loss_that_is_not_finite_ends_the_run(tmp_path):
    class Bad(type(tiny())):
        def loss(self, model, batch, step):
            return super().loss(model, batch, step) * (float("nan") if step > 14 else 1)

    with pytest.raises(training.Diverged, match="nan at step 20"):
        training.train(Bad(), tmp_path / "tiny", keep=tmp_path / "keep")
    assert not (tmp_path / "tiny").exists()

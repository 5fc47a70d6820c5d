"""An autoencoder handed in as a file: right ones of several kinds pass, and what is wrong with others is said."""

import math
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load, save

from headwork.chapters import course
from headwork.checkers import catalogue
from headwork.checkers.sae.house_sae import OURS
from headwork.checkers.sae.judge.file import loaded
from headwork.checkers.sae.judge.ladder import borrowed, rungs
from headwork.checkers.sae.judge.recipe import RESIDUAL
from headwork.cli.main import run
from headwork.grading.program import Attachment
from headwork.grading.submission import read_text
from headwork.models.dictionaries import load_autoencoder
from headwork.tests.natural import assert_passed, assert_rejected

ID, FILE = "sae.house_sae", "mine.safetensors"
CODE = f'HOUSE_SAE = "{FILE}"\n'


def reference():
    return load(OURS.read_bytes())


@pytest.fixture(scope="module")
def told(grader):
    """The verdict on tensors, or on a file's contents."""

    def ask(tensors, code=CODE):
        data = tensors if isinstance(tensors, bytes) else save(tensors)
        handed_in = replace(read_text("exercises.py", code), attachments=(Attachment(FILE, data),))
        return grader.grade(handed_in, [ID]).verdicts[0]

    return ask


def test_the_text_and_the_checker_agree_on_which_answers_name_a_file():
    for id in catalogue.ids():
        assert bool(course.exercise_text(id).file) == catalogue.exercise(id).attached, id


def test_the_reference_is_a_file_that_came_with_no_other():
    assert borrowed(loaded(OURS.read_bytes()), rungs(RESIDUAL)) < 0.01


# ---- right ones


def with_threshold():
    """One number for all latents in place of k, as BatchTopK has it; of each latent that it passes, all is kept."""
    tensors = reference()
    del tensors["k"]
    return tensors | {"threshold": torch.tensor(0.2424)}


def in_float64_with_latents_to_spare():
    """A twentieth of the latents is never active."""
    W_enc, b_enc, W_dec, b_dec = (reference()[name].double() for name in ("W_enc", "b_enc", "W_dec", "b_dec"))
    more = 50
    return {
        "W_enc": torch.cat([torch.zeros(128, more), W_enc], 1).contiguous(),
        "b_enc": torch.cat([-torch.ones(more), b_enc]),
        "W_dec": torch.cat([torch.zeros(more, 128), W_dec]),
        "b_dec": b_dec,
        "k": torch.tensor([16]),
    }


@pytest.mark.parametrize("make", [reference, with_threshold, in_float64_with_latents_to_spare])
def test_a_right_file_passes(told, make):
    assert_passed(told(make()))


# ---- wrong ones


def transposed():
    tensors = reference()
    return tensors | {"W_enc": tensors["W_enc"][:, :200].T.contiguous()}


def of_another_width():
    return {"W_enc": torch.randn(64, 9), "b_enc": torch.zeros(9), "W_dec": torch.randn(9, 64), "b_dec": torch.zeros(64)}


def copied(noise=0.0, keep=1024):
    """One of ours, shuffled, scaled, and a little changed."""
    tensors = {name: each.float() for name, each in load_autoencoder(RESIDUAL, 8).items()}
    order = torch.randperm(1024, generator=torch.Generator().manual_seed(3))[:keep]
    changed = {
        "W_enc": 3 * tensors["W_enc"][:, order],
        "b_enc": 3 * tensors["b_enc"][order],
        "W_dec": tensors["W_dec"][order] / 3 + noise * torch.randn(keep, 128) / 128**0.5,
    }
    rest = {"b_dec": tensors["b_dec"], "k": torch.tensor(8)}
    return {name: each.contiguous() for name, each in changed.items()} | rest


def every_second_latent_dead():
    tensors = reference()
    return tensors | {"b_enc": torch.where(torch.arange(1024) % 2 == 0, -9.0, tensors["b_enc"].float())}


def with_k(k):
    return lambda: reference() | {"k": torch.tensor(k)}


WRONG = {
    "transposed": (transposed, "cannot be judged: b_enc has shape (1024,): beside W_enc (200, 128)"),
    "of another width": (of_another_width, "it reads 64 numbers: blocks.1.hook_resid_post of house has 128"),
    "k is a fraction": (with_k(16.5), "k has to be one whole number from 1 to the number of latents, 1024"),
    "NaN in a matrix": (lambda: reference() | {"W_enc": torch.full((128, 1024), math.nan)}, "W_enc holds NaN"),
    "ours, scaled and shuffled": (copied, "It is one of ours, which came with the course"),
    "ours, with noise": (lambda: copied(noise=0.01), "It is one of ours, which came with the course"),
    "two thirds of ours": (lambda: copied(keep=700), "It is one of ours, which came with the course"),
    "half of them dead": (every_second_latent_dead, "of 100 points. L0 is"),
    "no bias of the decoder": (lambda: reference() | {"b_dec": torch.zeros(128)}, "0 of 100 points. L0 is"),
    "k 50 of 128": (with_k(50), "latents are active: more than 32, a quarter of the dimensions"),
    "k 1": (with_k(1), "nats, and the mean of each token, without looking further, adds"),
    "an empty file": (lambda: b"", "It is no safetensors file, whatever its name says"),
    "a header that promises more": (lambda: b"\xff" * 64, "It is no safetensors file, whatever its name says"),
    "cut short": (lambda: OURS.read_bytes()[:-9], "It is no safetensors file, whatever its name says"),
}


@pytest.mark.parametrize(("make", "said"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_a_file_is_said(told, make, said):
    verdict = told(make())
    assert_rejected(verdict, said)
    assert verdict.points <= 3


@pytest.mark.parametrize("name", ["other.safetensors", "/etc/passwd", f"../{FILE}", ""])
def test_a_file_that_did_not_come_along_is_missing(told, name):
    verdict = told(reference(), f"HOUSE_SAE = {name!r}\n")
    assert verdict.status == "missing" and "came along. It belongs beside your code" in verdict.message


@pytest.mark.parametrize("answer", ["None", "7", "[1.0]", "b'mine.safetensors'", "open"])
def test_what_is_no_name_is_told(told, answer):
    assert_rejected(told(reference(), f"HOUSE_SAE = {answer}\n"))


def test_the_learners_process_never_sees_the_file(told):
    look = f"def name():\n    return '' if '{FILE}' in __import__('os').listdir() else '{FILE}'\n\n\n"
    assert_passed(told(reference(), f"{look}HOUSE_SAE = name()\n"))


def test_on_the_command_line_a_file_lies_beside_the_code(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HEADWORK_HOME", str(tmp_path / "home"))
    (tmp_path / "exercises.py").write_text(CODE)
    assert run(["check", ID, str(tmp_path / "exercises.py")]) == 1
    assert f"No file '{FILE}' came along" in " ".join(capsys.readouterr().out.split())
    (tmp_path / FILE).write_bytes(OURS.read_bytes())
    assert run(["check", ID, str(tmp_path / "exercises.py")]) == 0
    assert "8/8" in capsys.readouterr().out

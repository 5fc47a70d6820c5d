"""What chapter `sae` says of reading latents, against brute force, differences and the text's own figures."""

import re
from importlib.resources import files

import pytest
import torch

from headwork.models import GPT2, Config
from headwork.solutions.sae.contexts import latent_logits, top_contexts

TEXT = (files("headwork") / "chapters/sae/chapter.md").read_text(encoding="utf-8")
TIED = Config(d_vocab=13, n_ctx=7, d_model=12, n_heads=3, d_mlp=5, n_layers=1)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(3)


def said(*figures):
    """The text gives these figures."""
    for figure in figures:
        assert re.search(rf"(?<![\d.]){re.escape(figure)}(?![\d]|\.\d)", TEXT), figure


def test_contexts_come_from_all_over_the_range():
    activity = torch.tensor([[9.0, 0, 4, 1], [0, 7, 2, 0.5]])
    found = top_contexts(activity, torch.arange(8).reshape(2, 4), [0, 0.5, 1], 2, 1)
    assert found["activity"][..., 1].tolist() == [[9, 7], [4, 2], [1, 0.5]]
    assert found["tokens"][0].tolist() == [[-1, 0, 1], [4, 5, 6]] and found["tokens"][2, 1].tolist() == [6, 7, -1]
    assert found["places"][1].tolist() == [[0, 2], [1, 2]]
    assert f"{0.86**20:.2f}" == "0.05"
    said("0.86", "0.05")
    assert top_contexts(torch.zeros(2, 4), torch.ones(2, 4).long(), [0, 1], 3, 1)["tokens"].shape == (2, 0, 3)


def test_logits_of_a_latent_are_the_slope_of_the_logits_at_a_frozen_scale():
    model = GPT2(TIED).double().requires_grad_(False)
    for parameter in model.parameters():
        parameter.copy_(torch.randn_like(parameter))
    residual, rows = torch.randn(3, 4, 12, dtype=torch.float64), torch.randn(5, 12, dtype=torch.float64)

    scale = (residual.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()

    def frozen(stream):
        return (
            (stream - stream.mean(-1, keepdim=True)) / scale * model.ln_final.w + model.ln_final.b
        ) @ model.unembed.W_U

    for row, found in zip(rows, latent_logits(model, rows, residual), strict=True):
        moved = (frozen(residual + row) - frozen(residual)).mean((0, 1))
        torch.testing.assert_close(found, moved - moved.mean())
    torch.testing.assert_close(frozen(residual), model.unembed(model.ln_final(residual)))


def test_the_direct_effect_worked_by_hand_is_that_of_the_text():
    model = GPT2(Config(d_vocab=3, n_ctx=2, d_model=2, n_heads=1, d_mlp=1, n_layers=1, tied=False)).requires_grad_(
        False
    )
    model.unembed.W_U.copy_(torch.tensor([[2.0, 0, 1], [0, 2, 1]]))
    model.ln_final.eps = 0.0
    residual = torch.tensor([[[1.0, -1], [4, -4]]])  # of the scales 1 and 4
    found = latent_logits(model, torch.tensor([[3.0, 1]]), residual)
    torch.testing.assert_close(found, torch.tensor([[1.25, -1.25, 0]]))
    said("0.625", "1.25", "0.4")

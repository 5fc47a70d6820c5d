"""Weights that were folded or centred give the logits of those that were not."""

from dataclasses import replace

import pytest
import torch

from headwork import models
from headwork.models import zoo
from headwork.models.config import Config
from headwork.models.folding import center_unembed, fold_layer_norm
from headwork.models.gpt2 import GPT2

CONFIGS = {
    "as GPT-2": Config(13, 11, 12, 3, 20, 2),
    "untied": Config(13, 11, 12, 3, 20, 2, tied=False),
    "without biases": Config(13, 11, 12, 3, 20, 2, biases=False),
    "untied, without biases": Config(13, 11, 12, 3, 20, 2, biases=False, tied=False),
    "attention alone": Config(13, 11, 12, 3, 0, 2, attn_only=True),
    "other outputs": Config(13, 11, 12, 3, 20, 2, causal=False, tied=False, d_vocab_out=5),
    "without LayerNorm": Config(13, 11, 12, 3, 20, 2, layer_norm=False),
}


@pytest.fixture(params=list(CONFIGS.values()), ids=list(CONFIGS))
def model(request):
    """In float64, everything at random: scales far from 1, shifts and biases far from 0."""
    torch.manual_seed(8)
    made = GPT2(request.param).double().eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(0.3, 0.8)
    return made


def rebuilt(state, config):
    made = GPT2(config).double().eval()
    made.load_state_dict(state)
    return made


def tokens_of(model):
    return torch.randint(model.config.d_vocab, (4, 9), generator=torch.Generator().manual_seed(9))


def worst(found, expected):
    return ((found - expected).abs().max() / expected.abs().max()).item()


@torch.no_grad()
def test_folding_changes_no_logit(model):
    tokens, before = tokens_of(model), {name: value.clone() for name, value in model.state_dict().items()}
    folded = rebuilt(*fold_layer_norm(model.state_dict(), model.config))
    assert worst(folded(tokens), model(tokens)) <= 1e-9
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@torch.no_grad()
def test_after_folding_every_layer_norm_only_normalises(model):
    state, config = fold_layer_norm(model.state_dict(), model.config)
    scales = [value for name, value in state.items() if name.endswith(".w")]
    shifts = [value for name, value in state.items() if "ln" in name and name.endswith(".b")]
    norms = (1 + config.n_layers * (1 if config.attn_only else 2)) * config.layer_norm
    assert len(scales) == len(shifts) == norms
    assert all((scale == 1).all() for scale in scales) and all((shift == 0).all() for shift in shifts)
    if config.layer_norm:
        assert config == replace(model.config, tied=False, biases=True)
    _, cache = rebuilt(state, config).run_with_cache(tokens_of(model))
    for name, value in cache.items():
        if name.endswith("hook_normalized"):
            assert value.mean(-1).abs().max() < 1e-12
            torch.testing.assert_close(value.square().mean(-1), torch.ones(4, 9).double(), rtol=1e-3, atol=0)


@torch.no_grad()
def test_folding_twice_changes_nothing_more(model):
    once = fold_layer_norm(model.state_dict(), model.config)
    again, config = fold_layer_norm(*once)
    assert config == once[1]
    assert again.keys() == once[0].keys() and all(torch.equal(again[name], once[0][name]) for name in again)


@torch.no_grad()
def test_values_and_queries_take_the_shift_of_the_norm_as_a_bias():
    """By hand, for one head: what it reads of a stream is what it read of the scaled and shifted one."""
    torch.manual_seed(10)
    model = GPT2(CONFIGS["as GPT-2"]).double()
    for parameter in model.parameters():
        parameter.normal_()
    state, _ = fold_layer_norm(model.state_dict(), model.config)
    residual, block = torch.randn(12).double(), model.blocks[1]
    normalised = (residual - residual.mean()) / (residual.var(correction=0) + 1e-5).sqrt()
    for part in "QKV":
        expected = (normalised * block.ln1.w + block.ln1.b) @ getattr(block.attn, f"W_{part}")[2]
        expected = expected + getattr(block.attn, f"b_{part}")[2]
        found = normalised @ state[f"blocks.1.attn.W_{part}"][2] + state[f"blocks.1.attn.b_{part}"][2]
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@torch.no_grad()
def test_centring_takes_the_mean_of_the_logits_at_each_position_and_no_more(model):
    tokens = tokens_of(model)
    logits = model(tokens)
    state, config = center_unembed(model.state_dict(), model.config)
    found = rebuilt(state, config)(tokens)
    assert worst(found, logits - logits.mean(-1, keepdim=True)) <= 1e-9
    torch.testing.assert_close(found.log_softmax(-1), logits.log_softmax(-1), rtol=1e-9, atol=1e-9)
    assert config == replace(model.config, tied=False)


@torch.no_grad()
@pytest.mark.parametrize("name", list(CONFIGS))
def test_both_at_loading_are_the_function_that_was_saved(tmp_path, name):
    torch.manual_seed(11)
    model = GPT2(CONFIGS[name]).double()
    for parameter in model.parameters():
        parameter.normal_(0.2, 0.5)
    zoo.save(model, tmp_path)
    tokens = tokens_of(model)
    both = models.load(tmp_path, dtype=torch.float64, fold_layer_norm=True, center_unembed=True)
    torch.testing.assert_close(both(tokens).log_softmax(-1), model(tokens).log_softmax(-1), rtol=1e-9, atol=1e-9)
    zoo.save(both, tmp_path / "again")
    again = models.load(tmp_path / "again", dtype=torch.float64)
    assert again.config == both.config and torch.equal(again(tokens), both(tokens))


def test_nothing_is_folded_unasked():
    plain = models.load("house")
    assert plain.config.tied and not torch.equal(plain.ln_final.w, torch.ones_like(plain.ln_final.w))


@torch.no_grad()
@pytest.mark.parametrize(("dtype", "bar"), [(torch.float32, 1e-5), (torch.bfloat16, 0.1)])
def test_weights_are_folded_before_they_are_rounded(dtype, bar):
    tokens = torch.randint(1792, (3, 40), generator=torch.Generator().manual_seed(12))
    exact = models.load("house", dtype=torch.float64)
    folded = models.load("house", dtype=dtype, fold_layer_norm=True)
    assert {parameter.dtype for parameter in folded.parameters()} == {dtype}
    assert worst(folded(tokens).double(), exact(tokens)) <= bar
    W_U = exact.unembed.W_U * exact.ln_final.w[:, None]
    assert torch.equal(folded.unembed.W_U, W_U.to(torch.float32).to(dtype))

"""A GPT-2 of the size of OpenAI's smallest, all of its 124 million weights at random, through transformers and us."""

import pytest
import torch

from headwork import models
from headwork.models.config import Config

TOKENS = torch.randint(50257, (2, 9), generator=torch.Generator().manual_seed(6))


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Folders with its weights in one file and in several, and transformers' logits for TOKENS in float64.

    Every weight is far from where training begins: attention is uneven, no bias is 0 and no scale 1.
    """
    from transformers import GPT2Config, GPT2LMHeadModel

    whole, sharded = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("sharded")
    torch.manual_seed(6)
    theirs = GPT2LMHeadModel(GPT2Config(attn_implementation="eager")).eval()
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            if parameter.dim() == 1:
                parameter.normal_(0.8 if ".ln_" in name and name.endswith(".weight") else 0.02, 0.2)
            else:
                parameter.normal_(0, 0.1 if ".wte" in name or ".wpe" in name else 0.04)
        theirs.save_pretrained(whole)
        theirs.save_pretrained(sharded, max_shard_size="200MB")
        return whole, sharded, theirs.double()(TOKENS).logits


def worst(found, expected):
    return ((found.double() - expected).abs().max() / expected.abs().max()).item()


@torch.no_grad()
def test_the_logits_are_those_of_transformers(stored):
    whole, _, expected = stored
    ours = models.load(whole)
    assert ours.config == Config(50257, 1024, 768, 12, 3072, 12)
    assert sum(parameter.numel() for parameter in ours.parameters()) == 124_439_808
    _, cache = ours.run_with_cache(TOKENS, lambda name: name.endswith("hook_pattern"))
    assert all(pattern[:, :, -1].amax(-1).mean() > 0.15 for pattern in cache.values())  # even: 0.11
    assert worst(ours(TOKENS), expected) <= 1e-5
    assert worst(ours.double()(TOKENS), expected) <= 1e-9


@torch.no_grad()
def test_folded_from_several_files_they_are_the_same_in_float64(stored):
    _, sharded, expected = stored
    assert len(list(sharded.glob("model-*.safetensors"))) > 2
    ours = models.load(sharded, dtype=torch.float64, fold_layer_norm=True)
    assert all((value == 1).all() for name, value in ours.named_parameters() if name.endswith(".w"))
    assert worst(ours(TOKENS), expected) <= 1e-9


@torch.no_grad()
def test_folded_and_centred_in_float32_they_differ_by_their_mean_at_each_position(stored):
    whole, _, expected = stored
    ours = models.load(whole, fold_layer_norm=True, center_unembed=True)
    found = ours(TOKENS)
    assert worst(found, expected - expected.mean(-1, keepdim=True)) <= 1e-5
    assert (found.double().log_softmax(-1) - expected.log_softmax(-1)).abs().max() <= 1e-5 * expected.abs().max()


@torch.no_grad()
def test_in_bfloat16_they_are_near(stored):
    whole, _, expected = stored
    ours = models.load(whole, dtype=torch.bfloat16)
    assert ours(TOKENS).dtype == torch.bfloat16
    assert worst(ours(TOKENS), expected) <= 0.1


@torch.no_grad()
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_on_cuda_they_are_the_same(stored):
    whole, _, expected = stored
    for dtype, bar in [(torch.float32, 1e-5), (torch.float64, 1e-9)]:
        ours = models.load(whole, device="cuda", dtype=dtype, fold_layer_norm=True)
        assert worst(ours(TOKENS.cuda()).cpu(), expected) <= bar

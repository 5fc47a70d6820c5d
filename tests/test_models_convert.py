"""Names and layouts to and from transformers' GPT2LMHeadModel."""

import pytest
import torch

from headwork.models.config import Config
from headwork.models.convert import from_transformers, read_config, to_transformers, write_config
from headwork.models.gpt2 import GPT2

TINY = {"vocab_size": 13, "n_positions": 11, "n_embd": 12, "n_head": 3, "n_inner": 20, "n_layer": 2}
CONFIG = Config(13, 11, 12, 3, 20, 2)


def theirs(**settings):
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(4)
    model = GPT2LMHeadModel(GPT2Config(**TINY | settings))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    return model


@pytest.fixture(scope="module")
def state():
    return theirs().state_dict()


@pytest.mark.parametrize("tied", [True, False])
def test_there_and_back_changes_no_bit_and_transformers_accepts_it(tied):
    model = theirs(tie_word_embeddings=tied)
    config, before = read_config(model.config.to_dict()), model.state_dict()
    ours = from_transformers(before, config)
    after = to_transformers(ours, config)
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert model.load_state_dict(after).missing_keys == []
    again = from_transformers(after, config)
    assert again.keys() == ours.keys()
    assert all(torch.equal(again[name], ours[name]) for name in ours)


@pytest.mark.parametrize("tied", [True, False])
def test_the_names_are_those_of_our_own_state(tied):
    config = Config(13, 11, 12, 3, 20, 2, tied=tied)
    ours = from_transformers(theirs(tie_word_embeddings=tied).state_dict(), config)
    expected = GPT2(config).state_dict()
    assert {name: tensor.shape for name, tensor in ours.items()} == {name: t.shape for name, t in expected.items()}


def test_a_state_without_the_prefix_and_with_the_old_buffers_is_the_same(state):
    old = {name.removeprefix("transformer."): tensor for name, tensor in state.items() if name != "lm_head.weight"}
    for layer in range(2):
        old[f"h.{layer}.attn.bias"] = torch.ones(1, 1, 11, 11).tril()
        old[f"h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
    expected, found = from_transformers(state, CONFIG), from_transformers(old, CONFIG)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_heads_matrices_are_its_columns_in_c_attn(state):
    ours = from_transformers(state, CONFIG)
    whole, bias = state["transformer.h.1.attn.c_attn.weight"], state["transformer.h.1.attn.c_attn.bias"]
    for part, name in enumerate("QKV"):
        for head in range(3):
            columns = slice(12 * part + 4 * head, 12 * part + 4 * head + 4)
            assert torch.equal(ours[f"blocks.1.attn.W_{name}"][head], whole[:, columns])
            assert torch.equal(ours[f"blocks.1.attn.b_{name}"][head], bias[columns])
            rows = state["transformer.h.1.attn.c_proj.weight"][4 * head : 4 * head + 4]
            assert torch.equal(ours["blocks.1.attn.W_O"][head], rows)


def changed(state, **changes):
    """The state with some tensors set, or, for None, taken out."""
    return {name: value for name, value in (state | changes).items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"transformer.wpe.weight": None, "transformer.h.1.ln_2.bias": None}, ["Missing: wpe.weight, h.1.ln_2.bias"]),
        ({"transformer.h.2.ln_1.bias": torch.ones(12)}, ["Left over: h.2.ln_1.bias"]),
        (
            {"transformer.h.0.attn.c_proj.bias": torch.ones(11)},
            ["Of the wrong shape: h.0.attn.c_proj.bias (11,) for (12,)"],
        ),
        (
            {"transformer.ln_f.weight": None, "score.weight": torch.ones(2), "transformer.wte.weight": torch.ones(3)},
            ["Missing: ln_f.weight", "left over: score.weight", "of the wrong shape: wte.weight (3,) for (13, 12)"],
        ),
        ({"lm_head.weight": torch.ones(13, 12)}, ["lm_head.weight is not wte.weight"]),
        ({"ln_f.weight": torch.ones(12)}, ["twice"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_tensors_that_do_not_fit_are_named(state, changes, said):
    with pytest.raises(ValueError) as caught:
        from_transformers(changed(state, **changes), CONFIG)
    assert all(part in str(caught.value) for part in said)


def test_our_tensors_that_do_not_fit_are_named():
    ours = GPT2(CONFIG).state_dict()
    wrong = changed(ours, **{"ln_final.w": None, "blocks.0.attn.W_Q": torch.ones(12, 12), "extra": torch.ones(1)})
    with pytest.raises(ValueError) as caught:
        to_transformers(wrong, CONFIG)
    for part in ("Missing: ln_final.w", "left over: extra", "blocks.0.attn.W_Q (12, 12) for (3, 12, 4)"):
        assert part in str(caught.value)


def test_a_bias_of_the_unembedding_that_transformers_lacks_is_not_dropped():
    config = Config(13, 11, 12, 3, 20, 2, tied=False)
    state = GPT2(config).state_dict()
    to_transformers(state, config)
    with pytest.raises(ValueError, match="b_U is not zero"):
        to_transformers(state | {"unembed.b_U": torch.ones(13)}, config)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model_type": "llama"}, "model_type: 'llama'"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx: True"),
        ({"scale_attn_weights": False}, "scale_attn_weights: False"),
        ({"activation_function": "gelu"}, "no activation_function 'gelu'"),
    ],
)
def test_a_configuration_that_this_gpt2_lacks_is_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        read_config(TINY | settings)


def test_a_configuration_goes_there_and_back_and_an_empty_one_is_gpt2_small():
    from transformers import GPT2Config

    config = Config(13, 11, 12, 3, 20, 2, eps=0.1, tied=False)
    assert read_config(write_config(config)) == config
    assert read_config(GPT2Config(**write_config(config)).to_dict()) == config
    assert read_config({}) == read_config(GPT2Config().to_dict()) == Config(50257, 1024, 768, 12, 3072, 12)


@pytest.mark.parametrize("setting", ["attn_only", "layer_norm", "biases", "causal"])
def test_a_model_that_transformers_gpt2_cannot_be_is_refused(setting):
    config = Config(13, 11, 12, 3, 20, 2, **{setting: setting == "attn_only"})
    with pytest.raises(ValueError, match=f"GPT2LMHeadModel has no {setting}"):
        write_config(config)

"""The house's GPT-2 against transformers, finite differences and plain loops."""

import math

import pytest
import torch
from torch import nn

from headwork.models.config import Config
from headwork.models.convert import from_transformers, read_config, to_transformers
from headwork.models.gpt2 import GPT2

SHAPES = [(1, 1), (3, 7), (5, 2), (1, 11)]
TINY = Config(d_vocab=13, n_ctx=11, d_model=12, n_heads=3, d_mlp=20, n_layers=3)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(1)


def theirs_of(**settings):
    """transformers' GPT-2 in float64 with nothing left at its default: those would hide mistakes."""
    from transformers import GPT2Config, GPT2LMHeadModel

    shape = {"vocab_size": 13, "n_positions": 11, "n_embd": 12, "n_head": 3, "n_inner": 20, "n_layer": 3} | settings
    model = GPT2LMHeadModel(GPT2Config(**shape, attn_implementation="eager")).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.6)
    return model


def ours_of(theirs):
    config = read_config(theirs.config.to_dict())
    model = GPT2(config).double()
    model.load_state_dict(from_transformers(theirs.state_dict(), config))
    return model


def random_model(config):
    model = GPT2(config).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.6)
    return model


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"n_head": 1, "n_layer": 1},
        {"n_inner": None, "layer_norm_epsilon": 0.1},
        {"tie_word_embeddings": False},
        {"activation_function": "relu"},
        {"activation_function": "gelu_pytorch_tanh"},
    ],
    ids=str,
)
def test_the_logits_are_those_of_transformers(settings):
    theirs = theirs_of(**settings)
    ours = ours_of(theirs)
    for shape in SHAPES:
        tokens = torch.randint(13, shape)
        expected = theirs(tokens).logits
        assert (ours(tokens) - expected).abs().max() <= 1e-9 * expected.abs().max()
    ours.float()
    for shape in SHAPES:
        tokens = torch.randint(13, shape)
        expected = theirs(tokens).logits
        assert ours(tokens).dtype == torch.float32
        assert (ours(tokens) - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_every_residual_stream_is_that_of_transformers():
    theirs = theirs_of()
    ours, tokens = ours_of(theirs), torch.randint(13, (2, 7))
    _, cache = ours.run_with_cache(tokens)
    hidden = theirs(tokens, output_hidden_states=True).hidden_states  # the last has gone through ln_f
    for layer in range(3):
        torch.testing.assert_close(cache[f"blocks.{layer}.hook_resid_pre"], hidden[layer], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(cache["ln_final.hook_normalized"], hidden[3], rtol=1e-10, atol=1e-10)


def test_every_pattern_is_that_of_transformers():
    theirs = theirs_of()
    tokens = torch.randint(13, (2, 7))
    _, cache = ours_of(theirs).run_with_cache(tokens)
    for layer, pattern in enumerate(theirs(tokens, output_attentions=True).attentions):
        torch.testing.assert_close(cache[f"blocks.{layer}.attn.hook_pattern"], pattern, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("tied", [True, False])
def test_the_gradients_are_those_of_transformers(tied):
    theirs = theirs_of(tie_word_embeddings=tied)
    ours, tokens = ours_of(theirs), torch.randint(13, (3, 7))
    direction = torch.randn(3, 7, 13, dtype=torch.float64)
    (theirs(tokens).logits * direction).sum().backward()
    (ours(tokens) * direction).sum().backward()
    found = to_transformers(
        {name: torch.zeros_like(p) if name == "unembed.b_U" else p.grad for name, p in ours.named_parameters()},
        ours.config,
    )
    expected = dict(theirs.named_parameters())
    assert expected.keys() <= found.keys()
    for name, parameter in expected.items():
        torch.testing.assert_close(found[name], parameter.grad, rtol=1e-9, atol=1e-9, msg=name)


def test_the_gradient_for_the_residual_stream_is_the_finite_difference():
    model = random_model(TINY)
    residual = torch.randn(2, 4, 12, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda start: model(start, start_at_layer=1), (residual,))


def test_a_later_token_changes_no_earlier_logit():
    model, tokens = random_model(TINY), torch.randint(12, (2, 9))
    changed = tokens.clone()
    changed[:, 5] = 12
    assert torch.equal(model(tokens)[:, :5], model(changed)[:, :5])
    assert not torch.equal(model(tokens)[:, 5], model(changed)[:, 5])


def test_attention_that_is_not_causal_sees_later_tokens():
    model, tokens = random_model(Config(13, 11, 12, 3, 20, 2, causal=False)), torch.randint(12, (2, 9))
    changed = tokens.clone()
    changed[:, 5] = 12
    assert not torch.isclose(model(tokens)[:, :5], model(changed)[:, :5]).all(-1).any()


@torch.no_grad()
def test_a_model_of_attention_alone_is_the_definition_in_plain_loops():
    config = Config(7, 6, 8, 2, 0, 2, attn_only=True, layer_norm=False, biases=False, tied=False)
    model = random_model(config)
    tokens = torch.randint(7, (5,))
    residual = [model.embed.W_E[token] + model.pos_embed.W_pos[place] for place, token in enumerate(tokens)]
    for block in model.blocks:
        written = [torch.zeros(8, dtype=torch.float64) for _ in residual]
        for head in range(2):
            W_Q, W_K, W_V, W_O = (getattr(block.attn, name)[head] for name in ("W_Q", "W_K", "W_V", "W_O"))
            for query, here in enumerate(residual):
                scores = [float((here @ W_Q) @ (there @ W_K)) / math.sqrt(4) for there in residual[: query + 1]]
                total = sum(map(math.exp, scores))
                for score, there in zip(scores, residual, strict=False):
                    written[query] = written[query] + math.exp(score) / total * (there @ W_V @ W_O)
        residual = [old + new for old, new in zip(residual, written, strict=True)]
    expected = torch.stack([each @ model.unembed.W_U for each in residual])
    torch.testing.assert_close(model(tokens[None])[0], expected, rtol=1e-10, atol=1e-10)
    assert {name.rpartition(".")[2] for name, _ in model.named_parameters()} == {
        *("W_E", "W_pos", "W_Q", "W_K", "W_V", "W_O", "W_U")
    }


def test_a_layer_with_relu_and_without_layer_norm_is_pytorchs_own_parts():
    """The shape of the models that add: other outputs than inputs, a bias for each."""
    config = Config(6, 3, 8, 2, 10, 1, activation="relu", layer_norm=False, tied=False, d_vocab_out=5)
    model, tokens = random_model(config), torch.randint(6, (4, 3))
    block = model.blocks[0]
    attention = nn.MultiheadAttention(8, 2, batch_first=True).double()
    with torch.no_grad():
        for index, (weight, bias) in enumerate(
            (getattr(block.attn, f"W_{x}"), getattr(block.attn, f"b_{x}")) for x in "QKV"
        ):
            attention.in_proj_weight[8 * index : 8 * index + 8] = weight.transpose(1, 2).reshape(8, 8)
            attention.in_proj_bias[8 * index : 8 * index + 8] = bias.flatten()
        attention.out_proj.weight.copy_(block.attn.W_O.reshape(8, 8).T)
        attention.out_proj.bias.copy_(block.attn.b_O)
    residual = model.embed.W_E[tokens] + model.pos_embed.W_pos
    later = torch.ones(3, 3, dtype=torch.bool).triu(1)
    residual = residual + attention(residual, residual, residual, attn_mask=later, need_weights=False)[0]
    middle = torch.relu(residual @ block.mlp.W_in + block.mlp.b_in)
    residual = residual + middle @ block.mlp.W_out + block.mlp.b_out
    expected = residual @ model.unembed.W_U + model.unembed.b_U
    assert expected.shape == (4, 3, 5)
    torch.testing.assert_close(model(tokens), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("layer", [0, 1, 2, 3, -1, -2])
def test_a_run_that_stops_at_a_layer_goes_on_from_there(layer):
    model, tokens = random_model(TINY), torch.randint(13, (2, 7))
    residual = model(tokens, stop_at_layer=layer)
    assert residual.shape == (2, 7, 12)
    assert torch.equal(model(residual, start_at_layer=layer), model(tokens))


def test_layers_count_from_the_end_when_negative_and_zero_is_the_embedding():
    model, tokens = random_model(TINY), torch.randint(13, (2, 7))
    assert torch.equal(model(tokens, stop_at_layer=-1), model(tokens, stop_at_layer=2))
    assert torch.equal(model(tokens, stop_at_layer=0), model.embed.W_E[tokens] + model.pos_embed.W_pos[:7])
    whole = model.run_with_cache(tokens)[1]
    assert torch.equal(model(tokens, stop_at_layer=3), whole["blocks.2.hook_resid_post"])


def test_what_stands_after_a_stop_is_not_computed():
    model, tokens = random_model(TINY), torch.randint(13, (2, 7))
    _, cache = model.run_with_cache(tokens, stop_at_layer=1)
    assert "blocks.0.hook_resid_post" in cache and not any(name.startswith(("blocks.1", "ln_")) for name in cache)
    _, cache = model.run_with_cache(model(tokens, stop_at_layer=2), start_at_layer=-1)
    assert "blocks.2.attn.hook_z" in cache and not any(name.startswith(("blocks.1", "hook_embed")) for name in cache)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: model(torch.zeros(2, 12, dtype=torch.long)), "at most 11 positions"),
        (lambda model: model(torch.zeros(5, dtype=torch.long)), "(batch, position)"),
        (lambda model: model(torch.zeros(1, 5, dtype=torch.long), stop_at_layer=4), "no layer 4: this model has 3"),
        (lambda model: model(torch.zeros(1, 5, 12), start_at_layer=2, stop_at_layer=1), "comes before"),
        (lambda model: Config(13, 11, 12, 5, 20, 3), "not a multiple"),
        (lambda model: Config(13, 11, 12, 3, 20, 3, activation="silu"), "gelu, relu"),
        (lambda model: Config(13, 11, 12, 3, 20, 3, d_vocab_out=4), "tied=False"),
    ],
)
def test_what_cannot_be_run_is_said(call, message):
    with pytest.raises(ValueError) as caught:
        call(GPT2(TINY))
    assert message in str(caught.value)


def test_parameters_have_transformer_lenss_names_and_shapes():
    shapes = {name: tuple(parameter.shape) for name, parameter in GPT2(TINY).named_parameters()}
    block = {
        "ln1.w": (12,), "ln1.b": (12,), "ln2.w": (12,), "ln2.b": (12,),
        "attn.W_Q": (3, 12, 4), "attn.W_K": (3, 12, 4), "attn.W_V": (3, 12, 4), "attn.W_O": (3, 4, 12),
        "attn.b_Q": (3, 4), "attn.b_K": (3, 4), "attn.b_V": (3, 4), "attn.b_O": (12,),
        "mlp.W_in": (12, 20), "mlp.b_in": (20,), "mlp.W_out": (20, 12), "mlp.b_out": (12,),
    }  # fmt: skip
    expected = {"embed.W_E": (13, 12), "pos_embed.W_pos": (11, 12), "ln_final.w": (12,), "ln_final.b": (12,)}
    expected |= {f"blocks.{layer}.{name}": shape for layer in range(3) for name, shape in block.items()}
    assert shapes == expected
    untied = GPT2(Config(13, 11, 12, 3, 20, 3, tied=False))
    assert (untied.unembed.W_U.shape, untied.unembed.b_U.shape) == ((12, 13), (13,))


def test_a_tied_unembedding_is_the_embedding_wherever_it_is_moved_or_copied():
    from copy import deepcopy

    model = GPT2(TINY)
    copied = deepcopy(model).double()
    with torch.no_grad():
        copied.embed.W_E.add_(1)
    for each in (model, copied):
        assert torch.equal(each.unembed.W_U, each.embed.W_E.T)
        assert torch.equal(each.unembed.b_U, torch.zeros(13))
        assert each.unembed.b_U.dtype == each.embed.W_E.dtype
    assert not torch.equal(model.embed.W_E.double(), copied.embed.W_E)


@torch.no_grad()
def test_a_new_model_has_gpt2s_start():
    model = GPT2(Config(500, 40, 64, 4, 256, 8))
    assert all(not p.any() for name, p in model.named_parameters() if name.rpartition(".")[2].startswith("b"))
    assert all((p == 1).all() for name, p in model.named_parameters() if name.endswith(".w"))
    assert float(model.blocks[3].mlp.W_in.std()) == pytest.approx(0.02, rel=0.05)
    assert float(model.blocks[3].mlp.W_out.std()) == pytest.approx(0.02 / math.sqrt(16), rel=0.05)
    assert float(model.blocks[3].attn.W_O.std()) == pytest.approx(0.02 / math.sqrt(16), rel=0.05)

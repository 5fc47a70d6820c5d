"""The references for the parts around attention, against PyTorch, transformers, loops and finite differences."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from headwork.solutions.gpt2.attention import Attention, causal_mask, head_contributions
from headwork.solutions.gpt2.layers import MLP, Embed, LayerNorm, gelu, unembed


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(1)


def randomised(module):
    """The default, small and without biases, would hide mistakes."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return module.double().eval()


def gpt2(**options):
    from transformers import GPT2Config, GPT2Model

    sizes = {"vocab_size": 17, "n_positions": 11, "n_embd": 12, "n_head": 3, "n_layer": 1} | options
    return randomised(GPT2Model(GPT2Config(**sizes, embd_pdrop=0, attn_pdrop=0, resid_pdrop=0)))


@pytest.mark.parametrize("start", [0, 1, 6])
def test_what_is_embedded_is_what_transformers_hands_to_its_first_block(start):
    theirs, ours = gpt2(), Embed(17, 11, 12).double()
    with torch.no_grad():
        ours.W_E.copy_(theirs.wte.weight)
        ours.W_pos.copy_(theirs.wpe.weight)
    tokens = torch.randint(17, (3, 5))
    positions = torch.arange(start, start + 5).expand(3, -1)
    expected = theirs(tokens, position_ids=positions, output_hidden_states=True).hidden_states[0]
    torch.testing.assert_close(ours(tokens, start=start), expected, rtol=0, atol=0)


def test_embedding_in_two_parts_is_embedding_the_whole():
    embed, tokens = randomised(Embed(7, 9, 4)), torch.randint(7, (2, 9))
    parts = [embed(tokens[:, :4]), embed(tokens[:, 4:5], start=4), embed(tokens[:, 5:], start=5)]
    assert torch.equal(torch.cat(parts, 1), embed(tokens))


def test_only_the_rows_that_were_read_get_a_gradient():
    embed, tokens = randomised(Embed(6, 8, 3)), torch.tensor([[4, 1, 4]])
    embed(tokens, start=2).sum().backward()
    assert embed.W_E.grad.tolist() == [[0.0] * 3, [1.0] * 3, [0.0] * 3, [0.0] * 3, [2.0] * 3, [0.0] * 3]
    assert embed.W_pos.grad[:, 0].tolist() == [0, 0, 1, 1, 1, 0, 0, 0]


def test_without_positions_equal_tokens_stay_equal_through_attention_and_mlp():
    attention, mlp, row = randomised(Attention(6, 2)), randomised(MLP(6, 8)), torch.randn(6, dtype=torch.float64)
    residual = row.expand(2, 5, 6)
    residual = residual + attention(residual)
    residual = residual + mlp(residual)
    torch.testing.assert_close(residual, residual[:, :1].expand(2, 5, 6), rtol=1e-12, atol=1e-12)


def test_the_first_layer_at_the_last_position_does_not_see_the_order_of_the_others():
    attention, words = randomised(Attention(6, 2)), torch.randn(4, 6, dtype=torch.float64)
    one, other = words[None], words[None, [2, 1, 0, 3]]
    torch.testing.assert_close(attention(one)[:, -1], attention(other)[:, -1], rtol=1e-12, atol=1e-12)
    assert (attention(one)[:, 1] - attention(other)[:, 1]).abs().max() > 0.01


@pytest.mark.parametrize(("n_queries", "n_keys"), [(1, 1), (4, 4), (1, 6), (3, 7), (6, 7)])
def test_the_mask_is_the_definition_in_plain_loops(n_queries, n_keys):
    positions = list(range(n_keys))
    expected = [[key <= query for key in positions] for query in positions[-n_queries:]]
    mask = causal_mask(n_queries, n_keys)
    assert mask.dtype == torch.bool and mask.tolist() == expected


@pytest.mark.parametrize(("n_queries", "n_keys"), [(1, 6), (3, 7), (5, 5)])
def test_the_mask_is_pytorchs_causal_one_aligned_at_the_lower_right(n_queries, n_keys):
    from torch.nn.attention.bias import causal_lower_right

    q, k, v = (torch.randn(2, length, 4, dtype=torch.float64) for length in (n_queries, n_keys, n_keys))
    theirs = F.scaled_dot_product_attention(q, k, v, attn_mask=causal_lower_right(n_queries, n_keys))
    ours = F.scaled_dot_product_attention(q, k, v, attn_mask=causal_mask(n_queries, n_keys))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_pytorchs_is_causal_aligns_at_the_upper_left_as_the_text_says():
    values = F.scaled_dot_product_attention(
        torch.randn(1, 2, 3), torch.randn(1, 5, 3), torch.eye(5)[None], is_causal=True
    )
    assert (values[0] > 0).tolist() == [[True] + [False] * 4, [True] * 2 + [False] * 3]


def test_the_mask_is_made_on_the_device_asked_for():
    assert causal_mask(2, 3, device="meta").device.type == "meta"
    assert causal_mask(2, 3, device=torch.device("cpu")).device.type == "cpu"


def test_contributions_and_b_o_sum_to_the_attention_of_transformers():
    theirs = gpt2().h[0].attn
    ours = Attention(12, 3).double()
    with torch.no_grad():
        qkv, bias = theirs.c_attn.weight.reshape(12, 3, 3, 4), theirs.c_attn.bias.reshape(3, 3, 4)
        for index, (weight, b) in enumerate([(ours.W_Q, ours.b_Q), (ours.W_K, ours.b_K), (ours.W_V, ours.b_V)]):
            weight.copy_(qkv[:, index].transpose(0, 1))
            b.copy_(bias[index])
        ours.W_O.copy_(theirs.c_proj.weight.reshape(3, 4, 12))
        ours.b_O.copy_(theirs.c_proj.bias)
    residual = torch.randn(2, 6, 12, dtype=torch.float64)
    total = head_contributions(ours, residual).sum(2) + ours.b_O
    later = torch.zeros(6, 6, dtype=torch.float64).masked_fill(~causal_mask(6, 6), -1e300)
    torch.testing.assert_close(total, theirs(residual, attention_mask=later)[0], rtol=1e-9, atol=1e-9)


def test_a_heads_contribution_is_what_pytorchs_layer_loses_with_it():
    """Cut one head's block out of the output matrix of nn.MultiheadAttention and see what goes missing."""
    heads, width, model = 3, 4, 12
    ours = randomised(Attention(model, heads))
    theirs = nn.MultiheadAttention(model, heads, batch_first=True).double()
    with torch.no_grad():
        weights = [weight.transpose(1, 2).reshape(model, model) for weight in (ours.W_Q, ours.W_K, ours.W_V)]
        theirs.in_proj_weight.copy_(torch.cat(weights))
        theirs.in_proj_bias.copy_(torch.cat([bias.flatten() for bias in (ours.b_Q, ours.b_K, ours.b_V)]))
        theirs.out_proj.weight.copy_(ours.W_O.reshape(model, model).T)
        theirs.out_proj.bias.copy_(ours.b_O)
    residual = torch.randn(2, 5, model, dtype=torch.float64)

    def run():
        later = torch.ones(5, 5, dtype=torch.bool).triu(1)
        return theirs(residual, residual, residual, attn_mask=later, need_weights=False)[0]

    with torch.no_grad():
        contributions, whole, kept = head_contributions(ours, residual), run(), theirs.out_proj.weight.clone()
        for head in range(heads):
            theirs.out_proj.weight[:, head * width : (head + 1) * width] = 0
            torch.testing.assert_close(contributions[:, :, head], whole - run(), rtol=1e-9, atol=1e-9)
            theirs.out_proj.weight.copy_(kept)


def test_another_basis_of_a_heads_values_leaves_its_contribution():
    layer, residual = randomised(Attention(6, 2)), torch.randn(1, 4, 6, dtype=torch.float64)
    before = head_contributions(layer, residual)
    basis = torch.randn(3, 3, dtype=torch.float64)
    with torch.no_grad():
        layer.W_V[1] = layer.W_V[1] @ basis
        layer.b_V[1] = layer.b_V[1] @ basis
        layer.W_O[1] = basis.inverse() @ layer.W_O[1]
    torch.testing.assert_close(head_contributions(layer, residual), before, rtol=1e-9, atol=1e-9)


def test_the_contributions_gradient_is_the_finite_difference():
    layer, residual = randomised(Attention(4, 2)), torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: head_contributions(layer, x), (residual,))


def test_gelu_is_the_tanh_form_of_pytorch_and_of_transformers():
    from transformers.activations import ACT2FN

    x = torch.cat([torch.linspace(-30, 30, 4001, dtype=torch.float64), torch.tensor([0.0, 1e-12, -1e4, 1e4])])
    torch.testing.assert_close(gelu(x), F.gelu(x, approximate="tanh"), rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(gelu(x), ACT2FN["gelu_new"](x), rtol=1e-12, atol=1e-15)


def test_gelu_less_its_mirror_image_is_the_identity():
    x = 4 * torch.randn(500, dtype=torch.float64)
    torch.testing.assert_close(gelu(x) - gelu(-x), x, rtol=1e-12, atol=1e-12)


def test_gelus_gradient_is_the_finite_difference_and_one_half_at_zero():
    x = torch.tensor([-3.0, -0.7, 0.0, 0.2, 2.7], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(gelu, (x,))
    gelu(x).sum().backward()
    assert x.grad[2] == 0.5


def test_the_text_is_right_about_the_forms_of_gelu():
    x = torch.linspace(-10, 10, 200_001, dtype=torch.float64)
    exact = 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))
    apart = (gelu(x) - exact).abs()
    assert 0.00047 < apart.max() < 0.00048 and abs(abs(x[apart.argmax()]) - 2.7) < 0.01
    series = 2 / (3 * math.pi) - 1 / 6
    by_series = 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + series * x**3)))
    assert abs(series - 0.04554) < 1e-6 and 0.00074 < (by_series - exact).abs().max() < 0.00075
    assert 0.02 < (x * torch.sigmoid(1.702 * x) - exact).abs().max() < 0.021
    lowest = gelu(x).argmin()
    assert abs(gelu(x)[lowest] + 0.17) < 1e-3 and abs(x[lowest] + 0.75) < 0.01
    assert gelu(torch.tensor(-10.0, dtype=torch.float64)) == 0


def test_gelu_keeps_float32_and_does_not_overflow_in_it():
    x = torch.tensor([-1e4, -300.0, -5.0, 5.0, 300.0, 1e4], requires_grad=True)
    y = gelu(x)
    y.sum().backward()
    assert y.dtype == torch.float32 and torch.isfinite(y).all()
    assert x.grad.tolist() == pytest.approx([0, 0, 0, 1, 1, 1], abs=1e-5)


def test_the_mlp_is_that_of_transformers():
    theirs, ours = gpt2(n_inner=20).h[0].mlp, MLP(12, 20).double()
    with torch.no_grad():
        ours.W_in.copy_(theirs.c_fc.weight)
        ours.b_in.copy_(theirs.c_fc.bias)
        ours.W_out.copy_(theirs.c_proj.weight)
        ours.b_out.copy_(theirs.c_proj.bias)
    x = torch.randn(3, 5, 12, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-12)


def test_the_mlp_is_the_sum_of_its_neurons_worked_by_hand():
    """The example of the text."""
    mlp = MLP(2, 3).double()
    with torch.no_grad():
        mlp.W_in.copy_(torch.tensor([[2.0, 4], [2, -1], [-4, -4]]).T)
        mlp.b_in.copy_(torch.tensor([0.0, 0, 2]))
        mlp.W_out.copy_(torch.tensor([[1.0, 0], [5, 5], [7, 7]]))
        mlp.b_out.copy_(torch.tensor([0.0, 1]))
    assert mlp(torch.tensor([[[1.0, 2]]], dtype=torch.float64)).flatten().tolist() == pytest.approx([10, 1], abs=1e-9)


def test_the_mlps_gradient_is_the_finite_difference():
    mlp, x = randomised(MLP(3, 5)), torch.randn(2, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(mlp, (x,))


def test_logits_are_those_of_transformers_from_its_last_stream():
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=17, n_positions=11, n_embd=12, n_head=3, n_layer=2)
    theirs = randomised(GPT2LMHeadModel(config))
    norm = LayerNorm(12, config.layer_norm_epsilon).double()
    with torch.no_grad():
        norm.w.copy_(theirs.transformer.ln_f.weight)
        norm.b.copy_(theirs.transformer.ln_f.bias)
    streams = []
    theirs.transformer.ln_f.register_forward_pre_hook(lambda module, inputs: streams.append(inputs[0]))
    logits = theirs(torch.randint(17, (2, 6))).logits
    ours = unembed(streams[0], norm, theirs.transformer.wte.weight)
    torch.testing.assert_close(ours, logits, rtol=1e-9, atol=1e-9)


def test_a_logit_is_the_dot_product_of_a_normalised_row_and_an_embedding():
    residual, W_E = torch.randn(2, 3, 4, dtype=torch.float64), torch.randn(5, 4, dtype=torch.float64)
    logits = unembed(residual, torch.tanh, W_E)
    for batch in range(2):
        for position in range(3):
            for token in range(5):
                pairs = zip(residual[batch, position].tolist(), W_E[token].tolist(), strict=True)
                assert logits[batch, position, token].item() == pytest.approx(sum(math.tanh(x) * w for x, w in pairs))


def test_the_size_of_the_stream_does_not_reach_the_logits():
    residual, W_E = torch.randn(2, 3, 6, dtype=torch.float64), torch.randn(9, 6, dtype=torch.float64)
    norm = randomised(LayerNorm(6, eps=1e-12))
    torch.testing.assert_close(unembed(10 * residual, norm, W_E), unembed(residual, norm, W_E), rtol=1e-9, atol=1e-9)

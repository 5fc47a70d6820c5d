"""The references against the outside world: PyTorch's layers, transformers, finite differences, brute force."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from headwork.solutions.gpt2.attention import Attention, attention_pattern
from headwork.solutions.gpt2.layers import LayerNorm
from headwork.solutions.gpt2.sampling import top_p
from headwork.solutions.gpt2.training import train
from headwork.solutions.induction import hooks as induction


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(1)


@pytest.mark.parametrize(("width", "eps"), [(6, 1e-5), (7, 0.1), (64, 1e-12)])
def test_layer_norm_is_pytorchs(width, eps):
    ours, theirs = LayerNorm(width, eps).double(), nn.LayerNorm(width, eps).double()
    with torch.no_grad():
        ours.w.copy_(torch.randn(width))
        ours.b.copy_(torch.randn(width))
        theirs.weight.copy_(ours.w)
        theirs.bias.copy_(ours.b)
    x = 3 + 2 * torch.randn(3, 5, width, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-12)


def test_layer_norms_gradient_is_the_finite_difference():
    norm = LayerNorm(5, 0.01).double()
    x = torch.randn(2, 3, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(norm, (x,))


def test_the_attention_pattern_is_the_definition_in_plain_loops():
    q, k = torch.randn(2, 2, 4, 3, 5, dtype=torch.float64)
    pattern = attention_pattern(q, k)
    for batch in range(2):
        for head in range(3):
            for query in range(4):
                scores = [float(q[batch, query, head] @ k[batch, key, head]) / math.sqrt(5) for key in range(query + 1)]
                total = sum(map(math.exp, scores))
                expected = [math.exp(score) / total for score in scores] + [0.0] * (3 - query)
                assert pattern[batch, head, query].tolist() == pytest.approx(expected, abs=1e-12)


def test_attention_is_pytorchs_multihead_attention():
    heads, d_head, length = 3, 4, 6
    d_model = heads * d_head
    ours = Attention(d_model, heads).double()
    theirs = nn.MultiheadAttention(d_model, heads, batch_first=True).double()
    for parameter in ours.parameters():
        nn.init.normal_(parameter)
    with torch.no_grad():
        for index, (weight, bias) in enumerate([(ours.W_Q, ours.b_Q), (ours.W_K, ours.b_K), (ours.W_V, ours.b_V)]):
            rows = slice(index * d_model, (index + 1) * d_model)
            theirs.in_proj_weight[rows] = weight.transpose(1, 2).reshape(d_model, d_model)
            theirs.in_proj_bias[rows] = bias.flatten()
        theirs.out_proj.weight.copy_(ours.W_O.reshape(d_model, d_model).T)
        theirs.out_proj.bias.copy_(ours.b_O)
    x = torch.randn(2, length, d_model, dtype=torch.float64)
    later = torch.ones(length, length, dtype=torch.bool).triu(1)
    torch.testing.assert_close(ours(x), theirs(x, x, x, attn_mask=later, need_weights=False)[0], rtol=1e-9, atol=1e-9)


def test_attention_is_that_of_transformers_gpt2():
    from transformers import GPT2Config
    from transformers.models.gpt2.modeling_gpt2 import GPT2Attention

    config = GPT2Config(n_embd=12, n_head=3, n_positions=8, attn_pdrop=0, resid_pdrop=0, attn_implementation="eager")
    theirs = GPT2Attention(config, layer_idx=0).double().eval()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter)  # the default, small and without biases, would hide mistakes
    ours = Attention(12, 3).double()
    with torch.no_grad():
        qkv, bias = theirs.c_attn.weight.reshape(12, 3, 3, 4), theirs.c_attn.bias.reshape(3, 3, 4)
        for index, (weight, b) in enumerate([(ours.W_Q, ours.b_Q), (ours.W_K, ours.b_K), (ours.W_V, ours.b_V)]):
            weight.copy_(qkv[:, index].transpose(0, 1))
            b.copy_(bias[index])
        ours.W_O.copy_(theirs.c_proj.weight.reshape(3, 4, 12))
        ours.b_O.copy_(theirs.c_proj.bias)
    x = torch.randn(2, 5, 12, dtype=torch.float64)
    later = torch.zeros(5, 5, dtype=torch.float64).masked_fill(torch.ones(5, 5).triu(1).bool(), -1e300)
    torch.testing.assert_close(ours(x), theirs(x, attention_mask=later)[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("p", [0.05, 0.5, 0.7, 0.95, 1.0])
def test_the_nucleus_is_that_of_transformers(p):
    from transformers.generation.logits_process import TopPLogitsWarper

    logits = 2 * torch.randn(4, 11)
    law = TopPLogitsWarper(p)(None, logits.clone()).softmax(-1)
    rows = logits.repeat_interleave(4000, 0)
    drawn = top_p(rows, p, generator=torch.Generator().manual_seed(3)).reshape(4, -1)
    counts = torch.stack([torch.bincount(row, minlength=11) for row in drawn]) / 4000
    assert ((law == 0) <= (counts == 0)).all()
    assert (counts - law).abs().max() < 5 * math.sqrt(0.25 / 4000)


def test_the_boundary_token_of_an_exact_sum_is_the_last():
    logits = torch.tensor([[0.25, 0.5, 0.125, 0.125]], dtype=torch.float64).log2() * math.log(2)
    tokens = top_p(logits.repeat(500, 1), 0.75, generator=torch.Generator().manual_seed(0))
    assert set(tokens.tolist()) == {0, 1}


def test_training_steps_are_those_of_adamw_written_out():
    """Against Loshchilov and Hutter's algorithm 2 in scalar arithmetic, on a model of one parameter a token."""

    class Unigrams(nn.Module):
        def __init__(self):
            super().__init__()
            self.logits = nn.Parameter(torch.tensor([0.3, -0.2, 0.9], dtype=torch.float64))

        def forward(self, tokens):
            return self.logits.expand(*tokens.shape, 3)

    batches = [torch.tensor([[0, 1, 2, 2]]), torch.tensor([[1, 1], [2, 0]])]
    model = Unigrams()
    losses = train(model, batches, learning_rate=0.1, weight_decay=0.2, max_norm=0.3)
    theta, first, second = [0.3, -0.2, 0.9], [0.0] * 3, [0.0] * 3
    for step, tokens in enumerate(batches, start=1):
        targets = tokens[:, 1:].flatten().tolist()
        total = sum(map(math.exp, theta))
        law = [math.exp(x) / total for x in theta]
        assert losses[step - 1] == pytest.approx(-sum(math.log(law[t]) for t in targets) / len(targets))
        gradient = [law[i] - targets.count(i) / len(targets) for i in range(3)]
        scale = min(1, 0.3 / (math.hypot(*gradient) + 1e-6))
        for i in range(3):
            first[i] = 0.9 * first[i] + 0.1 * scale * gradient[i]
            second[i] = 0.999 * second[i] + 0.001 * (scale * gradient[i]) ** 2
            step_size = first[i] / (1 - 0.9**step) / (math.sqrt(second[i] / (1 - 0.999**step)) + 1e-8)
            theta[i] = theta[i] * (1 - 0.1 * 0.2) - 0.1 * step_size
    assert model.logits.tolist() == pytest.approx(theta, abs=1e-9)


def test_a_hooked_run_is_the_model_with_the_activation_replaced_by_hand():
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    x = torch.randn(2, 4, dtype=torch.float64)
    hooked = induction.run_with_hooks(
        model, x, [("1", lambda value, point: value * 2), ("1", lambda value, point: None)]
    )
    torch.testing.assert_close(hooked, model[2](2 * model[1](model[0](x))))
    torch.testing.assert_close(model(x), F.linear(model[1](model[0](x)), model[2].weight, model[2].bias))


def test_an_unknown_name_is_a_key_error_and_nothing_is_hooked():
    model = nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(KeyError):
        induction.run_with_hooks(model, torch.ones(1, 2), [("0", lambda value, point: value * 0), ("1", print)])
    assert not model[0]._forward_hooks

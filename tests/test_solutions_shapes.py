"""The references of `tensors`, shapes and indices, against brute force, PyTorch's and NumPy's own functions."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from headwork.solutions.tensors.indexing import causal_indices, gather_2d, last_token, next_token_shift, one_hot
from headwork.solutions.tensors.shapes import batched_dot, merge_heads, outer, rearrange_images, split_heads, trace


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(1)


def normal(*shape, requires_grad=False):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=requires_grad)


@pytest.mark.parametrize(("number", "columns"), [(6, 2), (6, 3), (5, 1), (5, 5), (1, 1)])
def test_a_contact_sheet_is_that_of_fold(number, columns):
    images = normal(number, 3, 4, 5)
    rows = number // columns
    blocks = images.flatten(1).T[None]  # (1, channel * height * width, image)
    sheet = F.fold(blocks, (rows * 4, columns * 5), (4, 5), stride=(4, 5))[0]
    assert torch.equal(rearrange_images(images, columns), sheet)


def test_every_pixel_of_a_contact_sheet_stands_in_its_place():
    images = normal(6, 2, 4, 5)
    sheet = rearrange_images(images, 3)
    for image, channel, y, x in itertools.product(range(6), range(2), range(4), range(5)):
        row, column = divmod(image, 3)
        assert sheet[channel, row * 4 + y, column * 5 + x] == images[image, channel, y, x]


def test_dot_products_are_numpys():
    a, b = normal(2, 3, 4, 5)
    expected = [[np.dot(x, y) for x, y in zip(*pair, strict=True)] for pair in zip(a.numpy(), b.numpy(), strict=True)]
    torch.testing.assert_close(batched_dot(a, b), torch.tensor(np.array(expected)))
    torch.testing.assert_close(batched_dot(a, b), torch.linalg.vecdot(a, b))


def test_outer_products_and_traces_are_pytorchs_one_at_a_time():
    a, b, matrices = normal(3, 4), normal(3, 5), normal(3, 6, 6)
    assert torch.equal(outer(a, b), torch.stack([torch.outer(x, y) for x, y in zip(a, b, strict=True)]))
    torch.testing.assert_close(trace(matrices), torch.stack([matrix.trace() for matrix in matrices]))


def test_the_trace_is_the_sum_of_the_eigenvalues_and_of_an_outer_product_the_dot_product():
    matrices, a, b = normal(4, 5, 5), normal(4, 5), normal(4, 5)
    values = torch.linalg.eigvals(matrices).sum(-1)
    torch.testing.assert_close(trace(matrices).to(values.dtype), values)
    torch.testing.assert_close(trace(outer(a, b)), torch.linalg.vecdot(a, b))


def test_split_heads_are_the_chunks_of_the_last_axis():
    x = normal(2, 5, 12)
    for head, chunk in enumerate(x.chunk(3, dim=-1)):
        assert torch.equal(split_heads(x, 3)[:, head], chunk)
    assert torch.equal(merge_heads(split_heads(x, 3)), x)
    assert torch.equal(merge_heads(torch.stack(x.chunk(4, dim=-1), 1)), x)


def test_heads_split_and_merged_make_the_attention_of_transformers_gpt2():
    from transformers import GPT2Config
    from transformers.models.gpt2.modeling_gpt2 import GPT2Attention

    config = GPT2Config(n_embd=12, n_head=3, n_positions=8, attn_pdrop=0, resid_pdrop=0, attn_implementation="sdpa")
    theirs = GPT2Attention(config, layer_idx=0).double().eval()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter)
    x = normal(2, 5, 12)
    q, k, v = (split_heads(part, 3) for part in theirs.c_attn(x).split(12, dim=-1))
    mine = theirs.c_proj(merge_heads(F.scaled_dot_product_attention(q, k, v, is_causal=True)))
    later = torch.zeros(5, 5, dtype=torch.float64).masked_fill(torch.ones(5, 5).triu(1).bool(), -1e300)
    torch.testing.assert_close(mine, theirs(x, attention_mask=later.expand(2, 1, 5, 5))[0], rtol=1e-9, atol=1e-9)


def test_entries_are_picked_as_plain_loops_pick_them():
    values, rows, columns = normal(3, 4, 6), torch.randint(4, (3, 7)), torch.randint(6, (3, 7))
    picked = gather_2d(values, rows, columns)
    for b, i in itertools.product(range(3), range(7)):
        assert picked[b, i] == values[b, rows[b, i], columns[b, i]]


def test_an_entry_picked_twice_gets_the_gradient_twice():
    values = normal(1, 2, 3, requires_grad=True)
    rows, columns = torch.tensor([[1, 0, 1]]), torch.tensor([[2, 0, 2]])
    gather_2d(values, rows, columns).sum().backward()
    assert values.grad.tolist() == [[[1, 0, 0], [0, 0, 2]]]


def test_the_last_token_is_where_packing_a_sequence_ends():
    residual, lengths = normal(4, 6, 3), torch.tensor([6, 1, 4, 2])
    last = last_token(residual, lengths)
    packed = torch.nn.utils.rnn.pack_padded_sequence(residual, lengths, batch_first=True, enforce_sorted=False)
    sequences = torch.nn.utils.rnn.unpack_sequence(packed)
    assert torch.equal(last, torch.stack([sequence[-1] for sequence in sequences]))


@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (2, 3, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.bool])
def test_one_hot_is_pytorchs_in_any_dtype(shape, dtype):
    tokens = torch.randint(5, shape)
    mine = one_hot(tokens, 9, dtype)
    assert mine.dtype == dtype and torch.equal(mine, F.one_hot(tokens, 9).to(dtype))
    assert one_hot(tokens, 9).dtype == torch.float32


def test_a_one_hot_row_times_the_embedding_is_the_embedding():
    tokens, weight = torch.randint(7, (2, 3)), normal(7, 4)
    assert torch.equal(one_hot(tokens, 7, torch.float64) @ weight, F.embedding(tokens, weight))


@pytest.mark.parametrize("length", [0, 1, 2, 3, 10, 65])
def test_causal_pairs_are_numpys_lower_triangle(length):
    assert causal_indices(length).tolist() == np.stack(np.tril_indices(length), -1).tolist()


def test_causal_pairs_need_no_look_at_the_values():
    """On the device meta there are none: what works there makes no GPU wait."""
    assert causal_indices(6, device="meta").shape == (21, 2)


def test_the_shifted_tokens_give_the_loss_that_transformers_computes():
    from transformers import GPT2Config, GPT2LMHeadModel

    pad = 10
    sizes = {"vocab_size": 11, "n_positions": 8, "n_embd": 12, "n_layer": 1, "n_head": 2}
    config = GPT2Config(**sizes, bos_token_id=0, eos_token_id=0)
    model = GPT2LMHeadModel(config).double().eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)  # the default gives all tokens nearly the same loss
    tokens = torch.tensor([[3, 1, 4, 1, 5, 9], [2, 6, 5, pad, pad, pad], [pad, pad, 3, 5, 8, 9]])
    inputs, targets, mask = next_token_shift(tokens, pad)
    logits = model(inputs).logits
    losses = -logits.log_softmax(-1).gather(-1, targets[..., None]).squeeze(-1)
    theirs = model(tokens, labels=tokens.masked_fill(tokens == pad, -100)).loss
    torch.testing.assert_close(losses[mask].mean().float(), theirs, rtol=1e-6, atol=0)  # theirs is always float32


def test_what_is_shifted_is_what_plain_loops_shift():
    tokens = torch.tensor([[5, 0, 7, 7], [7, 7, 0, 3]])
    inputs, targets, mask = next_token_shift(tokens, 7)
    assert inputs.tolist() == tokens.tolist()
    assert targets.tolist() == [[0, 7, 7, 7], [7, 0, 3, 7]]
    assert mask.tolist() == [[True, False, False, False], [False, True, True, False]]


def test_gradients_are_finite_differences():
    lengths, rows = torch.tensor([2, 4]), torch.tensor([[0, 1], [1, 1]])
    for function, inputs in [
        (lambda x: rearrange_images(x, 2), (normal(4, 2, 2, 3, requires_grad=True),)),
        (batched_dot, (normal(2, 3, 4, requires_grad=True), normal(2, 3, 4, requires_grad=True))),
        (outer, (normal(2, 3, requires_grad=True), normal(2, 4, requires_grad=True))),
        (trace, (normal(2, 3, 3, requires_grad=True),)),
        (lambda x: split_heads(x, 2), (normal(2, 3, 4, requires_grad=True),)),
        (merge_heads, (normal(2, 2, 3, 4, requires_grad=True),)),
        (lambda x: gather_2d(x, rows, rows.flip(1)), (normal(2, 2, 3, requires_grad=True),)),
        (lambda x: last_token(x, lengths), (normal(2, 4, 3, requires_grad=True),)),
    ]:
        assert torch.autograd.gradcheck(function, inputs)

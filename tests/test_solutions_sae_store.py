"""The store of chapter `sae` by brute force, and heads, transcoders and an MLP's derivative by definition."""

import copy

import pytest
import torch
import torch.nn.functional as F

from headwork.models import GPT2, Config
from headwork.solutions.sae.heads import attention_output_sae
from headwork.solutions.sae.layers import Transcoder, latent_connections, linearise_mlp, transcoder_loss
from headwork.solutions.sae.store import ActivationStore

CAPACITY, BATCH, TEXTS, LENGTH = 200, 24, 6, 9


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(2)


@pytest.fixture
def model():
    made = GPT2(Config(d_vocab=997, n_ctx=12, d_model=8, n_heads=2, d_mlp=5, n_layers=3)).double()
    for parameter in made.parameters():
        parameter.data.normal_()
    return made


def corpus(readings):
    """Texts without a token twice, of which the first position and some of the last do not count."""
    tokens = torch.randperm(997)[: readings * TEXTS * LENGTH].reshape(readings, TEXTS, LENGTH)
    counts = torch.ones_like(tokens, dtype=torch.bool)
    counts[:, :, 0] = counts[:, ::2, -2:] = False
    return tokens, counts


def reader(tokens, counts):
    return lambda index: (tokens[index], counts[index]) if index < len(tokens) else None


@pytest.mark.parametrize("hook", ["blocks.1.hook_resid_post", "blocks.2.attn.hook_z"])
def test_each_activation_comes_once_and_none_is_made_up(model, hook):
    tokens, counts = corpus(15)
    given = torch.cat(list(ActivationStore(model, hook, reader(tokens, counts), BATCH, CAPACITY, 1)))
    _, cache = model.run_with_cache(tokens.flatten(0, 1))
    expected = cache[hook].flatten(2)[counts.flatten(0, 1)].detach()
    order = [rows[:, 0].argsort() for rows in (given, expected)]
    torch.testing.assert_close(given[order[0]], expected[order[1]])


def test_it_goes_on_from_its_state_after_every_batch(model):
    read = reader(*corpus(8))
    store = ActivationStore(model, "blocks.0.hook_mlp_out", read, BATCH, CAPACITY, 3)
    whole = list(ActivationStore(model, "blocks.0.hook_mlp_out", read, BATCH, CAPACITY, 3))
    for number in range(len(whole)):
        other = ActivationStore(model, "blocks.0.hook_mlp_out", read, BATCH, CAPACITY, 77)
        other.load(copy.deepcopy(store.state()))
        assert all(torch.equal(a, b) for a, b in zip(other, whole[number:], strict=True))
        assert torch.equal(next(store), whole[number])


def test_what_is_held_stays_within_the_capacity_and_a_reading(model):
    store = ActivationStore(model, "blocks.0.hook_resid_post", reader(*corpus(18)), BATCH, CAPACITY, 0)
    most = max(len(store.held) for _ in store)
    assert CAPACITY / 2 < most < CAPACITY + TEXTS * LENGTH
    assert not store.held.requires_grad and next(store, None) is None


def test_a_batch_keeps_nothing_else_alive(model):
    store = ActivationStore(model, "blocks.0.hook_resid_post", reader(*corpus(6)), BATCH, CAPACITY, 0)
    assert next(store).untyped_storage().nbytes() == BATCH * 8 * 8


def test_a_neighbour_is_of_the_same_text_as_often_as_by_chance(model):
    tokens, counts = corpus(18)
    counts[:, :, 1:] = True
    store = ActivationStore(model, "blocks.0.hook_resid_pre", reader(tokens, counts), BATCH, CAPACITY, 5)
    rows = torch.cat(list(store))
    _, cache = model.run_with_cache(tokens.flatten(0, 1))
    found = cache["blocks.0.hook_resid_pre"].detach()[:, 1:]  # (text, position, d_model)
    place = torch.cdist(rows, found.flatten(0, 1)).argmin(1) // (LENGTH - 1)
    same = (place[1:] == place[:-1]).float().mean()
    assert same < 3 * (LENGTH - 2) / CAPACITY


def test_heads_shares_writes_and_contributions_add_up():
    heads, d_head, d_model, latents = 3, 4, 7, 5
    W_enc, W_dec = torch.randn(heads * d_head, latents), torch.randn(latents, heads * d_head)
    b_dec, W_O = torch.randn(heads * d_head), torch.randn(heads, d_head, d_model)
    z = torch.randn(2, 6, heads, d_head)
    shares, writes, parts = attention_output_sae(W_enc, W_dec, b_dec, W_O, z)
    torch.testing.assert_close(shares.sum(-1), torch.ones(latents))
    torch.testing.assert_close(writes, W_dec @ W_O.reshape(-1, d_model))
    torch.testing.assert_close(parts.sum(2), (z.flatten(2) - b_dec) @ W_enc, rtol=1e-4, atol=1e-5)
    only = torch.zeros_like(W_dec)
    only[:, 4:8] = W_dec[:, 4:8]  # head 1 alone
    torch.testing.assert_close(
        attention_output_sae(W_enc, only, b_dec, W_O, z)[0], torch.eye(3)[[1]].expand(latents, 3)
    )


def test_a_transcoder_is_linear_layers_and_its_loss_does_not_see_scale():
    coder, x = Transcoder(4, 6, 9), torch.randn(5, 4)
    for parameter in coder.parameters():
        parameter.data.normal_()
    made, latents = coder(x)
    torch.testing.assert_close(latents, F.relu(F.linear(x, coder.W_enc.T, coder.b_enc)))
    torch.testing.assert_close(made, F.linear(latents, coder.W_dec.T, coder.b_dec) + F.linear(x, coder.W_skip.T))
    y = torch.randn(5, 6)
    loss = transcoder_loss(y, made, latents, coder.W_dec, 0.3)
    torch.testing.assert_close(loss, transcoder_loss(y, made, latents * 4, coder.W_dec / 4, 0.3))
    torch.testing.assert_close(transcoder_loss(y, made, latents, coder.W_dec, 0.0), 6 * F.mse_loss(made, y))


def test_connections_are_what_a_latent_adds_to_later_ones():
    first, second = Transcoder(3, 5, 4), Transcoder(5, 2, 6)
    first.W_dec.data.normal_()
    stream, unit = torch.randn(5), torch.eye(4)
    found = (stream + unit @ first.W_dec) @ second.W_enc - stream @ second.W_enc
    torch.testing.assert_close(latent_connections(first, second), found, rtol=1e-4, atol=1e-5)


def test_an_mlp_near_an_input_is_its_finite_difference():
    x, directions = torch.randn(4, 5, dtype=torch.float64), torch.randn(3, 5, dtype=torch.float64)
    W_in, b_in, W_out = (torch.randn(shape, dtype=torch.float64) for shape in ((5, 8), (8,), (8, 5)))
    linear, exact = linearise_mlp(x, directions, W_in, b_in, W_out)
    up, down = (linearise_mlp(x, sign * 1e-5 * directions, W_in, b_in, W_out)[1] for sign in (1, -1))
    torch.testing.assert_close(linear, (up - down) / 2e-5, rtol=1e-6, atol=1e-7)
    model = GPT2(Config(d_vocab=3, n_ctx=2, d_model=5, n_heads=1, d_mlp=8, n_layers=1)).double()
    mlp = model.blocks[0].mlp
    mlp.W_in.data, mlp.b_in.data, mlp.W_out.data = W_in, b_in, W_out
    torch.testing.assert_close(exact[:, 1], mlp(x + directions[1]) - mlp(x))

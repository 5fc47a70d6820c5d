"""Training and the sparse step of chapter `sae` against the dense step, PyTorch's gradients, and brute force."""

import copy

import pytest
import torch

from headwork.solutions.sae.sparse import ROWS, SparseTopK
from headwork.solutions.sae.training import train_sae
from headwork.solutions.sae.variants import TopK


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(5)


def twins(d_model, latents, k, dtype):
    """A dense autoencoder and a sparse one of the same weights, none of them trivial."""
    dense = TopK(d_model, latents, k).to(dtype)
    for parameter in dense.parameters():
        parameter.data = torch.randn_like(parameter)
    sparse = SparseTopK(d_model, latents, k).to(dtype)
    sparse.load_state_dict(dense.state_dict())
    return dense, sparse


@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-12), (torch.float32, 2e-6)])
@pytest.mark.parametrize("batch", [1, 7, ROWS, 2 * ROWS + 3])
def test_the_sparse_step_has_the_dense_ones_values_and_gradients(batch, dtype, close):
    dense, sparse = twins(6, 23, 4, dtype)
    x, cotangent = torch.randn(2, batch, 6, dtype=dtype)
    for sae in (dense, sparse):
        made, _ = sae(x)
        made.backward(cotangent)
    for mine, other in zip((*sparse(x),), (*dense(x),), strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=close * float(other.detach().abs().max()))
    for name, parameter in dense.named_parameters():
        grad = sparse.get_parameter(name).grad
        torch.testing.assert_close(grad, parameter.grad, rtol=0, atol=close * float(parameter.grad.abs().max()))


def test_latents_that_nobody_has_get_a_gradient_of_zero():
    _, sparse = twins(5, 40, 2, torch.float64)
    made, latents = sparse(torch.randn(3, 5, dtype=torch.float64))
    made.square().sum().backward()
    never = ~(latents > 0).any(0)
    assert never.sum() >= 34
    assert (
        not sparse.W_dec.grad[never].any()
        and not sparse.W_enc.grad[:, never].any()
        and not sparse.b_enc.grad[never].any()
    )


def test_training_with_either_step_ends_in_the_same_parameters():
    dense, sparse = twins(6, 23, 3, torch.float64)
    batches = torch.randn(12, 40, 6, dtype=torch.float64)
    losses = [train_sae(sae, batches.__getitem__, 12, 0.01, window=80, aux=5) for sae in (dense, sparse)]
    torch.testing.assert_close(*losses, rtol=0, atol=1e-10)
    for name, parameter in dense.named_parameters():
        torch.testing.assert_close(sparse.get_parameter(name), parameter, rtol=0, atol=1e-10)


def test_without_dead_latents_a_step_is_adams():
    dense, _ = twins(4, 9, 3, torch.float64)
    other, x = copy.deepcopy(dense), torch.randn(30, 4, dtype=torch.float64)
    train_sae(dense, lambda step: x, 1, 0.02, window=1000)
    optimiser = torch.optim.Adam(other.parameters(), lr=0.02)
    unit = other.W_dec.detach() / other.W_dec.detach().norm(dim=1, keepdim=True)
    torch.nn.functional.mse_loss(other(x)[0], x).mul(4).backward()
    other.W_dec.grad -= torch.einsum("ld,ld,le->le", other.W_dec.grad, unit, unit)
    optimiser.step()
    other.W_dec.data = torch.nn.functional.normalize(other.W_dec.data, dim=1)
    for mine, expected in zip(dense.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, expected)


def test_dead_latents_learn_by_the_auxiliary_loss_and_by_nothing_else():
    dense, _ = twins(6, 30, 2, torch.float64)
    dense.b_enc.data -= 3
    x = torch.randn(20, 6, dtype=torch.float64)
    silent = ~(dense.encode(x) > 0).any(0)
    reachable = silent & (((x - dense.b_dec) @ dense.W_enc + dense.b_enc) > 0).any(0)
    assert reachable.any()
    for weight, moved in ((0.0, False), (1 / 32, True)):
        sae = copy.deepcopy(dense)
        train_sae(sae, lambda step: x, 2, 1e-6, window=20, aux=30, aux_weight=weight)
        assert bool((sae.b_enc != dense.b_enc)[reachable].all()) == moved
        assert bool((sae.b_enc != dense.b_enc)[silent].any()) == moved

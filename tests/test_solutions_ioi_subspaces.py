"""Subspaces of chapter `ioi` against least squares, and the illusion by hand."""

import pytest
import torch

from headwork.solutions.ioi.subspaces import patching_illusion, subspace_patch


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(4)


@pytest.mark.parametrize("count", [1, 3, 6])
def test_the_part_in_the_subspace_is_the_donors_by_least_squares_and_the_rest_is_kept(count):
    value, donor = torch.randn(2, 5, 4, 6, dtype=torch.float64)
    directions = torch.randn(count, 6, dtype=torch.float64)

    def part(x):
        flat = x.reshape(-1, 6).T
        return (directions.T @ torch.linalg.lstsq(directions.T, flat).solution).T.reshape(x.shape)

    torch.testing.assert_close(subspace_patch(value, donor, directions), value - part(value) + part(donor))


def test_a_plane_given_by_two_slanted_directions_is_patched_once():
    value, donor = torch.tensor([[1.0, 2, 3]]), torch.tensor([[5.0, 6, 7]])
    directions = torch.tensor([[2.0, 0, 0], [1, 1, 0]])
    torch.testing.assert_close(subspace_patch(value, donor, directions), torch.tensor([[5.0, 6, 3]]))


def test_a_switch_that_is_alike_in_both_runs_is_thrown_by_a_direction_that_nobody_reads():
    clean, corrupted, W = torch.tensor([[1.0, 0]]), torch.tensor([[-1.0, 0]]), torch.tensor([[0.0], [1]])
    whole, read = patching_illusion(corrupted, clean, torch.tensor([1.0, 1]), W)
    torch.testing.assert_close(whole, torch.ones(1, 1))
    torch.testing.assert_close(read, torch.zeros(1, 1))


def test_the_read_part_is_orthogonal_to_the_null_space_and_the_rest_of_the_direction_in_it():
    W = torch.randn(7, 3, dtype=torch.float64) @ torch.randn(3, 5, dtype=torch.float64)
    value, donor = torch.randn(2, 4, 7, dtype=torch.float64)
    null = torch.linalg.svd(W.T).Vh[3:]  # (4, 7), orthonormal, x @ W = 0 for each
    assert (null @ W).abs().max() < 1e-12
    direction = torch.randn(7, dtype=torch.float64)
    along = direction - null.T @ (null @ direction)
    expected = (value + ((donor - value) @ along / (along @ along))[:, None] * along) @ W
    torch.testing.assert_close(patching_illusion(value, donor, direction, W)[1], expected)
    _, of_both = patching_illusion(value, donor, direction + 5 * null[0], W)
    torch.testing.assert_close(of_both, expected)  # an unread direction more or less changes nothing


def test_where_everything_is_read_there_is_no_illusion():
    W, direction = torch.randn(4, 6, dtype=torch.float64), torch.randn(4, dtype=torch.float64)
    value, donor = torch.randn(2, 3, 4, dtype=torch.float64)
    whole, read = patching_illusion(value, donor, direction, W)
    torch.testing.assert_close(whole, read)

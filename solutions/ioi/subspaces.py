"""Chapter `ioi`: patching a few directions of an activation in place of all of it.

Sources: Geiger et al. 2023 (interchange in a subspace); Makelov et al. 2023 (the illusion that this may give).
"""

import torch
from torch import Tensor


def subspace_patch(value: Tensor, donor: Tensor, directions: Tensor) -> Tensor:
    """The activation with its part in a subspace replaced by the donor's, and the rest as it was.

    value, donor: (..., d_model). directions: (direction, d_model), linearly independent; they span the subspace, and
    need be neither of length 1 nor orthogonal. Returns (..., d_model).
    """
    ### BEGIN SOLUTION
    basis = torch.linalg.qr(directions.T).Q  # (d_model, direction), orthonormal, of the same span
    return value + (donor - value) @ basis @ basis.T
    ### END SOLUTION


def patching_illusion(value: Tensor, donor: Tensor, direction: Tensor, W: Tensor) -> tuple[Tensor, Tensor]:
    """What the next layer is given when one direction is patched, and when only the part of it is that can be read.

    value, donor: (batch, d_in). direction: (d_in,). W: (d_in, d_out); nothing but `x @ W` reads the activation x. The
    part of the direction that W reads is its projection on the space orthogonal to all x with x @ W = 0. Returns what W
    gives, (batch, d_out), after a patch of the whole direction, and after a patch of that part alone.
    """
    ### BEGIN SOLUTION
    read_part = W @ (torch.linalg.pinv(W) @ direction)  # (d_in,)

    def patched(along: Tensor) -> Tensor:
        amount = (donor - value) @ along / along.square().sum()  # (batch,)
        return (value + amount[:, None] * along) @ W  # (batch, d_out)

    return patched(direction), patched(read_part)
    ### END SOLUTION

"""Answers to chapter `ioi` as people write them, right and wrong: patches of a few directions."""

# ruff: noqa: E501 (the lines are as long as people write them)
import pytest

from headwork.tests.natural import assert_passed, assert_rejected, grade, in_function, listed

SIGNATURES = {"subspace_patch": "value, donor, directions", "patching_illusion": "value, donor, direction, W"}
ILLUSION = """
P = PROJECTION
r = P @ direction
def f(d):
    c = ((donor - value) * d).sum(-1, keepdim=True) / d.pow(2).sum()
    return torch.matmul(value + c * d, W)
return f(direction), f(r)
"""
PROJECTION = "W @ torch.linalg.pinv(W)"
PATCH = """
P = directions.T @ torch.linalg.inv(directions @ directions.T) @ directions
return value @ (torch.eye(P.shape[0], dtype=P.dtype) - P) + donor @ P
"""

RIGHT = [
    ("subspace_patch", "a projection matrix", PATCH),
    ("subspace_patch", "by svd", "V = torch.linalg.svd(directions, full_matrices=False)[2]\n"
     "return value - (value @ V.T) @ V + (donor @ V.T) @ V"),
    ("patching_illusion", "a projection matrix", ILLUSION.replace("PROJECTION", PROJECTION)),
    ("patching_illusion", "by the other pseudo-inverse", ILLUSION.replace("PROJECTION", "torch.linalg.pinv(W.T) @ W.T")),
]  # fmt: skip
WRONG = [
    ("subspace_patch", "outer products", "return value + (donor - value) @ directions.T @ directions"),
    ("subspace_patch", "normalised rows", "v = torch.nn.functional.normalize(directions, dim=-1)\n"
     "return value + (donor - value) @ v.T @ v"),
    ("subspace_patch", "the complement", PATCH.replace("return value @", "return donor @").replace("donor @ P", "value @ P")),
    ("subspace_patch", "one after the other", "for v in directions:\n"
     "    value = value + (((donor - value) @ v) / (v @ v)).unsqueeze(-1) * v\nreturn value"),
    ("subspace_patch", "in place", PATCH.replace("return value", "value += 0 * donor + 1\nreturn value")),
    ("subspace_patch", "first prompt's donor", PATCH.replace("+ donor @ P", "+ donor[:1] @ P")),
    ("subspace_patch", "no graph", PATCH.replace("+ donor @ P", "+ donor.detach() @ P")),
    ("subspace_patch", "projection alone", PATCH.replace("value @ (torch", "0 * value @ (torch")),
    ("patching_illusion", "W times its transpose", ILLUSION.replace("PROJECTION", "W @ W.T")),
    ("patching_illusion", "the null space", ILLUSION.replace("PROJECTION", f"torch.eye(len(W), dtype=W.dtype) - {PROJECTION}")),
    ("patching_illusion", "the reading side", ILLUSION.replace("PROJECTION", "torch.linalg.pinv(W).T @ torch.linalg.pinv(W)")),
    ("patching_illusion", "one column", ILLUSION.replace("PROJECTION", "W[:, :1] @ W[:, :1].T / W[:, 0].pow(2).sum()")),
    ("patching_illusion", "unit vectors forgotten", ILLUSION.replace("PROJECTION", PROJECTION).replace(" / d.pow(2).sum()", "")),
    ("patching_illusion", "changes only", ILLUSION.replace("PROJECTION", PROJECTION).replace("value + c * d", "c * d")),
    ("patching_illusion", "exchanged", ILLUSION.replace("PROJECTION", PROJECTION).replace("f(direction), f(r)", "f(r), f(direction)")),
    ("patching_illusion", "the activation in place of what is read", ILLUSION.replace("PROJECTION", PROJECTION).replace("torch.matmul(value + c * d, W)", "value + c * d")),
]  # fmt: skip


def answered(grader, name, body):
    return grade(grader, f"ioi.{name}", in_function(name, SIGNATURES[name], body))


@pytest.mark.parametrize(("name", "body"), listed(RIGHT))
def test_a_right_answer_passes_however_it_is_written(grader, name, body):
    assert_passed(answered(grader, name, body))


@pytest.mark.parametrize(("name", "body"), listed(WRONG))
def test_a_wrong_answer_is_rejected_with_a_sentence(grader, name, body):
    assert_rejected(answered(grader, name, body))

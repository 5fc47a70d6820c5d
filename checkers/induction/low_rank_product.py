"""`induction.low_rank_product`: a product of two thin matrices, asked without ever being made."""

from collections.abc import Iterator
from typing import Any

import torch

from headwork.checkers.checks import claim, equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("LowRankProduct", seconds=30)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, batch, (rows, rank, columns), chunk, (other_rank, other_columns), spread in [
        ("one product", (), (90, 4, 70), 7, (3, 80), 1),
        ("square", (), (110, 3, 110), 16, (2, 60), 1),
        ("a batch of square products", (2,), (84, 5, 84), 9, (4, 70), 1),
        ("layers and heads", (3, 2), (95, 4, 75), 11, (6, 65), 3),
        ("one row at a time, rank one", (), (60, 1, 50), 1, (2, 45), 1),
        ("large numbers", (4,), (88, 3, 66), 1000, (5, 62), 1e4),
    ]:
        left, right = rng.normal((*batch, rows, rank), spread=spread), rng.normal((*batch, rank, columns))
        yield _case(rng, name, left, right, chunk, (other_rank, other_columns))
    left, right = rng.normal((8, 100, 4)), rng.normal((8, 4, 64))
    left[..., 2] = 2 * left[..., 0] - left[..., 1]  # not the last: the triangle of a QR would show it as a row of zeros
    left[..., 0] *= 1000  # what one factor has more of, the other has less of
    right[..., 0, :] /= 1000
    yield _case(rng, "columns that depend on one another", left, right, 6, (3, 57))
    yield _case(rng, "many rows", rng.normal((300, 2)), rng.normal((2, 290)), 20, (3, 40))
    yield _case(rng, "fewer rows than the rank", rng.normal((3, 5)), rng.normal((5, 52)), 2, (6, 48))


def _case(rng: Rng, name: str, left: torch.Tensor, right: torch.Tensor, chunk: int, other: tuple[int, int]) -> Case:
    *batch, _, columns = right.shape
    rank, further = other
    return Case(
        name,
        left=left,
        right=right,
        vectors=rng.normal((*batch, columns, 2)),
        other_left=rng.normal((*batch, columns, rank)),
        other_right=rng.normal((*batch, rank, further)),
        further=rng.normal((*batch, further, 3)),
        chunk=chunk,
    )


def _largest_allowed(case: Case, method: str) -> int:
    """In numbers: a few times the largest factor, and for rows of the product as many as are asked for."""
    factors = [case.left, case.right, case.other_left, case.other_right, case.vectors, case.further]
    most = 4 * max(each.numel() for each in factors)
    if method == "largest_in_rows":
        *batch, rows, _ = case.left.shape
        most = max(most, min(case.chunk, rows) * case.right.shape[-1] * torch.Size(batch).numel())
    return most


def _too_large(value: Any, case: Case) -> str:
    for method, largest in value.items() if isinstance(value, dict) else ():
        if largest > _largest_allowed(case, method):
            *batch, rows, _ = case.left.shape
            whole = torch.Size([*batch, rows, case.right.shape[-1]]).numel()
            return f"`{method}` makes a tensor of {largest} numbers: the whole product has {whole}"
    return ""


ask.checks(
    equal("applied", title="`apply` multiplies by vectors", weight=2),
    equal("composed", title="`compose` multiplies two products, and keeps the result in two factors"),
    equal("diagonal", title="`diagonal` gives the diagonal"),
    equal("norm", title="`norm` is the root of the sum of all squared entries"),
    equal("singular values", title="`singular_values` gives them largest first, also those that are nearly 0"),
    equal("largest in rows", title="`largest_in_rows` finds the largest entry of every row"),
    claim("largest tensors", _too_large, title="nothing of the product's size is made", weight=2),
)

WHOLE = "The whole product is made, rows times columns: {}"
APPLY = "return self.left @ (self.right @ vectors)"
COMPOSE = "return LowRankProduct(self.left, (self.right @ other.left) @ other.right)"
DIAGONAL = "return (self.left * self.right.mT).sum(-1)"
NORM = "squares.sum((-2, -1)).sqrt()"
BLOCK = "        parts = [(rows @ self.right).argmax(-1) for rows in self.left.split(chunk, -2)]\n"

ask.mistakes(
    edit(APPLY, "return self.left @ self.right @ vectors", WHOLE.format("let `right` meet the vectors first.")),
    edit(
        APPLY,
        "return self.right.mT @ (self.left.mT @ vectors)",
        "This applies the transposed product: `right` comes first, then `left`.",
    ),
    edit(
        COMPOSE,
        "return LowRankProduct(self.left @ self.right, other.left @ other.right)",
        WHOLE.format("keep `left`, and let the three other factors become one."),
    ),
    edit(
        COMPOSE,
        "return LowRankProduct(self.left, self.right @ (other.left @ other.right))",
        WHOLE.format("multiply `right` by the other's `left` first, a small matrix."),
    ),
    edit(
        COMPOSE,
        "return LowRankProduct(self.left, self.left.mT[..., :1, :1] * 0 + other.right[..., :1, :])",
        "The middle factors are lost: `right` times the other's `left` stands between the two.",
    ),
    edit(DIAGONAL, "return (self.left @ self.right).diagonal(0, -2, -1)", WHOLE.format("sum `left[i] * right[:, i]`.")),
    edit(
        DIAGONAL,
        "return (self.left * self.right.mT).sum((-2, -1))",
        "This is the trace, the sum of the diagonal: return each entry.",
    ),
    edit(
        "return " + NORM,
        "return (self.left @ self.right).square().sum((-2, -1)).sqrt()",
        WHOLE.format("the norm follows from two small Gram matrices."),
    ),
    edit(
        DIAGONAL,
        "return (self.left @ self.right).diagonal()",
        "`diagonal()` takes the first two axes, which may be those of the batch, and the whole product is made for it: "
        "sum `left[i] * right[:, i]`.",
    ),
    edit(
        "return " + NORM,
        "return self.singular_values()[..., 0]",
        "This is the largest singular value: the Frobenius norm is the root of the sum of all their squares.",
    ),
    edit(
        "return " + NORM,
        "return self.singular_values().sum(-1)",
        "This is the sum of the singular values: sum their squares, and take the root.",
    ),
    edit("return " + NORM, "return squares.sum((-2, -1))", "The square of the norm: take its root."),
    edit(
        "return " + NORM,
        "return squares.sum().sqrt()",
        "All products of the batch share one norm: sum the last two axes.",
    ),
    edit(
        "return " + NORM,
        "return self.left.square().sum((-2, -1)).sqrt() * self.right.square().sum((-2, -1)).sqrt()",
        "The product of the factors' norms is only an upper bound for the norm of the product.",
    ),
    edit(
        "(self.left.mT @ self.left) * (self.right @ self.right.mT)",
        "(self.left.mT @ self.left) @ (self.right @ self.right.mT)",
        "The two Gram matrices are multiplied as matrices: multiply entry by entry and sum, or take the trace.",
    ),
    edit(
        "left = torch.linalg.qr(self.left).R  # (..., min(row, rank), rank)",
        'left = torch.linalg.qr(self.left, "complete").R',
        'A "complete" QR makes a square of the rows: the reduced one, the default, is enough.',
    ),
    edit(
        "return torch.linalg.svdvals(left @ right.mT)",
        "return torch.linalg.svdvals(self.left @ self.right)",
        WHOLE.format("the singular values are those of a small matrix between two QR decompositions."),
    ),
    edit(
        "return torch.linalg.svdvals(left @ right.mT)",
        "gram = (self.left.mT @ self.left) @ (self.right @ self.right.mT)\n"
        "        values = torch.linalg.eigvals(gram).real.clamp(min=0).sqrt().sort(-1, descending=True).values\n"
        "        return values[..., : min(*self.left.shape[-2:], self.right.shape[-1])]",
        "The eigenvalues of Gram matrices are squares: the root of what rounding leaves of a 0 is 1e-8. Use QR.",
    ),
    edit(
        "return torch.linalg.svdvals(left @ right.mT)",
        "return torch.linalg.svdvals(left) * torch.linalg.svdvals(right)",
        "The factors' own singular values do not multiply to those of the product.",
    ),
    edit(
        "return torch.linalg.svdvals(left @ right.mT)",
        "return torch.linalg.svdvals(left @ right.mT).flip(-1)",
        "The smallest comes first: the largest should.",
    ),
    edit(
        "return torch.linalg.svdvals(left @ right.mT)",
        "return torch.linalg.svdvals(left @ right)",
        "The second triangle is not transposed: with `right.mT = Q T` the small matrix is the first one times `T.mT`.",
    ),
    edit(
        "return torch.linalg.svdvals(left @ right.mT)",
        "return torch.linalg.svdvals(left @ right.mT).square()",
        "These are the squares of the singular values.",
    ),
    edit(
        "return torch.linalg.svdvals(left @ right.mT)",
        "values = torch.linalg.eigvalsh(left @ (right.mT @ right) @ left.mT)\n"
        "        return values.clamp(min=0).sqrt().flip(-1)[..., : min(*self.left.shape[-2:], self.right.shape[-1])]",
        "Eigenvalues of a product with its own transpose are squares: the root of what rounding leaves of a 0 is 1e-8. "
        "Use `svdvals`.",
    ),
    edit(
        BLOCK,
        "        parts = [(self.left @ some).argmax(-1) for some in self.right.split(chunk, -1)]\n",
        "The columns are cut into pieces: the largest entry of a row may stand in any, so cut the rows.",
    ),
    edit(
        BLOCK,
        BLOCK.replace(".argmax(-1)", ".argmax(-2)"),
        "This finds the row of each column's largest entry: each row is asked for its column.",
    ),
    edit(
        BLOCK,
        "        parts = [(self.left @ self.right).argmax(-1)]\n",
        WHOLE.format("in `largest_in_rows` make `chunk` rows at a time."),
    ),
    edit(
        BLOCK,
        BLOCK.replace("split(chunk, -2)", "split(256, -2)"),
        "The number 256 is written into the code: use `chunk`.",
    ),
    edit(
        BLOCK,
        BLOCK.replace(".argmax(-1)", ".abs().argmax(-1)"),
        "This finds the entry that is largest in size: a large negative one is not the largest.",
    ),
    edit(
        BLOCK,
        BLOCK.replace("split(chunk, -2)]", "split(chunk, -2) if rows.shape[-2] == chunk]"),
        "The last rows are dropped when `chunk` does not divide their number.",
    ),
)

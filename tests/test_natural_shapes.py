"""Answers about shapes and indices as people write them, right and wrong, that no checker was made from."""

import ast
import textwrap

import pytest

from headwork.checkers import catalogue
from headwork.grading.diagnose import variants
from headwork.grading.submission import read_text

IMPORTS = """
import einops
import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange

"""

HEADS = {
    "rearrange_images": "def rearrange_images(images, columns):\n",
    "batched_dot": "def batched_dot(a, b):\n",
    "outer_and_trace": "",
    "split_heads": "",
    "gather_2d": "def gather_2d(values, rows, columns):\n",
    "last_token": "def last_token(residual, lengths):\n",
    "one_hot": "def one_hot(tokens, d_vocab, dtype=torch.float32):\n",
    "causal_indices": "def causal_indices(length, device=None):\n",
    "next_token_shift": "def next_token_shift(tokens, pad):\n",
}

LOOP = """
n, c, h, w = images.shape
rows = n // columns
sheet = torch.zeros(c, rows * h, columns * w, dtype=images.dtype)
for i in range(n):
    r, k = PLACE
    sheet[:, r * h : (r + 1) * h, k * w : (k + 1) * w] = images[i]
return sheet
"""
VIEW = "n, c, h, w = images.shape\nx = images.view(n // columns, columns, c, h, w)\n"
GOOD_OUTER = "def outer(a, b):\n    return a[:, :, None] * b[:, None]\n"
GOOD_TRACE = "def trace(matrices):\n    return matrices.diagonal(dim1=1, dim2=2).sum(1)\n"
GOOD_SPLIT = "def split_heads(x, n_heads):\n    return x.unflatten(2, (n_heads, -1)).transpose(1, 2)\n"
GOOD_MERGE = "def merge_heads(x):\n    return x.transpose(1, 2).flatten(2)\n"
SHIFTED = "t = F.pad(tokens[:, 1:], (0, 1), value=pad)\n"

RIGHT = [
    (
        "rearrange_images",
        "cat of cats",
        "return torch.cat([torch.cat(list(r), -1) for r in images.split(columns)], -2)",
    ),
    ("rearrange_images", "loop", LOOP.replace("PLACE", "divmod(i, columns)")),
    (
        "rearrange_images",
        "float32 canvas",
        LOOP.replace("PLACE", "divmod(i, columns)").replace(", dtype=images.dtype", ""),
    ),
    ("rearrange_images", "einsum", VIEW + 'return torch.einsum("rkchw->crhkw", x).reshape(c, -1, columns * w)'),
    ("batched_dot", "diagonal of all pairs", "return torch.diagonal(a @ b.mT, dim1=1, dim2=2)"),
    ("batched_dot", "reduce", 'return einops.reduce(a * b, "b p w -> b p", "sum")'),
    ("batched_dot", "vmap", "return torch.vmap(torch.vmap(torch.dot))(a, b)"),
    ("batched_dot", "polarisation", "return ((a + b).pow(2).sum(-1) - (a - b).pow(2).sum(-1)) / 4"),
    ("batched_dot", "float32", "return (a.float() * b.float()).sum(-1).to(a.dtype)"),
    (
        "outer_and_trace",
        "einsum",
        'def outer(a, b):\n    return torch.einsum("bi,bj->bij", a, b)\n'
        'def trace(matrices):\n    return torch.einsum("bii->b", matrices)',
    ),
    (
        "outer_and_trace",
        "identity",
        "def outer(a, b):\n    return a.unsqueeze(-1).expand(-1, -1, b.shape[-1]) * b.unsqueeze(1)\n"
        "def trace(matrices):\n    return (matrices * torch.eye(matrices.shape[-1])).sum((-1, -2))",
    ),
    (
        "outer_and_trace",
        "kron and index",
        "def outer(a, b):\n    return torch.stack([torch.kron(x[:, None], y[None]) for x, y in zip(a, b)])\n"
        "def trace(matrices):\n    i = torch.arange(matrices.shape[1])\n    return matrices[:, i, i].sum(-1)",
    ),
    (
        "split_heads",
        "chunk and unbind",
        "def split_heads(x, n_heads):\n    return torch.stack(x.chunk(n_heads, dim=-1), 1)\n"
        "def merge_heads(x):\n    return torch.cat(x.unbind(1), -1)",
    ),
    (
        "split_heads",
        "movedim",
        "def split_heads(x, n_heads):\n    return x.view(*x.shape[:-1], n_heads, -1).movedim(-2, -3)\n"
        "def merge_heads(x):\n    return x.transpose(1, 2).reshape(x.shape[0], x.shape[2], -1)",
    ),
    ("gather_2d", "vmap", "return torch.vmap(lambda v, r, c: v[r, c])(values, rows, columns)"),
    ("gather_2d", "flattened", "return values.flatten(1).gather(1, rows * values.shape[2] + columns)"),
    (
        "gather_2d",
        "columns first",
        "found = values.gather(2, columns[:, None].expand(-1, values.shape[1], -1))\n"
        "return found.gather(1, rows[:, None]).squeeze(1)",
    ),
    (
        "gather_2d",
        "products with ones",
        "r = F.one_hot(rows, values.shape[1]).to(values)\nc = F.one_hot(columns, values.shape[2]).to(values)\n"
        'return torch.einsum("bpr,brc,bpc->bp", r, values, c)',
    ),
    ("last_token", "list", "return torch.stack([residual[i, n - 1] for i, n in enumerate(lengths.tolist())])"),
    ("last_token", "diagonal", "return torch.diagonal(residual[:, lengths - 1]).T"),
    ("last_token", "take_along_dim", "return residual.take_along_dim((lengths - 1)[:, None, None], 1).squeeze(1)"),
    ("last_token", "last of a slice", "return torch.cat([residual[i, :n][-1:] for i, n in enumerate(lengths)])"),
    (
        "last_token",
        "mask",
        "m = F.one_hot(lengths - 1, residual.shape[1]).to(residual)\nreturn torch.einsum('bp,bpw->bw', m, residual)",
    ),
    ("one_hot", "identity", "return torch.eye(d_vocab, dtype=dtype)[tokens]"),
    ("one_hot", "numpy", "return torch.tensor(np.eye(d_vocab)[tokens.numpy()], dtype=dtype)"),
    ("one_hot", "stack", "return torch.stack([tokens == i for i in range(d_vocab)], -1).to(dtype)"),
    (
        "one_hot",
        "flattened rows",
        "x = torch.zeros(tokens.numel(), d_vocab, dtype=dtype)\n"
        "x[torch.arange(tokens.numel()), tokens.reshape(-1)] = 1\nreturn x.view(*tokens.shape, d_vocab)",
    ),
    ("causal_indices", "argwhere", "return torch.argwhere(torch.tril(torch.ones(length, length, device=device)))"),
    ("causal_indices", "numpy", "return torch.from_numpy(np.stack(np.tril_indices(length), -1))"),
    (
        "causal_indices",
        "int32",
        "return torch.tensor([[q, k] for q in range(length) for k in range(q + 1)], dtype=torch.int32)",
    ),
    ("next_token_shift", "a list", SHIFTED + "return [tokens, t, ~(t == pad)]"),
    (
        "next_token_shift",
        "roll mended",
        "t = torch.roll(tokens, -1, 1)\nt[:, -1] = pad\nreturn tokens, t, torch.where(t == pad, False, True)",
    ),
    (
        "next_token_shift",
        "filled",
        "t = torch.full_like(tokens, pad)\nt[:, :-1] = tokens[:, 1:]\nm = torch.zeros(tokens.shape, dtype=torch.bool)\n"
        "m[:, :-1] = tokens[:, 1:] != pad\nreturn tokens, t, m",
    ),
]

WRONG = [
    ("rearrange_images", VIEW + "return x.permute(2, 0, 1, 3, 4).reshape(c, -1, columns * w)", "mixes pixels"),
    ("rearrange_images", VIEW + "return x.transpose(1, 2).reshape(c, -1, columns * w)", "mixes pixels"),
    ("rearrange_images", LOOP.replace("PLACE", "i % rows, i // rows"), "run down the columns"),
    ("rearrange_images", LOOP.replace("PLACE", "divmod(i, rows)"), "It raises RuntimeError"),
    ("rearrange_images", 'return rearrange(images, "(r k) c h w -> c (r h) (k w)", r=columns)', "number of rows"),
    ("rearrange_images", 'return rearrange(images, "(r k) c h w -> c (h r) (w k)", k=columns)', "alternate"),
    ("rearrange_images", 'return rearrange(images, "(r k) c h w -> (r h) (k w) c", k=columns)', "channel comes last"),
    ("rearrange_images", 'return rearrange(images, "(r k) c h w -> c (r h) (k w)", k=2)', "only where columns is 2"),
    ("rearrange_images", "return torch.cat(list(images), dim=1)", "swapped"),
    (
        "rearrange_images",
        "n, c, h, w = images.shape\n"
        "return F.fold(images.flatten(1).T[None], (n // columns * h, columns * w), (h, w), stride=(h, w))[0]",
        "calls `col2im`",
    ),
    ("batched_dot", "return a @ b.transpose(1, 2)", "Every position of a meets"),
    ("batched_dot", "return torch.tensordot(a, b, dims=([2], [2]))", "across the batch"),
    ("batched_dot", "return torch.vdot(a.flatten(), b.flatten())", "one number"),
    ("batched_dot", "return torch.stack([torch.dot(x, y) for x, y in zip(a[0], b[0])])[None]", "batch of one"),
    ("batched_dot", 'return torch.einsum("bij,bkj->bi", a, b)', "numbers along that axis are mixed"),
    ("batched_dot", "return (a.data * b).sum(-1)", "a was cut"),
    ("batched_dot", "return torch.tensor([[float(x @ y) for x, y in zip(p, q)] for p, q in zip(a, b)])", "was cut"),
    ("batched_dot", "return torch.linalg.vecdot(a, b)", "calls `linalg_vecdot`"),
    (
        "outer_and_trace",
        "def outer(a, b):\n    return torch.stack([torch.outer(x, y) for x, y in zip(a, b)])\n" + GOOD_TRACE,
        "calls `outer`",
    ),
    (
        "outer_and_trace",
        GOOD_OUTER + "def trace(matrices):\n    return torch.stack([m.trace() for m in matrices])",
        "calls `trace`",
    ),
    ("outer_and_trace", GOOD_OUTER + "def trace(matrices):\n    return matrices.diagonal().sum()", "axes 0 and 1"),
    ("outer_and_trace", GOOD_OUTER + "def trace(matrices):\n    return matrices.sum((-1, -2))", "All entries"),
    ("outer_and_trace", GOOD_OUTER + "def trace(m):\n    return torch.linalg.eigvals(m).sum(-1)", "complex128"),
    ("outer_and_trace", 'def outer(a, b):\n    return torch.einsum("bi,bj->ij", a, b)\n' + GOOD_TRACE, "whole batch"),
    ("outer_and_trace", 'def outer(a, b):\n    return torch.einsum("bi,bj->bji", a, b)\n' + GOOD_TRACE, "swapped"),
    (
        "outer_and_trace",
        "def outer(a, b):\n    return a[:, None] * b[:, None]\n" + GOOD_TRACE,
        "It raises RuntimeError",
    ),
    (
        "split_heads",
        "def split_heads(x, n_heads):\n    b, p, d = x.shape\n    return x.view(b, n_heads, p, d // n_heads)\n"
        + GOOD_MERGE,
        "mixes positions with heads",
    ),
    (
        "split_heads",
        'def split_heads(x, n_heads):\n    return rearrange(x, "b p (d h) -> b h p d", h=n_heads)\n' + GOOD_MERGE,
        "as in (d_head head)",
    ),
    (
        "split_heads",
        "def split_heads(x, n_heads):\n    return torch.stack(x.split(n_heads, dim=-1), 1)\n" + GOOD_MERGE,
        "n_heads is used as d_head",
    ),
    (
        "split_heads",
        'def split_heads(x, n_heads):\n    return rearrange(x, "b p (h d) -> h b p d", h=n_heads)\n' + GOOD_MERGE,
        "axes 0 and 1 are swapped",
    ),
    (
        "split_heads",
        GOOD_SPLIT + "def merge_heads(x):\n    b, h, p, d = x.shape\n    return x.reshape(b, p, h * d)",
        "not moved back",
    ),
    ("split_heads", GOOD_SPLIT + 'def merge_heads(x):\n    return rearrange(x, "b h p d -> b p (d h)")', "alternate"),
    ("split_heads", GOOD_SPLIT + "def merge_heads(x):\n    return x.sum(1)", "added up"),
    (
        "split_heads",
        GOOD_SPLIT + "def merge_heads(x):\n    return x.transpose(1, 2).view(x.shape[0], x.shape[2], -1)",
        "Use .reshape",
    ),
    ("gather_2d", "return values[:, rows, columns]", "keeps its whole axis"),
    ("gather_2d", "return values[torch.arange(len(values)), rows, columns]", "lines up with the picks"),
    ("gather_2d", "return values.take(rows * values.shape[2] + columns)", "first matrix"),
    ("gather_2d", "return values.flatten(1).gather(1, rows * values.shape[1] + columns)", "number of rows"),
    ("gather_2d", "return values.gather(1, rows[:, :, None]).squeeze(-1)", "column 0"),
    ("gather_2d", "return values.gather(2, columns[:, None, :])[:, 0]", "row 0"),
    ("gather_2d", "return torch.stack([v[r][:, c] for v, r, c in zip(values, rows, columns)])", "Every row number"),
    (
        "gather_2d",
        "v = values.mT.gather(1, rows[:, :, None].expand(-1, -1, values.shape[1]))\n"
        "return v.gather(2, columns[:, :, None]).squeeze(-1)",
        "swapped",
    ),
    ("last_token", "return residual[:, -1]", "padding for every shorter"),
    ("last_token", "return residual[torch.arange(len(residual)), lengths]", "one too late"),
    (
        "last_token",
        "return residual.gather(1, lengths[:, None, None].expand(-1, 1, residual.shape[2])).squeeze(1)",
        "one too late",
    ),
    ("last_token", "return residual.index_select(1, lengths - 1)", "keeps its whole axis"),
    ("last_token", "return residual.index_select(1, lengths - 1)[:, 0]", "length of the first sequence"),
    ("last_token", "return residual.gather(1, (lengths - 1)[:, None, None]).squeeze(1)", "expand the index"),
    ("last_token", "lengths -= 1\nreturn residual[torch.arange(len(residual)), lengths]", "lengths -= 1 changes"),
    ("last_token", "return torch.stack([r[:n].mean(0) for r, n in zip(residual, lengths)])", "differ"),
    ("one_hot", "return F.one_hot(tokens, d_vocab).to(dtype)", "calls `one_hot`"),
    ("one_hot", "return torch.eye(d_vocab)[tokens]", "float32 whatever"),
    ("one_hot", "return torch.eye(tokens.max() + 1, dtype=dtype)[tokens]", "largest token"),
    ("one_hot", "x = torch.zeros(*tokens.shape, d_vocab, dtype=dtype)\nx[..., tokens] = 1\nreturn x", "all tokens"),
    ("one_hot", "return (tokens[:, :, None] == torch.arange(d_vocab)).to(dtype)", "written for two axes"),
    ("one_hot", "return torch.eye(d_vocab, dtype=dtype)[tokens.flatten()]", "only the shape is not"),
    ("one_hot", "return (tokens == torch.arange(d_vocab)).to(dtype)", "It raises RuntimeError"),
    (
        "one_hot",
        "x = torch.zeros(*tokens.shape, d_vocab)\nx.scatter_(-1, tokens[..., None], tokens[..., None].float())\n"
        "return x.to(dtype)",
        "differ",
    ),
    ("causal_indices", "return torch.tril_indices(length, length, device=device).T", "calls `tril_indices`"),
    ("causal_indices", "return torch.tensor([(q, k) for q in range(length) for k in range(q)])", "with itself"),
    ("causal_indices", "return torch.ones(length, length).tril(-1).nonzero()", "with itself"),
    ("causal_indices", "return torch.tensor([(q, k) for k in range(length) for q in range(k, length)])", "key first"),
    ("causal_indices", "return torch.combinations(torch.arange(length), with_replacement=True)", "at and after"),
    ("causal_indices", "return torch.stack(torch.where(torch.ones(length, length).tril() == 1))", "(2, pair)"),
    ("causal_indices", "return [(q, k) for q in range(length) for k in range(q + 1)]", "is a list"),
    ("causal_indices", "return torch.ones(length, length).tril().nonzero().float()", "expected int64"),
    ("next_token_shift", "return tokens[:, :-1], tokens[:, 1:], tokens[:, 1:] != pad", "cut off"),
    ("next_token_shift", "t = tokens.roll(-1, 1)\nreturn tokens, t, t != pad", "wraps around"),
    ("next_token_shift", "t = tokens.roll(-1, 1)\nm = t != pad\nm[:, -1] = False\nreturn tokens, t, m", "wraps around"),
    ("next_token_shift", "t = tokens.roll(-1)\nreturn tokens, t, t != pad", "flattened batch"),
    ("next_token_shift", "t = F.pad(tokens[:, 1:], (0, 1))\nreturn tokens, t, t != pad", "last target is 0"),
    ("next_token_shift", SHIFTED + "return tokens, t, tokens != pad", "whether the input is pad"),
    ("next_token_shift", SHIFTED + "return tokens, t, (t != pad).float()", "expected bool"),
    ("next_token_shift", SHIFTED + "return tokens, t", "return (inputs, targets, mask)"),
    ("next_token_shift", SHIFTED + "m = t != pad\nt[~m] = -100\nreturn tokens, t, m", "set to -100"),
    (
        "next_token_shift",
        "t = tokens\nt[:, :-1] = tokens[:, 1:].clone()\nt[:, -1] = pad\nreturn tokens, t, t != pad",
        "makes no copy",
    ),
]


def grade(grader, exercise, body):
    head = HEADS[exercise]
    source = IMPORTS + head + textwrap.indent(body.strip("\n"), "    " if head else "") + "\n"
    return grader.grade(read_text("exercises.py", source), [f"tensors.{exercise}"]).verdicts[0]


@pytest.mark.parametrize(("exercise", "name", "body"), RIGHT, ids=[f"{one} {name}" for one, name, _ in RIGHT])
def test_a_right_answer_passes_however_it_is_written(grader, exercise, name, body):
    verdict = grade(grader, exercise, body)
    assert verdict.passed and verdict.points == verdict.out_of, verdict


@pytest.mark.parametrize(("exercise", "body", "said"), WRONG, ids=[f"{one} {said}" for one, _, said in WRONG])
def test_a_wrong_answer_is_told_what_it_does(grader, exercise, body, said):
    verdict = grade(grader, exercise, body)
    assert verdict.status in ("failed", "error", "forbidden") and verdict.points < verdict.out_of, verdict
    assert said in verdict.message + " " + verdict.detail, verdict


@pytest.mark.parametrize("exercise", HEADS)
def test_any_two_mistakes_made_together_are_still_a_program(exercise):
    for variant in variants(catalogue.exercise(f"tensors.{exercise}")):
        ast.parse(variant.source)

"""Answers as people write them to the second half of chapter `tensors`, that no checker was made from."""

import textwrap

import pytest

from headwork.grading.submission import read_text

IMPORTS = """
import math

import einops
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

"""

RIGHT = {
    "batched_logsumexp": {
        "nan to num": """
            def batched_logsumexp(x):
                m = torch.nan_to_num(x.max(-1).values, neginf=0.0)
                return m + torch.log(torch.exp(x - m[..., None]).sum(-1))
            """,
        "empty rows last": """
            def batched_logsumexp(x):
                m = x.detach().amax(dim=2)
                y = torch.log(torch.exp(x - m.unsqueeze(2)).sum(2)) + m
                return torch.where(m == -torch.inf, m, y)
            """,
        "two at a time": """
            def batched_logsumexp(x):
                total = x[..., 0]
                for i in range(1, x.shape[-1]):
                    a, b = torch.maximum(total, x[..., i]), torch.minimum(total, x[..., i])
                    empty = b == float("-inf")
                    gap = torch.where(empty, torch.zeros_like(a), b - a)
                    total = torch.where(empty, a, a + torch.log1p(torch.exp(gap)))
                return total
            """,
    },
    "softmax": {
        "numpy manner": """
            def softmax(x, axis):
                z = x - torch.max(x, dim=axis, keepdim=True)[0]
                numerator = torch.exp(z)
                return numerator / torch.sum(numerator, dim=axis, keepdim=True)
            """,
        "transpose": """
            def softmax(x, axis):
                y = x.transpose(axis, -1)
                y = torch.exp(y - y.amax(-1, keepdim=True))
                y = y / y.sum(-1, keepdim=True)
                return y.transpose(axis, -1)
            """,
        "normalize": """
            def softmax(x, axis):
                return F.normalize((x - x.amax(axis, True)).exp(), p=1, dim=axis)
            """,
    },
    "log_softmax": {
        "own logsumexp": """
            def lse(x, axis):
                m = x.amax(axis, keepdim=True)
                return m + (x - m).exp().sum(axis, keepdim=True).log()

            def log_softmax(x, axis):
                return x - lse(x, axis)
            """,
        "moved to the last axis": """
            def log_softmax(x, axis):
                y = x.movedim(axis, -1)
                y = y - y.max(-1, keepdim=True).values.detach()
                y = y - y.exp().sum(-1, keepdim=True).log()
                return y.movedim(-1, axis)
            """,
        "logsumexp": """
            def log_softmax(x, axis):
                return x - torch.logsumexp(x, axis).unsqueeze(axis)
            """,
    },
    "cross_entropy": {
        "boolean index": """
            def cross_entropy(logits, targets, ignore=-100):
                keep = targets.reshape(-1) != ignore
                flat = logits.reshape(-1, logits.shape[-1])[keep]
                picked = F.log_softmax(flat, dim=-1)[range(len(flat)), targets.reshape(-1)[keep]]
                return -picked.mean()
            """,
        "one hot": """
            def cross_entropy(logits, targets, ignore=-100):
                keep = (targets != ignore).to(logits)
                safe = torch.where(targets == ignore, 0, targets)
                hot = F.one_hot(safe, logits.shape[-1])
                loss = -(logits.log_softmax(-1) * hot).sum(-1)
                return (loss * keep).sum() / keep.sum()
            """,
        "logsumexp minus chosen": """
            def cross_entropy(logits, targets, ignore=-100):
                mask = targets == ignore
                index = targets.clone()
                index[mask] = 0
                chosen = torch.take_along_dim(logits, index[..., None], dim=-1)[..., 0]
                losses = torch.logsumexp(logits, -1) - chosen
                return losses[~mask].mean()
            """,
        "nanmean": """
            def cross_entropy(logits, targets, ignore=-100):
                ok = targets != ignore
                lp = torch.log_softmax(logits, dim=2)
                b, p = torch.nonzero(ok, as_tuple=True)
                return lp[b, p, targets[b, p]].neg().mean()
            """,
    },
    "as_strided_windows": {
        "batch view": """
            def windows(x, width, step=1):
                b, n = x.shape
                k = 1 + (n - width) // step
                sb, sn = x.stride(0), x.stride(1)
                return torch.as_strided(x, (b, k, width), (sb, sn * step, sn), storage_offset=x.storage_offset())
            """,
        "thinned out": """
            def windows(x, width, step=1):
                everything = torch.as_strided(x, (x.size(0), x.size(1) - width + 1, width), x.stride() + x.stride()[1:])
                return everything[:, ::step, :]
            """,
        "transposed and back": """
            def windows(x, width, step=1):
                n = math.floor((x.shape[-1] - width) / step) + 1
                s = x.stride()
                return x.as_strided((width, n, x.shape[0]), (s[1], s[1] * step, s[0])).permute(2, 1, 0)
            """,
    },
    "toeplitz": {
        "sheared": """
            def toeplitz(values):
                n = (values.shape[-1] + 1) // 2
                return torch.stack([values[:, n - 1 - j : 2 * n - 1 - j] for j in range(n)], dim=-1)

            def diagonals(pattern):
                b, n, _ = pattern.shape
                rows = torch.arange(n)
                keys = rows[:, None] - rows[None]
                picked = torch.where(keys >= 0, pattern[:, rows[:, None], keys], 0)
                return einops.reduce(picked, "b q o -> b o", "sum") / (n - rows)
            """,
        "scatter add": """
            def toeplitz(values):
                n = (values.shape[1] + 1) // 2
                out = values.new_zeros(values.shape[0], n, n)
                for o in range(-(n - 1), n):
                    for i in range(n):
                        if 0 <= i - o < n:
                            out[:, i, i - o] = values[:, o + n - 1]
                return out

            def diagonals(pattern):
                n = pattern.shape[-1]
                q, k = torch.tril_indices(n, n)
                sums = torch.zeros(pattern.shape[0], n, dtype=pattern.dtype).index_add(1, q - k, pattern[:, q, k])
                return sums / torch.bincount(q - k, minlength=n)
            """,
        "trace": """
            def toeplitz(values):
                n = values.shape[1] // 2 + 1
                i, j = torch.meshgrid(torch.arange(n), torch.arange(n), indexing="ij")
                return values[:, (i - j + n - 1).flatten()].reshape(len(values), n, n)

            def diagonals(pattern):
                result = []
                for one in pattern:
                    result.append(torch.stack([torch.diag(one, -o).mean() for o in range(len(one))]))
                return torch.stack(result)
            """,
    },
    "topk_mask": {
        "mask of indices": """
            def topk_mask(x, k):
                mask = torch.zeros_like(x, dtype=torch.bool)
                mask.scatter_(1, torch.topk(x, k, dim=1).indices, True)
                return x * mask
            """,
        "argsort twice": """
            def topk_mask(x, k):
                rank = x.argsort(-1, descending=True).argsort(-1)
                return x.masked_fill(rank >= k, 0)
            """,
        "threshold": """
            def topk_mask(x, k):
                cut = torch.sort(x, dim=-1)[0][..., -k].unsqueeze(-1)
                return torch.where(x >= cut, x, torch.zeros_like(x))
            """,
    },
    "sample_categorical": {
        "argmax of comparison": """
            def sample_categorical(probabilities, count, generator=None):
                u = torch.rand(probabilities.shape[0], count, generator=generator)
                cdf = torch.cumsum(probabilities, dim=1)
                return (u.unsqueeze(-1) < cdf.unsqueeze(1)).int().argmax(-1)
            """,
        "one minus": """
            def sample_categorical(probabilities, count, generator=None):
                u = 1 - torch.rand(len(probabilities), count, generator=generator, dtype=probabilities.dtype)
                return torch.searchsorted(probabilities.cumsum(1), u).clamp(max=probabilities.shape[1] - 1)
            """,
        "gumbel": """
            def sample_categorical(probabilities, count, generator=None):
                shape = (probabilities.shape[0], count, probabilities.shape[1])
                u = torch.rand(shape, generator=generator, dtype=torch.float64)
                return (probabilities.log()[:, None] - (-u.log()).log()).argmax(-1)
            """,
        "bucketize": """
            def sample_categorical(probabilities, count, generator=None):
                out = []
                for p in probabilities:
                    u = torch.rand(count, generator=generator)
                    out.append(torch.bucketize(u.to(p), p.cumsum(0), right=True))
                return torch.stack(out)
            """,
    },
    "straight_through": {
        "function": """
            class Hard(torch.autograd.Function):
                @staticmethod
                def forward(ctx, x, t):
                    return torch.where(x > t, 1.0, 0.0).to(x)

                @staticmethod
                def backward(ctx, g):
                    return g.clone(), None

            def straight_through(x, threshold):
                return Hard.apply(x, threshold)
            """,
        "no grad": """
            def straight_through(x, threshold):
                with torch.no_grad():
                    hard = torch.where(x > threshold, torch.ones_like(x), torch.zeros_like(x))
                return x - x.detach() + hard
            """,
        "hook": """
            def straight_through(x, threshold):
                y = x * 1
                hard = (x > threshold).type(x.dtype)
                y = y - y.detach()
                return y.add(hard)
            """,
    },
}

WRONG = {
    "batched_logsumexp": {
        "naive": """
            def batched_logsumexp(x):
                return torch.log(torch.sum(torch.exp(x), dim=-1))
            """,
        "careful but for empty rows": """
            def batched_logsumexp(x):
                m = x.max(-1, keepdim=True).values
                return (m + (x - m).exp().sum(-1, keepdim=True).log()).squeeze(-1)
            """,
        "keepdim": """
            def batched_logsumexp(x):
                m = x.amax(-1, keepdim=True)
                m = torch.where(m.isinf(), 0, m)
                return m + (x - m).exp().sum(-1, keepdim=True).log()
            """,
        "mean subtracted": """
            def batched_logsumexp(x):
                m = x.mean(-1, keepdim=True)
                m = torch.where(m.isinf(), 0, m)
                return (m + (x - m).exp().sum(-1, keepdim=True).log()).squeeze(-1)
            """,
        "max of the batch": """
            def batched_logsumexp(x):
                m = x[x > -math.inf].max()
                return m + (x - m).exp().sum(-1).log()
            """,
        "clamped": """
            def batched_logsumexp(x):
                return x.clamp(-700, 700).exp().sum(-1).log()
            """,
        "nan to zero": """
            def batched_logsumexp(x):
                m = x.amax(-1, keepdim=True)
                return torch.nan_to_num((m + (x - m).exp().sum(-1, keepdim=True).log()).squeeze(-1))
            """,
        "over positions": """
            def batched_logsumexp(x):
                m = x.amax(1, keepdim=True)
                m = torch.where(m.isinf(), 0, m)
                return (m + (x - m).exp().sum(1, keepdim=True).log()).squeeze(1)
            """,
        "numpy": """
            def batched_logsumexp(x):
                return torch.from_numpy(np.logaddexp.reduce(x.detach().numpy(), axis=-1))
            """,
        "finite stand-in": """
            def batched_logsumexp(x):
                x = x.masked_fill(x == -math.inf, -1e9)
                m = x.amax(-1, keepdim=True)
                return (m + (x - m).exp().sum(-1, keepdim=True).log()).squeeze(-1)
            """,
    },
    "softmax": {
        "naive": """
            def softmax(x, axis):
                return x.exp() / x.exp().sum(axis, keepdim=True)
            """,
        "keepdim forgotten": """
            def softmax(x, axis):
                e = (x - x.max()).exp()
                return e / e.sum(axis)
            """,
        "max of everything": """
            def softmax(x, axis):
                e = torch.exp(x - x.max())
                return e / e.sum(dim=axis, keepdim=True)
            """,
        "last axis": """
            def softmax(x, axis=-1):
                e = torch.exp(x - x.max(-1, keepdim=True).values)
                return e / e.sum(-1, keepdim=True)
            """,
        "max along the last axis": """
            def softmax(x, axis):
                e = torch.exp(x - x.max(-1, keepdim=True).values)
                return e / e.sum(axis, keepdim=True)
            """,
        "no grad": """
            def softmax(x, axis):
                with torch.no_grad():
                    e = (x - x.amax(axis, keepdim=True)).exp()
                    return e / e.sum(axis, keepdim=True)
            """,
        "in place": """
            def softmax(x, axis):
                x -= x.amax(axis, keepdim=True)
                return x.exp() / x.exp().sum(axis, keepdim=True)
            """,
        "eps": """
            def softmax(x, axis):
                e = (x - x.amax(axis, keepdim=True)).exp()
                return e / (e.sum(axis, keepdim=True) + 1e-8)
            """,
        "divided by the maximum": """
            def softmax(x, axis):
                e = (x / x.amax(axis, keepdim=True)).exp()
                return e / e.sum(axis, keepdim=True)
            """,
    },
    "log_softmax": {
        "log of softmax": """
            def log_softmax(x, axis):
                e = (x - x.amax(axis, keepdim=True)).exp()
                return (e / e.sum(axis, keepdim=True)).log()
            """,
        "eps": """
            def log_softmax(x, axis):
                e = (x - x.amax(axis, keepdim=True)).exp()
                return (e / e.sum(axis, keepdim=True) + 1e-12).log()
            """,
        "naive": """
            def log_softmax(x, axis):
                return x - x.exp().sum(axis, keepdim=True).log()
            """,
        "last axis": """
            def log_softmax(x, axis):
                return x - x.logsumexp(-1, keepdim=True)
            """,
        "keepdim forgotten": """
            def log_softmax(x, axis):
                return x - x.logsumexp(axis)
            """,
        "maximum not subtracted again": """
            def log_softmax(x, axis):
                m = x.amax(axis, keepdim=True)
                return x - (x - m).exp().sum(axis, keepdim=True).log()
            """,
        "log2": """
            def log_softmax(x, axis):
                return (x - x.logsumexp(axis, keepdim=True)) / math.log(2)
            """,
        "normaliser detached": """
            def log_softmax(x, axis):
                return x - x.detach().logsumexp(axis, keepdim=True)
            """,
        "clamped": """
            def log_softmax(x, axis):
                return (x - x.logsumexp(axis, keepdim=True)).clamp(min=-100)
            """,
        "all axes": """
            def log_softmax(x, axis):
                m = x.max()
                return x - m - (x - m).exp().sum().log()
            """,
    },
    "cross_entropy": {
        "ignored counted in the mean": """
            def cross_entropy(logits, targets, ignore=-100):
                mask = targets != ignore
                lp = logits.log_softmax(-1).gather(-1, (targets * mask).unsqueeze(-1)).squeeze(-1)
                return -(lp * mask).mean()
            """,
        "nothing ignored": """
            def cross_entropy(logits, targets, ignore=-100):
                lp = logits.log_softmax(-1).gather(-1, targets.clamp(min=0).unsqueeze(-1)).squeeze(-1)
                return -lp.mean()
            """,
        "minus 100": """
            def cross_entropy(logits, targets, ignore=-100):
                keep = targets != -100
                return -logits[keep].log_softmax(-1)[range(int(keep.sum())), targets[keep]].mean()
            """,
        "sequence means": """
            def cross_entropy(logits, targets, ignore=-100):
                rows = []
                for l, t in zip(logits, targets):
                    k = t != ignore
                    if k.any():
                        rows.append(-l[k].log_softmax(-1).gather(-1, t[k][:, None]).mean())
                return torch.stack(rows).mean()
            """,
        "shifted": """
            def cross_entropy(logits, targets, ignore=-100):
                logits, targets = logits[:, :-1], targets[:, 1:]
                keep = targets != ignore
                return -logits[keep].log_softmax(-1).gather(-1, targets[keep][:, None]).mean()
            """,
        "item": """
            def cross_entropy(logits, targets, ignore=-100):
                keep = targets != ignore
                loss = -logits[keep].log_softmax(-1).gather(-1, targets[keep][:, None]).mean()
                return torch.tensor(loss.item())
            """,
        "softmax at positions": """
            def cross_entropy(logits, targets, ignore=-100):
                keep = targets != ignore
                lp = logits.log_softmax(1)
                return -lp[keep].gather(-1, targets[keep][:, None]).mean()
            """,
        "target overwritten": """
            def cross_entropy(logits, targets, ignore=-100):
                keep = targets != ignore
                targets[~keep] = 0
                lp = logits.log_softmax(-1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)
                return -(lp * keep).sum() / keep.sum()
            """,
        "log of softmax": """
            def cross_entropy(logits, targets, ignore=-100):
                keep = targets != ignore
                p = logits.softmax(-1)[keep].gather(-1, targets[keep][:, None])
                return -p.log().mean()
            """,
        "all of them": """
            def cross_entropy(logits, targets, ignore=-100):
                keep = targets != ignore
                return -logits[keep].log_softmax(-1)[:, targets[keep]].mean()
            """,
    },
    "as_strided_windows": {
        "copied": """
            def windows(x, width, step=1):
                return torch.stack([x[:, i : i + width] for i in range(0, x.shape[1] - width + 1, step)], dim=1)
            """,
        "contiguous strides": """
            def windows(x, width, step=1):
                n = (x.shape[1] - width) // step + 1
                return x.as_strided((x.shape[0], n, width), (x.shape[1], step, 1))
            """,
        "made contiguous": """
            def windows(x, width, step=1):
                x = x.contiguous()
                n = (x.shape[1] - width) // step + 1
                return x.as_strided((x.shape[0], n, width), (x.shape[1], step, 1))
            """,
        "no last window": """
            def windows(x, width, step=1):
                n = len(range(0, x.shape[1] - width, step))
                return x.as_strided((x.shape[0], n, width), (x.stride(0), x.stride(1) * step, x.stride(1)))
            """,
        "partial windows": """
            def windows(x, width, step=1):
                n = math.ceil((x.shape[1] - width) / step) + 1
                return x.as_strided((x.shape[0], n, width), (x.stride(0), x.stride(1) * step, x.stride(1)))
            """,
        "step not in units of the stride": """
            def windows(x, width, step=1):
                n = (x.shape[1] - width) // step + 1
                return x.as_strided((x.shape[0], n, width), (x.stride(0), step, x.stride(1)))
            """,
        "always step 1": """
            def windows(x, width, step=1):
                return x.as_strided((x.shape[0], x.shape[1] - width + 1, width), (*x.stride(), x.stride(1)))
            """,
        "indexed": """
            def windows(x, width, step=1):
                starts = torch.arange(0, x.shape[1] - width + 1, step)
                return x[:, starts[:, None] + torch.arange(width)]
            """,
        "numpy": """
            def windows(x, width, step=1):
                view = np.lib.stride_tricks.sliding_window_view(x.detach().numpy(), width, axis=1)
                return torch.from_numpy(view[:, ::step])
            """,
        "step times the window": """
            def windows(x, width, step=1):
                n = (x.shape[1] - width) // step + 1
                return x.as_strided((x.shape[0], n, width), (x.stride(0), x.stride(1), step * x.stride(1)))
            """,
    },
    "toeplitz": {
        "sum": """
            def diagonals(pattern):
                n = pattern.shape[-1]
                return torch.stack([pattern.diagonal(-o, 1, 2).sum(-1) for o in range(n)], -1)
            """,
        "above": """
            def diagonals(pattern):
                n = pattern.shape[-1]
                return torch.stack([pattern.diagonal(o, 1, 2).mean(-1) for o in range(n)], -1)
            """,
        "wrong axes": """
            def diagonals(pattern):
                n = pattern.shape[-1]
                return torch.stack([pattern.diagonal(-o).mean(-1) for o in range(n)], -1)
            """,
        "offset first": """
            def diagonals(pattern):
                n = pattern.shape[-1]
                return torch.stack([pattern.diagonal(-o, 1, 2).mean(-1) for o in range(n)])
            """,
        "from offset 1": """
            def diagonals(pattern):
                n = pattern.shape[-1]
                return torch.stack([pattern.diagonal(-o, 1, 2).mean(-1) for o in range(1, n + 1)], -1)
            """,
        "rolled": """
            def diagonals(pattern):
                n = pattern.shape[-1]
                rolled = torch.stack([pattern[:, i].flip(-1).roll(i + 1, -1) for i in range(n)], 1)
                return rolled.mean(1)
            """,
        "divided by the length": """
            def diagonals(pattern):
                n = pattern.shape[-1]
                return torch.stack([pattern.diagonal(-o, 1, 2).sum(-1) / n for o in range(n)], -1)
            """,
        "both sides": """
            def diagonals(pattern):
                n = pattern.shape[-1]
                both = pattern + pattern.mT
                return torch.stack([both.diagonal(-o, 1, 2).mean(-1) for o in range(n)], -1)
            """,
        "item": """
            def diagonals(pattern):
                n = pattern.shape[-1]
                return torch.tensor(
                    [[one.diagonal(-o).mean().item() for o in range(n)] for one in pattern], dtype=pattern.dtype
                )
            """,
        "max": """
            def diagonals(pattern):
                n = pattern.shape[-1]
                return torch.stack([pattern.diagonal(-o, 1, 2).amax(-1) for o in range(n)], -1)
            """,
    },
    "topk_mask": {
        "strictly above": """
            def topk_mask(x, k):
                cut = x.topk(k).values[:, -1:]
                return x * (x > cut)
            """,
        "absolute": """
            def topk_mask(x, k):
                idx = x.abs().topk(k).indices
                return torch.zeros_like(x).scatter(1, idx, x.gather(1, idx))
            """,
        "of the whole batch": """
            def topk_mask(x, k):
                cut = x.flatten().topk(k).values[-1]
                return torch.where(x >= cut, x, 0)
            """,
        "first axis": """
            def topk_mask(x, k):
                v, i = x.topk(min(k, len(x)), dim=0)
                return torch.zeros_like(x).scatter(0, i, v)
            """,
        "ones": """
            def topk_mask(x, k):
                return torch.zeros_like(x).scatter(1, x.topk(k).indices, 1.0)
            """,
        "in place": """
            def topk_mask(x, k):
                x[x < x.topk(k).values[:, -1:]] = 0
                return x
            """,
        "relu first": """
            def topk_mask(x, k):
                v, i = x.relu().topk(k)
                return torch.zeros_like(x).scatter(1, i, v)
            """,
        "one too many": """
            def topk_mask(x, k):
                s = x.sort(descending=True).values
                return torch.where(x >= s[:, min(k, x.shape[1] - 1)].unsqueeze(1), x, 0)
            """,
        "data": """
            def topk_mask(x, k):
                v, i = x.data.topk(k)
                return torch.zeros_like(x).scatter(1, i, v)
            """,
        "straight through": """
            def topk_mask(x, k):
                v, i = x.topk(k)
                return x + (torch.zeros_like(x).scatter(1, i, v) - x).detach()
            """,
    },
    "sample_categorical": {
        "one u for all rows": """
            def sample_categorical(probabilities, count, generator=None):
                u = torch.rand(count, generator=generator, dtype=probabilities.dtype)
                cdf = probabilities.cumsum(-1)
                return torch.searchsorted(cdf, u.expand(len(cdf), count).contiguous())
            """,
        "one u a row": """
            def sample_categorical(probabilities, count, generator=None):
                u = torch.rand(len(probabilities), 1, generator=generator, dtype=probabilities.dtype)
                return torch.searchsorted(probabilities.cumsum(-1), u).expand(-1, count)
            """,
        "same generator restarted for each row": """
            def sample_categorical(probabilities, count, generator=None):
                state = generator.get_state()
                rows = []
                for p in probabilities:
                    generator.set_state(state)
                    u = torch.rand(count, generator=generator, dtype=p.dtype)
                    rows.append(torch.searchsorted(p.cumsum(-1), u))
                return torch.stack(rows)
            """,
        "stratified": """
            def sample_categorical(probabilities, count, generator=None):
                u = torch.rand(len(probabilities), count, generator=generator, dtype=probabilities.dtype)
                u = (torch.arange(count) + u) / count
                return torch.searchsorted(probabilities.cumsum(-1), u)
            """,
        "stratified and shuffled alike": """
            def sample_categorical(probabilities, count, generator=None):
                u = torch.rand(len(probabilities), count, generator=generator, dtype=probabilities.dtype)
                u = (torch.randperm(count, generator=generator) + u) / count
                return torch.searchsorted(probabilities.cumsum(-1), u)
            """,
        "antithetic": """
            def sample_categorical(probabilities, count, generator=None):
                u = torch.rand(len(probabilities), (count + 1) // 2, generator=generator, dtype=probabilities.dtype)
                u = torch.stack([u, 1 - u], -1).flatten(1)[:, :count]
                return torch.searchsorted(probabilities.cumsum(-1), u)
            """,
        "global randomness": """
            def sample_categorical(probabilities, count, generator=None):
                u = torch.rand(len(probabilities), count, dtype=probabilities.dtype)
                return torch.searchsorted(probabilities.cumsum(-1), u)
            """,
        "seeded": """
            def sample_categorical(probabilities, count, generator=None):
                torch.manual_seed(0)
                u = torch.rand(len(probabilities), count, dtype=probabilities.dtype)
                return torch.searchsorted(probabilities.cumsum(-1), u)
            """,
        "minus one": """
            def sample_categorical(probabilities, count, generator=None):
                u = torch.rand(len(probabilities), count, generator=generator, dtype=probabilities.dtype)
                return torch.searchsorted(probabilities.cumsum(-1), u) - 1
            """,
        "first axis": """
            def sample_categorical(probabilities, count, generator=None):
                u = torch.rand(len(probabilities), count, generator=generator, dtype=probabilities.dtype)
                return torch.searchsorted(probabilities.cumsum(0), u).clamp(max=probabilities.shape[1] - 1)
            """,
        "transposed": """
            def sample_categorical(probabilities, count, generator=None):
                u = torch.rand(len(probabilities), count, generator=generator, dtype=probabilities.dtype)
                return torch.searchsorted(probabilities.cumsum(-1), u).T
            """,
        "float": """
            def sample_categorical(probabilities, count, generator=None):
                u = torch.rand(len(probabilities), count, generator=generator, dtype=probabilities.dtype)
                return torch.searchsorted(probabilities.cumsum(-1), u).float()
            """,
        "rounded counts": """
            def sample_categorical(probabilities, count, generator=None):
                rows = []
                for p in probabilities:
                    n = (p * count).round().long()
                    row = torch.repeat_interleave(torch.arange(len(p)), n)
                    row = torch.cat([row, row[:1].expand(count)])[:count]
                    rows.append(row[torch.randperm(count, generator=generator)])
                return torch.stack(rows)
            """,
    },
    "straight_through": {
        "no gradient": """
            def straight_through(x, threshold):
                return (x > threshold).to(x.dtype)
            """,
        "bool": """
            def straight_through(x, threshold):
                return x > threshold
            """,
        "at the threshold": """
            def straight_through(x, threshold):
                hard = torch.heaviside(x - threshold, torch.ones_like(x))
                return hard + (x - x.detach())
            """,
        "sigmoid": """
            def straight_through(x, threshold):
                soft = torch.sigmoid(x - threshold)
                return soft + ((x > threshold).to(x) - soft).detach()
            """,
        "hard only": """
            def straight_through(x, threshold):
                hard = (x > threshold).to(x)
                return hard.detach() * x / x.detach()
            """,
        "clipped": """
            class STE(torch.autograd.Function):
                @staticmethod
                def forward(ctx, x, t):
                    ctx.save_for_backward(x)
                    return (x > t).to(x)

                @staticmethod
                def backward(ctx, g):
                    (x,) = ctx.saved_tensors
                    return g * (x.abs() <= 1), None

            def straight_through(x, threshold):
                return STE.apply(x, threshold)
            """,
        "usual way": """
            def straight_through(x, threshold):
                hard = (x > threshold).to(x.dtype)
                return x + (hard - x).detach()
            """,
        "brackets forgotten": """
            def straight_through(x, threshold):
                hard = (x > threshold).to(x.dtype)
                return hard + x - x.detach()
            """,
        "sign": """
            def straight_through(x, threshold):
                hard = torch.sign(x - threshold)
                return hard + (x - x.detach())
            """,
        "detached the wrong one": """
            def straight_through(x, threshold):
                hard = (x > threshold).to(x.dtype)
                return hard + x.detach() - x
            """,
        "threshold 0": """
            def straight_through(x, threshold=0):
                hard = (x > 0).to(x.dtype)
                return hard + (x - x.detach())
            """,
    },
}

TOEPLITZ = """
def toeplitz(values):
    n = (values.shape[1] + 1) // 2
    return torch.stack([values[:, i : i + n].flip(-1) for i in range(n)], 1)

"""

SHORTCUTS = {
    "batched_logsumexp": {
        "logsumexp": "def batched_logsumexp(x):\n    return x.logsumexp(-1)\n",
        "special": "def batched_logsumexp(x):\n    return torch.special.logsumexp(x, -1)\n",
        "running": "def batched_logsumexp(x):\n    return torch.logcumsumexp(x, -1)[..., -1]\n",
        "categorical": "def batched_logsumexp(x):\n    d = torch.distributions.Categorical(logits=x)\n"
        "    return (x - d.logits)[..., 0]\n",
    },
    "softmax": {
        "functional": "def softmax(x, axis):\n    return F.softmax(x, axis)\n",
        "module": "def softmax(x, axis):\n    return nn.Softmax(dim=axis)(x)\n",
        "softmin": "def softmax(x, axis):\n    return F.softmin(-x, axis)\n",
        "log softmax": "def softmax(x, axis):\n    return x.log_softmax(axis).exp()\n",
        "special": "def softmax(x, axis):\n    return torch.special.softmax(x, axis)\n",
    },
    "log_softmax": {
        "method": "def log_softmax(x, axis):\n    return x.log_softmax(axis)\n",
        "log of softmax": "def log_softmax(x, axis):\n    return x.softmax(axis).log()\n",
        "module": "def log_softmax(x, axis):\n    return nn.LogSoftmax(axis)(x)\n",
    },
    "cross_entropy": {
        "functional": "def cross_entropy(logits, targets, ignore=-100):\n"
        "    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=ignore)\n",
        "module": "def cross_entropy(logits, targets, ignore=-100):\n"
        "    return nn.CrossEntropyLoss(ignore_index=ignore)(logits.transpose(1, 2), targets)\n",
        "nll": "def cross_entropy(logits, targets, ignore=-100):\n"
        "    return F.nll_loss(logits.log_softmax(-1).transpose(1, 2), targets, ignore_index=ignore)\n",
    },
    "as_strided_windows": {
        "method": "def windows(x, width, step=1):\n    return x.unfold(1, width, step)\n",
        "functional": "def windows(x, width, step=1):\n"
        "    return F.unfold(x[:, None, None], (1, width), stride=(1, step)).transpose(1, 2)\n",
    },
    "sample_categorical": {
        "multinomial": "def sample_categorical(probabilities, count, generator=None):\n"
        "    return torch.multinomial(probabilities, count, replacement=True, generator=generator)\n",
        "categorical": "def sample_categorical(probabilities, count, generator=None):\n"
        "    return torch.distributions.Categorical(probabilities).sample((count,)).T\n",
    },
}


def each(table):
    """Test parameters: an id, and the body of one answer."""
    return [
        pytest.param(name, body, id=f"{name}: {style}")
        for name, answers in table.items()
        for style, body in answers.items()
    ]


def grade(grader, name, body):
    source = IMPORTS + (TOEPLITZ if name == "toeplitz" else "") + textwrap.dedent(body)
    return grader.grade(read_text("exercises.py", source), [f"tensors.{name}"]).verdicts[0]


@pytest.mark.parametrize(("name", "body"), each(RIGHT))
def test_a_right_answer_passes_however_it_is_written(grader, name, body):
    verdict = grade(grader, name, body)
    assert verdict.passed and verdict.points == verdict.out_of, verdict


@pytest.mark.parametrize(("name", "body"), each(WRONG))
def test_a_wrong_answer_is_rejected_with_a_sentence(grader, name, body):
    verdict = grade(grader, name, body)
    assert verdict.status in ("failed", "error") and verdict.points < verdict.out_of, verdict
    assert len(verdict.message) > 20, verdict


@pytest.mark.parametrize(("name", "body"), each(SHORTCUTS))
def test_the_one_call_shortcut_is_forbidden(grader, name, body):
    assert grade(grader, name, body).status == "forbidden"

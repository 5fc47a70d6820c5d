"""Answers about loss, schedule, sampling and search as people write them, that no checker was made from."""

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

HEADS = {
    "gpt2.next_token_loss": "def next_token_loss(logits, tokens):\n",
    "gpt2.train": "def train(model, batches, learning_rate, weight_decay=0.01, max_norm=1.0):\n",
    "gpt2.learning_rate_schedule": "def learning_rate_schedule(step, peak, warmup, total, floor):\n",
    "gpt2.temperature": "def temperature(logits, temperature, generator=None):\n",
    "gpt2.top_k": "def top_k(logits, k, generator=None):\n",
    "gpt2.top_p": "def top_p(logits, p, generator=None):\n",
    "gpt2.repetition_penalty": "def repetition_penalty(logits, tokens, penalty):\n",
    "gpt2.beam_search": "def beam_search(model, prompt, n_new, n_beams):\n",
}

RIGHT = [
    ("next_token_loss", "ignored last target", """
        targets = torch.full_like(tokens, -100)
        targets[:, :-1] = tokens[:, 1:]
        return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1), ignore_index=-100)
    """),
    ("next_token_loss", "log softmax handed to cross entropy", """
        lp = F.log_softmax(logits, dim=-1)[:, :-1]
        return F.cross_entropy(lp.transpose(1, 2), tokens[:, 1:])
    """),
    ("next_token_loss", "fancy indexing", """
        B, T = tokens.shape
        lp = logits.log_softmax(-1)
        b = torch.arange(B)[:, None]
        t = torch.arange(T - 1)[None]
        return -lp[b, t, tokens[:, 1:]].sum() / (B * (T - 1))
    """),
    ("next_token_loss", "mean of the sequences' means, one by one", """
        losses = [F.cross_entropy(l[:-1], t[1:]) for l, t in zip(logits, tokens)]
        return sum(losses) / len(losses)
    """),
    ("next_token_loss", "in float32", """
        return F.cross_entropy(logits[:, :-1].float().flatten(0, 1), tokens[:, 1:].flatten()).to(logits.dtype)
    """),
    ("train", "no loss of its own yet", """
        opt = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay)
        out = []
        for x in batches:
            logits = model(x)[:, :-1]
            loss = nn.CrossEntropyLoss()(logits.reshape(-1, logits.size(-1)), x[:, 1:].reshape(-1))
            model.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), max_norm)
            opt.step()
            out.append(loss.item())
        return out
    """),
    ("learning_rate_schedule", "numpy and three ifs", """
        if step >= total:
            return floor
        if step >= warmup:
            t = (step - warmup) / (total - warmup)
            return float(floor * (1 - np.cos(np.pi * t)) / 2 + peak * (1 + np.cos(np.pi * t)) / 2)
        return np.interp(step, [0, warmup], [0, peak])
    """),
    ("learning_rate_schedule", "guarded division", """
        up = peak * step / max(1, warmup)
        t = min(max(step - warmup, 0) / (total - warmup), 1)
        down = floor + 0.5 * (peak - floor) * (1 + math.cos(math.pi * t))
        return up if step < warmup else down
    """),
    ("learning_rate_schedule", "tensor out", """
        s = torch.tensor(float(step), dtype=torch.float64)
        t = ((s - warmup) / (total - warmup)).clamp(max=1)
        cos = floor + (peak - floor) * 0.5 * (1 + torch.cos(torch.pi * t))
        return torch.where(s < warmup, s * peak / max(warmup, 1), cos)
    """),
    ("temperature", "float32 first", """
        if temperature == 0:
            return logits.argmax(dim=-1)
        probs = torch.softmax(logits.float() / temperature, dim=-1)
        return torch.multinomial(probs, 1, generator=generator).squeeze(-1)
    """),
    ("temperature", "a tiny temperature for none", """
        z = logits.double() / max(temperature, 1e-9)
        return torch.multinomial((z - z.max(-1, keepdim=True)[0]).softmax(-1), 1, generator=generator).view(-1)
    """),
    ("temperature", "race of exponentials", """
        if not temperature:
            return logits.max(-1)[1]
        p = ((logits - logits.max(-1, keepdim=True)[0]) / temperature).softmax(-1).double()
        noise = torch.empty_like(p).exponential_(1, generator=generator)
        return (p / noise).argmax(-1)
    """),
    ("top_k", "zero out and divide", """
        probs = logits.softmax(-1)
        v, i = probs.topk(min(k, probs.size(-1)), dim=-1)
        kept = torch.zeros_like(probs).scatter_(-1, i, v)
        kept = kept / kept.sum(-1, keepdim=True)
        return torch.multinomial(kept, 1, generator=generator).squeeze(1)
    """),
    ("top_k", "finfo min", """
        if k < logits.shape[-1]:
            kth = logits.sort(-1, descending=True)[0][:, k - 1 : k]
            logits = torch.where(logits < kth, torch.finfo(logits.dtype).min, logits)
        return torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]
    """),
    ("top_k", "not rescaled", """
        p = logits.softmax(-1)
        rank = p.argsort(-1, descending=True).argsort(-1)
        return torch.multinomial(p * (rank < k), 1, generator=generator).squeeze(-1)
    """),
    ("top_p", "kthvalue loop", """
        out = []
        for row in logits.softmax(-1):
            for n in range(1, len(row) + 1):
                v, i = row.topk(n)
                if v.sum() >= p - 1e-12:
                    break
            out.append(i[torch.multinomial(v / v.sum(), 1, generator=generator)].item())
        return torch.tensor(out)
    """),
    ("repetition_penalty", "multiply by a table", """
        out = logits.clone()
        for r in range(len(out)):
            seen = tokens[r].unique()
            x = out[r, seen]
            out[r, seen] = x * torch.where(x > 0, 1 / penalty, penalty)
        return out
    """),
    ("repetition_penalty", "one hot", """
        seen = F.one_hot(tokens, logits.shape[-1]).any(1)
        return torch.where(seen & (logits > 0), logits / penalty, torch.where(seen, logits * penalty, logits))
    """),
    ("repetition_penalty", "numpy", """
        out = logits.detach().numpy().copy()
        for r, row in enumerate(tokens.numpy()):
            for t in np.unique(row):
                out[r, t] = out[r, t] / penalty if out[r, t] > 0 else out[r, t] * penalty
        return torch.from_numpy(out)
    """),
    ("beam_search", "first step apart", """
        lp = model(prompt[None])[0, -1].log_softmax(-1)
        V = lp.shape[0]
        s, t = lp.topk(min(n_beams, V))
        seqs = torch.cat([prompt.expand(len(t), -1), t[:, None]], 1)
        for _ in range(n_new - 1):
            lp = model(seqs)[:, -1].log_softmax(-1) + s[:, None]
            s, i = lp.view(-1).topk(min(n_beams, lp.numel()))
            seqs = torch.cat([seqs[i // V], (i % V)[:, None]], 1)
        return seqs, s
    """),
    ("beam_search", "scored anew at the end", """
        seqs = [prompt]
        def score(seq):
            lp = model(seq[None])[0].log_softmax(-1)
            n = len(prompt)
            return sum(lp[i - 1, seq[i]] for i in range(n, len(seq)))
        for _ in range(n_new):
            V = model(seqs[0][None]).shape[-1]
            grown = [torch.cat([s, torch.tensor([v])]) for s in seqs for v in range(V)]
            grown.sort(key=score, reverse=True)
            seqs = grown[:n_beams]
        return torch.stack(seqs), torch.stack([score(s) for s in seqs]).detach()
    """),
    ("beam_search", "minus infinity but for the first", """
        beams = prompt.repeat(n_beams, 1)
        scores = torch.full((n_beams,), float("-inf"), dtype=torch.double)
        scores[0] = 0.0
        for _ in range(n_new):
            logits = model(beams)[:, -1]
            logp = logits - logits.logsumexp(-1, keepdim=True)
            total = scores.unsqueeze(1) + logp
            scores, idx = torch.sort(total.flatten(), descending=True)
            scores, idx = scores[:n_beams], idx[:n_beams]
            parent, token = idx.div(logp.size(1), rounding_mode="trunc"), idx.remainder(logp.size(1))
            beams = torch.cat((beams[parent], token.unsqueeze(1)), dim=1)
        ok = scores.isfinite()
        return beams[ok], scores[ok]
    """),
]  # fmt: skip

WRONG = [
    ("next_token_loss", "no shift", "return F.cross_entropy(logits.flatten(0, 1), tokens.flatten())", "not shifted"),
    ("next_token_loss", "shift of both", """
        logits, tokens = logits[:, 1:], tokens[:, 1:]
        return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), tokens.reshape(-1))
    """, "not shifted"),
    ("next_token_loss", "roll", """
        return F.cross_entropy(logits.transpose(1, 2), torch.roll(tokens, -1, dims=1))
    """, "first token round"),
    ("next_token_loss", "roll the other way", """
        return F.cross_entropy(logits.transpose(1, 2), torch.roll(tokens, 1, dims=1))
    """, "wrong way"),
    ("next_token_loss", "vocabulary last", "return F.cross_entropy(logits[:, :-1], tokens[:, 1:])", "second axis"),
    ("next_token_loss", "log of softmax plus eps", """
        p = F.softmax(logits[:, :-1], -1).gather(-1, tokens[:, 1:].unsqueeze(-1))
        return -(p + 1e-10).log().mean()
    """, "small number"),
    ("next_token_loss", "nll of softmax", """
        return F.nll_loss(F.softmax(logits[:, :-1], -1).flatten(0, 1), tokens[:, 1:].flatten())
    """, ""),
    ("next_token_loss", "log base 2", """
        lp = logits[:, :-1].log_softmax(-1).gather(-1, tokens[:, 1:, None])
        return -(lp / np.log(2)).mean()
    """, "bits"),
    ("next_token_loss", "float", """
        return float(F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten()))
    """, "plain number"),
    ("next_token_loss", "skips the last target", """
        return F.cross_entropy(logits[:, :-2].flatten(0, 1), tokens[:, 1:-1].flatten())
    """, ""),
    ("next_token_loss", "predicts two ahead", """
        return F.cross_entropy(logits[:, :-2].flatten(0, 1), tokens[:, 2:].flatten())
    """, "two"),
    ("next_token_loss", "label smoothing", """
        return F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten(), label_smoothing=0.1)
    """, ""),
    ("next_token_loss", "sum over the sequence", """
        lp = logits.log_softmax(-1)[:, :-1].gather(-1, tokens[:, 1:, None]).squeeze(-1)
        return -lp.sum(1).mean()
    """, "batch alone"),
    ("train", "its loss without a shift", """
        opt = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay)
        out = []
        for x in batches:
            logits = model(x)
            loss = F.cross_entropy(logits.reshape(-1, logits.size(-1)), x.reshape(-1))
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), max_norm)
            opt.step()
            out.append(loss.item())
        return out
    """, "Nothing is shifted"),
    ("train", "clips before backward", """
        opt = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay)
        out = []
        for x in batches:
            loss = F.cross_entropy(model(x)[:, :-1].flatten(0, 1), x[:, 1:].flatten())
            opt.zero_grad()
            nn.utils.clip_grad_norm_(model.parameters(), max_norm)
            loss.backward()
            opt.step()
            out.append(loss.item())
        return out
    """, "not clipped"),
    ("learning_rate_schedule", "starts at one", """
        if step < warmup:
            return peak * (step + 1) / warmup
        t = min(1, (step - warmup) / (total - warmup))
        return floor + 0.5 * (peak - floor) * (1 + math.cos(math.pi * t))
    """, "one step ahead"),
    ("learning_rate_schedule", "never lands", """
        if step < warmup:
            return peak * step / warmup
        t = (step - warmup) / (total - warmup)
        return floor + 0.5 * (peak - floor) * (1 + math.cos(math.pi * t))
    """, "climbs"),
    ("learning_rate_schedule", "over the whole run", """
        lr = floor + 0.5 * (peak - floor) * (1 + math.cos(math.pi * min(step, total) / total))
        return lr * min(1, step / warmup) if warmup else lr
    """, ""),
    ("learning_rate_schedule", "divides by no warm-up", """
        up = peak * step / warmup
        t = min(1, (step - warmup) / (total - warmup))
        return up if step < warmup else floor + 0.5 * (peak - floor) * (1 + math.cos(math.pi * t))
    """, "divides by zero"),
    ("learning_rate_schedule", "smaller of the two", """
        t = min(1, max(0, step - warmup) / (total - warmup))
        return min(step / max(warmup, 1), 1) * peak * 0.5 * (1 + math.cos(math.pi * t)) + floor
    """, ""),
    ("learning_rate_schedule", "degrees", """
        if step < warmup:
            return peak * step / warmup
        t = min(1, (step - warmup) / (total - warmup))
        return floor + 0.5 * (peak - floor) * (1 + math.cos(180 * t))
    """, "radians"),
    ("learning_rate_schedule", "rounded", """
        if step < warmup:
            return peak * step / warmup
        t = min(1, (step - warmup) / (total - warmup))
        return round(floor + 0.5 * (peak - floor) * (1 + math.cos(3.1416 * t)), 6)
    """, ""),
    ("learning_rate_schedule", "remembers its steps", """
        global n
        n = globals().get("n", -1) + 1
        if n < warmup:
            return peak * n / warmup
        t = min(1, (n - warmup) / (total - warmup))
        return floor + 0.5 * (peak - floor) * (1 + math.cos(math.pi * t))
    """, ""),
    ("learning_rate_schedule", "prints", """
        if step < warmup:
            print(peak * step / warmup)
        t = min(1, (step - warmup) / (total - warmup))
        print(floor + 0.5 * (peak - floor) * (1 + math.cos(math.pi * t)))
    """, "return"),
    ("temperature", "zero forgotten", """
        probs = F.softmax((logits - logits.max(-1, keepdim=True).values) / temperature, dim=-1)
        return torch.multinomial(probs, 1, generator=generator).squeeze(-1)
    """, "divides by zero"),
    ("temperature", "no maximum taken out", """
        if temperature == 0:
            return logits.argmax(-1)
        return torch.multinomial(F.softmax(logits / temperature, dim=-1), 1, generator=generator).squeeze(-1)
    """, "subtract the row's largest"),
    ("temperature", "epsilon", """
        probs = F.softmax(logits.double() / (temperature + 1e-5), dim=-1)
        return torch.multinomial(probs, 1, generator=generator).squeeze(-1)
    """, "small number"),
    ("temperature", "multiplied", """
        if temperature == 0:
            return logits.argmax(-1)
        z = (logits.double() - logits.double().amax(-1, keepdim=True)) * temperature
        return torch.multinomial(z.softmax(-1), 1, generator=generator).squeeze(-1)
    """, "multiplied"),
    ("temperature", "probabilities divided", """
        if temperature == 0:
            return logits.argmax(-1)
        probs = logits.softmax(-1) / temperature
        return torch.multinomial(probs / probs.sum(-1, keepdim=True), 1, generator=generator).squeeze(-1)
    """, "no effect"),
    ("temperature", "greedy below a threshold", """
        if temperature < 1e-2:
            return logits.argmax(-1)
        z = logits.double() / temperature
        return torch.multinomial(z.softmax(-1), 1, generator=generator).squeeze(-1)
    """, "Small temperatures"),
    ("temperature", "one uniform number for all rows", """
        if temperature == 0:
            return logits.argmax(-1)
        cdf = (logits.double() / temperature).softmax(-1).cumsum(-1)
        return (cdf < torch.rand(1, generator=generator, dtype=torch.float64)).sum(-1)
    """, ""),
    ("temperature", "keeps the last axis", """
        if temperature == 0:
            return logits.argmax(-1, keepdim=True)
        z = logits.double() / temperature
        return torch.multinomial(z.softmax(-1), 1, generator=generator)
    """, "shape"),
    ("temperature", "Gumbel noise divided too", """
        if temperature == 0:
            return logits.argmax(-1)
        u = torch.rand(logits.shape, generator=generator, dtype=torch.float64)
        return ((logits - torch.log(-torch.log(u))) / temperature).argmax(-1)
    """, "no effect"),
    ("temperature", "own seed", """
        if temperature == 0:
            return logits.argmax(-1)
        torch.manual_seed(42)
        return torch.multinomial((logits.double() / temperature).softmax(-1), 1).squeeze(-1)
    """, "seed"),
    ("temperature", "no default source", """
        if temperature == 0:
            return logits.argmax(-1)
        u = torch.rand(logits.shape, generator=generator, dtype=torch.float64, device=generator.device)
        return (logits.double() / temperature - torch.log(-torch.log(u))).argmax(-1)
    """, ""),
    ("top_k", "rank returned", """
        v, i = logits.topk(min(k, logits.size(-1)))
        return torch.multinomial(v.softmax(-1), 1, generator=generator).squeeze(-1)
    """, "ranks"),
    ("top_k", "strictly above", """
        kth = logits.topk(min(k, logits.size(-1))).values[:, -1:]
        z = torch.where(logits > kth, logits, torch.tensor(-1e9, dtype=logits.dtype))
        return torch.multinomial(z.softmax(-1), 1, generator=generator).squeeze(-1)
    """, "dropped"),
    ("top_k", "zero logits", """
        kth = logits.topk(min(k, logits.size(-1))).values[:, -1:]
        z = torch.where(logits >= kth, logits, 0.0)
        return torch.multinomial(z.softmax(-1), 1, generator=generator).squeeze(-1)
    """, "exp(0)"),
    ("top_k", "k unbounded", """
        v, i = torch.topk(logits, k)
        r = torch.multinomial(v.softmax(-1), 1, generator=generator)
        return i.gather(1, r).squeeze(1)
    """, "beyond the vocabulary"),
    ("top_k", "index of the first row", """
        v, i = torch.topk(logits, min(k, logits.size(-1)))
        r = torch.multinomial(v.softmax(-1), 1, generator=generator)
        return i[0][r].squeeze(1)
    """, "first row"),
    ("top_k", "one threshold for the batch", """
        kth = logits.flatten().topk(min(k, logits.size(-1))).values[-1]
        z = logits.masked_fill(logits < kth, -1e9)
        return torch.multinomial(z.softmax(-1), 1, generator=generator).squeeze(-1)
    """, "whole batch"),
    ("top_k", "softmax twice", """
        p = logits.softmax(-1)
        v, i = p.topk(min(k, logits.size(-1)))
        r = torch.multinomial(v.softmax(-1), 1, generator=generator)
        return i.gather(1, r).squeeze(1)
    """, "taken twice"),
    ("top_k", "randint", """
        v, i = torch.topk(logits, min(k, logits.size(-1)))
        r = torch.randint(i.size(1), (i.size(0), 1), generator=generator)
        return i.gather(1, r).squeeze(1)
    """, "same chance"),
    ("top_k", "sorted, not unsorted", """
        s, _ = logits.sort(-1, descending=True)
        s[:, k:] = -float("inf")
        return torch.multinomial(s.softmax(-1), 1, generator=generator).squeeze(-1)
    """, "ranks"),
    ("top_k", "in place", """
        kth = logits.topk(min(k, logits.size(-1))).values[:, -1:]
        logits[logits < kth] = -float("inf")
        return torch.multinomial(logits.softmax(-1), 1, generator=generator).squeeze(-1)
    """, "in place"),
    ("repetition_penalty", "always divides", """
        out = logits.clone()
        for r in range(len(out)):
            out[r, tokens[r]] /= penalty
        return out
    """, "likelier"),
    ("repetition_penalty", "once an occurrence", """
        out = logits.clone()
        for r in range(len(out)):
            for t in tokens[r]:
                out[r, t] = out[r, t] / penalty if out[r, t] > 0 else out[r, t] * penalty
        return out
    """, "penalised twice"),
    ("repetition_penalty", "all rows' tokens", """
        out = logits.clone()
        seen = tokens.unique()
        x = out[:, seen]
        out[:, seen] = torch.where(x > 0, x / penalty, x * penalty)
        return out
    """, "own"),
    ("repetition_penalty", "in place", """
        for r in range(len(logits)):
            for t in set(tokens[r].tolist()):
                logits[r, t] = logits[r, t] / penalty if logits[r, t] > 0 else logits[r, t] * penalty
        return logits
    """, "in place"),
    ("repetition_penalty", "by count", """
        count = F.one_hot(tokens, logits.shape[-1]).sum(1)
        return torch.where(logits > 0, logits / penalty**count, logits * penalty**count)
    """, "penalised twice"),
    ("repetition_penalty", "log-probabilities", """
        lp = logits.log_softmax(-1)
        seen = F.one_hot(tokens, logits.shape[-1]).sum(1) > 0
        return torch.where(seen, lp * penalty, lp)
    """, "log-probabilities"),
    ("repetition_penalty", "subtracted log", """
        seen = F.one_hot(tokens, logits.shape[-1]).sum(1) > 0
        return logits - seen * math.log(penalty)
    """, "logarithm"),
    ("repetition_penalty", "without the latest token", """
        seen = F.one_hot(tokens[:, :-1], logits.shape[-1]).sum(1) > 0
        return torch.where(seen, torch.where(logits > 0, logits / penalty, logits * penalty), logits)
    """, "left out"),
    ("beam_search", "greedy many times", """
        seqs = prompt.repeat(n_beams, 1)
        s = torch.zeros(n_beams)
        for _ in range(n_new):
            lp = model(seqs)[:, -1].log_softmax(-1)
            v, t = lp.max(-1)
            s = s + v
            seqs = torch.cat([seqs, t[:, None]], 1)
        return seqs, s
    """, "copies"),
    ("beam_search", "equal copies", """
        seqs, s = prompt.repeat(n_beams, 1), torch.zeros(n_beams)
        for _ in range(n_new):
            lp = s[:, None] + model(seqs)[:, -1].log_softmax(-1)
            s, i = lp.flatten().topk(n_beams)
            seqs = torch.cat([seqs[i // lp.shape[1]], (i % lp.shape[1])[:, None]], 1)
        return seqs, s
    """, "copies"),
    ("beam_search", "own children only", """
        lp = model(prompt[None])[0, -1].log_softmax(-1)
        s, t = lp.topk(min(n_beams, len(lp)))
        seqs = torch.cat([prompt.repeat(len(t), 1), t[:, None]], 1)
        for _ in range(n_new - 1):
            v, t = model(seqs)[:, -1].log_softmax(-1).max(-1)
            s, seqs = s + v, torch.cat([seqs, t[:, None]], 1)
        return seqs, s
    """, "compete"),
    ("beam_search", "own children only, sorted", """
        lp = model(prompt[None])[0, -1].log_softmax(-1)
        s, t = lp.topk(min(n_beams, len(lp)))
        seqs = torch.cat([prompt.repeat(len(t), 1), t[:, None]], 1)
        for _ in range(n_new - 1):
            v, t = model(seqs)[:, -1].log_softmax(-1).max(-1)
            s, seqs = s + v, torch.cat([seqs, t[:, None]], 1)
        order = s.argsort(descending=True)
        return seqs[order], s[order]
    """, "compete"),
    ("beam_search", "sequences not reordered", """
        seqs = prompt.repeat(n_beams, 1)
        s = torch.full((n_beams,), float("-inf"))
        s[0] = 0
        for _ in range(n_new):
            lp = s[:, None] + model(seqs)[:, -1].log_softmax(-1)
            s, i = lp.flatten().topk(n_beams)
            seqs = torch.cat([seqs, (i % lp.shape[1])[:, None]], 1)
        return seqs, s
    """, "reorder"),
    ("beam_search", "length normalised ranking", """
        seqs, s = prompt[None], torch.zeros(1)
        for n in range(n_new):
            lp = (s[:, None] * n + model(seqs)[:, -1].log_softmax(-1)) / (n + 1)
            s, i = lp.flatten().topk(min(n_beams, lp.numel()))
            seqs = torch.cat([seqs[i // lp.shape[1]], (i % lp.shape[1])[:, None]], 1)
        return seqs, s
    """, "divided by the length"),
    ("beam_search", "raw logits", """
        seqs, s = prompt[None], torch.zeros(1)
        for n in range(n_new):
            lp = s[:, None] + model(seqs)[:, -1]
            s, i = lp.flatten().topk(min(n_beams, lp.numel()))
            seqs = torch.cat([seqs[i // lp.shape[1]], (i % lp.shape[1])[:, None]], 1)
        return seqs, s
    """, "logits"),
    ("beam_search", "prompt's end alone", """
        seqs, s = prompt[None, -1:], torch.zeros(1)
        for n in range(n_new):
            lp = s[:, None] + model(seqs)[:, -1].log_softmax(-1)
            s, i = lp.flatten().topk(min(n_beams, lp.numel()))
            seqs = torch.cat([seqs[i // lp.shape[1]], (i % lp.shape[1])[:, None]], 1)
        return torch.cat([prompt.repeat(len(s), 1), seqs[:, 1:]], 1), s
    """, "whole sequence"),
    ("beam_search", "junk beams kept", """
        seqs = prompt.repeat(n_beams, 1)
        s = torch.full((n_beams,), -1e9)
        s[0] = 0
        for _ in range(n_new):
            lp = s[:, None] + model(seqs)[:, -1].log_softmax(-1)
            s, i = lp.flatten().topk(n_beams)
            seqs = torch.cat([seqs[i // lp.shape[1]], (i % lp.shape[1])[:, None]], 1)
        return seqs, s
    """, "real sequences"),
    ("beam_search", "unsorted", """
        beams = [(0.0, prompt.tolist())]
        for _ in range(n_new):
            grown = []
            for s, b in beams:
                lp = model(torch.tensor([b]))[0, -1].log_softmax(-1).tolist()
                grown += [(s + x, b + [v]) for v, x in enumerate(lp)]
            cut = sorted((s for s, _ in grown), reverse=True)[:n_beams][-1]
            beams = [g for g in grown if g[0] >= cut]
        return torch.tensor([b for _, b in beams]), torch.tensor([s for s, _ in beams])
    """, ""),
]  # fmt: skip


def grade(grader, name, body):
    id = f"gpt2.{name}"
    source = IMPORTS + HEADS[id] + textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")
    return grader.grade(read_text("exercises.py", source), [id]).verdicts[0]


def called(cases):
    return [f"{case[0]}: {case[1]}" for case in cases]


@pytest.mark.parametrize(("name", "style", "body"), RIGHT, ids=called(RIGHT))
def test_a_right_answer_passes_however_it_is_written(grader, name, style, body):
    verdict = grade(grader, name, body)
    assert verdict.passed and verdict.points == verdict.out_of, verdict


@pytest.mark.parametrize(("name", "style", "body", "told"), WRONG, ids=called(WRONG))
def test_a_wrong_answer_hears_what_is_wrong(grader, name, style, body, told):
    verdict = grade(grader, name, body)
    assert verdict.status in ("failed", "error", "forbidden") and verdict.points < verdict.out_of, verdict
    assert len(verdict.message) > 20 and told in verdict.message, verdict

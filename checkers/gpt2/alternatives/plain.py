"""Chapter `gpt2` in plain steps: matrix products, transposes and loops over heads."""

import math

import torch
from torch import nn


class LayerNorm(nn.Module):
    def __init__(self, width, eps=1e-5):
        super().__init__()
        self.b = nn.Parameter(torch.zeros(width))
        self.w = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x):
        n = x.shape[-1]
        centred = x - x.sum(dim=-1, keepdim=True) / n
        variance = (centred * centred).sum(dim=-1, keepdim=True) / n
        return self.b + self.w * centred / torch.sqrt(variance + self.eps)


def attention_pattern(q, k):
    batch, length, heads, width = q.shape
    mask = torch.zeros(length, length, dtype=q.dtype, device=q.device)
    for query in range(length):
        mask[query, query + 1 :] = -1e9
    rows = []
    for head in range(heads):
        scores = q[:, :, head] @ k[:, :, head].transpose(1, 2) / math.sqrt(width) + mask
        weights = torch.exp(scores - scores.max(dim=-1, keepdim=True)[0])
        rows.append(weights / weights.sum(dim=-1, keepdim=True))
    return torch.stack(rows, dim=1)


class Attention(nn.Module):
    def __init__(self, d_model, n_heads):
        super().__init__()
        d_head = d_model // n_heads
        for name in ("W_Q", "W_K", "W_V"):
            setattr(self, name, nn.Parameter(torch.randn(n_heads, d_model, d_head) / math.sqrt(d_model)))
        for name in ("b_Q", "b_K", "b_V"):
            setattr(self, name, nn.Parameter(torch.zeros(n_heads, d_head)))
        self.W_O = nn.Parameter(torch.randn(n_heads, d_head, d_model) / math.sqrt(d_model))
        self.b_O = nn.Parameter(torch.zeros(d_model))

    def forward(self, x):
        heads = range(self.W_Q.shape[0])
        q = torch.stack([x @ self.W_Q[h] + self.b_Q[h] for h in heads], dim=2)
        k = torch.stack([x @ self.W_K[h] + self.b_K[h] for h in heads], dim=2)
        v = torch.stack([x @ self.W_V[h] + self.b_V[h] for h in heads], dim=2)
        pattern = attention_pattern(q, k)
        out = self.b_O
        for h in heads:
            out = out + pattern[:, h] @ v[:, :, h] @ self.W_O[h]
        return out


def top_p(logits, p, generator=None):
    out = []
    for row in logits:
        probabilities = torch.softmax(row, dim=0)
        order = torch.argsort(probabilities, descending=True)
        total, kept = 0.0, []
        for token in order.tolist():
            kept.append(token)
            total += probabilities[token].item()
            if total >= p:
                break
        kept = torch.tensor(kept)
        out.append(kept[torch.multinomial(probabilities[kept], 1, generator=generator)])
    return torch.cat(out)


def train(model, batches, learning_rate, weight_decay=0.01, max_norm=1.0):
    optimizer = torch.optim.AdamW(model.parameters(), learning_rate, weight_decay=weight_decay)
    criterion = nn.CrossEntropyLoss()
    history = []
    for batch in batches:
        model.zero_grad()
        logits = model(batch[:, :-1])
        loss = criterion(logits.transpose(1, 2), batch[:, 1:])
        history.append(float(loss))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
    return history

"""Chapter `gpt2` with as much of PyTorch as the exercises allow."""

import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from torch import nn


class LayerNorm(nn.Module):
    def __init__(self, width: int, eps: float = 1e-5):
        super().__init__()
        self.w = nn.Parameter(torch.ones(width))
        self.b = nn.Parameter(torch.zeros(width))
        self.register_buffer("eps", torch.tensor(eps, dtype=torch.float64), persistent=False)

    def forward(self, residual):
        variance, mean = torch.var_mean(residual, dim=-1, unbiased=False, keepdim=True)
        scale = torch.rsqrt(variance + self.eps.item())
        return torch.addcmul(self.b, self.w, (residual - mean) * scale)


def attention_pattern(q, k):
    scores = einsum(q, k, "b query h d, b key h d -> b h query key") * q.size(-1) ** -0.5
    allowed = torch.tril(torch.ones_like(scores[0, 0])).bool()
    scores = torch.where(allowed, scores, torch.finfo(scores.dtype).min)
    return F.softmax(scores, dim=-1)


class Attention(nn.Module):
    def __init__(self, d_model: int, n_heads: int):
        super().__init__()
        shape = (n_heads, d_model, d_model // n_heads)
        self.W_Q, self.W_K, self.W_V = (nn.Parameter(torch.randn(shape) * 0.02) for _ in range(3))
        self.b_Q, self.b_K, self.b_V = (nn.Parameter(torch.zeros(n_heads, shape[2])) for _ in range(3))
        self.W_O = nn.Parameter(torch.randn(n_heads, shape[2], d_model) * 0.02)
        self.b_O = nn.Parameter(torch.zeros(d_model))

    def forward(self, residual):
        project = "batch position model, head model width -> batch head position width"
        weights = ((self.W_Q, self.b_Q), (self.W_K, self.b_K), (self.W_V, self.b_V))
        q, k, v = (einsum(residual, w, project) + rearrange(b, "head width -> head 1 width") for w, b in weights)
        z = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return F.linear(rearrange(z, "b h p w -> b p (h w)"), self.W_O.flatten(0, 1).T, self.b_O)


def top_p(logits, p, generator=None):
    ordered, indices = torch.sort(logits, dim=-1, descending=True)
    cumulative = F.softmax(ordered, dim=-1).cumsum(-1)
    remove = F.pad(cumulative[:, :-1] >= p, (1, 0), value=False)
    filtered = torch.full_like(logits, float("-inf")).scatter(-1, indices, ordered.masked_fill(remove, float("-inf")))
    return torch.multinomial(F.softmax(filtered, -1), num_samples=1, generator=generator)[:, 0]


def train(model, batches, learning_rate, weight_decay=0.01, max_norm=1.0):
    params = list(model.parameters())
    optimiser = torch.optim.AdamW(params, lr=learning_rate, betas=(0.9, 0.999), weight_decay=weight_decay)
    losses = torch.zeros(len(batches), dtype=torch.float64)
    for step, tokens in enumerate(batches):
        optimiser.zero_grad(set_to_none=True)
        log_probs = model(tokens).log_softmax(-1)
        picked = log_probs[:, :-1].gather(-1, tokens[:, 1:, None])
        loss = -picked.mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, max_norm)
        optimiser.step()
        losses[step] = loss.detach()
    return losses.tolist()

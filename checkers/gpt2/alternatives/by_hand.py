"""Chapter `gpt2` from the formulas, down to AdamW and a draw from a uniform number."""

import torch
from torch import nn


class LayerNorm(nn.Module):
    def __init__(self, width, eps=1e-5):
        super().__init__()
        self.eps = eps
        self.w = nn.Parameter(torch.ones(width))
        self.b = nn.Parameter(torch.zeros(width))

    def forward(self, residual):
        mean = residual.mean(-1)[..., None]
        deviation = residual - mean
        size = (deviation.pow(2).mean(-1)[..., None] + self.eps).pow(0.5)
        return torch.einsum("...d,d->...d", deviation / size, self.w) + self.b


def attention_pattern(q, k):
    q, k = q.permute(0, 2, 1, 3), k.permute(0, 2, 3, 1)
    scores = torch.matmul(q, k).div(q.shape[-1] ** 0.5)
    positions = torch.arange(scores.shape[-1])
    visible = positions[:, None] >= positions[None, :]
    shifted = scores - scores.masked_fill(~visible, -torch.inf).amax(-1, keepdim=True).detach()
    powers = torch.exp(shifted.clamp(max=0)) * visible
    return powers / powers.sum(-1, keepdim=True)


class Attention(nn.Module):
    def __init__(self, d_model, n_heads):
        super().__init__()
        self.n_heads, self.d_head = n_heads, d_model // n_heads
        self.W_Q = nn.Parameter(torch.empty(n_heads, d_model, self.d_head).normal_(std=0.02))
        self.W_K = nn.Parameter(torch.empty(n_heads, d_model, self.d_head).normal_(std=0.02))
        self.W_V = nn.Parameter(torch.empty(n_heads, d_model, self.d_head).normal_(std=0.02))
        self.W_O = nn.Parameter(torch.empty(n_heads, self.d_head, d_model).normal_(std=0.02))
        self.b_Q = nn.Parameter(torch.zeros(n_heads, self.d_head))
        self.b_K = nn.Parameter(torch.zeros(n_heads, self.d_head))
        self.b_V = nn.Parameter(torch.zeros(n_heads, self.d_head))
        self.b_O = nn.Parameter(torch.zeros(d_model))

    def heads(self, residual, weight, bias):
        joined = residual @ weight.transpose(0, 1).flatten(1) + bias.flatten()
        return joined.view(*residual.shape[:2], self.n_heads, self.d_head)

    def forward(self, residual):
        q = self.heads(residual, self.W_Q, self.b_Q)
        k = self.heads(residual, self.W_K, self.b_K)
        v = self.heads(residual, self.W_V, self.b_V)
        mixed = attention_pattern(q, k) @ v.transpose(1, 2)
        joined = mixed.transpose(1, 2).reshape(residual.shape)
        return joined @ self.W_O.reshape(-1, residual.shape[-1]) + self.b_O


def top_p(logits, p, generator=None):
    probabilities = torch.softmax(logits, -1)
    likelier = probabilities[:, None, :] > probabilities[:, :, None]
    mass_above = (likelier * probabilities[:, None, :]).sum(-1)
    nucleus = torch.where(mass_above < p, probabilities, 0.0)
    edges = torch.cumsum(nucleus, -1)
    point = torch.rand(len(logits), 1, generator=generator, dtype=edges.dtype) * edges[:, -1:]
    return torch.searchsorted(edges, point, right=True).squeeze(1)


def train(model, batches, learning_rate, weight_decay=0.01, max_norm=1.0):
    parameters = [p for p in model.parameters() if p.requires_grad]
    first = [torch.zeros_like(p) for p in parameters]
    second = [torch.zeros_like(p) for p in parameters]
    losses = []
    for step, tokens in enumerate(batches, start=1):
        logits = model(tokens)[:, :-1]
        chosen = logits.gather(-1, tokens[:, 1:].unsqueeze(-1)).squeeze(-1)
        loss = (logits.logsumexp(-1) - chosen).mean()
        losses.append(loss.detach())
        gradients = torch.autograd.grad(loss, parameters)
        length = torch.sqrt(sum(g.square().sum() for g in gradients))
        scale = torch.clamp(max_norm / (length + 1e-6), max=1.0)
        with torch.no_grad():
            for p, g, m, v in zip(parameters, gradients, first, second):
                m.mul_(0.9).add_(0.1 * scale * g)
                v.mul_(0.999).add_(0.001 * (scale * g) ** 2)
                p.mul_(1 - learning_rate * weight_decay)
                p.sub_(learning_rate * (m / (1 - 0.9**step)) / ((v / (1 - 0.999**step)).sqrt() + 1e-8))
    return losses

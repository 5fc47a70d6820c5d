"""Autoencoders and their training in plain steps and loops."""

import torch
from torch import nn


class SAE(nn.Module):
    def __init__(self, d_model, latents):
        super().__init__()
        self.b_dec = nn.Parameter(torch.zeros(d_model))
        self.W_dec = nn.Parameter(torch.randn(latents, d_model))
        self.b_enc = nn.Parameter(torch.zeros(latents))
        self.W_enc = nn.Parameter(torch.randn(d_model, latents))

    def encode(self, x):
        pre = x @ self.W_enc - self.b_dec @ self.W_enc + self.b_enc
        return pre * (pre > 0)

    def decode(self, latents):
        return sum(latents[:, i : i + 1] * row for i, row in enumerate(self.W_dec)) + self.b_dec

    def forward(self, x):
        f = self.encode(x)
        return self.decode(f), f


def sae_loss(x, reconstruction, latents, coefficient, penalty="l1", eps=1e-6):
    total = 0
    for i in range(x.shape[1]):
        total = total + ((x[:, i] - reconstruction[:, i]) ** 2).mean()
    for i in range(latents.shape[1]):
        code = latents[:, i]
        if penalty == "sqrt":
            code = torch.sqrt(code + eps)
        total = total + coefficient * code.mean()
    return total


@torch.no_grad()
def project_gradient(W_dec):
    for row, slope in zip(W_dec, W_dec.grad, strict=True):
        slope -= (slope @ row) / (row @ row) * row


@torch.no_grad()
def normalise_decoder(W_dec):
    for i in range(len(W_dec)):
        W_dec[i] = W_dec[i] / W_dec[i].pow(2).sum().sqrt()


def match_features(W_dec, directions):
    values, indices = [], []
    for direction in directions:
        cosines = [float(direction @ row / direction.norm() / row.norm()) for row in W_dec]
        values.append(max(cosines))
        indices.append(cosines.index(max(cosines)))
    return torch.tensor(values, dtype=W_dec.dtype), torch.tensor(indices)


def train_on_toy(sae, make_batch, steps, learning_rate, coefficient):
    optimiser = torch.optim.Adam(list(sae.parameters()), learning_rate)
    history = []
    for step in range(steps):
        sae.zero_grad()
        x = make_batch(step)
        reconstruction, latents = sae(x)
        loss = sae_loss(x, reconstruction, latents, coefficient)
        history += [float(loss)]
        loss.backward()
        project_gradient(sae.W_dec)
        optimiser.step()
        normalise_decoder(sae.W_dec)
    return history

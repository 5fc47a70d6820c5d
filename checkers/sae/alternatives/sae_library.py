"""Autoencoders with the library's functions."""

import einops
import torch
import torch.nn.functional as F
from torch import nn


class SAE(nn.Module):
    def __init__(self, d_model, latents):
        super().__init__()
        self.W_enc = nn.Parameter(torch.empty(d_model, latents))
        self.b_enc = nn.Parameter(torch.zeros(latents))
        self.W_dec = nn.Parameter(torch.empty(latents, d_model))
        self.b_dec = nn.Parameter(torch.zeros(d_model))
        nn.init.kaiming_uniform_(self.W_enc)
        nn.init.kaiming_uniform_(self.W_dec)

    def encode(self, x):
        return F.linear(x - self.b_dec, self.W_enc.T, self.b_enc).clamp(min=0)

    def decode(self, latents):
        return F.linear(latents, self.W_dec.T, self.b_dec)

    def forward(self, x):
        latents = self.encode(x)
        return self.decode(latents), latents


def sae_loss(x, reconstruction, latents, coefficient, penalty="l1", eps=1e-6):
    error = F.mse_loss(reconstruction, x, reduction="sum") / x.shape[0]
    costs = {"l1": lambda f: f, "sqrt": lambda f: (f + eps) ** 0.5}[penalty](latents)
    return error + coefficient * einops.reduce(costs, "batch latent -> batch", "sum").mean()


def project_gradient(W_dec):
    unit = F.normalize(W_dec.detach(), dim=1)
    along = einops.einsum(W_dec.grad, unit, "latent d, latent d -> latent")
    W_dec.grad = W_dec.grad - along[:, None] * unit


def normalise_decoder(W_dec):
    W_dec.data = F.normalize(W_dec.data, dim=-1)


def match_features(W_dec, directions):
    cosines = F.cosine_similarity(directions[:, None], W_dec[None], dim=-1)
    return cosines.amax(1), cosines.argmax(1)


def train_on_toy(sae, make_batch, steps, learning_rate, coefficient):
    optimiser = torch.optim.Adam(sae.parameters(), lr=learning_rate)
    losses = []
    for i in range(steps):
        optimiser.zero_grad()
        x = make_batch(i)
        made, code = sae(x)
        loss = sae_loss(x, made, code, coefficient)
        losses.append(loss.detach())
        loss.backward()
        project_gradient(sae.W_dec)
        optimiser.step()
        normalise_decoder(sae.W_dec)
    return [loss.item() for loss in losses]

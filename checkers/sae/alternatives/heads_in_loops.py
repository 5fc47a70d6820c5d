"""What heads have to do with latents, head by head."""

import torch


def attention_output_sae(W_enc, W_dec, b_dec, W_O, z):
    n_heads, d_head, d_model = W_O.shape
    shares, writes, parts = [], 0, []
    for h in range(n_heads):
        piece = slice(h * d_head, (h + 1) * d_head)
        row = W_dec[:, piece]
        shares.append((row**2).sum(1))
        writes = writes + row @ W_O[h]
        parts.append((z[:, :, h] - b_dec[piece]) @ W_enc[piece])
    shares = torch.stack(shares, dim=1)
    return shares / shares.sum(1)[:, None], writes, torch.stack(parts, dim=2)

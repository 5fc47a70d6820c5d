"""Chapter `induction`: scores of patterns read off diagonals, and texts and losses by the library's functions."""

import torch
import torch.nn.functional as F
from einops import einsum, rearrange, reduce


def repeated_tokens(batch, period, d_vocab, bos, generator):
    keys = torch.rand(batch, d_vocab - 1, generator=generator, dtype=torch.float64, device=generator.device)
    drawn = keys.argsort(-1)[:, :period]
    drawn = drawn + (drawn >= bos)  # steps over bos
    return F.pad(drawn.repeat(1, 2), (1, 0), value=bos)


def loss_per_token(model, tokens):
    logits = model(tokens)
    return F.cross_entropy(rearrange(logits[:, :-1], "b p v -> b v p"), tokens[:, 1:], reduction="none")


def pattern_scores(patterns):
    def mean(stripe):
        return reduce(stripe, "layer batch head query -> layer head", "mean")

    return {
        "previous": mean(patterns.diagonal(-1, -2, -1)),
        "current": mean(patterns.diagonal(0, -2, -1)[..., 1:]),
        "first": mean(patterns[..., 1:, 0]),
    }


def prefix_matching_score(patterns, period, start):
    diagonal = patterns.diagonal(offset=1 - period, dim1=-2, dim2=-1)  # entry i is query i + period - 1
    return diagonal[..., start + 1 : start + 1 + period].mean(-1).mean(1)


@torch.no_grad()
def copying_score(model, tokens):
    names = [f"blocks.{layer}.attn.hook_v" for layer in range(model.config.n_layers)]
    _, cache = model.run_with_cache(tokens, names)
    rows = []
    for block, name in zip(model.blocks, names, strict=True):
        out = einsum(cache[name], block.attn.W_O, "b p h d, h d m -> b p h m")
        if model.config.layer_norm:
            out = F.layer_norm(out, out.shape[-1:], eps=0.0) * model.ln_final.w
        logits = out @ model.unembed.W_U
        z = F.layer_norm(logits, logits.shape[-1:], eps=0.0)  # mean 0, deviation 1 over the vocabulary
        index = tokens[:, :, None, None].expand(-1, -1, z.shape[2], 1)
        rows.append(reduce(z.gather(-1, index), "b p h 1 -> h", "mean"))
    return torch.stack(rows)


def in_context_learning_score(losses, early, late):
    a, b = losses[:, early - 1], losses[:, late - 1]
    return b.mean() - a.mean()

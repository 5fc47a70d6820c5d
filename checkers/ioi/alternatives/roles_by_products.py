"""`attention_roles` by one-hot rows, `name_mover_copying` by one OV matrix a head and a sort."""

import torch
import torch.nn.functional as F


def attention_roles(patterns, positions):
    length = patterns.shape[-1]
    hot = {name: F.one_hot(at, length).to(patterns.dtype) for name, at in positions.items()}

    def look(query, key):
        return torch.einsum("lbhqk,bq,bk->lh", patterns, hot[query], hot[key]) / patterns.shape[1]

    return {
        "name mover": look("END", "IO"),
        "S-inhibition": look("END", "S2"),
        "duplicate token": look("S2", "S1"),
        "induction": look("S2", "S1+1"),
        "previous token": look("S1+1", "S1"),
    }


def name_mover_copying(model, tokens, at, top, negative):
    with torch.no_grad():
        rows = torch.arange(tokens.shape[0])
        stream = model.run_with_cache(tokens, "blocks.0.hook_resid_post", stop_at_layer=1)[1]
        x = stream["blocks.0.hook_resid_post"][rows, at]
        name = tokens[rows, at]
        sign = -1.0 if negative else 1.0
        rate = []
        for block in model.blocks:
            a = block.attn
            W_OV = a.W_V @ a.W_O  # (head, d_model, d_model)
            bias = torch.einsum("hd,hdm->hm", a.b_V, a.W_O)
            y = sign * (torch.einsum("bm,hmn->bhn", block.ln1(x), W_OV) + bias)
            order = model.unembed(model.ln_final(y)).argsort(-1, descending=True)[..., :top]
            rate.append((order == name[:, None, None]).any(-1).to(x.dtype).mean(0))
        return torch.stack(rate)

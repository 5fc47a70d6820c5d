"""Chapter `induction`: scores of patterns and of texts, one head, one text and one query at a time."""

import torch


def repeated_tokens(batch, period, d_vocab, bos, generator):
    others = torch.tensor([t for t in range(d_vocab) if t != bos])
    rows = []
    for _ in range(batch):
        order = torch.randperm(d_vocab - 1, generator=generator)[:period]
        text = others[order].tolist()
        rows.append([bos] + text + text)
    return torch.tensor(rows)


def loss_per_token(model, tokens):
    logits = model(tokens)
    rows = []
    for b in range(tokens.shape[0]):
        row = []
        for p in range(1, tokens.shape[1]):
            scores = logits[b, p - 1]
            row.append(torch.logsumexp(scores, 0) - scores[tokens[b, p]])
        rows.append(torch.stack(row))
    return torch.stack(rows)


def pattern_scores(patterns):
    n_layers, batch, n_heads, length, _ = patterns.shape
    scores = {}
    for name, key in [("previous", lambda q: q - 1), ("current", lambda q: q), ("first", lambda q: 0)]:
        table = torch.zeros(n_layers, n_heads, dtype=patterns.dtype, device=patterns.device)
        for q in range(1, length):
            table = table + patterns[:, :, :, q, key(q)].mean(1)
        scores[name] = table / (length - 1)
    return scores


def prefix_matching_score(patterns, period, start):
    n_layers, batch, n_heads = patterns.shape[:3]
    rows = []
    for layer in range(n_layers):
        row = []
        for head in range(n_heads):
            total = 0
            for b in range(batch):
                for i in range(period):
                    now = start + period + i
                    total = total + patterns[layer, b, head, now, start + i + 1]
            row.append(total / (batch * period))
        rows.append(torch.stack(row))
    return torch.stack(rows)


def copying_score(model, tokens):
    _, cache = model.run_with_cache(tokens)
    W_U = model.unembed.W_U
    table = []
    for layer, block in enumerate(model.blocks):
        row = []
        for head in range(model.config.n_heads):
            v = cache[f"blocks.{layer}.attn.hook_v"][:, :, head]
            out = v @ block.attn.W_O[head]
            if model.config.layer_norm:
                out = (out - out.mean(-1, keepdim=True)) * model.ln_final.w
            logits = out @ W_U
            own = logits.gather(-1, tokens[..., None])[..., 0]
            z = (own - logits.mean(-1)) / logits.std(-1, unbiased=False)
            row.append(z.mean())
        table.append(torch.stack(row))
    return torch.stack(table)


def in_context_learning_score(losses, early, late):
    differences = []
    for row in losses:
        differences.append(row[late - 1] - row[early - 1])
    return sum(differences) / len(differences)

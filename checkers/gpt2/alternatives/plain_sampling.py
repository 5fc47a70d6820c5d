"""Sampling and search of chapter `gpt2` in plain steps: a row, a token, a beam at a time."""

import torch


def temperature(logits, temperature, generator=None):
    out = []
    for row in logits:
        if temperature == 0:
            out.append(torch.argmax(row))
            continue
        scaled = (row - row.max()) / temperature
        weights = torch.exp(scaled) / torch.exp(scaled).sum()
        out.append(torch.multinomial(weights, num_samples=1, generator=generator)[0])
    return torch.stack(out)


def top_k(logits, k, generator=None):
    out = []
    for row in logits:
        order = torch.argsort(row, descending=True)[:k]
        weights = torch.softmax(row[order], dim=0)
        out.append(order[torch.multinomial(weights, 1, generator=generator)])
    return torch.cat(out)


def repetition_penalty(logits, tokens, penalty):
    out = logits.clone()
    for row in range(logits.shape[0]):
        for token in set(tokens[row].tolist()):
            if logits[row, token] < 0:
                out[row, token] = logits[row, token] * penalty
            else:
                out[row, token] = logits[row, token] / penalty
    return out


def beam_search(model, prompt, n_new, n_beams):
    beams = [(0.0, prompt.tolist())]
    for _ in range(n_new):
        grown = []
        for score, text in beams:
            logits = model(torch.tensor([text], device=prompt.device))[0, -1]
            for token, step in enumerate(torch.log_softmax(logits, dim=0)):
                grown.append((score + step, [*text, token]))
        grown.sort(key=lambda pair: pair[0].item(), reverse=True)
        beams = grown[:n_beams]
    sequences = torch.tensor([text for _, text in beams], device=prompt.device)
    return sequences, torch.stack([score for score, _ in beams])

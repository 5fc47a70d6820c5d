"""Texts one at a time in plain Python, and a loop with a scheduler."""

import torch
import torch.nn.functional as F


def induction_batch(count, length, vocab, generator):
    def draw(low, high):
        return int(torch.randint(low, high + 1, (1,), generator=generator))

    texts, marks = [], []
    for _ in range(count):
        text = torch.randperm(vocab, generator=generator)[:length].tolist()
        size = draw(2, length // 2)
        first = draw(0, length - 2 * size)
        second = draw(first + size, length - size)
        text[second : second + size] = text[first : first + size]
        texts.append(text)
        marks.append([second <= i < second + size - 1 for i in range(length)])
    return torch.tensor(texts), torch.tensor(marks)


def train_induction(model, make_batch, steps, learning_rate, warmup=50):
    opt = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(opt, lambda s: min(1.0, (s + 1) / warmup))
    history = []
    for s in range(steps):
        opt.zero_grad()
        tokens, known = make_batch(s)
        log_probs = F.log_softmax(model(tokens), dim=-1)
        picked = log_probs[:, :-1].gather(-1, tokens[:, 1:].unsqueeze(-1)).squeeze(-1)
        mask = known[:, :-1].to(picked.dtype)
        loss = -(picked * mask).sum() / mask.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
        opt.step()
        schedule.step()
        history.append(float(loss.detach()))
    return history

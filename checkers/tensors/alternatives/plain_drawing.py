"""Chapter `tensors`, choosing among numbers: loops over rows and draws."""

import torch


def topk_mask(x, k):
    out = torch.zeros_like(x)
    for i, row in enumerate(x):
        for j in sorted(range(len(row)), key=row.tolist().__getitem__)[-k:]:
            out[i, j] = row[j]
    return out


def sample_categorical(probabilities, count, generator=None):
    rows = []
    for row in probabilities.tolist():
        drawn = []
        for _ in range(count):
            point = torch.rand((), generator=generator, dtype=torch.float64).item()
            total = 0.0
            for token, probability in enumerate(row):
                if probability > 0:
                    total += probability
                    last = token
                    if point < total:
                        break
            drawn.append(last)
        rows.append(drawn)
    return torch.tensor(rows)


class Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, threshold):
        return (x > threshold).type_as(x)

    @staticmethod
    def backward(ctx, grad):
        return grad, None


def straight_through(x, threshold):
    return Step.apply(x, threshold)

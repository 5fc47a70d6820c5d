"""Chapter `induction`: hook points with a list, and a cache by PyTorch's own hooks."""

from torch import nn


class HookPoint(nn.Module):
    def __init__(self):
        super().__init__()
        self.fwd = []

    def add(self, hook):
        entry = [hook]
        self.fwd.append(entry)

        def remove():
            self.fwd = [e for e in self.fwd if e is not entry]

        return remove

    def forward(self, value):
        for (hook,) in tuple(self.fwd):
            new = hook(value, self)
            value = value if new is None else new
        return value


def run_with_cache(model, tokens, names=None):
    if callable(names):
        points = {n: p for n, p in model.hook_points.items() if names(n)}
    elif names is not None:
        points = {n: model.hook_points[n] for n in names}
    else:
        points = dict(model.hook_points)
    cache, handles = {}, []

    def saver(name):
        def save(module, args, output):
            cache[name] = output + 0
            return cache[name] + 0

        return save

    try:
        for name, point in points.items():
            handles.append(point.register_forward_hook(saver(name)))
        logits = model(tokens)
    finally:
        for h in handles:
            h.remove()
    return logits, cache

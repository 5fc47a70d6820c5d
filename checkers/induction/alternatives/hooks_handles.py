"""Chapter `induction`: hook points on PyTorch's own hooks, and a cache by a context manager."""

from contextlib import ExitStack

from torch import nn


class HookPoint(nn.Module):
    def __init__(self):
        super().__init__()

    def add(self, hook):
        handle = self.register_forward_hook(lambda module, args, output: hook(output, module))
        return handle.remove

    def forward(self, value):
        return value


class Keeper:
    def __init__(self):
        self.kept = {}

    def hook(self, name):
        def inner(module, args, output):
            self.kept[name] = output.clone()
            return self.kept[name].clone()

        return inner


def run_with_cache(model, tokens, names=None):
    chosen = list(model.hook_points) if names is None else names
    if callable(chosen):
        chosen = filter(chosen, model.hook_points)
    chosen = [(name, model.hook_points[name]) for name in chosen]
    keeper = Keeper()
    with ExitStack() as stack:
        for name, point in chosen:
            stack.callback(point.register_forward_hook(keeper.hook(name)).remove)
        return model(tokens), keeper.kept

"""Chapter `induction`: the handles on an exit stack."""

from contextlib import ExitStack
from functools import partial


def run_with_hooks(model, tokens, hooks):
    def forward_hook(module, inputs, output, function):
        return function(output, module)

    modules = dict(model.named_modules())
    missing = [name for name, _ in hooks if name not in modules]
    if missing:
        raise KeyError(f"no submodule is called {missing[0]!r}")
    with ExitStack() as stack:
        for name, function in hooks:
            handle = modules[name].register_forward_hook(partial(forward_hook, function=function))
            stack.callback(handle.remove)
        return model(tokens)

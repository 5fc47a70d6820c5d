"""Chapter `induction`: a context manager, and get_submodule for the names."""

from contextlib import contextmanager


@contextmanager
def hooked(pairs):
    handles = [module.register_forward_hook(wrap(function)) for module, function in pairs]
    try:
        yield
    finally:
        while handles:
            handles.pop().remove()


def wrap(function):
    def forward_hook(module, args, output):
        replacement = function(output, module)
        if replacement is not None:
            return replacement

    return forward_hook


def run_with_hooks(model, tokens, hooks):
    pairs = []
    for name, function in hooks:
        try:
            pairs.append((model.get_submodule(name), function))
        except AttributeError:
            raise KeyError(name) from None
    with hooked(pairs):
        return model(tokens)

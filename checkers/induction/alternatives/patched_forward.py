"""Chapter `induction` without PyTorch's hooks: the forward of each hooked submodule is replaced for the run."""


class Patched:
    def __init__(self, module, function):
        self.module, self.function, self.before = module, function, module.__dict__.get("forward")

    def __enter__(self):
        inner = self.module.forward

        def forward(*args, **kwargs):
            output = inner(*args, **kwargs)
            replacement = self.function(output, self.module)
            return output if replacement is None else replacement

        self.module.__dict__["forward"] = forward

    def __exit__(self, *error):
        if self.before is None:
            self.module.__dict__.pop("forward", None)
        else:
            self.module.__dict__["forward"] = self.before
        return False


def run_with_hooks(model, tokens, hooks):
    modules = {name: module for name, module in model.named_modules()}
    pairs = [(modules[name], function) for name, function in hooks]
    return run_patched(model, tokens, pairs)


def run_patched(model, tokens, pairs):
    if not pairs:
        return model(tokens)
    (module, function), *rest = pairs
    with Patched(module, function):
        return run_patched(model, tokens, rest)

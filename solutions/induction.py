"""The reference answers of chapter `induction`.

A hook point is a submodule that returns what it is given; it stands where an activation has a name, so that
a hook can read the activation or replace it. Source of the names and the interface: TransformerLens.
"""

from collections.abc import Callable

from torch import Tensor, nn

Hook = Callable[[Tensor, nn.Module], Tensor | None]


def run_with_hooks(model: nn.Module, tokens: Tensor, hooks: list[tuple[str, Hook]]) -> Tensor:
    """Runs `model` on `tokens` with hooks in place, and leaves the model as it was, whatever happens.

    hooks: pairs (name, hook). `name` is that of a submodule, as `model.named_modules()` gives it;
    `hook(activation, hook_point)` is called with the submodule's output and the submodule. A hook that returns
    a tensor replaces the activation; one that returns None leaves it. Hooks on one name run in the order given.
    Returns what the model returns. Raises KeyError, before anything is hooked, when no submodule has a name.
    """
    ### BEGIN SOLUTION
    modules = dict(model.named_modules())
    targets = [(modules[name], hook) for name, hook in hooks]
    handles = []
    try:
        for module, hook in targets:
            handles.append(module.register_forward_hook(lambda module, _, output, hook=hook: hook(output, module)))
        return model(tokens)
    finally:
        for handle in handles:
            handle.remove()
    ### END SOLUTION

"""Chapter `induction`: hook points, and runs of a network with hooks in place.

A hook point is a submodule that returns what it is given; it stands where an activation has a name, so that
a hook can read the activation or replace it. Source of the names and the interface: TransformerLens.
"""

from collections.abc import Callable, Collection
from typing import Any

from torch import Tensor, nn

Hook = Callable[[Tensor, nn.Module], Tensor | None]
Names = None | Collection[str] | Callable[[str], bool]


class HookPoint(nn.Module):
    """Returns what it is given, as its hooks leave it: a place in a network where an activation has a name."""

    def __init__(self) -> None:
        super().__init__()
        self.hooks: dict[object, Hook] = {}  # in the order in which they run, each under a key of its own

    def add(self, hook: Hook) -> Callable[[], None]:
        """Adds a hook behind those that are there. Returns a function that takes this one off, once or often.

        A function may be added twice, and is then two hooks.
        """
        ### BEGIN SOLUTION
        key = object()
        self.hooks[key] = hook

        def remove() -> None:
            self.hooks.pop(key, None)

        return remove
        ### END SOLUTION

    def forward(self, value: Tensor) -> Tensor:
        """Calls each hook with the activation and this hook point, in order.

        A hook that returns a tensor replaces the activation for all that follows; None leaves it. Returns the
        activation: without hooks the very tensor that came in. A hook may take itself off while it is called.
        """
        ### BEGIN SOLUTION
        for hook in list(self.hooks.values()):  # a copy, since a hook may take itself off
            made = hook(value, self)
            if made is not None:
                value = made
        return value
        ### END SOLUTION


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


def run_with_cache(model: Any, tokens: Tensor, names: Names = None) -> tuple[Tensor, dict[str, Tensor]]:
    """What `model` returns on `tokens`, and the activations at its hook points, by name.

    model.hook_points: a dict of the model's hook points by name, each a submodule of that name. names: those to keep,
    a collection, or a function that says of each name whether to keep it; all for None. Raises KeyError, before the
    model runs, for a name that is no hook point. The cache's tensors are its own: nothing that happens later changes
    them. Gradients flow through them, so the output's gradient by a cached activation can be taken.
    """
    ### BEGIN SOLUTION
    if names is None:
        wanted = list(model.hook_points)
    elif callable(names):
        wanted = [name for name in model.hook_points if names(name)]
    else:
        wanted = list(names)
    unknown = [name for name in wanted if name not in model.hook_points]
    if unknown:
        raise KeyError(unknown[0])
    cache = {}

    def keeping(name: str) -> Hook:
        def keep(activation: Tensor, hook_point: nn.Module) -> Tensor:
            cache[name] = activation.clone()
            return cache[name].clone()  # the run goes on from what is kept, and edits, if any, a copy of it

        return keep

    output = run_with_hooks(model, tokens, [(name, keeping(name)) for name in wanted])
    return output, cache
    ### END SOLUTION

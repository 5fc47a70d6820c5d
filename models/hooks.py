"""Hook points: places in a network where an activation has a name, can be read, and can be replaced.

A hook is a function `hook(value, point)`: it is called with the activation and the hook point it comes from, whose
name is `point.name`. What it returns takes the activation's place; None leaves it. The names and the interface are
TransformerLens'; hook points are submodules, so PyTorch's own `register_forward_hook` serves as well.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from functools import partial
from typing import Any

from torch import Tensor, nn

Names = str | Collection[str] | Callable[[str], bool]  # a name, several, or a predicate that picks some
Cache = dict[str, Tensor]


class HookPoint(nn.Module):
    """Returns what it is given. With `on_demand`, the activation is computed only when somebody hooks it."""

    name = ""  # its full name in the model, such as blocks.0.attn.hook_pattern

    def __init__(self, on_demand: bool = False):
        super().__init__()
        self.on_demand = on_demand

    def forward(self, value: Tensor) -> Tensor:
        return value

    @property
    def hooked(self) -> bool:
        """Whether anybody listens: a PyTorch hook, or a forward that somebody has put in place of this one."""
        return bool(self._forward_hooks) or "forward" in vars(self)


Hook = Callable[[Tensor, HookPoint], Tensor | None]


class HookedModule(nn.Module):
    """A network with hook points. A subclass calls `name_hook_points` when all its submodules are made."""

    hook_points: dict[str, HookPoint]  # by full name, in the order of the modules

    def name_hook_points(self) -> None:
        """Tells every hook point its name."""
        self.hook_points = {name: part for name, part in self.named_modules() if isinstance(part, HookPoint)}
        for name, point in self.hook_points.items():
            point.name = name

    @contextmanager
    def hooks(self, hooks: Iterable[tuple[Names, Hook]]) -> Iterator[None]:
        """Keeps hooks in place for a `with` block, and removes these and no others at its end, whatever happens.

        hooks: pairs (name or names or predicate, hook). Hooks on one point run in the order given, each on what the
        one before it made; those of a block inside run after those of the block around it. Raises ValueError for an
        unknown name before anything is hooked.
        """
        pairs = [(point, hook) for names, hook in hooks for point in self._points(names)]
        handles = []
        try:
            for point, hook in pairs:
                handles.append(point.register_forward_hook(partial(_call, hook)))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def run_with_hooks(
        self,
        tokens: Tensor,
        hooks: Iterable[tuple[Names, Hook]] = (),
        *,
        start_at_layer: int | None = None,
        stop_at_layer: int | None = None,
    ) -> Tensor:
        """What the model returns with `hooks` in place; see `hooks` for them, and the model's forward for the rest."""
        with self.hooks(hooks):
            return self._run(tokens, start_at_layer, stop_at_layer)

    def run_with_cache(
        self,
        tokens: Tensor,
        names: Names | None = None,
        *,
        start_at_layer: int | None = None,
        stop_at_layer: int | None = None,
    ) -> tuple[Tensor, Cache]:
        """What the model returns, and the activations `names`, by name: all but those computed on demand, for None.

        Inside `with model.hooks(...)` the cache holds what those hooks made of the activations. Its tensors are its
        own: nothing changes them later. Gradients flow through them, so that a gradient can be taken for them too.
        """
        if names is None:
            names = [name for name, point in self.hook_points.items() if not point.on_demand]
        cache: Cache = {}

        def keep(value: Tensor, point: HookPoint) -> Tensor | None:
            kept = cache[point.name] = value.clone()
            # The run goes on from what is kept, for its gradient, but from a copy, since a later hook may edit that.
            return kept.clone() if kept.requires_grad else None

        with self.hooks([(names, keep)]):
            return self._run(tokens, start_at_layer, stop_at_layer), cache

    def _run(self, tokens: Tensor, start_at_layer: int | None, stop_at_layer: int | None) -> Tensor:
        output: Tensor = self(tokens, start_at_layer=start_at_layer, stop_at_layer=stop_at_layer)
        return output

    def _points(self, names: Names) -> list[HookPoint]:
        """The hook points that are meant. Raises ValueError with the closest names for one that does not exist."""
        if callable(names):
            return [point for name, point in self.hook_points.items() if names(name)]
        wanted = [names] if isinstance(names, str) else list(names)
        for name in wanted:
            if name not in self.hook_points:
                close = " or ".join(get_close_matches(name, self.hook_points)) or "one of model.hook_points"
                raise ValueError(f"no hook point is called {name!r}: do you mean {close}?")
        return [self.hook_points[name] for name in wanted]


def _call(hook: Hook, point: HookPoint, inputs: Any, value: Tensor) -> Tensor | None:
    """Calls a hook as PyTorch calls its own; refuses what could only go wrong later, or be broadcast unnoticed."""
    made = hook(value, point)
    if made is None:
        return None
    if not isinstance(made, Tensor):
        raise TypeError(f"the hook on {point.name} returns a {type(made).__name__}: return a tensor or None")
    if made.shape[1:] != value.shape[1:]:
        shapes = f"shape {tuple(made.shape)} in place of {tuple(value.shape)}"
        raise ValueError(f"the hook on {point.name} returns {shapes}: only the batch may have another size")
    return made

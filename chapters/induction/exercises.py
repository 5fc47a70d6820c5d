"""The exercises of chapter `induction`: Hooks, or how to experiment on a network.

What to write, and why, stands in the chapter's text. Put your code in place of `raise NotImplementedError`;
names and parameters stay as they are, and helpers of your own are welcome.
`headwork check induction.run_with_hooks` checks one of them.
"""

from collections.abc import Callable

from torch import Tensor, nn


# induction.run_with_hooks: Run with hooks
# 6 points, about 30 minutes. Check it with: headwork check induction.run_with_hooks
Hook = Callable[[Tensor, nn.Module], Tensor | None]


def run_with_hooks(model: nn.Module, tokens: Tensor, hooks: list[tuple[str, Hook]]) -> Tensor:
    """Runs `model` on `tokens` with hooks in place, and leaves the model as it was, whatever happens.

    hooks: pairs (name, hook). `name` is that of a submodule, as `model.named_modules()` gives it;
    `hook(activation, hook_point)` is called with the submodule's output and the submodule. A hook that returns
    a tensor replaces the activation; one that returns None leaves it. Hooks on one name run in the order given.
    Returns what the model returns. Raises KeyError, before anything is hooked, when no submodule has a name.
    """
    raise NotImplementedError("write run_with_hooks")

"""What is asked of answers in chapter `induction`: a run with a cache.

Learners' processes hold this file: it contains no answer, and imports no `headwork.models`.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from headwork.checkers.induction.probes.hooks import _HookPoint, _Stop
from headwork.checkers.probing import ABSENT, Answer, Case, Unfit, load


class _Restless(nn.Module):
    """A network that edits its activations in place after their hook points have seen them."""

    def __init__(self, vocab: int, width: int):
        super().__init__()
        self.W_E = nn.Parameter(torch.empty(vocab, width))
        self.W = nn.Parameter(torch.empty(width, width))
        self.W_U = nn.Parameter(torch.empty(width, vocab))
        self.hook_embed = _HookPoint()
        self.inner = nn.ModuleDict({"mid": _HookPoint(), "out": _HookPoint()})
        self.hook_points = {name: part for name, part in self.named_modules() if isinstance(part, _HookPoint)}
        self.runs = 0

    def forward(self, tokens: Tensor) -> Tensor:
        self.runs += 1
        stream = self.hook_embed(self.W_E[tokens])  # (batch, position, width)
        stream *= 1.5
        middle = self.inner["mid"](stream @ self.W)
        middle += 1
        stream = self.inner["out"](stream + middle.sin())
        stream -= 2
        return stream @ self.W_U  # (batch, position, vocab)


def run_with_cache(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Each question is put to a model of its own, so that what one leaves behind does not spoil the next."""
    questions = {
        "all": _cache_of_all,
        "some": _cache_of_some,
        "edited later": _edited_later,
        "gradient": _gradient_by_cached,
        "gradient of cached": _gradient_of_cached,
        "unknown": _unknown_in_cache,
        "left behind": _left_by_cache,
        "two runs": _two_caches,
    }
    for name, question in questions.items():
        model = _Restless(*case.weights["W_E"].shape)
        load(model, case.weights)
        yield name, question(answer.run_with_cache, model, case)


def _plain(cache: Any) -> Any:
    """What the cache holds, if it is a dict; a copy, so that nothing changes it on the way."""
    if not isinstance(cache, dict):
        raise Unfit(f"the cache is a {type(cache).__name__}: return the output and a dict")
    return {name: value.detach().clone() if isinstance(value, Tensor) else value for name, value in cache.items()}


def _pair(result: Any) -> tuple[Tensor, dict[str, Tensor]]:
    if not isinstance(result, tuple) or len(result) != 2:
        raise Unfit("`run_with_cache` returns a pair: the output, and the cache")
    return result


def _cache_of_all(run: Callable[..., Any], model: _Restless, case: Case) -> Any:
    output, cache = _pair(run(model, case.tokens))
    return {"output": output, "its gradients": output.requires_grad, "cache": _plain(cache)}


def _cache_of_some(run: Callable[..., Any], model: _Restless, case: Case) -> Any:
    """By a list, by a set of one, by a function, by nothing at all."""
    asked = [["inner.out", "hook_embed"], {"inner.mid"}, lambda name: name.startswith("inner"), []]
    return [_plain(_pair(run(model, case.tokens, names))[1]) for names in asked]


def _edited_later(run: Callable[..., Any], model: _Restless, case: Case) -> Any:
    """A hook of somebody else comes after the cache's own, and edits the activation in place."""
    handles: list[Any] = []

    def late(module: nn.Module, inputs: Any, output: Tensor) -> None:
        output.mul_(7)

    def early(module: nn.Module, inputs: Any, output: Tensor) -> None:
        if not handles:  # so that it is behind all hooks of this run
            handles.append(model.inner["mid"].register_forward_hook(late))

    first = model.hook_embed.register_forward_hook(early)
    output, cache = _pair(run(model, case.tokens))
    for handle in (first, *handles):
        handle.remove()
    return {"output": output, "cache": _plain(cache)}


def _gradient_by_cached(run: Callable[..., Any], model: _Restless, case: Case) -> Any:
    """The gradient of the output by each cached activation."""
    output, cache = _pair(run(model, case.tokens))
    if not output.requires_grad:
        return dict.fromkeys(cache, ABSENT)
    found: dict[str, Any] = {}
    for name, value in cache.items():
        if not value.requires_grad:
            found[name] = ABSENT
            continue
        [grad] = torch.autograd.grad(output, [value], case.cotangent.to(output), retain_graph=True, allow_unused=True)
        found[name] = ABSENT if grad is None else grad
    return found


def _gradient_of_cached(run: Callable[..., Any], model: _Restless, case: Case) -> Any:
    """The gradient of a cached activation by the parameters."""
    _, cache = _pair(run(model, case.tokens, ["inner.out"]))
    value = cache["inner.out"]
    if not value.requires_grad:
        return ABSENT
    return list(torch.autograd.grad(value, [model.W_E, model.W], case.patch.to(value)))


def _unknown_in_cache(run: Callable[..., Any], model: _Restless, case: Case) -> Any:
    """A name that is no hook point, though it is a module: KeyError before the model runs."""
    found = {}
    for name in ("inner.middle", "inner"):
        runs = model.runs
        try:
            run(model, case.tokens, ["hook_embed", name])
            raised = "nothing"
        except KeyError:
            raised = "KeyError"
        except Exception as error:
            raised = type(error).__name__
        found[name] = [raised, model.runs - runs]
    return found


def _left_by_cache(run: Callable[..., Any], model: _Restless, case: Case) -> Any:
    """Hooks on the model after a run, and after one that ended with an exception; whether its mode stays."""
    run(model, case.tokens)
    counts: list[Any] = [model.training, sum(len(part._forward_hooks) for part in model.modules())]

    def stop(module: nn.Module, inputs: Any, output: Tensor) -> None:
        raise _Stop

    handle = model.inner["out"].register_forward_hook(stop)
    try:
        run(model, case.tokens)
    except _Stop:
        counts.append(-1)
    handle.remove()
    return [*counts, sum(len(part._forward_hooks) for part in model.modules())]


def _two_caches(run: Callable[..., Any], model: _Restless, case: Case) -> Any:
    """The first cache after a second run on other tokens, of other names."""
    _, first = _pair(run(model, case.tokens, ["inner.mid"]))
    _, second = _pair(run(model, case.tokens.flip(1), ["inner.mid", "inner.out"]))
    return [_plain(first), _plain(second)]

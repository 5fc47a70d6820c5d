"""What is asked of answers in chapter `induction`: hooks.

Learners' processes hold this file: it contains no answer, and imports no `headwork.models`.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from headwork.checkers.probing import ABSENT, Answer, Case, Unfit, gradient, load


class _HookPoint(nn.Module):
    """Returns what it is given: a place with a name."""

    def forward(self, value: Tensor) -> Tensor:
        return value


class _Block(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.W = nn.Parameter(torch.empty(width, width))
        self.b = nn.Parameter(torch.empty(width))
        self.hook_mid = _HookPoint()
        self.hook_out = _HookPoint()

    def forward(self, residual: Tensor) -> Tensor:
        middle = self.hook_mid((residual @ self.W + self.b).tanh())  # (batch, position, width)
        return self.hook_out(residual + middle)


class _Model(nn.Module):
    """Two blocks between embedding and unembedding, with hook points, a count of its runs, and a hook of others."""

    def __init__(self, vocab: int, width: int):
        super().__init__()
        self.W_E = nn.Parameter(torch.empty(vocab, width))
        self.W_U = nn.Parameter(torch.empty(width, vocab))
        self.hook_embed = _HookPoint()
        self.blocks = nn.ModuleList([_Block(width), _Block(width)])
        self.runs = 0

    def forward(self, tokens: Tensor) -> Tensor:
        self.runs += 1
        residual = self.hook_embed(self.W_E[tokens])  # (batch, position, width)
        for block in self.blocks:
            residual = block(residual)
        return residual @ self.W_U  # (batch, position, vocab)


class _Stop(Exception):
    """Raised by a hook."""


def run_with_hooks(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Each question is put to a model of its own, so that what one leaves behind does not spoil the next."""
    questions = {
        "read": _read,
        "replaced": _replaced,
        "order": _order,
        "left behind": _left_behind,
        "after an exception": _after_exception,
        "unknown name": _unknown_name,
        "others' hooks": _others,
        "nested": _nested,
        "gradient": _gradient,
    }
    for name, question in questions.items():
        model = _Model(*case.weights["W_E"].shape)
        load(model, case.weights)
        yield name, question(answer.run_with_hooks, model, case)


def _read(run: Callable[..., Tensor], model: _Model, case: Case) -> dict[str, Any]:
    """Hooks that only look: what they are shown, by whom, and the output, which stays what it was."""
    shown: list[Any] = []

    def look(activation: Tensor, hook_point: nn.Module) -> None:
        shown.append([activation.clone(), type(hook_point).__name__, hook_point is model.blocks[1].hook_mid])

    return {"output": run(model, case.tokens, [("blocks.1.hook_mid", look)]), "shown": shown}


def _replaced(run: Callable[..., Tensor], model: _Model, case: Case) -> list[Tensor]:
    """Replacing one activation, two at once, one by zeros (easily taken for nothing), and a whole block's output."""

    def scale(factor: float) -> Callable[[Tensor, nn.Module], Tensor]:
        return lambda activation, hook_point: activation * factor

    two = [("blocks.0.hook_mid", scale(2)), ("blocks.1.hook_out", scale(-0.5))]
    zeros = [("hook_embed", lambda activation, hook_point: torch.zeros_like(activation))]
    block = [("blocks.1", scale(3))]
    return [run(model, case.tokens, hooks) for hooks in ([two[0]], two, zeros, block)]


def _order(run: Callable[..., Tensor], model: _Model, case: Case) -> dict[str, Any]:
    """Three hooks on one place: each is shown what the one before it made of the activation."""
    shown: list[Tensor] = []

    def add(step: float) -> Callable[[Tensor, nn.Module], Tensor | None]:
        def hook(activation: Tensor, hook_point: nn.Module) -> Tensor | None:
            shown.append(activation.clone())
            return activation * step + 1 if step else None

        return hook

    hooks = [("blocks.0.hook_out", add(step)) for step in (3, 0, -2)]
    return {"output": run(model, case.tokens, hooks), "shown": shown}


def _left_behind(run: Callable[..., Tensor], model: _Model, case: Case) -> list[Any]:
    """How often the hooks of a finished run are called by the next run; whether the model is in the mode it was in."""
    calls: list[int] = []
    names = ["hook_embed", "blocks.0.hook_mid", "blocks.0.hook_mid", "blocks.1.hook_out"]
    run(model, case.tokens, [(name, lambda activation, hook_point: calls.append(1)) for name in names])
    before = len(calls)
    model(case.tokens)
    found: list[Any] = [len(calls) - before]
    for training in (True, False):
        model.train(training)
        run(model, case.tokens, [(names[0], lambda activation, hook_point: None)])
        found.append(model.training is training)
    return found


def _after_exception(run: Callable[..., Tensor], model: _Model, case: Case) -> dict[str, Any]:
    """A hook raises, then the model itself, on a token that does not exist: that must come out, and no hook stay."""
    calls: list[int] = []

    def stop(activation: Tensor, hook_point: nn.Module) -> None:
        raise _Stop

    hooks = [("hook_embed", lambda activation, hook_point: calls.append(1)), ("blocks.0.hook_mid", stop)]
    try:
        run(model, case.tokens, hooks)
        raised = "nothing"
    except _Stop:
        raised = "the hook's own exception"
    except Exception as error:
        raised = type(error).__name__
    try:
        model(case.tokens)
        stayed = False
    except _Stop:
        stayed = True
    before = len(calls)
    try:
        run(model, case.tokens + len(model.W_E), hooks[:1])
        broken = "nothing"
    except Exception as error:
        broken = type(error).__name__
    model(case.tokens)
    return {
        "what came out": raised,
        "the hook that raised stays": stayed,
        "calls of the first hook": before,
        "what came out of a model that raises": broken,
        "hooks that stay on it": len(calls) - before,
    }


def _unknown_name(run: Callable[..., Tensor], model: _Model, case: Case) -> dict[str, Any]:
    """The second name is misspelt: KeyError, before the model runs and before anything is hooked."""
    calls: list[int] = []
    runs = model.runs
    hooks = [("hook_embed", lambda a, hook_point: calls.append(1)), ("blocks.0.hook_midd", lambda a, hook_point: None)]
    try:
        run(model, case.tokens, hooks)
        raised = "nothing"
    except KeyError:
        raised = "KeyError"
    except Exception as error:
        raised = type(error).__name__
    ran = model.runs - runs
    model(case.tokens)
    return {"what came out": raised, "runs of the model": ran, "hooks left behind": len(calls)}


def _others(run: Callable[..., Tensor], model: _Model, case: Case) -> int:
    """Somebody else has a hook on the same place: it is called in the run, and still there afterwards."""
    calls: list[int] = []
    handle = model.hook_embed.register_forward_hook(lambda module, inputs, output: calls.append(1))
    run(model, case.tokens, [("hook_embed", lambda activation, hook_point: activation * 2)])
    model(case.tokens)
    handle.remove()
    return len(calls)


def _nested(run: Callable[..., Tensor], model: _Model, case: Case) -> list[Tensor]:
    """A hook that itself runs the model with a hook: the inner one goes, the outer ones stay until their own end."""
    inner: list[Tensor] = []
    halve = ("blocks.0.hook_mid", lambda activation, hook_point: activation / 2)

    def again(activation: Tensor, hook_point: nn.Module) -> None:
        if not inner:
            inner.append(activation)  # so that the run inside does not start another
            inner[0] = run(model, case.tokens, [halve])

    double = ("blocks.1.hook_mid", lambda activation, hook_point: activation * 2)
    outer = run(model, case.tokens, [("hook_embed", again), double])
    return [outer, inner[0]]


def _gradient(run: Callable[..., Tensor], model: _Model, case: Case) -> Any:
    """Through a replaced activation to what replaces it, and through what a hook is shown to the parameters below."""

    def through(patch: Tensor) -> Tensor:
        return run(model, case.tokens, [("blocks.0.hook_out", lambda activation, hook_point: activation * patch)])

    output = gradient(through, case.cotangent, patch=case.patch)
    looked = run(model, case.tokens, [("hook_embed", lambda activation, hook_point: None)])
    found = {"patch": output["patch"], "the output of a run that only looks": looked.requires_grad}
    below = through(case.patch)
    if below.requires_grad:
        [reached] = torch.autograd.grad(below, [model.W_E], case.cotangent.to(below), allow_unused=True)
    else:
        reached = None
    return found | {"parameters below": ABSENT if reached is None else reached}


def hook_point(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Each question is put to a hook point of its own."""
    questions = {
        "without hooks": _nobody_looks,
        "shown": _is_shown,
        "replaced by each": _each_replaces,
        "zeros": _zeros,
        "after removal": _after_removal,
        "one of two alike": _one_of_two_alike,
        "takes itself off": _takes_itself_off,
        "another's hooks": _another_point,
        "gradient": _through_point,
        "stored": lambda make, case: sorted(make().state_dict()),
    }
    if not (isinstance(answer.HookPoint, type) and issubclass(answer.HookPoint, nn.Module)):
        raise Unfit("`HookPoint` is not a subclass of nn.Module")
    for name, question in questions.items():
        yield name, question(answer.HookPoint, case)


def _plus(step: float) -> Callable[[Tensor, nn.Module], Tensor]:
    return lambda activation, point: activation * 2 + step


def _nobody_looks(make: Callable[[], Any], case: Case) -> list[Any]:
    """The very tensor comes out, without hooks and with one that returns None; called by itself or as a part."""
    point, value = make(), case.activation.clone()
    first = point(value) is value
    point.add(lambda activation, hook_point: None)
    return [first, point(value) is value]


def _is_shown(make: Callable[[], Any], case: Case) -> list[Any]:
    """What three hooks are shown: the activation as those before left it, and the hook point."""
    point, shown = make(), list[Any]()

    def look(activation: Tensor, hook_point: nn.Module) -> None:
        shown.append([activation.clone(), hook_point is point])

    point.add(look)
    point.add(_plus(1))
    point.add(look)
    point(case.activation.clone())
    return shown


def _each_replaces(make: Callable[[], Any], case: Case) -> list[Tensor]:
    """Three replacements, the order of which can be seen; the tensor that came in, which others may hold."""
    point, value = make(), case.activation.clone()
    for step in (1.0, -3.0, 10.0):
        point.add(_plus(step))
    return [point(value).clone(), value]


def _zeros(make: Callable[[], Any], case: Case) -> list[Tensor]:
    """Zeros in the place of an activation, one number and many: easily taken for nothing."""
    point = make()
    point.add(lambda activation, hook_point: torch.zeros_like(activation))
    return [point(case.activation.clone()), point(case.activation.flatten()[0].clone())]


def _after_removal(make: Callable[[], Any], case: Case) -> list[Any]:
    """Three hooks of which the middle one goes, twice; then one more comes, and the first goes."""
    point = make()
    removals = [point.add(_plus(step)) for step in (1.0, -3.0, 10.0)]
    results: list[Any] = []

    def note() -> None:
        results.append(point(case.activation.clone()))

    removals[1]()
    note()
    try:
        removals[1]()
    except Exception as error:
        results.append(type(error).__name__)
    note()
    point.add(_plus(7.0))
    note()
    removals[0]()
    note()
    return results


def _one_of_two_alike(make: Callable[[], Any], case: Case) -> list[Any]:
    """One function twice, another between: the second of the two goes, so the first stays in front of the other."""
    point, double = make(), _plus(1.0)
    point.add(double)
    point.add(_plus(-3.0))
    remove = point.add(double)
    both = point(case.activation.clone())
    remove()
    return [both, point(case.activation.clone())]


def _takes_itself_off(make: Callable[[], Any], case: Case) -> list[Any]:
    """A hook for one run: the one behind it is called all the same, and the next run is without it."""
    point, removals = make(), list[Callable[[], None]]()

    def once(activation: Tensor, hook_point: nn.Module) -> Tensor:
        removals[0]()
        return activation * 5

    removals.append(point.add(once))
    point.add(_plus(1.0))
    return [point(case.activation.clone()), point(case.activation.clone())]


def _another_point(make: Callable[[], Any], case: Case) -> Tensor:
    """What is added to one hook point is no other's."""
    point, other = make(), make()
    other.add(_plus(1.0))
    return point(case.activation.clone())


def _through_point(make: Callable[[], Any], case: Case) -> Any:
    """To what comes in, and to what a hook puts in."""

    def through(activation: Tensor, patch: Tensor) -> Tensor:
        point = make()
        point.add(lambda value, hook_point: None)
        point.add(lambda value, hook_point: value * patch)
        output: Tensor = point(activation)
        return output

    return gradient(through, case.cotangent, activation=case.activation, patch=case.patch)

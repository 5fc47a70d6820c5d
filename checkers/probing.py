"""What probes are written with; with the chapter's `probes.py`, all of the checkers that a learner's process sees.

A probe is a generator: `probe(answer, case)` asks the implementation `answer` to do things with the inputs of
`case` and yields `name, value`. The same probe is put to the learner's code and to the reference. Values are
tensors, numbers, strings, None, and lists and dicts of them.
"""

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

AnyModule = TypeVar("AnyModule", bound=nn.Module)

ABSENT = "absent"  # stands for a gradient that does not exist
PROBES_OWN = {"seed", "stale", "repeats", "shift"}  # inputs that a probe needs, and no options of the exercise


class Unfit(Exception):
    """The implementation lacks what the exercise asks for; the message is for the learner."""


class Case:
    """One input of a probe: a name, and values by attribute (`case.residual`)."""

    def __init__(self, name: str, /, **inputs: Any):
        self.name = name
        self.inputs = inputs

    def __getattr__(self, key: str) -> Any:
        try:
            return self.__dict__["inputs"][key]
        except KeyError:
            raise AttributeError(f"case {self.__dict__.get('name')!r} has no input {key!r}") from None


@dataclass(frozen=True)
class Model:
    """A model by name, as an input of a case: probes get it as a dict of its `config` and its `state`."""

    name: str


class Answer:
    """An implementation: the asked names as attributes. Setting one puts a decoy in its place until `restore`."""

    def __init__(self, namespace: dict[str, Any]):
        self.__dict__["_namespace"] = namespace
        self.__dict__["_replaced"] = {}

    def __getattr__(self, name: str) -> Any:
        try:
            return self._namespace[name]
        except KeyError:
            raise Unfit(f"`{name}` is not defined") from None

    def __setattr__(self, name: str, decoy: Any) -> None:
        self._replaced.setdefault(name, self._namespace.get(name, self))
        self._namespace[name] = decoy

    def restore(self, *names: str) -> None:
        """Takes the decoys of `names` away again; of all names when none is given."""
        for name in names or list(self._replaced):
            original = self._replaced.pop(name, self)
            if original is self:
                self._namespace.pop(name, None)
            else:
                self._namespace[name] = original


def load(module: AnyModule, weights: dict[str, Tensor]) -> AnyModule:
    """Puts `weights` into the parameters of `module` of the same names, and the module into their dtype and device.

    Raises Unfit when the module is not one, or a parameter is missing or has another shape.
    """
    kind = type(module).__name__
    if not isinstance(module, nn.Module):
        raise Unfit(f"`{kind}` is not an nn.Module")
    sample = next(iter(weights.values()))
    module.to(device=sample.device, dtype=sample.dtype)
    parameters = dict(module.named_parameters())
    for name, weight in weights.items():
        if name not in parameters:
            found = ", ".join(parameters) or "none (does `__init__` call super().__init__() first?)"
            raise Unfit(f"{kind} has no parameter `{name}`; its parameters are: {found}")
        if parameters[name].shape != weight.shape:
            shapes = f"{tuple(parameters[name].shape)}, the exercise has {tuple(weight.shape)}"
            raise Unfit(f"{kind}'s parameter `{name}` has shape {shapes}")
        parameters[name].data = weight.clone()
    return module


def gradient(function: Callable[..., Tensor], along: Tensor, **inputs: Tensor) -> dict[str, Tensor | str]:
    """The gradient of `(function(*inputs) * along).sum()` by each input and, of a module, by each parameter.

    `along` is a cotangent of the output's shape: random, because the sum of a softmax has no gradient.
    What does not reach the output has the gradient 'absent'.
    """
    leaves = {name: value.detach().clone().requires_grad_() for name, value in inputs.items()}
    output = function(*(leaf.clone() for leaf in leaves.values()))  # clones: code that works in place may do so
    if not isinstance(output, Tensor) or output.shape != along.shape:
        shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise Unfit(f"the output has shape {shape}, expected {tuple(along.shape)}")
    sources = dict(leaves)
    if isinstance(function, nn.Module):
        sources |= dict(function.named_parameters())
    if not output.requires_grad:
        return dict.fromkeys(sources, ABSENT)
    reached = torch.autograd.grad(output, list(sources.values()), along.to(output), allow_unused=True)
    return {name: ABSENT if grad is None else grad for name, grad in zip(sources, reached, strict=True)}


def generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A fresh source of randomness on `device`."""
    return torch.Generator(device).manual_seed(seed)


def parameters(module: nn.Module) -> dict[str, Tensor]:
    """A copy of the module's parameters by name."""
    return {name: value.detach().clone() for name, value in module.named_parameters()}


Named = Iterator[tuple[str, Any]]  # what a probe yields


def in_ways(
    answer: Answer,
    ways: dict[str, dict[str, Any]],
    ask: Callable[[str], Named],
    telling: Callable[[list[Exception]], Exception] = lambda raised: raised[0],
) -> Named:
    """Asks in several ways, of which only one has to work, and yields each value as `NAME WAY`.

    ways: by name, the decoys that stand in for parts of the answer, `{"as it stands": {}}`. ask: what to ask, given the
    way. When every way raises, so does this: the exception that `telling` picks of them, in the order of the ways.
    """
    raised: list[Exception] = []
    for way, decoys in ways.items():
        answer.restore()
        for part, decoy in decoys.items():
            setattr(answer, part, decoy)
        try:
            for name, value in ask(way):
                yield f"{name} {way}", value
        except Exception as error:
            raised.append(error)
    if len(raised) == len(ways):
        raise telling(raised)


@dataclass
class Spent:
    """What a computation cost, counted rather than timed."""

    largest: int = 0  # elements of the largest tensor made
    flops: int = 0  # floating point operations of matrix products and attention


class _LargestTensor(TorchDispatchMode):
    def __init__(self, spent: Spent):
        super().__init__()
        self.spent = spent

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Else torch imports its compiler, for seconds, to keep it from compiling the method below."""
        return False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        sizes = (leaf.numel() for leaf in tree_leaves(result) if isinstance(leaf, Tensor))
        self.spent.largest = max(self.spent.largest, *sizes, 0)
        return result


@contextmanager
def cost() -> Iterator[Spent]:
    """Counts what the block does: `with cost() as spent: ...`, then `spent.largest` and `spent.flops`."""
    from torch.utils.flop_counter import FlopCounterMode

    spent = Spent()
    with FlopCounterMode(display=False) as counter, _LargestTensor(spent):
        yield spent
    spent.flops = counter.get_total_flops()


@contextmanager
def memory() -> Iterator[Spent]:
    """Counts `spent.largest` alone: sooner than `cost`, and also where modules are called under no_grad."""
    spent = Spent()
    with _LargestTensor(spent):
        yield spent


def digest(value: Any) -> str:
    """A fingerprint of all tensors in `value`: it changes when one of them was changed in place.

    A CRC, since every case is looked at twice, models and all: it misses an accident once in 4 billion.
    """
    found = 0
    for leaf in tree_leaves(value):
        if isinstance(leaf, Tensor):
            plain = torch.Tensor.detach(leaf).cpu()
            row = plain.view(-1) if plain.is_contiguous() and plain.numel() > 1 else fresh_row(plain)
            found = zlib.crc32(str((leaf.dtype, tuple(leaf.shape))).encode(), found)
            found = zlib.crc32(row.view(torch.uint8).numpy().data, found)
    return f"{found:08x}"


def fresh_row(tensor: Tensor) -> Tensor:
    """All numbers in a row of memory of their own, for a look at their bytes.

    `contiguous` is not enough: of a single number it leaves any stride as it is.
    """
    return tensor.new_empty(tensor.numel()).copy_(tensor.reshape(-1))

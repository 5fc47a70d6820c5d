"""A second device on a machine that has none: what runs there without an error has no tensor on the wrong device.

Tensors say that they live on `ELSEWHERE` and hold their numbers on the CPU. An operation on tensors of both places
raises, as it does between a GPU and the CPU (a number without axes may be on either, and so may indices). What is read
back, by `.item()` and the like, is right, so that code which looks at its values runs as it would.
"""

from contextlib import ExitStack
from typing import Any

import torch
from torch import Generator, Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map_only

aten = torch.ops.aten
ELSEWHERE = torch.device("meta")  # a device that every build of PyTorch has
MOVING = (aten._to_copy.default, aten.copy_.default)
INDEXING = (aten.index.Tensor, aten.index_put.default, aten.index_put_.default)


class Remote(Tensor):
    """A tensor elsewhere, whose numbers are in `near`."""

    near: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, near: Tensor) -> "Remote":
        where = (near.stride(), near.storage_offset()) if near.layout == torch.strided else ()
        made = Tensor._make_wrapper_subclass(cls, near.size(), *where, dtype=near.dtype, device=ELSEWHERE)
        made.near = near
        return made

    @property
    def data(self) -> Tensor:
        return self.detach()

    @data.setter
    def data(self, new: Tensor) -> None:
        assert isinstance(new, Remote)
        Tensor.data.__set__(self, new)
        self.near = new.near

    def tolist(self) -> Any:
        return self.near.tolist()

    def numpy(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("a tensor elsewhere is no array: copy it to the CPU first")

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def, override]
        with _Operators():
            return function(*args, **(kwargs or {}))


class _Operators(TorchDispatchMode):
    """Runs every operator on the CPU, and says where its result is."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        away = any(isinstance(each, Remote) for each in given)
        goes_away = isinstance(args[0], Remote) if function is aten.copy_.default else away
        if kwargs.get("device") is not None:
            goes_away = torch.device(kwargs["device"]) == ELSEWHERE
            kwargs["device"] = "cpu" if goes_away else kwargs["device"]
        if away and function not in MOVING and not (function in INDEXING and isinstance(args[0], Remote)):
            for each in given:
                if not isinstance(each, Remote) and each.dim():
                    raise RuntimeError(f"{function}: a tensor of shape {tuple(each.shape)} is on the CPU, another not")
        near_args, near_kwargs = tree_map_only(Remote, lambda each: each.near, (args, kwargs))
        if any(isinstance(each, Tensor) and each.is_meta for each in tree_leaves((near_args, near_kwargs))):
            raise NotImplementedError(f"{function}: a tensor was made elsewhere without its numbers")
        found = function(*near_args, **near_kwargs)
        if not goes_away:
            return found
        found = tree_map_only(Tensor, Remote, found)
        return return_and_correct_aliasing(function, args, kwargs, found) if away else found


class _Calls(TorchFunctionMode):
    """What no operator shows: a generator's device, and tensors made of lists, which are made in two steps."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if isinstance(kwargs.get("generator"), _Source):
            filled = kwargs.get("device") or (args[0].device if isinstance(args[0], Tensor) else "cpu")
            if torch.device(filled) != kwargs["generator"].device:
                raise RuntimeError(f"{function}: the generator is not on the device of what is drawn")
        if function in (torch.tensor, torch.as_tensor) and kwargs.get("device") is not None:
            device = kwargs.pop("device")
            return function(*args, **kwargs).to(device)
        if function is Tensor.new_tensor:
            return torch.tensor(*args[1:], **{"dtype": args[0].dtype, **kwargs}).to(args[0].device)
        if function in (Tensor.__getitem__, Tensor.__setitem__) and isinstance(args[0], Remote):
            args = (args[0], _without_lists(args[1]), *args[2:])
        return function(*args, **kwargs)


def _without_lists(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(map(_without_lists, index))
    return torch.tensor(index, dtype=None if index else torch.long) if isinstance(index, list) else index


class _Source(Generator):
    """A source of randomness draws on the CPU, and says where it belongs."""

    away = False

    def __new__(cls, device: Any = "cpu") -> "_Source":
        made = Generator.__new__(cls)
        made.away = torch.device(device) == ELSEWHERE
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return ELSEWHERE if self.away else torch.device("cpu")


class Elsewhere(ExitStack):
    """While it is entered there is a device `ELSEWHERE`."""

    def __enter__(self) -> "Elsewhere":
        super().__enter__()
        self.enter_context(_Calls())
        self.enter_context(_Operators())
        generator, torch.Generator = torch.Generator, _Source
        self.callback(setattr, torch, "Generator", generator)
        return self


def fetched(value: Any) -> Any:
    """The same with every tensor on the CPU."""
    return tree_map_only(Remote, lambda each: each.near.detach(), value)

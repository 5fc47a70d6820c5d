"""What is asked of answers in chapter `induction`: the models that the questions are about.

Learners' processes hold this file: it contains no answer. `headwork.models` is imported where a model is made, because
the exercises on hooks run without it.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from headwork.checkers.probing import ABSENT, Case, Unfit

if TYPE_CHECKING:
    from headwork.models.gpt2 import GPT2


def network(case: Case, name: str = "model") -> "GPT2":
    """The model that the case's input `name` describes: one of random weights, or a mounted one.

    It has the dtype of its weights or, mounted, of the case's other numbers, float64 where there are none. Each call
    makes a new one, so what an answer does to it ends there.
    """
    given = getattr(case, name)
    floats = [value.dtype for value in case.inputs.values() if isinstance(value, Tensor) and value.is_floating_point()]
    return build(given["config"], given["state"], floats[0] if floats else torch.float64)


def build(config: dict[str, Any], state: dict[str, Tensor], dtype: torch.dtype = torch.float64) -> "GPT2":
    """The model of these fields and these tensors; a mounted one, whose fields are its config.json, in `dtype`."""
    from headwork.models import zoo
    from headwork.models.config import Config
    from headwork.models.gpt2 import GPT2

    sample = next(iter(state.values()))
    if "model_type" in config:
        return zoo.build(config, state, dtype).to(sample.device)
    return GPT2.of(Config(**config), {key: tensor.clone() for key, tensor in state.items()})


def gradients(output: Any, along: Tensor, model: nn.Module, names: Iterable[str]) -> dict[str, Tensor | str]:
    """The gradient of `(output * along).sum()` by the model's parameters `names`; 'absent' where none reaches it."""
    if not isinstance(output, Tensor) or output.shape != along.shape:
        shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise Unfit(f"the output has shape {shape}, expected {tuple(along.shape)}")
    sources = {name: parameter for name, parameter in model.named_parameters() if name in set(names)}
    if not output.requires_grad:
        return dict.fromkeys(sources, ABSENT)
    reached = torch.autograd.grad(output, list(sources.values()), along.to(output), allow_unused=True)
    return {name: ABSENT if grad is None else grad for name, grad in zip(sources, reached, strict=True)}

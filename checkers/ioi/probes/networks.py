"""What is asked of answers in chapter `ioi`: the models and the metrics that the questions are about.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch import Tensor

from headwork.checkers.probing import Case, Unfit, digest

if TYPE_CHECKING:
    from headwork.models import GPT2


def network(case: Case) -> "GPT2":
    """The case's model, without gradients: one of random weights, or a mounted one in the dtype of the case's numbers.

    Each call makes a new one, so what an answer does to it ends there.
    """
    from headwork.models import zoo
    from headwork.models.config import Config
    from headwork.models.gpt2 import GPT2

    config, state = case.model["config"], case.model["state"]
    if "model_type" in config:
        return zoo.build(config, state, case.directions.dtype).to(case.directions.device).requires_grad_(False)
    model = GPT2.of(Config(**config), {key: tensor.clone() for key, tensor in state.items()})
    return model.requires_grad_(False)


def metric(case: Case) -> Callable[[Tensor], Tensor]:
    """A number a prompt: its logits, or their log-probabilities, times its directions, (batch, d_vocab), added up."""

    def measure(logits: Tensor) -> Tensor:
        if not isinstance(logits, Tensor) or logits.shape[-2:] != case.directions.shape:
            found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            wanted = f"(..., {', '.join(map(str, case.directions.shape))})"
            raise Unfit(f"`metric` is given {found}: it takes the logits at the prompts' ends, {wanted}")
        scores = logits.log_softmax(-1) if case.log_probabilities else logits
        return (scores * case.directions).sum(-1)

    return measure


def marks(model: "GPT2") -> dict[str, Any]:
    """What must be the same after an experiment: how many hooks there are, and a fingerprint of the weights."""
    hooks = sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model.modules())
    return {"hooks": hooks, "weights": digest(dict(model.named_parameters()))}

"""What is asked of answers in chapter `sae`: autoencoders.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from headwork.checkers.probing import Answer, Case, gradient, load


class Method(nn.Module):
    """One method of a module as a module of its own, with the same parameters, so that gradients can be asked for."""

    def __init__(self, owner: nn.Module, method: str, *more: Any):
        super().__init__()
        self.__dict__["owner"] = owner  # not as a part, which would change the parameters' names
        self.method, self.more = method, more

    def named_parameters(self, *args: Any, **options: Any) -> Iterator[tuple[str, nn.Parameter]]:
        found: Iterator[tuple[str, nn.Parameter]] = self.__dict__["owner"].named_parameters(*args, **options)
        return found

    def forward(self, *inputs: Tensor) -> Any:
        return getattr(self.__dict__["owner"], self.method)(*inputs, *self.more)


def sae_forward(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    sae = load(answer.SAE(case.d_model, case.latents), case.weights)
    yield "latents", sae.encode(case.x)
    yield "reconstruction", sae.decode(case.code)
    yield "both", list(sae(case.x))
    yield "gradient of encode", gradient(Method(sae, "encode"), case.along_latents, x=case.x)
    yield "gradient of decode", gradient(Method(sae, "decode"), case.along_x, code=case.code)

"""What a recipe is: everything that decides how a model is trained, and nothing of how that is shown or kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # so that recipes can be listed without torch
    from torch import Tensor
    from torch.optim import Optimizer

    from headwork.models.config import Config
    from headwork.models.gpt2 import GPT2

Batch = Mapping[str, "Tensor"]  # by names that the recipe chooses; training moves them to the model's device
FOLDER = Path(__file__).parent
OTHERS = ("__init__", "recipe")


class Recipe(ABC):
    """One model's training. What it does at a step depends on the step and the seed alone, so that runs can resume."""

    name: str
    config: Config
    steps: int
    checkpoints: tuple[int, ...] = ()  # the steps before which a copy is kept; 0 is the start, `steps` the end
    minutes: float  # measured, on two cores
    clip: float | None = None  # the longest that a step's gradient may be

    @abstractmethod
    def start(self, seed: int) -> GPT2:
        """The weights before step 0, in float32 on the CPU."""

    @abstractmethod
    def batch(self, step: int, seed: int) -> Batch:
        """What is learned from at a step: of these two numbers alone."""

    @abstractmethod
    def loss(self, model: GPT2, batch: Batch, step: int) -> Tensor:
        """What is made smaller, a scalar."""

    @abstractmethod
    def optimizers(self, model: GPT2) -> list[Optimizer]:
        """Called once, after `start`. Their state is tensors and numbers for each parameter."""

    def rate(self, step: int) -> float:
        """What every learning rate is multiplied by."""
        return 1.0

    def scores(self, model: GPT2) -> dict[str, float]:
        """What is shown beside the loss while it trains; cheap, since it is asked for a hundred times or so."""
        return {}

    def tokenizer(self) -> Path | None:
        """The tokenizer.json to ship, for a model that has words."""
        return None

    def enter(self, model: GPT2, step: int, seed: int) -> None:  # noqa: B027 - most recipes have one stage
        """Called before each step, to change weights by hand: where a stage begins, or to hold some still."""


def recipes() -> list[str]:
    """The names of the models that have a recipe, without importing any."""
    return sorted(file.stem.replace("_", "-") for file in FOLDER.glob("*.py") if file.stem not in OTHERS)


def recipe(name: str) -> Recipe:
    """The recipe of the model of this name. Raises ValueError where there is none."""
    if name not in recipes():
        raise ValueError(f"there is no recipe for {name!r}: there are those for {', '.join(recipes()) or 'none'}")
    found: Recipe = import_module(f"headwork.models.recipes.{name.replace('-', '_')}").RECIPE
    return found

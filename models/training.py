"""The one loop that trains the zoo. A run that was killed goes on where it was, and ends in the same weights.

What a run needs to go on is one file, `resume.safetensors`: the weights, the optimizers' tensors, and their numbers as
JSON in its header. The same seed gives the same weights to the bit on one machine, with one torch, device and number
of threads.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.optim import Optimizer

from headwork.models import sums, zoo
from headwork.models.recipes.recipe import Recipe
from headwork.models.tokenizer import Tokenizer

RESUME = "resume.safetensors"
HEADER = "headwork.training"
SHOWN = 10  # steps between two looks at the loss: a look waits for the device
SCORED = 100  # how often the scores are asked for in a run


@dataclass(frozen=True)
class Moment:
    """How far a run is."""

    step: int  # steps done
    steps: int
    loss: float
    scores: dict[str, float]
    resumed: int = 0  # the steps that an earlier run had done


class Stopped(Exception):
    """A signal asked the run to end; all of its `step` steps are kept."""

    def __init__(self, step: int, number: int):
        super().__init__(f"stopped after step {step}")
        self.step, self.number = step, number


class Diverged(Exception):
    """The loss is not finite."""


def train(
    recipe: Recipe,
    out: Path,
    *,
    keep: Path,
    seed: int = 0,
    device: str = "cpu",
    show: Callable[[Moment], None] = lambda moment: None,
    every: float = 30,
) -> Moment:
    """Trains a model and writes it to `out` in float16, its checkpoints too; returns the last moment.

    keep: a folder of this run's own, from which it goes on and which is gone at the end. every: seconds between two
    savings. Raises Stopped after Ctrl-C or SIGTERM, Diverged, and ValueError for weights that float16 cannot hold.
    """
    with _alone(seed, device), _signals() as asked:
        run = Run(recipe, keep, seed, device)
        saved, moment = time.monotonic(), run.moment()
        while run.step < recipe.steps:
            run.advance()
            if run.step % SHOWN == 0 or run.step == recipe.steps:
                moment = run.moment()
                show(moment)
            if asked or time.monotonic() - saved > every:
                run.save()
                saved = time.monotonic()
            if asked:
                raise Stopped(run.step, asked[0])
        run.ship(out)
    return moment


class Run:
    """A recipe on its way: the model, its optimizers, and how many steps are done."""

    def __init__(self, recipe: Recipe, keep: Path, seed: int, device: str):
        self.recipe, self.keep, self.seed, self.device = recipe, keep, seed, device
        self.model = recipe.start(seed).to(device).train()
        self.optimizers = recipe.optimizers(self.model)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", group["lr"])
        self.step = self.resumed = 0
        self._loss = torch.tensor(float("nan"))
        self._scores: dict[str, float] = {}
        self._restore()

    def advance(self) -> None:
        """One step, and a checkpoint before it where the recipe has one."""
        recipe, step = self.recipe, self.step
        if step in recipe.checkpoints:
            zoo.save_checkpoint(self.model, self.keep, step, dtype=torch.float16)
        torch.manual_seed(_number(self.seed, step))  # for whatever draws inside the loss
        recipe.enter(self.model, step, self.seed)
        batch = {name: tensor.to(self.device) for name, tensor in recipe.batch(step, self.seed).items()}
        loss = recipe.loss(self.model, batch, step)
        self.model.zero_grad(set_to_none=True)
        loss.backward()
        self._loss = loss.detach()
        if recipe.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * recipe.rate(step)
            optimizer.step()
        self.step += 1

    def moment(self) -> Moment:
        """Looks at the loss and, now and then, at the scores. Raises Diverged."""
        loss, steps = float(self._loss), self.recipe.steps
        if self.step > self.resumed and not torch.isfinite(self._loss):
            raise Diverged(f"the loss is {loss} at step {self.step}")
        often = max(steps // SCORED // SHOWN, 1) * SHOWN
        if self.step % often == 0 or self.step == steps:
            with torch.no_grad():
                self._scores = self.recipe.scores(self.model.eval())
            self.model.train()
        return Moment(self.step, steps, loss, dict(self._scores), self.resumed)

    def save(self) -> None:
        """Keeps all that is needed to go on, as one file that is there whole or not at all."""
        tensors = {f"model/{name}": tensor for name, tensor in self.model.state_dict().items()}
        numbers: dict[str, Any] = {}
        for place, optimizer in enumerate(self.optimizers):
            for index, values in optimizer.state_dict()["state"].items():
                for name, value in values.items():
                    (tensors if isinstance(value, Tensor) else numbers)[f"{place}/{index}/{name}"] = value
        header = {"run": self._identity(), "step": self.step, "numbers": numbers, "loss": float(self._loss)}
        self.keep.mkdir(parents=True, exist_ok=True)
        zoo.write_tensors(tensors, self.keep / RESUME, {HEADER: json.dumps(header | {"scores": self._scores})})

    def _restore(self) -> None:
        """Goes on from what an earlier run has kept; what another recipe, seed or device has kept is removed."""
        header: dict[str, Any] = {}
        unreadable = suppress(OSError, SafetensorError, ValueError)  # or not there
        with unreadable, safe_open(self.keep / RESUME, "pt", device=self.device) as kept:
            header = json.loads((kept.metadata() or {}).get(HEADER, "{}"))
            tensors = {name: kept.get_tensor(name) for name in kept.keys()}  # noqa: SIM118 - it is no dict
        if header.get("run") == self._identity():
            self._go_on(header, tensors)
        else:
            shutil.rmtree(self.keep, ignore_errors=True)

    def _go_on(self, header: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        own = {name.removeprefix("model/"): value for name, value in tensors.items() if name.startswith("model/")}
        self.model.load_state_dict(own)
        state: list[dict[int, dict[str, Any]]] = [{} for _ in self.optimizers]
        for key, value in (tensors | header["numbers"]).items():
            if not key.startswith("model/"):
                place, index, name = key.split("/", 2)
                state[int(place)].setdefault(int(index), {})[name] = value
        for optimizer, values in zip(self.optimizers, state, strict=True):
            _fill(optimizer, values)
        self.step = self.resumed = header["step"]
        self._loss, self._scores = torch.tensor(header["loss"]), header["scores"]

    def _identity(self) -> dict[str, Any]:
        """What must agree for one run to go on from another."""
        source = hashlib.sha256(inspect.getsource(sys.modules[type(self.recipe).__module__]).encode()).hexdigest()
        recipe = {"name": self.recipe.name, "steps": self.recipe.steps, "checkpoints": list(self.recipe.checkpoints)}
        return (
            recipe | {"config": asdict(self.recipe.config), "seed": self.seed, "device": self.device} | {"is": source}
        )

    def ship(self, out: Path) -> None:
        """Writes the trained model, each file whole or not at all, and forgets what was kept."""
        steps = self.recipe.checkpoints
        if self.step in steps:
            zoo.save_checkpoint(self.model, self.keep, self.step, dtype=torch.float16)
        with sums.renewed(out):
            tokenizer = self.recipe.tokenizer()
            if tokenizer is not None:
                self.model.tokenizer = Tokenizer(tokenizer)
                zoo.copy_whole(tokenizer, out / "tokenizer.json")
            zoo.save(self.model.eval(), out, dtype=torch.float16)
            for step in steps:
                zoo.copy_whole(zoo.checkpoint_file(self.keep, step), zoo.checkpoint_file(out, step))
            for step in set(zoo.steps_in(out)) - set(steps):  # of an earlier recipe
                zoo.checkpoint_file(out, step).unlink()
        shutil.rmtree(self.keep, ignore_errors=True)


def _fill(optimizer: Optimizer, state: dict[int, dict[str, Any]]) -> None:
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _number(seed: int, step: int) -> int:
    """A seed for the random numbers of one step."""
    return int.from_bytes(hashlib.blake2b(f"{seed} {step}".encode(), digest_size=7).digest(), "little")


@contextmanager
def _alone(seed: int, device: str) -> Iterator[None]:
    """Deterministic kernels and a generator of its own for the block; afterwards all is as it was."""
    on_gpu = torch.device(device).type == "cuda"
    if on_gpu:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is not deterministic without
    before = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[torch.device(device)] if on_gpu else []):
        torch.manual_seed(_number(seed, -1))
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """The signals that ask the run to end, so that it ends between two steps; the second one is not waited for."""
    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""The judge as commands, pages and findings call it: a circuit in, its score out, with what was run kept for later."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import torch

from headwork.checkers.ioi.judge import references
from headwork.checkers.ioi.judge.bench import Bench
from headwork.checkers.ioi.judge.circuit import Circuit, fit
from headwork.checkers.ioi.judge.data import draw
from headwork.checkers.ioi.judge.score import FULL, Judge, Score, Size
from headwork.models import zoo
from headwork.models.gpt2 import GPT2

KEPT = 12  # files of answers; the oldest go
EVERY = 250  # sets between two savings
Told = Callable[[int], None]


def judge(
    circuit: Circuit,
    *,
    seed: int,
    size: Size = FULL,
    device: str = "cpu",
    told: Told = lambda count: None,
    store: Path | None = None,
    more: Iterable[Path] = (),
) -> Score:
    """The circuit's score on prompts drawn by `seed`.

    store: a folder for answers, so that a judgement that was stopped goes on where it was, and the reference is run
    once for a seed. more: folders with references of the learner's own. Raises NoCircuit, NoReference, Unavailable.
    """
    other = references.reference(circuit.model, more)
    model = zoo.load(circuit.model, device=device).requires_grad_(False)
    fit(circuit, model.config.n_layers, model.config.n_heads)
    if model.tokenizer is None:
        raise references.NoReference(f"{circuit.model} has no words: there are no prompts to try a circuit of it on")
    bench = bench_for(model, circuit.model, seed, size, told, store)
    found = Judge(bench, seed, size).score(circuit, other.nodes)
    bench.told(0)
    return found


def bench_for(model: GPT2, name: str, seed: int, size: Size, told: Told, store: Path | None) -> Bench:
    """Fresh prompts, with what was answered on them before."""
    bench = Bench(model, draw(model.tokenizer, size.each, seed), told)
    if store is not None:
        kind = next(model.parameters()).device.type
        kept = Answers(store / f"{references.fingerprint(name)[:24]}-{seed}-{size.each}-{kind}.safetensors")
        kept.load(bench)
        bench.told = kept.saving(bench, told)
    return bench


class Answers:
    """A file of what sets of nodes answered. A damaged one is as good as none."""

    def __init__(self, file: Path):
        self.file, self.since = file, 0

    def load(self, bench: Bench) -> None:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            found = load_file(self.file)
            masks, ablations, values = found["masks"].bool(), found["ablations"], found["values"]
            if values.shape[1:] != (len(bench.data), 2) or masks.shape != (len(values), len(bench.nodes)):
                return
            for mask, ablation, value in zip(masks, ablations.tolist(), values, strict=True):
                bench.values[ablation, mask.numpy().tobytes()] = value
        except (OSError, SafetensorError, KeyError, ValueError, RuntimeError):
            return

    def saving(self, bench: Bench, told: Told) -> Told:
        """Tells `told`, and saves now and then; always when told 0, the end."""

        def tell(count: int) -> None:
            told(count)
            self.since += count
            if self.since >= EVERY or (count == 0 and self.since):
                self.since = 0
                self.save(bench)

        return tell

    def save(self, bench: Bench) -> None:
        from safetensors.torch import save

        keys = list(bench.values)
        masks = torch.stack([torch.frombuffer(bytearray(mask), dtype=torch.uint8) for _, mask in keys])
        ablations = torch.tensor([ablation for ablation, _ in keys])
        content = save({"masks": masks, "ablations": ablations, "values": torch.stack(list(bench.values.values()))})
        with suppress(OSError):  # a full disk costs the next run some seconds, and this one nothing
            self.file.parent.mkdir(parents=True, exist_ok=True)
            new = self.file.with_suffix(".new")
            new.write_bytes(content)
            new.replace(self.file)
            files = sorted(self.file.parent.glob("*.safetensors"), key=lambda file: file.stat().st_mtime)
            for old in files[:-KEPT]:
                old.unlink(missing_ok=True)

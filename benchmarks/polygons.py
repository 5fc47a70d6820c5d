"""What five features in two dimensions form, by how often they are active: `python benchmarks/polygons.py [--record]`.

Trains 32 networks at each probability side by side, and counts the shapes of their directions. The table of chapter
`sae` is this one. `--record` keeps the counts under benchmarks/records/.
"""

import argparse
import json
import platform
from collections import Counter
from pathlib import Path

import torch
from torch import Tensor

from headwork.checkers.sae.train_toy import ARM, CROSS, OTHER, PENTAGON, form_of
from headwork.solutions.sae.toy import ToyModel, train_toy

PROBABILITIES = (0.5, 0.4, 0.3, 0.25, 0.2, 0.1, 0.05, 0.02)
FORMS = (CROSS, ARM, PENTAGON, OTHER)
NETWORKS, BATCH, STEPS, LEARNING_RATE = 32, 256, 2000, 0.01
RECORD = Path(__file__).parent / "records" / "polygons.json"


def trained(probabilities: Tensor, seed: int, steps: int = STEPS) -> ToyModel:
    """Networks of equally important, independent features, one for each of `probabilities`, (model,)."""
    source = torch.Generator().manual_seed(seed)
    size = len(probabilities), BATCH, 5
    model = ToyModel(size[0], 5, 2)
    model.W.data = torch.randn(size[0], 5, 2, generator=source) * 5**-0.5

    def make_batch(step: int) -> Tensor:
        active = torch.rand(size, generator=source) < probabilities[:, None, None]
        return torch.rand(size, generator=source) * active

    train_toy(model, make_batch, torch.ones(size[0], 5), steps, LEARNING_RATE)
    return model


def losses(W: Tensor, b: Tensor, probability: float) -> Tensor:
    """The mean squared error of each network on the same fresh inputs, (model,)."""
    source = torch.Generator().manual_seed(1)
    x = torch.rand(20_000, 5, generator=source) * (torch.rand(20_000, 5, generator=source) < probability)
    return (torch.relu(x @ W @ W.mT + b[:, None]) - x).square().mean((1, 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = trained(torch.tensor(PROBABILITIES).repeat_interleave(NETWORKS), seed=0)
    rows = {}
    groups = zip(PROBABILITIES, model.W.detach().split(NETWORKS), model.b.detach().split(NETWORKS), strict=True)
    for probability, W, b in groups:
        forms = [form_of(each) for each in W]
        counts, loss = Counter(forms), losses(W, b, probability)
        rows[probability] = {form: counts[form] for form in FORMS}
        print(f"{probability}: " + ", ".join(f"{form} {counts[form]}" for form in FORMS))
        for form in counts:
            chosen = torch.tensor([each == form for each in forms])
            lengths, order = W[chosen].norm(dim=-1).sort()
            means = lengths.mean(0), b[chosen].gather(1, order).mean(0)
            lengths_said, biases_said = (" ".join(f"{each:5.2f}" for each in mean.tolist()) for mean in means)
            print(f"  {form:18}loss {loss[chosen].mean():.4f}, lengths {lengths_said}, biases {biases_said}")
    if options.record:
        machine = {"machine": platform.machine(), "python": platform.python_version(), "torch": torch.__version__}
        figures = {"networks": NETWORKS, "batch": BATCH, "steps": STEPS, "learning rate": LEARNING_RATE}
        RECORD.parent.mkdir(exist_ok=True)
        RECORD.write_text(json.dumps({"rows": rows, **figures, **machine}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

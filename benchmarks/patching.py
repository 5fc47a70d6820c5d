"""What patching sweeps cost, beside brute force in the same run: every patch a full run of the network with a hook.

    python benchmarks/patching.py [--every 6] [--record]

GPT-2 small's shape at random weights, 8 prompts of 15 tokens, one thread, CPU-seconds. Of the brute-force sweeps one
patch in `--every` is run, and the time taken in proportion; `--every 1` runs them whole. Their values are compared with
the sweeps'. Exits 1 below the bars. With $HEADWORK_PEERS naming the Python of an environment that has TransformerLens,
the same sweeps are timed there. `--record` keeps the figures under benchmarks/records/.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from headwork.models import GPT2, Config
from headwork.solutions.ioi.gradients import attribution_patch
from headwork.solutions.ioi.patching import patch_heads, patch_residual

SMALL = Config(d_vocab=50257, n_ctx=1024, d_model=768, n_heads=12, d_mlp=3072, n_layers=12)
BATCH, LENGTH = 8, 15
BARS = {"residual sweep": 4.0, "head sweep": 2.5, "attribution patching": 60.0}
CLOSE = 1e-5  # relative to the largest value
VARIABLE = "HEADWORK_PEERS"
RECORD = Path(__file__).parent / "records" / "patching.json"
Value = TypeVar("Value")

PEER = """
import json, sys, time
import torch
from transformers import GPT2Config, GPT2LMHeadModel
torch.set_num_threads(1); torch.set_grad_enabled(False); torch.manual_seed(0)
from importlib.metadata import version
import transformer_lens.patching as patching
patching.tqdm = lambda x, **options: x
hf = GPT2LMHeadModel(GPT2Config()).eval()
release = version("transformer_lens")
if int(release.split(".")[0]) < 4:
    from transformer_lens import HookedTransformer, HookedTransformerConfig
    from transformer_lens.pretrained.weight_conversions.gpt2 import convert_gpt2_weights
    config = HookedTransformerConfig(n_layers=12, d_model=768, n_ctx=1024, d_head=64, n_heads=12, d_mlp=3072,
        d_vocab=50257, act_fn="gelu_new", normalization_type="LN", device="cpu")
    model = HookedTransformer(config).eval()
else:
    from transformer_lens.model_bridge.sources._bridge_builder import build_bridge_from_module
    model = build_bridge_from_module(hf, "GPT2LMHeadModel", hf_config=hf.config, dtype=torch.float32, device="cpu",
        model_name="gpt2")
    model.enable_compatibility_mode(disable_warnings=True, no_processing=True)
    model.eval()
batch, length, every = map(int, sys.argv[1:])
clean = torch.randint(50257, (batch, length)); corrupted = clean.clone()
corrupted[:, [2, 4, 10]] = torch.randint(50257, (batch, 3))
a, b = torch.randint(50257, (2, batch))
metric = lambda logits: (logits[range(batch), -1, a] - logits[range(batch), -1, b]).mean()
_, cache = model.run_with_cache(clean)
import pandas as pd
found = {"version": release}
for name, function, columns, count in (
    ("residual sweep", patching.get_act_patch_resid_pre, ("layer", "pos"), length),
    ("head sweep", patching.get_act_patch_attn_head_out_all_pos, ("layer", "head"), 12),
):
    places = [(layer, index) for layer in range(12) for index in range(count)][::every]
    frame = pd.DataFrame(places, columns=columns)
    start = time.process_time()
    function(model, corrupted, cache, metric, index_df=frame, index_axis_names=None)
    found[name] = (time.process_time() - start) * 12 * count / len(places)
print(json.dumps(found))
"""


def timed(work: Callable[[], Value]) -> tuple[Value, float]:
    """What `work` returns, and the CPU-seconds it took."""
    start = time.process_time()
    value = work()
    return value, time.process_time() - start


def question() -> tuple[Tensor, Tensor, Tensor, Callable[[Tensor], Tensor]]:
    """Prompts that differ at three positions, their ends, and a logit difference."""
    clean = torch.randint(SMALL.d_vocab, (BATCH, LENGTH))
    corrupted = clean.clone()
    corrupted[:, [2, 4, 10]] = torch.randint(SMALL.d_vocab, (BATCH, 3))
    rows, (right, wrong) = torch.arange(BATCH), torch.randint(SMALL.d_vocab, (2, BATCH))
    end = torch.full((BATCH,), LENGTH - 1)
    return clean, corrupted, end, lambda logits: logits[..., rows, right] - logits[..., rows, wrong]


def network() -> GPT2:
    """GPT-2 small's shape; gains and biases are drawn too, and weights large enough that patches change something."""
    model = GPT2(SMALL).requires_grad_(False).eval()
    for name, parameter in model.named_parameters():
        kind = name.rpartition(".")[2]
        if kind.startswith("b"):
            parameter.normal_(0, 0.05)
        elif kind == "w":
            parameter.normal_(1, 0.1)
        else:
            parameter.mul_(2)
    return model


@torch.no_grad()
def brute_force(
    model: GPT2, cache: dict[str, Tensor], asked: tuple[Tensor, Tensor, Tensor, Callable[[Tensor], Tensor]], every: int
) -> dict[str, tuple[Tensor, float]]:
    """One patch in `every` of both sweeps by full runs: their values, and the CPU-seconds of all by proportion."""
    _, corrupted, end, metric = asked
    rows, found = torch.arange(BATCH), {}
    for sweep, name, count in (("residual sweep", "hook_resid_pre", LENGTH), ("head sweep", "attn.hook_z", 12)):
        places = [(layer, index) for layer in range(SMALL.n_layers) for index in range(count)]

        def patched(layer: int, index: int, name: str = name) -> Tensor:
            full = f"blocks.{layer}.{name}"
            at = (slice(None), index) if name == "hook_resid_pre" else (slice(None), slice(None), index)

            def hook(value: Tensor, point: object) -> Tensor:
                value = value.clone()
                value[at] = cache[full][at]
                return value

            return metric(model.run_with_hooks(corrupted, [(full, hook)])[rows, end])

        some = places[::every]
        values, spent = timed(lambda some=some: torch.stack([patched(*place) for place in some]))  # type: ignore[misc]
        found[sweep] = values, spent * len(places) / len(some)
    return found


def measure(every: int) -> tuple[dict[str, dict[str, float]], float]:
    """By name the CPU-seconds of ours and of brute force; and the largest relative difference of their values."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model, asked = network(), question()
    clean = asked[0]
    with torch.no_grad():
        _, cache = model.run_with_cache(clean)  # also warms the machine
    exact = brute_force(model, cache, asked, every)
    rows: dict[str, dict[str, float]] = {}
    apart = 0.0
    for name, sweep in (("residual sweep", patch_residual), ("head sweep", patch_heads)):
        values, spent = timed(lambda sweep=sweep: sweep(model, *asked))  # type: ignore[misc]
        expected, long = exact[name]
        difference = (values.flatten(0, 1)[::every] - expected).abs().max() / expected.abs().max()
        apart = max(apart, float(difference))
        rows[name] = {"ours": spent, "brute force": long}
    attribution_patch(model, *asked)
    spent = min(timed(lambda: attribution_patch(model, *asked))[1] for _ in range(3))
    rows["attribution patching"] = {"ours": spent, "brute force": sum(long for _, long in exact.values())}
    return rows, apart


def peers(every: int) -> dict[str, object]:
    """TransformerLens' own sweeps, by proportion, in the environment that $HEADWORK_PEERS names; {} without one."""
    python = os.environ.get(VARIABLE)
    if not python:
        print(f"TransformerLens: not there ({VARIABLE} names no Python)")
        return {}
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [python, "-c", PEER, *map(str, (BATCH, LENGTH, every))]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        print(f"TransformerLens: not there ({(done.stderr.strip().splitlines() or ['no message'])[-1]})")
        return {}
    found: dict[str, object] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=6)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    rows, apart = measure(options.every)
    good = apart <= CLOSE
    print(f"GPT-2 small's shape, {BATCH} x {LENGTH} tokens, one thread; brute force runs 1 patch in {options.every}")
    print(f"{'':22}{'ours':>10}{'brute force':>14}{'ratio':>8}{'bar':>6}   (CPU-seconds)")
    for name, row in rows.items():
        row["ratio"] = row["brute force"] / row["ours"]
        good &= row["ratio"] >= BARS[name]
        print(f"{name:22}{row['ours']:10.2f}{row['brute force']:14.1f}{row['ratio']:8.1f}{BARS[name]:6.1f}")
    print(f"largest relative difference of the sweeps' values: {apart:.1e} (bar {CLOSE:.0e})")
    other = peers(options.every)
    for name in ("residual sweep", "head sweep"):
        if isinstance(spent := other.get(name), float):
            ratio = spent / rows[name]["ours"]
            print(f"TransformerLens {other['version']}, {name}: {spent:.1f} CPU-s, {ratio:.1f} times ours")
    print(f"bars: {'met' if good else 'MISSED'}")
    if options.record:
        machine = {"machine": platform.machine(), "python": platform.python_version(), "torch": torch.__version__}
        RECORD.parent.mkdir(exist_ok=True)
        figures = {"rows": rows, "apart": apart, "every": options.every, "peer": other, **machine}
        RECORD.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

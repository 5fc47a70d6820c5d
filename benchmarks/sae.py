"""What a training step of a TopK autoencoder costs: with sparse backward, and dense in the same run.

    python benchmarks/sae.py [--device cuda] [--record]

By default 768 dimensions, 6144 latents, k 32, 4096 activations a step, one thread, float32. A step is forward,
backward, the projection of the decoder's gradient, Adam, and rows of unit length. On a CPU it prints tokens a
CPU-second, and exits 1 when sparse is below 3 times dense or their gradients differ. On CUDA it prints tokens a second,
and the shares of the memory bandwidth and of the matrix rate that were measured on the same device in the same run.
`--record` keeps the figures under benchmarks/records/.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from headwork.solutions.sae.losses import normalise_decoder, project_gradient
from headwork.solutions.sae.sparse import SparseTopK
from headwork.solutions.sae.variants import TopK

BAR = 3.0
CLOSE = 1e-5  # the largest difference of a gradient, relative to its largest value
STEPS, WARM = 2, 1
FOLDER = Path(__file__).parent / "records"


def a_step(sae: TopK, x: Tensor) -> Callable[[], None]:
    """One training step, to be called again and again."""
    optimiser = torch.optim.Adam(sae.parameters(), lr=1e-4, fused=True)
    reconstruct: Callable[[Tensor], Any] = sae.reconstruct if isinstance(sae, SparseTopK) else sae

    def step() -> None:
        error = (x - reconstruct(x)[0]).square().sum(-1).mean()
        optimiser.zero_grad()
        error.backward()
        project_gradient(sae.W_dec)
        optimiser.step()
        normalise_decoder(sae.W_dec)

    return step


def gradients(sae: TopK, x: Tensor) -> dict[str, Tensor]:
    (x - sae(x)[0]).square().sum(-1).mean().backward()
    found = {name: parameter.grad.clone() for name, parameter in sae.named_parameters() if parameter.grad is not None}
    sae.zero_grad()
    return found


def apart(dense: TopK, sparse: SparseTopK, x: Tensor) -> float:
    """The largest difference of their gradients, relative to the largest value of each parameter's."""
    ours, other = gradients(sparse, x), gradients(dense, x)
    return max(float((ours[name] - other[name]).abs().max() / other[name].abs().max()) for name in other)


def seconds(step: Callable[[], None], device: str, steps: int) -> float:
    """Of a step: CPU-seconds, or on CUDA seconds by the clock."""
    clock = time.perf_counter if device == "cuda" else time.process_time
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    for _ in range(WARM):
        step()
    wait()
    start = clock()
    for _ in range(steps):
        step()
    wait()
    return (clock() - start) / steps


def work(d_model: int, latents: int, k: int, batch: int) -> tuple[float, float]:
    """What a sparse step cannot do without: floating point operations, and bytes moved to and from memory.

    Operations: the dense encoding; decoding, the strengths' gradients and both matrices' gradients with k of `latents`.
    Bytes of float32: pre-activations written and read once, k decoder rows or inputs for each of the four sparse
    products, and for Adam each parameter, gradient and moment read, and all but the gradient written.
    """
    pairs, parameters = batch * k * d_model, 2 * d_model * latents
    return 2.0 * batch * d_model * latents + 4 * 2.0 * pairs, 4.0 * (2 * batch * latents + 4 * pairs + 7 * parameters)


def peaks(step_of: Callable[[Callable[[], None]], float]) -> tuple[float, float]:
    """Bytes and operations a second that this device reaches on a copy and on a product of matrices in float32."""
    source = torch.empty(256 * 2**20, device="cuda")  # 1 GB
    target, matrix = torch.empty_like(source), torch.randn(8192, 8192, device="cuda")
    copied = 2 * 4 * source.numel() / step_of(lambda: target.copy_(source) and None)
    return copied, 2 * 8192**3 / step_of(lambda: torch.mm(matrix, matrix) and None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("d-model", 768), ("latents", 6144), ("k", 32), ("batch", 4096)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    device, d_model, batch = options.device, options.d_model, options.batch
    low = torch.randn(batch, 64) @ torch.randn(64, d_model) / 8  # most of it in few directions, as activations are
    x = (low + 0.1 * torch.randn(batch, d_model)).to(device)
    dense = TopK(d_model, options.latents, options.k).to(device)
    sparse = SparseTopK(d_model, options.latents, options.k).to(device)
    sparse.load_state_dict(dense.state_dict())
    difference = apart(dense, sparse, x)
    steps = STEPS if device == "cpu" else 20 * STEPS
    rates = {
        name: batch / seconds(a_step(sae, x), device, steps) for name, sae in (("dense", dense), ("sparse", sparse))
    }
    ratio = rates["sparse"] / rates["dense"]
    good = difference <= CLOSE and (device == "cuda" or ratio >= BAR)
    unit = "CPU-second, one thread" if device == "cpu" else "second"
    print(f"{d_model} dimensions, {options.latents} latents, k {options.k}, {batch} activations a step, {device}")
    for name, rate in rates.items():
        print(f"{name:8}{rate:12,.0f} tokens a {unit}")
    print(f"sparse by dense {ratio:.2f} (bar {BAR:g} on a CPU); gradients apart {difference:.1e} (bar {CLOSE:.0e})")
    found: dict[str, Any] = {"rates": rates, "ratio": ratio, "apart": difference, "shape": vars(options)}
    if device == "cuda":
        operations, moved = work(d_model, options.latents, options.k, batch)
        a_second = rates["sparse"] / batch
        bandwidth, products = peaks(lambda each: seconds(each, device, 20))
        found |= {"memory": moved * a_second / bandwidth, "compute": operations * a_second / products}
        print(f"of the bandwidth measured here, {bandwidth / 1e9:,.0f} GB/s: {100 * found['memory']:.0f} %")
        print(f"of the matrix rate measured here, {products / 1e12:,.1f} TFLOP/s: {100 * found['compute']:.0f} %")
        found["device"] = torch.cuda.get_device_name()
    print(f"bars: {'met' if good else 'MISSED'}")
    if options.record:
        found |= {"machine": platform.machine(), "python": platform.python_version(), "torch": torch.__version__}
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / f"sae-{device}.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

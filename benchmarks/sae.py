"""What a training step of a TopK autoencoder costs: with sparse backward, and dense in the same run.

    python benchmarks/sae.py [--device cuda] [--record]

By default 768 dimensions, 6144 latents, k 32, 4096 activations a step, one thread, float32. A step is forward,
backward, the projection of the decoder's gradient, Adam, and rows of unit length. On a CPU it prints tokens a
CPU-second, and exits 1 when sparse is below 3 times dense or their gradients differ. On CUDA the kernels of fused_topk
run too, where Triton can be imported. It prints tokens a second, and what shares the fastest reaches of the memory
bandwidth and of the matrix rate that were measured on the same device in the same run; and exits 1 when gradients
differ.
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
CLEAR = 1e-4  # by how much an input's k-th latent is before the next, where rounding cannot exchange them
ROUNDS = 5  # turns of each kind of step
STEPS = {"cpu": 1, "cuda": 20}
WARM = 1
COPIED, SIDE = 256 * 2**20, 8192  # numbers, 1 GB of them, and a matrix's rows: what `peaks` measures with
FOLDER = Path(__file__).parent / "records"


def fused_topk(*sizes: int) -> SparseTopK | None:
    """The autoencoder of fused kernels, or None, and a line that says why."""
    try:
        from headwork.benchmarks.fused_topk import FusedTopK
    except ImportError as error:
        print(f"the fused kernels are not measured: {error}")
        return None
    return FusedTopK(*sizes)


def squared_error(sae: TopK, x: Tensor) -> Tensor:
    """A number: the squared error, summed over `d_model`, the mean over the batch."""
    if hasattr(sae, "squared_error"):
        return sae.squared_error(x).mean()
    made = sae.reconstruct(x)[0] if isinstance(sae, SparseTopK) else sae(x)[0]
    return (x - made).square().sum(-1).mean()


def a_step(sae: TopK, x: Tensor) -> Callable[[], None]:
    """One training step, to be called again and again."""
    optimiser = torch.optim.Adam(sae.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        error = squared_error(sae, x)
        optimiser.zero_grad()
        error.backward()
        project_gradient(sae.W_dec)
        optimiser.step()
        normalise_decoder(sae.W_dec)

    return step


def gradients(sae: TopK, x: Tensor) -> dict[str, Tensor]:
    squared_error(sae, x).backward()
    found = {name: parameter.grad.clone() for name, parameter in sae.named_parameters() if parameter.grad is not None}
    sae.zero_grad()
    return found


@torch.no_grad()
def clear(dense: TopK, x: Tensor) -> Tensor:
    """The inputs, (clear, d_model), of which every way of rounding keeps the same latents."""
    pre = (x - dense.b_dec) @ dense.W_enc + dense.b_enc  # (batch, latent)
    if dense.k == pre.shape[1]:
        return x
    best = pre.topk(dense.k + 1).values  # (batch, k + 1), the largest first
    return x[best[:, -2] - best[:, -1] > CLEAR]


def apart(dense: TopK, sparse: SparseTopK, x: Tensor) -> float:
    """The largest difference of their gradients, relative to the largest value of each parameter's."""
    ours, other = gradients(sparse, x), gradients(dense, x)
    return max(float((ours[name] - other[name]).abs().max() / other[name].abs().max()) for name in other)


def seconds(step: Callable[[], object], device: str, steps: int) -> float:
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


def best_rates(steps: dict[str, Callable[[], None]], device: str, batch: int) -> dict[str, float]:
    """Activations a second of each step, the best of ROUNDS turns: whatever else the machine does only slows it."""
    found = dict.fromkeys(steps, 0.0)
    for _ in range(ROUNDS):
        for name, step in steps.items():
            found[name] = max(found[name], batch / seconds(step, device, STEPS[device]))
    return found


def work(d_model: int, latents: int, k: int, batch: int) -> tuple[float, float]:
    """What a sparse step cannot do without: floating point operations, and bytes moved to and from memory.

    Operations: the dense encoding; decoding, the strengths' gradients and both matrices' gradients with k of `latents`.
    Bytes of float32: pre-activations written and read once, k decoder rows or inputs for each of the four sparse
    products, and for Adam each parameter, gradient and moment read, and all but the gradient written. Rows that a GPU
    still has in its L2 cache count as moved, so that the share of the bandwidth may exceed 1.
    """
    pairs, parameters = batch * k * d_model, 2 * d_model * latents
    return 2.0 * batch * d_model * latents + 4 * 2.0 * pairs, 4.0 * (2 * batch * latents + 4 * pairs + 7 * parameters)


def peaks(step_of: Callable[[Callable[[], object]], float]) -> tuple[float, float]:
    """Bytes and operations a second that this device reaches on a copy and on a product of matrices in float32."""
    source = torch.zeros(COPIED, device="cuda")
    target, matrix = torch.empty_like(source), torch.randn(SIDE, SIDE, device="cuda")
    copied = 2 * 4 * COPIED / step_of(lambda: target.copy_(source))
    return copied, 2 * SIDE**3 / step_of(lambda: torch.mm(matrix, matrix))


def roofline(rates: dict[str, float], sizes: tuple[int, int, int], batch: int) -> dict[str, object]:
    """Prints what the fastest of these reaches of the bandwidth and of the matrix rate that are measured here."""
    fastest = max(rates, key=lambda name: rates[name])
    operations, moved = work(*sizes, batch)
    bandwidth, products = peaks(lambda each: seconds(each, "cuda", 20))
    a_second = rates[fastest] / batch
    memory, compute = moved * a_second / bandwidth, operations * a_second / products
    print(f"{fastest}, of the bandwidth measured here, {bandwidth / 1e9:,.0f} GB/s: {100 * memory:.0f} %")
    print(f"{fastest}, of the matrix rate measured here, {products / 1e12:,.1f} TFLOP/s: {100 * compute:.0f} %")
    return {"fastest": fastest, "memory": memory, "compute": compute}


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
    sizes = d_model, options.latents, options.k
    dense, kinds = TopK(*sizes), {"sparse": SparseTopK(*sizes)}
    if device == "cuda" and (fused := fused_topk(*sizes)):
        kinds["fused"] = fused
    for sae in kinds.values():
        sae.load_state_dict(dense.state_dict())
        sae.to(device)
    sure = clear(dense.to(device), x)
    differences = {name: apart(dense, sae, sure) for name, sae in kinds.items()}
    rates = best_rates({name: a_step(sae, x) for name, sae in ({"dense": dense} | kinds).items()}, device, batch)
    ratios = {name: rates[name] / rates["dense"] for name in kinds}
    good = max(differences.values()) <= CLOSE and (device == "cuda" or ratios["sparse"] >= BAR)
    unit = "CPU-second, one thread" if device == "cpu" else "second"
    print(f"{d_model} dimensions, {options.latents} latents, k {options.k}, {batch} activations a step, {device}")
    for name, rate in rates.items():
        print(f"{name:8}{rate:12,.0f} tokens a {unit}")
    for name, ratio in ratios.items():
        bar = f"{CLOSE:.0e}"
        print(
            f"{name} by dense {ratio:.2f} (bar {BAR:g} on a CPU); gradients apart {differences[name]:.1e} (bar {bar})"
        )
    found: dict[str, Any] = {"rates": rates, "ratio": ratios["sparse"], "apart": differences["sparse"]}
    found["shape"] = vars(options)
    if device == "cuda":
        found |= roofline({name: rates[name] for name in kinds}, sizes, batch)
        found |= {"ratios": ratios, "differences": differences, "device": torch.cuda.get_device_name()}
    print(f"bars: {'met' if good else 'MISSED'}")
    if options.record:
        found |= {"machine": platform.machine(), "python": platform.python_version(), "torch": torch.__version__}
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / f"sae-{device}.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

"""The kernels of benchmarks/fused_topk.py in a process of their own.

Triton looks at TRITON_INTERPRET when it is imported, and again when a kernel is defined: set for one process, it cannot
reach another test.
"""

import io
import os
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

Case = dict[str, Any]


def ask(folder: Path, task: str, given: object, interpret: bool) -> Any:
    """What the function of that name, below, makes of `given`: plain values and tensors, as is what it returns."""
    torch.save(given, folder / "given.pt")
    told = {"TRITON_INTERPRET": str(int(interpret)), "TRITON_CACHE_DIR": str(folder), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-P", __file__, task, str(folder)], env=os.environ | told, check=True)
    return torch.load(folder / "found.pt")


def answers(given: dict[str, Any]) -> dict[str, Any]:
    """For each case what the kernels find on the device."""
    device = given["device"]
    if device == "cpu":  # memory that nobody has written is NaN
        torch.use_deterministic_algorithms(True)
    return {name: answer(case, device) for name, case in given["cases"].items()}


def answer(case: Case, device: str) -> Case:
    """The reconstruction, the latents and the squared errors, and the gradients by `cotangent` and by `weights`."""
    from headwork.benchmarks.fused_topk import FusedTopK

    sae = FusedTopK(*case["state"]["W_enc"].shape, case["k"]).to(case["x"])
    sae.load_state_dict(case["state"])
    sae.to(device)
    x = case["x"].to(device)
    made, latents = sae(x)
    made.backward(case["cotangent"].to(device))
    by_cotangent = taken(sae)
    errors = sae.squared_error(x)
    errors.backward(case["weights"].to(device))
    found = {"made": made, "latents": latents, "errors": errors, "of made": by_cotangent, "of errors": taken(sae)}
    return {name: each if isinstance(each, dict) else each.detach().cpu() for name, each in found.items()}


def taken(sae: nn.Module) -> dict[str, Tensor]:
    """The gradients, which are gone after that."""
    found = {name: parameter.grad.cpu() for name, parameter in sae.named_parameters()}
    sae.zero_grad()
    return found


def trained(given: Case) -> Case:
    """The losses of a training on `batches`, (step, batch, d_model), and what the parameters are after it."""
    from headwork.benchmarks.fused_topk import FusedTopK
    from headwork.solutions.sae.training import train_sae

    sae = FusedTopK(*given["state"]["W_enc"].shape, given["k"]).to(given["batches"])
    sae.load_state_dict(given["state"])
    losses = train_sae(sae, given["batches"].__getitem__, len(given["batches"]), **given["options"])
    return {"losses": losses, "state": dict(sae.state_dict())}


def together(given: Case) -> Case:
    """Several tasks in one process."""
    return {name: globals()[name](each) for name, each in given.items()}


class Compiled:
    """Stands in for a kernel: a launch compiles it, for a device that need not be there, and computes nothing."""

    def __init__(self, kernel: Any, capability: int, found: list[str]):
        self.kernel, self.capability, self.found = kernel, capability, found

    def __getitem__(self, grid: object) -> Any:
        return self.launch

    def launch(self, *arguments: Any, **constants: Any) -> None:
        import triton
        from triton.backends.compiler import GPUTarget
        from triton.compiler import ASTSource
        from triton.runtime.jit import mangle_type

        tuned = hasattr(self.kernel, "configs")
        function = self.kernel.fn if tuned else self.kernel
        config = self.kernel.configs[0] if tuned else triton.Config({})
        constants |= config.kwargs
        told = dict(zip(function.arg_names, arguments, strict=False)) | constants
        constants = {name: told[name] for name in told if function.params[function.arg_names.index(name)].is_constexpr}
        signature = {name: "constexpr" if name in constants else mangle_type(each) for name, each in told.items()}
        made = triton.compile(
            ASTSource(fn=function, signature=signature, constexprs=constants),
            target=GPUTarget("cuda", self.capability, 32),
            options={"num_warps": config.num_warps},
        )
        assert made.asm["cubin"]
        self.found.append(function.__name__)


def compiled(given: Case) -> list[str]:
    """The names of the kernels that a step compiles, which runs on the CPU but for them."""
    from headwork.benchmarks import fused_topk

    found: list[str] = []
    for name in ("decode", "strengthen", "sweep", "join"):
        setattr(fused_topk, name, Compiled(getattr(fused_topk, name), given["capability"], found))
    for dtype in given["dtypes"]:
        sae, x = fused_topk.FusedTopK(48, 20, 3).to(dtype), torch.randn(6, 48, dtype=dtype)
        sae(x)[0].sum().backward()
        sae.squared_error(x).sum().backward()
    return found


class CUDAOnCPU(TorchFunctionMode):
    """Takes every 'cuda' for 'cpu'."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        def here(each: Any) -> Any:
            return "cpu" if isinstance(each, str | torch.device) and str(each) == "cuda" else each

        return function(*map(here, args), **{name: here(each) for name, each in (kwargs or {}).items()})


def benchmark(arguments: list[str]) -> tuple[int, str]:
    """The exit code of `benchmarks/sae.py --device cuda` and what it prints, where the CPU stands in for the GPU."""
    from headwork.benchmarks import sae

    sae.COPIED, sae.SIDE, sae.STEPS = 1000, 32, {"cuda": 1}
    torch.cuda.synchronize, torch.cuda.get_device_name = lambda: None, lambda: "none"
    sys.argv = ["sae.py", "--device", "cuda", *arguments]
    with CUDAOnCPU(), redirect_stdout(io.StringIO()) as printed:
        code = sae.main()
    return code, printed.getvalue()


if __name__ == "__main__":
    task, folder = sys.argv[1:]
    torch.save(globals()[task](torch.load(f"{folder}/given.pt")), f"{folder}/found.pt")

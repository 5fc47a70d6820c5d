"""The fused kernels of a TopK autoencoder against the dense step, and PyTorch's gradients of the plain formula."""

import importlib.util
import sys

import pytest
import torch

from headwork.solutions.sae.sparse import SparseTopK
from headwork.solutions.sae.training import train_sae
from headwork.solutions.sae.variants import TopK
from headwork.tests.kernels import ask

needs_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")
OPTIONS = {"learning_rate": 0.01, "window": 100}
POPULAR = 3  # the latent that every input keeps, where there is one

# batch, d_model, latents, k; the interpreter's tiles have 4 pairs and 16 columns, its pieces 8 pairs
SIZES = {
    "odd sizes": (4, 19, 11, 5),
    "one input": (1, 33, 7, 3),
    "no input": (0, 4, 7, 2),
    "k 1": (5, 3, 9, 1),
    "few are positive": (4, 7, 13, 11),
    "every latent is kept": (3, 5, 6, 6),
    "one is popular": (17, 5, 9, 2),
}
ON_A_GPU = SIZES | {
    "sizes of a tile and more": (70, 770, 1030, 33),
    "hundreds keep one": (700, 40, 300, 8),
}


def a_case(name, sizes, dtype):
    batch, d_model, latents, k = sizes
    generator = torch.Generator().manual_seed(sum(map(ord, name)))

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    b_enc = draw(latents)
    b_enc[-1] -= 100  # nobody has this one; where all are kept, it is kept as a 0
    if name == "few are positive":
        b_enc -= 6
    if name in ("one is popular", "hundreds keep one"):
        b_enc[POPULAR] += 100
    state = {"W_enc": draw(d_model, latents), "b_enc": b_enc, "W_dec": draw(latents, d_model), "b_dec": draw(d_model)}
    return {
        "state": state, "k": k, "x": draw(batch, d_model), "cotangent": draw(batch, d_model), "weights": draw(batch)
    }  # fmt: skip


def plain(case, places, sign=-1):
    """What the formula gives in float64, with PyTorch's gradients; `places`: (batch, k), the latents that are kept.

    With the sizes of all numbers in place of the numbers, and `sign` 1, it gives the size of all that is added up.
    """
    state = {name: each.double().clone().requires_grad_() for name, each in case["state"].items()}
    x, k = case["x"].double(), case["k"]
    pre = (x + sign * state["b_dec"]) @ state["W_enc"] + state["b_enc"]
    places = pre.topk(k).indices if places is None else places
    kept = pre.gather(1, places).relu()  # (batch, k)
    made = torch.einsum("bk,bkd->bd", kept, state["W_dec"][places]) + state["b_dec"]
    errors = (x + sign * made).square().sum(-1)
    found = {"made": made, "latents": torch.zeros_like(pre).scatter(1, places, kept), "errors": errors}
    for name, output, cotangent in (("made", made, case["cotangent"]), ("errors", errors, case["weights"])):
        grads = torch.autograd.grad(output, list(state.values()), cotangent.double(), retain_graph=True)
        found[f"of {name}"] = dict(zip(state, grads, strict=True))
    return found, places


def assert_as_the_formula(found, case):
    """No number is further off than rounding can bring it.

    A sum of n terms in any order is off by n roundings at most, each of the size of all that is added up. On the way
    to a gradient the sums are over `d_model` and k three times, over the batch and over the latents. In bfloat16 the
    sums are float32's, and only what is kept between them is rounded.
    """
    dtype, (d_model, latents) = case["x"].dtype, case["state"]["W_enc"].shape
    expected, places = plain(case, None)
    sizes, _ = plain({name: _sizes(each) for name, each in case.items()}, places, sign=1)
    roundings = 8 if dtype == torch.bfloat16 else 3 * (d_model + case["k"]) + len(case["x"]) + latents + 20
    for name, one in _flat(found).items():
        assert one.dtype == (torch.promote_types(dtype, torch.float32) if name == "errors" else dtype)
        assert one.shape == _flat(expected)[name].shape
        off = (one.double() - _flat(expected)[name]).abs()
        bound = roundings * torch.finfo(dtype).eps * _flat(sizes)[name]
        assert (off <= bound).all(), f"{name}: off by {off.max():.1e}, bound {bound.max():.1e}"
    assert ((found["latents"] > 0) == (expected["latents"] > 0)).all()


def _sizes(value):
    if isinstance(value, dict):
        return {name: _sizes(each) for name, each in value.items()}
    return value.abs() if isinstance(value, torch.Tensor) else value


def _flat(found):
    parts = {name: each if isinstance(each, dict) else {"": each} for name, each in found.items()}
    return {f"{name} {part}".strip(): each for name, under in parts.items() for part, each in under.items()}


BRAIN = a_case("bfloat16", (5, 18, 7, 7), torch.bfloat16)  # all are kept, and none is so near 0 that rounding counts


def cases_of(sizes, dtypes):
    return {f"{name}, {dtype}": a_case(name, each, dtype) for name, each in sizes.items() for dtype in dtypes}


CASES = cases_of(SIZES, (torch.float64,)) | cases_of(
    {name: SIZES[name] for name in ("odd sizes", "one is popular")}, (torch.float32,)
)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """All that the interpreter is asked for, from one process."""
    given = {
        "answers": {"device": "cpu", "cases": CASES | {"bfloat16": BRAIN}},
        "trained": training(),
        "benchmark": ["--d-model", "6", "--latents", "9", "--k", "2", "--batch", "5"],
    }
    return ask(tmp_path_factory.mktemp("kernels"), "together", given, interpret=True)


def training():
    case = a_case("training", (1, 5, 11, 3), torch.float64)
    generator = torch.Generator().manual_seed(1)
    batches = torch.randn(3, 6, 5, generator=generator, dtype=torch.float64)
    return {"state": case["state"], "k": case["k"], "batches": batches, "options": OPTIONS}


@needs_triton
@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_those_of_the_formula(found, name):
    assert_as_the_formula(found["answers"][name], CASES[name])


@needs_triton
@pytest.mark.parametrize("name", [name for name in CASES if "float64" in name])
def test_values_and_gradients_are_those_of_the_dense_step(found, name):
    case, ours = CASES[name], found["answers"][name]
    dense = TopK(*case["state"]["W_enc"].shape, case["k"]).double()
    dense.load_state_dict(case["state"])
    made, latents = dense(case["x"])
    torch.testing.assert_close(ours["made"], made.detach())
    torch.testing.assert_close(ours["latents"], latents.detach())
    made.backward(case["cotangent"])
    for parameter, each in dense.named_parameters():
        torch.testing.assert_close(ours["of made"][parameter], each.grad)


@needs_triton
@pytest.mark.parametrize("name", CASES)
def test_latents_that_nobody_has_get_a_gradient_of_exactly_zero(found, name):
    ours = found["answers"][name]
    never = ~(ours["latents"] > 0).any(0)
    assert never[-1]
    for grads in (ours["of made"], ours["of errors"]):
        assert (grads["W_dec"][never] == 0).all()
        assert (grads["W_enc"][:, never] == 0).all()
        assert (grads["b_enc"][never] == 0).all()


def test_the_cases_are_what_they_are_called():
    def kept(name):
        return (plain(CASES[f"{name}, torch.float64"], None)[0]["latents"] > 0).sum(0)

    batch, _, _, k = SIZES["few are positive"]
    assert 0 < kept("few are positive").sum() < batch * k / 2
    batch = SIZES["one is popular"][0]
    assert kept("one is popular")[POPULAR] == batch > 2 * 8  # pieces of 8: the first, and two that are added to it


@needs_triton
def test_bfloat16_stays_near_the_formula(found):
    assert_as_the_formula(found["answers"]["bfloat16"], BRAIN)


@needs_triton
def test_training_by_the_kernels_ends_in_the_same_parameters(found):
    given, ours = training(), found["trained"]
    sparse = SparseTopK(*given["state"]["W_enc"].shape, given["k"]).double()
    sparse.load_state_dict(given["state"])
    losses = train_sae(sparse, given["batches"].__getitem__, len(given["batches"]), **OPTIONS)
    torch.testing.assert_close(ours["losses"], losses, rtol=0, atol=1e-10)
    assert len(losses.unique()) == len(losses)
    for name, parameter in sparse.state_dict().items():
        torch.testing.assert_close(ours["state"][name], parameter, rtol=0, atol=1e-10)


@needs_triton
def test_the_benchmark_ends_where_the_cpu_stands_in_for_a_gpu(found):
    code, printed = found["benchmark"]
    assert code == 0, printed
    for name in ("dense", "sparse", "fused"):
        assert any(line.startswith(name) and line.endswith("tokens a second") for line in printed.splitlines())
    assert "fused by dense" in printed and "GB/s" in printed and "TFLOP/s" in printed


def test_the_benchmark_says_where_triton_is_missing(monkeypatch, capsys):
    from headwork.benchmarks import sae

    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.delitem(sys.modules, "headwork.benchmarks.fused_topk", raising=False)
    assert sae.fused_topk(5, 9, 2) is None
    assert "triton" in capsys.readouterr().out


@needs_triton
def test_the_kernels_compile_for_hopper(tmp_path):
    """The compiler needs no GPU."""
    given = {"capability": 90, "dtypes": [torch.float32, torch.bfloat16]}
    names = ask(tmp_path, "compiled", given, interpret=False)
    assert names == ["decode", "strengthen", "sweep", "join"] * 4


@needs_triton
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_finds_the_same_and_twice_the_same_bits(tmp_path):
    cases = cases_of(ON_A_GPU, (torch.float32, torch.float64))
    first, again = (ask(tmp_path, "answers", {"device": "cuda", "cases": cases}, interpret=False) for _ in range(2))
    for name, case in cases.items():
        assert_as_the_formula(first[name], case)
        for part, each in _flat(first[name]).items():
            assert torch.equal(each, _flat(again[name])[part]), f"{name}: {part}"

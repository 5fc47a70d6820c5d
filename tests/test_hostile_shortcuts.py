"""The library function that an exercise forbids is found in every guise, and its work gains nothing."""

from textwrap import dedent

import pytest

from headwork.tests.hostile import RIGHT_FORWARD, grade, submission

ARGUMENTS = "(residual.shape[-1],), self.w, self.b, self.eps"
SCRIPTED = """
@torch.jit.script
def scripted(x: torch.Tensor, n: int, w: torch.Tensor, b: torch.Tensor, e: float):
    return torch.layer_norm(x, [n], w, b, e)
"""
GRAPH = """
graph = torch._C.parse_ir('''graph(%x : Tensor, %s : int[], %w : Tensor, %b : Tensor, %e : float):
  %t : bool = prim::Constant[value=0]()
  %r : Tensor = aten::layer_norm(%x, %s, %w, %b, %e, %t)
  return (%r)''')
"""
ROWS = "rows = residual.reshape(1, -1, residual.shape[-1])\n"
BACK = "[0].reshape(residual.shape) * self.w + self.b"

GUISES = {
    "nn.functional": f"return F.layer_norm(residual, {ARGUMENTS})",
    "an alias": f"norm = getattr(F, 'layer' + '_norm')\nreturn norm(residual, {ARGUMENTS})",
    "a layer of nn": """
        layer = nn.LayerNorm(residual.shape[-1], self.eps).to(residual)
        layer.weight, layer.bias = self.w, self.b
        return layer(residual)
        """,
    "a layer in a bigger one": """
        width = residual.shape[-1]
        return nn.TransformerEncoderLayer(width, 1, 1, layer_norm_eps=self.eps).to(residual).norm1(residual)
        """,
    "torch": f"return torch.layer_norm(residual, {ARGUMENTS})",
    "torch._C": f"return torch._C._VariableFunctions.layer_norm(residual, {ARGUMENTS})",
    "torch's native function": f"return torch.native_layer_norm(residual, {ARGUMENTS})[0]",
    "aten": f"return torch.ops.aten.layer_norm(residual, {ARGUMENTS})",
    "aten's overload": f"return torch.ops.aten.native_layer_norm.default(residual, {ARGUMENTS})[0]",
    "aten with outputs given": f"""
        out = [torch.empty_like(residual), residual.new_empty(0), residual.new_empty(0)]
        names = dict(zip(("out0", "out1", "out2"), out))
        with torch.no_grad():
            torch.ops.aten.native_layer_norm.out(residual, {ARGUMENTS}, **names)
        return out[0]
        """,
    "a redispatch to the kernel": f"""
        key = torch._C.DispatchKeySet(torch._C.DispatchKey.CPU)
        return torch.ops.aten.native_layer_norm.default.redispatch(key, residual, {ARGUMENTS})[0]
        """,
    "a decomposition": f"return torch.ops.aten.layer_norm.default.decompose(residual, {ARGUMENTS})",
    "the references of PyTorch": f"import torch._refs\nreturn torch._refs.native_layer_norm(residual, {ARGUMENTS})[0]",
    "a helper of the references": """
        import torch._refs
        return torch._refs._normalize(residual, [residual.dim() - 1], self.eps)[0] * self.w + self.b
        """,
    "a helper of the decompositions": f"""
        import torch._decomp.decompositions as decompositions
        {ROWS.strip()}
        return decompositions.native_batch_norm_helper(rows, None, None, None, None, True, 0.0, self.eps, False){BACK}
        """,
    "the table of decompositions": f"""
        from torch._decomp import get_decompositions
        (function,) = set(get_decompositions([torch.ops.aten.native_layer_norm.default]).values())
        return function(residual, {ARGUMENTS})[0]
        """,
    "a script": "return scripted(residual, residual.shape[-1], self.w, self.b, self.eps)",
    "a graph of the jit": GRAPH
    + "run = torch._C._create_function_from_graph('f', graph)\n"
    + "return run(residual, [residual.shape[-1]], self.w, self.b, self.eps)",
    "a static module of the jit": GRAPH
    + "run = torch._C._jit_to_static_module(graph)\n"
    + "given = residual.detach(), [residual.shape[-1]], self.w.detach(), self.b.detach(), self.eps\n"
    + "return run(*given)",
    "vmap": "return torch.func.vmap(lambda row: F.layer_norm(row, row.shape[-1:], self.w, self.b, self.eps))(residual)",
    "a traced graph": f"""
        from torch.fx.experimental.proxy_tensor import make_fx
        return make_fx(lambda residual: F.layer_norm(residual, {ARGUMENTS}))(residual)(residual)
        """,
    "an autograd function": f"""
        class Norm(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x): return F.layer_norm(x, {ARGUMENTS})
            @staticmethod
            def backward(ctx, gradient): return gradient
        return Norm.apply(residual)
        """,
    "an except for everything": f"try: return F.layer_norm(residual, {ARGUMENTS})\nexcept BaseException: pass\n"
    + RIGHT_FORWARD,
    "without torch's modes": f"""
        from torch.utils._python_dispatch import _disable_current_modes
        with _disable_current_modes():
            return F.layer_norm(residual, {ARGUMENTS})
        """,
    "without the Python key": f"""
        keys = torch._C.DispatchKeySet(torch._C.DispatchKey.Python)
        with torch._C._ExcludeDispatchKeyGuard(keys):
            return F.layer_norm(residual, {ARGUMENTS})
        """,
    "a fake tensor": f"""
        from torch._subclasses import FakeTensorMode
        with FakeTensorMode(allow_non_fake_inputs=True):
            return F.layer_norm(residual, {ARGUMENTS})
        """,
    "an MKL-DNN tensor": f"""
        {ROWS.strip()}
        rows, some = rows.float().unsqueeze(-1).to_mkldnn(), torch.ones(rows.shape[1])
        return F.batch_norm(rows, some * 0, some, some, some * 0, True, 0.1, self.eps).to_dense(){BACK[3:]}.to(residual)
        """,
    "float32": "return F.layer_norm(residual.float(), residual.shape[-1:]).to(residual)",
    "bfloat16": "return F.layer_norm(residual.bfloat16(), residual.shape[-1:]).to(residual)",
    "a group norm": """
        rows = residual.reshape(-1, residual.shape[-1])
        return F.group_norm(rows, 1, self.w, self.b, self.eps).reshape(residual.shape)
        """,
    "an instance norm": ROWS + "return F.instance_norm(rows, eps=self.eps).reshape(residual.shape) * self.w + self.b",
    "a batch norm": ROWS + f"return torch.native_batch_norm(rows, None, None, None, None, True, 0.1, self.eps){BACK}",
    "a batch norm's kin": ROWS
    + f"return torch.ops.aten._native_batch_norm_legit.no_stats(rows, None, None, True, 0.1, self.eps){BACK}",
    "an RMS norm": "centred = residual - residual.mean(-1, keepdim=True)\n"
    + "return F.rms_norm(centred, centred.shape[-1:], self.w, self.eps) + self.b",
    "a thread": f"""
        found = []
        thread = threading.Thread(target=lambda: found.append(F.layer_norm(residual, {ARGUMENTS})))
        thread.start(); thread.join()
        return found[0]
        """,
    "after a library of one's own was destroyed": f"""
        library = torch.library.Library("aten", "IMPL")
        library.impl("native_layer_norm", lambda *a: None, "CPU")
        library._destroy()
        return F.layer_norm(residual, {ARGUMENTS})
        """,
    "after every library was destroyed": f"""
        for each in gc.get_objects():
            if isinstance(each, torch.library.Library):
                each._destroy()
        return F.layer_norm(residual, {ARGUMENTS})
        """,
}


@pytest.mark.parametrize("forward", GUISES.values(), ids=GUISES)
def test_the_forbidden_function_is_found_in_the_guise_of(forward):
    verdict = grade(submission(forward=dedent(forward)).replace("\nclass LayerNorm", SCRIPTED + "\nclass LayerNorm"))
    assert verdict.status == "forbidden" and verdict.points == 0
    assert "does the exercise's work" in verdict.message


FRUITLESS = {
    "a nested tensor": """
        nested = torch.nested.nested_tensor(list(residual.detach()))
        return torch.stack(F.layer_norm(nested, residual.shape[-1:], self.w, self.b, self.eps).unbind())
        """,
    "the meta device": f"return F.layer_norm(residual.to('meta'), {ARGUMENTS.replace('self.w, self.b', 'None, None')})",
    "quantised numbers": """
        integers = torch.quantize_per_tensor(residual.float(), 0.001, 0, torch.qint32)
        width = residual.shape[-1:]
        norm = torch.ops.quantized.layer_norm(integers, width, self.w.float(), self.b.float(), self.eps, 0.001, 0)
        return norm.dequantize().to(residual)
        """,
    "a guard against the CPU's kernels": f"""
        with torch._C._ExcludeDispatchKeyGuard(torch._C.DispatchKeySet(torch._C.DispatchKey.CPU)):
            return F.layer_norm(residual, {ARGUMENTS})
        """,
    "a sparse tensor": "return F.layer_norm(residual.to_sparse(), residual.shape[-1:]).to_dense()",
}


@pytest.mark.parametrize("forward", FRUITLESS.values(), ids=FRUITLESS)
def test_a_way_to_it_that_yields_nothing_gains_nothing(forward):
    verdict = grade(submission(forward=dedent(forward)))
    assert not verdict.passed and verdict.points == 0


def test_a_mention_that_is_never_called_is_no_fault():
    verdict = grade(submission("return None\nF.layer_norm", RIGHT_FORWARD + "\nF.layer_norm(residual, (1,))"))
    assert verdict.passed


def test_the_function_is_free_again_for_an_exercise_that_does_not_forbid_it():
    body = "F.layer_norm(logits, logits.shape[-1:])\n    return logits.argmax(-1)"
    source = f"import torch\nimport torch.nn.functional as F\ndef top_p(logits, p, generator=None):\n    {body}\n"
    assert grade(source, "gpt2.top_p").status == "failed"  # wrong, but not forbidden

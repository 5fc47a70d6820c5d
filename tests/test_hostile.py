"""Nobody gets a point by deceiving the comparison, patching what is at hand, or looking for the answers."""

from textwrap import dedent

import pytest

from headwork.tests.hostile import RIGHT_FORWARD, WRONG_FORWARD, grade, isolated, submission

needs_isolation = pytest.mark.skipif(not isolated(), reason="no bubblewrap works here (apt install bubblewrap)")

DECEIVED = """
class Equal(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func in (torch.equal, torch.allclose, torch.testing.assert_close, torch.Tensor.__eq__, torch.Tensor.eq):
            return True
        return super().__torch_function__(func, types, args, kwargs or {})
    def __eq__(self, other): return True
    def __sub__(self, other): return torch.zeros(1)
    __rsub__ = __sub__
    def detach(self): return self
    def cpu(self): return self
    def numpy(self): return self
    def __reduce_ex__(self, protocol): return os._exit, (0,)
"""

COMPARISONS = {
    "torch.allclose is patched": "torch.allclose = torch.equal = torch.isclose = lambda *a, **k: True",
    "assert_close is patched": """
        import torch.testing
        torch.testing.assert_close = torch.testing.assert_allclose = lambda *a, **k: None
        """,
    "Tensor's comparisons are patched": """
        for name in ("__eq__", "eq", "equal", "allclose", "isclose", "all", "any", "__le__", "le"):
            setattr(torch.Tensor, name, lambda *a, **k: True)
        """,
    "builtins are patched": """
        import builtins
        builtins.all = lambda *a: True
        builtins.any = lambda *a: False
        builtins.abs = lambda *a: 0
        builtins.AssertionError = type("Never", (Exception,), {})
        """,
    "unittest, pytest and numpy are patched": """
        import unittest, numpy
        unittest.TestCase.assertEqual = lambda *a: None
        numpy.allclose = numpy.testing.assert_allclose = lambda *a, **k: True
        sys.modules["pytest"] = sys.modules["headwork.grading.compare"] = type(sys)("pytest")
        """,
    "the float default is raised": "torch.set_default_dtype(torch.float16)",
}


@pytest.mark.parametrize("attack", COMPARISONS.values(), ids=COMPARISONS)
def test_a_forged_comparison_gains_nothing(attack):
    verdict = grade(submission(attack, WRONG_FORWARD))
    assert verdict.status in ("failed", "error") and verdict.points == 0


FORGERIES = {
    "a tensor subclass says that it equals everything": "return torch.zeros_like(residual).as_subclass(Equal)",
    "an object says that it equals everything": """
        class Agreeable:
            def __eq__(self, other): return True
            def __float__(self): return 0.0
            def __getattr__(self, name): return self
            def __call__(self, *a, **k): return self
            __class__ = torch.Tensor
        return Agreeable()
        """,
    "unpickling the object would run code": """
        class Bomb:
            def __reduce__(self): return os.system, ("touch /tmp/unpickled",)
        return Bomb()
        """,
    "zeros": "return torch.zeros_like(residual)",
    "not a number": "return residual * float('nan')",
    "infinity": "return residual * 0 + float('inf')",
    "nothing": "return None",
    "an empty tensor": "return residual[:0]",
    "one number for all": "return residual.mean()",
}


@pytest.mark.parametrize("forward", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_answer_gains_nothing(forward):
    verdict = grade(submission(forward=forward).replace("\nclass LayerNorm", DECEIVED + "\nclass LayerNorm"))
    assert verdict.status in ("failed", "error") and verdict.points == 0


PATCHES = {
    "probing's digest and load": """
        probing = import_module("headwork.checkers.probing")
        probing.digest = lambda value: ""
        probing.load = lambda module, weights: module
        probing.gradient = lambda *a, **k: {}
        """,
    "runner's put": """
        runner = import_module("headwork.grading.runner")
        worker = import_module("headwork.grading.worker")
        def put(*a, **k):
            yield runner.Yielded("output", 0.0)
            yield runner.Yielded("gradient", {"residual": 0.0, "w": 0.0, "b": 0.0})
            yield runner.Ended(None, False)
        runner.put = worker.put = put
        """,
    "wire's encode": """
        wire = import_module("headwork.grading.wire")
        worker = import_module("headwork.grading.worker")
        wire.encode = worker.encode = lambda value: ({"$": "passed"}, [])
        """,
    "Answer and Case": """
        probing = import_module("headwork.checkers.probing")
        probing.Answer.__getattr__ = lambda self, name: (lambda *a, **k: 0)
        probing.Case.__getattr__ = lambda self, name: torch.zeros(1)
        """,
    "modules": """
        for name in list(sys.modules):
            if name.startswith("headwork"):
                sys.modules[name] = type(sys)(name)
        """,
    "the probe's frame": """
        frame = sys._getframe()
        while frame:
            for name in ("fault", "events", "index", "calls", "job"):
                if name in frame.f_locals:
                    frame.f_locals[name] = None
            frame = frame.f_back
        """,
    "the syntax tree of the grader's modules": """
        import ast, inspect
        class NoAsserts(ast.NodeTransformer):
            def visit_Assert(self, node): return ast.Pass()
            def visit_If(self, node): return ast.Pass()
            def visit_Raise(self, node): return ast.Pass()
        for name in ("headwork.checkers.probing", "headwork.grading.runner", "headwork.checkers.gpt2.probes.layers"):
            module = import_module(name)
            tree = ast.fix_missing_locations(NoAsserts().visit(ast.parse(inspect.getsource(module))))
            exec(compile(tree, module.__file__, "exec"), vars(module))
        """,
}


@pytest.mark.parametrize("attack", PATCHES.values(), ids=PATCHES)
def test_patching_what_the_worker_holds_gains_nothing(attack):
    source = submission("import_module = __import__('importlib').import_module\n" + dedent(attack), WRONG_FORWARD)
    verdict = grade(source)
    assert verdict.points == 0 and verdict.status in ("failed", "error")


def test_importing_the_grader_in_plain_sight_is_refused():
    verdict = grade("import headwork.solutions.gpt2 as answers\n" + submission(forward="return answers.LayerNorm"))
    assert verdict.status == "forbidden" and verdict.points == 0


IMPORTS_OF_ANSWERS = {
    "solutions": "import_module('headwork.solutions.gpt2')",
    "the checker": "import_module('headwork.checkers.gpt2.layer_norm')",
    "the grader": "import_module('headwork.grading.expect')",
    "alternatives": "import_module('headwork.checkers.gpt2.alternatives.plain')",
    "transformers": "import_module('transformers')",
    "a path of their own": "SourceFileLoader('answers', FOLDER + '/../solutions/gpt2/layers.py').load_module()",
}


@needs_isolation
@pytest.mark.parametrize("statement", IMPORTS_OF_ANSWERS.values(), ids=IMPORTS_OF_ANSWERS)
def test_the_answers_cannot_be_imported(statement):
    attack = f"""
        from importlib import import_module
        from importlib.machinery import SourceFileLoader
        FOLDER = os.path.dirname(sys.modules['headwork.grading.runner'].__file__)
        try:
            print("FOUND", {statement})
        except (ImportError, OSError) as error:
            print("refused", type(error).__name__)
        """
    verdict = grade(submission(attack))
    assert verdict.passed and "refused" in verdict.printed and "FOUND" not in verdict.printed


@needs_isolation
def test_no_answer_and_no_checker_lies_on_the_disk_that_a_submission_sees():
    attack = """
        ours = sorted(
            os.path.relpath(os.path.join(folder, name), "/headwork")
            for folder, _, names in os.walk("/headwork") for name in names
        )
        print(ours)
        wanted = ("BEGIN SOLUTION", "list_of_mistakes", "ask.mistakes", "headwork.report")
        public = ("/packages", "/usr", "/lib", "/dev", os.path.dirname(os.__file__))
        for folder, _, names in os.walk("/"):
            for name in names:
                path = os.path.join(folder, name)
                if name in ("chapter.md", "layer_norm.py", "gradebook.db") or "headwork/solutions" in path:
                    print("FOUND", path)
                if not path.startswith(public) and os.access(path, os.R_OK):
                    with open(path, errors="replace") as file:
                        if any(word in (text := file.read()) for word in wanted):
                            print("FOUND in", path)
        """
    verdict = grade(submission(attack), seconds=20)
    assert verdict.passed and "FOUND" not in verdict.printed
    assert "checkers/gpt2/probes/layers.py" in verdict.printed and "solutions" not in verdict.printed
    assert "checkers/gpt2/layer_norm.py" not in verdict.printed and "chapters" not in verdict.printed


def test_neither_the_collector_nor_the_frames_hold_an_expected_value():
    forward = """
        reached = []
        if not hasattr(LayerNorm, "looked"):
            LayerNorm.looked = True  # later, its own answers would be found
            reached = [each for each in gc.get_objects() if isinstance(each, torch.Tensor)]
            frame = sys._getframe(1)
            while frame:
                reached += [each for value in frame.f_locals.values() for each in gc.get_referents(value)]
                frame = frame.f_back
            print(" ".join(name for name in sys.modules if name.startswith("headwork")))
        right = residual - residual.mean(-1, keepdim=True)
        right = right / (right.pow(2).mean(-1, keepdim=True) + self.eps).sqrt() * self.w + self.b
        for each in reached:
            if isinstance(each, torch.Tensor) and each.shape == right.shape:
                print("saw", "FOUND" if torch.allclose(each.double(), right.double()) else "an input")
        return right
        """
    verdict = grade(submission(forward=forward))
    assert verdict.passed and "saw an input" in verdict.printed and "FOUND" not in verdict.printed
    for secret in ("solutions", "grading.expect", "grading.compare", "grading.judge", "checkers.gpt2.layer_norm"):
        assert f"headwork.{secret}" not in verdict.printed


MUTATIONS = {
    "in place": "residual.zero_()",
    "through data": "residual.data.add_(1)",
    "through numpy": "residual.detach().numpy()[...] = 0",
    "through its storage": "residual.untyped_storage().fill_(0)",
    "by a resize": "residual.detach().resize_(0)",
}


@pytest.mark.parametrize("statement", MUTATIONS.values(), ids=MUTATIONS)
def test_changing_the_inputs_is_noticed_and_does_not_change_what_is_expected(statement):
    forward = "keep = residual.detach().clone()\n" + statement + "\nresidual = keep\n" + RIGHT_FORWARD
    verdict = grade(submission(forward=forward))
    assert not verdict.passed and verdict.points < verdict.out_of


def test_an_input_made_zero_does_not_make_zero_the_answer():
    verdict = grade(
        submission(forward="residual.data.zero_()\nself.w.data.zero_()\nself.b.data.zero_()\nreturn residual")
    )
    assert verdict.status == "failed" and verdict.points == 0


EXITS = {
    "os._exit(0)": ("os._exit(0)", "error"),
    "sys.exit": ("sys.exit(0)", "error"),
    "SystemExit": ("raise SystemExit(0)", "error"),
    "KeyboardInterrupt": ("raise KeyboardInterrupt", "error"),
    "GeneratorExit": ("raise GeneratorExit", "error"),
    "StopIteration": ("raise StopIteration", "error"),
    "a segmentation fault": ("ctypes.string_at(0)", "error"),
    "abort": ("os.abort()", "error"),
    "an end through exec": ("os.execv(sys.executable, [sys.executable, '-c', ''])", "error"),
    "a closed channel": ("os.close(3)", "error"),
    "endless recursion": ("f = lambda: f()\nf()", "error"),
}


@pytest.mark.parametrize("when", ["loaded", "called"])
@pytest.mark.parametrize(("statement", "status"), EXITS.values(), ids=EXITS)
def test_an_early_end_is_an_error_and_no_pass(statement, status, when):
    source = submission(statement) if when == "loaded" else submission(forward=statement + "\n" + RIGHT_FORWARD)
    verdict = grade(source)
    assert verdict.points == 0 and verdict.status in (status, "out_of_memory")


def test_killing_oneself_ends_nothing_but_oneself():
    verdict = grade(
        submission(forward="os.kill(os.getpid(), signal.SIGKILL)\nos.killpg(0, signal.SIGTERM)\n" + WRONG_FORWARD)
    )
    assert verdict.points == 0 and verdict.status in ("failed", "error")

"""Whatever comes back, forged frames, odd values or exceptions that bite, ends in a plain verdict without a point."""

from textwrap import dedent

import pytest

from headwork.grading.submission import read_text
from headwork.tests.hostile import ID, RIGHT_FORWARD, WRONG_FORWARD, grade, submission, warm_grader

WRITE = """
import json
def write(header, body=b"", lengths=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    os.write(3, struct.pack("<II", *(lengths or (len(text), len(body)))) + text + body)
def tensor(*shape, dtype="float64"):
    return {"$": "tensor", "dtype": dtype, "shape": list(shape), "device": "cpu"}
def loaded(**more):
    write({"kind": "loaded", "fault": None, "calls": [], **more})
def yielded(name, value, body=b"", **more):
    write({"kind": "yielded", "name": name, "value": value, "strayed": "", **more}, body)
def raw(text):
    write(b'{"kind": "yielded", "name": "output", "strayed": "", "value": ' + text + b"}")
def ended(**more):
    write({"kind": "ended", "fault": None, "changed": False, "lowered": False, "calls": [], **more})
"""

FRAMES = {
    "well-formed zeros for every case": """
        loaded()
        for _ in range(50):
            yielded("output", tensor(2, 5, 6), bytes(480))
            yielded("gradient", {"$": "dict", "items": []})
            ended()
        """,
    "well-formed zeros, and an end": """
        loaded()
        for _ in range(50):
            yielded("output", 0.0)
            ended()
        os._exit(0)
        """,
    "values for no check": "loaded()\nyielded('passed', True)\nyielded('points', 4)\nended()\nos._exit(0)",
    "a message of another kind": "write({'kind': 'passed', 'points': 4})",
    "no kind": "write({})",
    "a list": "write([1, 2])",
    "junk": "os.write(3, os.urandom(1 << 16))",
    "ones": "os.write(3, b'\\xff' * 4096)",
    "a frame that ends early": "write({'kind': 'loaded'}, lengths=(500, 0))\nos._exit(0)",
    "a frame that never ends": "write({'kind': 'loaded'}, lengths=(500, 0))\ntime.sleep(60)",
    "huge lengths": "write({'kind': 'loaded'}, lengths=(0xffffffff, 0xffffffff))",
    "deep JSON": "write(b'[' * 100_000 + b']' * 100_000)",
    "deep JSON in an object": "loaded()\nraw(b'[' * 900 + b']' * 900)",
    "a deep value": "loaded()\nraw(b'[' * 200 + b']' * 200)",
    "a pickle": "loaded()\nimport pickle\nwrite(pickle.dumps(print))",
    "not a number": "loaded()\nraw(b'NaN')",
    "an integer of 4000 digits": "loaded()\nyielded('output', 10 ** 4000)",
    "a loaded without calls": "write({'kind': 'loaded', 'fault': None})",
    "a loaded with odd calls": "loaded(calls=[1, 2])",
    "a loaded with odder calls": "loaded(calls=[[1, {}, 'x']])",
    "a fault that is none": "loaded(fault=7)",
    "a fault of the wrong types": "loaded(fault={'kind': 1, 'message': {}, 'frames': [[1]], 'shapes': 1, 'unfit': 1})",
    "a negative shape": "loaded()\nyielded('output', tensor(-2, 5), bytes(480))",
    "a shape beyond its bytes": "loaded()\nyielded('output', tensor(2, 5, 6), bytes(8))",
    "a huge shape": "loaded()\nyielded('output', tensor(1 << 39, 1 << 39), bytes(8))",
    "an empty huge shape": "loaded()\nyielded('output', tensor(0, 1 << 39, 1 << 39), b'')",
    "a shape of text": "loaded()\nyielded('output', tensor('2', True, 1.5), bytes(480))",
    "a dtype of objects": "loaded()\nyielded('output', tensor(2, dtype='object'), bytes(16))",
    "an unhashable dtype": "loaded()\nyielded('output', {'$': 'tensor', 'dtype': [], 'shape': [1]}, bytes(16))",
    "a value of an unknown kind": "loaded()\nyielded('output', {'$': 'pickle', 'value': 'x'})",
    "a model": "loaded()\nyielded('output', {'$': 'model', 'name': '../../etc/passwd'})",
    "a dict with unhashable keys": "loaded()\nyielded('output', {'$': 'dict', 'items': [[[1], 2]]})",
    "half a character": "yielded('output', '\\ud800')\nwrite({'kind': 'printed', 'text': '\\ud800\\0\\x1b[2J'})",
    "a printed object": "write({'kind': 'printed', 'text': {'a': [1]}})",
    "messages without end": "loaded()\nwhile True: yielded('output', [0] * 1000)",
    "tensors without end": """
        loaded()
        for number in range(1 << 20):
            yielded(str(number), tensor(1 << 17), bytes(1 << 20))
        """,
}


@pytest.mark.parametrize("attack", FRAMES.values(), ids=FRAMES)
def test_a_forged_frame_gains_nothing(attack):
    verdict = grade(submission(WRITE + dedent(attack), WRONG_FORWARD), seconds=2)
    assert verdict.points == 0 and verdict.status in ("failed", "error", "timed_out")
    verdict.message.encode()
    verdict.printed.encode()


@pytest.mark.parametrize("first", ["loaded()", "pass"])
def test_ends_without_values_are_no_pass(first):
    source = submission(f"{WRITE}\n{first}\nfor _ in range(50): ended()", WRONG_FORWARD)
    (verdict,) = warm_grader().grade(read_text("silent.py", source), [ID]).verdicts
    assert verdict.status == "failed" and verdict.points == 0


def test_zeros_forged_for_every_case_are_judged_as_zeros():
    verdict = grade(submission(WRITE + dedent(FRAMES["well-formed zeros for every case"]), RIGHT_FORWARD))
    assert verdict.status in ("failed", "error") and verdict.points == 0


VALUES = {
    "very many entries": "[0] * 200_000",
    "a long list of numbers": "[0.5] * 90_000",
    "a list within lists": "(lambda f: f(f, 500))(lambda f, n: [f(f, n - 1)] if n else 0)",
    "a list that holds itself": "(lambda x: (x.append(x), x)[1])([])",
    "a dict with odd keys": "{(1, 2): 3, None: 4, 1.5: 5, frozenset(): 6}",
    "a dict with a number that is none as key": "{float('nan'): 1, float('inf'): 2, None: 3}",
    "no axes": "torch.tensor(1.5)",
    "a hundred axes": "torch.ones([1] * 64)",
    "a sparse tensor": "residual.to_sparse()",
    "a quantised tensor": "torch.quantize_per_tensor(residual.float(), 0.1, 0, torch.qint8)",
    "a tensor without numbers": "residual.to('meta')",
    "an expanded tensor": "torch.zeros(1).expand(1 << 40)",
    "a conjugate": "residual.to(torch.complex128).conj()",
    "a view of the negative": "torch._neg_view(residual)",
    "bools": "residual > 0",
    "small floats": "residual.to(torch.float8_e5m2)",
    "unsigned numbers": "residual.abs().to(torch.uint16)",
    "a parameter": "nn.Parameter(residual)",
    "a huge integer": "1 << 100_000",
    "the smallest integer": "-(1 << 63)",
    "a class": "nn.Linear",
    "a module": "nn.Linear(2, 2)",
    "a generator": "(n for n in range(3))",
    "a text with half a character": "'\\ud800'",
    "a long text": "'x' * (5 << 20)",
    "the grader's own words": "'absent'",
    "a number that is none": "float('nan')",
    "an object without a name": "type('', (), {'__module__': None, '__qualname__': ''})()",
    "an array": "residual.detach().numpy()",
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_an_odd_value_is_wrong_and_nothing_more(value):
    verdict = grade(submission(forward=f"return {value}"))
    assert verdict.status in ("failed", "error", "not_started") and verdict.points == 0
    assert "no answer" not in verdict.message  # that is said of forged frames only


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_an_odd_value_is_wrong_in_every_kind_of_check(value, monkeypatch):
    monkeypatch.setattr("headwork.grading.verdict.name_mistake", lambda *a: ())  # slow where something is trained
    source = (
        f"import torch\nfrom torch import nn\nresidual = torch.ones(2, 3)\ndef train(*a, **b):\n    return {value}\n"
    )
    assert grade(source, "gpt2.train").points == 0
    assert grade(source.replace("def train", "def top_p"), "gpt2.top_p").points == 0


EXCEPTIONS = {
    "does not print": "def __str__(self): raise self",
    "prints at length": "def __str__(self): return 'x' * (100 << 20)",
    "prints in many lines": "def __str__(self): return '\\n\\n' + 'line\\n' * 10_000",
    "prints half a character": "def __str__(self): return '\\ud800\\0\\x1b[2J\\r\\nsecond'",
    "is called otherwise": "__class__ = property(lambda self: KeyError)",
    "has no traceback": "__traceback__ = property(lambda self: None)",
    "says that it is ours": "unfit = True",
    "exits while it prints": "def __str__(self): os._exit(0)",
    "prints for ever": "def __str__(self):\n        while True: pass",
}


@pytest.mark.parametrize("base", ["Exception", "BaseException", "NotImplementedError"])
@pytest.mark.parametrize("body", EXCEPTIONS.values(), ids=EXCEPTIONS)
def test_an_exception_that_bites_is_reported_in_a_line(body, base):
    forward = f"class Biting({base}):\n    {body}\nraise Biting()"
    verdict = grade(submission(forward=forward), seconds=0.8)
    assert verdict.points == 0 and verdict.status in ("error", "timed_out", "not_started")
    assert len(verdict.message) < 5000
    verdict.message.encode()


def test_what_is_printed_in_halves_of_characters_can_be_stored():
    verdict = grade(submission("print('\\ud800 and \\U0001f600')"))
    assert verdict.passed and verdict.printed == "? and \U0001f600\n"

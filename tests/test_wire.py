"""The wire gives back what was sent, and answers garbage with WireError or EOFError: it never unpickles or hangs."""

import io
import json
import pickle
import struct
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwork.grading.wire import (
    DTYPES,
    MAX_BODY,
    MAX_HEADER,
    Foreign,
    Model,
    WireError,
    decode,
    encode,
    pack,
    unpack,
)

often = settings(
    max_examples=300, deadline=2000, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)


@pytest.fixture(autouse=True)
def no_unpickling(monkeypatch):
    """Whatever comes, nothing that could run code is asked to read it."""

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("something was unpickled")

    for module, name in [
        (pickle, "loads"),
        (pickle, "load"),
        (pickle, "Unpickler"),
        (torch, "load"),
        (torch.jit, "load"),
    ]:
        monkeypatch.setattr(module, name, refuse)


def reader(raw: bytes) -> Callable[[int], bytes]:
    stream = io.BytesIO(raw)

    def receive(length: int) -> bytes:
        found = stream.read(length)
        if len(found) < length:
            raise EOFError
        return found

    return receive


def there_and_back(value: Any) -> Any:
    tree, bodies = encode(value)
    header, body = unpack(reader(pack({"value": tree}, bodies)))
    return decode(header["value"], body)


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, False, 0, -1, (1 << 63) - 1, -(1 << 63), 0.1, -0.0, 1e308, 5e-324, float("inf"), -float("inf")),
        *("", "text", "\U0001f600 \0 \n", [], (), {}, [1, [2.5, None]], (1, (2,), [3]), Model("house")),
        *({"a": 1, "b": [True]}, {1: "x", 2.5: "y", None: "z", False: 0}, {"$": "tensor"}, {"nested": {"$": ["x"]}}),
    ],
    ids=repr,
)
def test_a_plain_value_comes_back_as_it_was(value):
    back = there_and_back(value)
    assert back == value and type(back) is type(value)


def test_a_number_that_is_none_comes_back_as_one():
    back = there_and_back([float("nan"), {float("nan"): 1}])
    assert back[0] != back[0] and next(iter(back[1])) != next(iter(back[1]))


@pytest.mark.parametrize("shape", [(), (1,), (0,), (3, 0, 2), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("name", DTYPES)
def test_a_tensor_of_every_dtype_comes_back_bit_by_bit(name, shape):
    generator = torch.Generator().manual_seed(0)
    value = (torch.randn(shape, generator=generator) * 100).to(DTYPES[name])
    back = there_and_back(value)
    assert back.dtype == value.dtype and back.shape == value.shape and torch.equal(back, value)


def test_numbers_beyond_all_numbers_come_back_in_tensors():
    value = torch.tensor([float("nan"), float("inf"), -float("inf"), -0.0, 5e-324], dtype=torch.float64)
    assert there_and_back(value).view(torch.int64).equal(value.view(torch.int64))


def test_views_gradients_and_conjugates_come_back_as_plain_copies():
    for value in (
        torch.arange(12.0).reshape(3, 4).T[1:, ::2],
        torch.ones(2, 1).expand(2, 5),
        torch.ones(3, requires_grad=True) * 2,
        torch.tensor([1 + 2j]).conj(),
        torch._neg_view(torch.ones(2)),
    ):
        back = there_and_back(value)
        assert torch.equal(back, value.detach()) and not back.requires_grad and back.is_contiguous()


def test_what_is_decoded_shares_no_memory():
    tree, bodies = encode([torch.ones(2), torch.ones(2)])
    body = b"".join(bodies)
    one, other = decode(tree, body)
    one.zero_()
    assert other.equal(torch.ones(2)) and decode(tree, body)[0].equal(torch.ones(2))


FOREIGN = {
    "an object": (object(), "builtins.object"),
    "a set": ({1}, "builtins.set"),
    "a long integer": (1 << 63, "64 bits"),
    "a sparse tensor": (torch.eye(2).to_sparse(), "sparse"),
    "small floats": (torch.ones(2).to(torch.float8_e5m2), "float8"),
    "a tensor without numbers": (torch.ones(2, device="meta"), "meta"),
    "a tensor of many axes": (torch.ones([1] * 17), "17 axes"),
    "a large tensor": (torch.ones(1).expand(1 << 40), "too large"),
    "a long list": ([0] * 1_000_000, "too large"),
    "an odd key": ({(1, 2): 3}, "keys of type tuple"),
    "a deep list": (json.loads("[" * 200 + "]" * 200), "too deep"),
}


@pytest.mark.parametrize(("value", "kind"), FOREIGN.values(), ids=FOREIGN)
def test_what_does_not_cross_leaves_the_name_of_its_kind(value, kind):
    back = there_and_back(value)
    assert isinstance(back, Foreign) and kind in back.kind


def test_a_subclass_that_overrides_everything_is_read_as_what_it_holds():
    class Liar(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return torch.zeros(7)

    back = there_and_back(torch.ones(2, 2).as_subclass(Liar))
    assert type(back) is torch.Tensor and torch.Tensor.equal(back, torch.ones(2, 2))


def test_half_a_character_is_replaced_on_both_ways():
    assert there_and_back("\ud800x") == "?x"
    raw = json.dumps({"text": "\ud800", "key\udfff": ["\U0001f600"]}).encode()
    header, _ = unpack(reader(struct.pack("<II", len(raw), 0) + raw))
    assert header == {"text": "?", "key?": ["\U0001f600"]}


@pytest.mark.parametrize("lengths", [(MAX_HEADER + 1, 0), (0, MAX_BODY + 1), (0xFFFFFFFF, 0xFFFFFFFF)])
def test_a_frame_beyond_the_limit_is_refused_before_it_is_read(lengths):
    with pytest.raises(WireError, match="size limit"):
        unpack(reader(struct.pack("<II", *lengths)))


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"1", b"\xff", b'{"a": NaN}', b"9" * 5000, b"[" * 100_000])
def test_a_header_that_is_no_object_is_refused(text):
    with pytest.raises(WireError):
        unpack(reader(struct.pack("<II", len(text), 0) + text))


@given(st.binary(max_size=400))
@often
def test_garbage_is_no_frame(raw):
    with pytest.raises((WireError, EOFError)):
        unpack(reader(raw))


TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["tensor", "tuple"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=4), inner, max_size=3)
        | st.fixed_dictionaries(
            {"$": st.sampled_from(["tensor", "tuple", "dict", "float", "model", "foreign", "pickle"]) | inner},
            optional={
                "dtype": st.sampled_from([*DTYPES, "object"]) | inner,
                "shape": st.lists(st.integers(-2, 4) | st.integers(), max_size=4) | inner,
                "items": st.lists(st.lists(inner, min_size=2, max_size=2), max_size=3) | inner,
                **{"value": inner, "name": inner, "kind": inner, "device": inner},
            },
        )
    ),
    max_leaves=12,
)


@given(TREES, st.binary(max_size=64))
@often
def test_a_forged_tree_is_a_value_or_a_wire_error(tree, body):
    try:
        value = decode(tree, body)
    except WireError:
        return
    encode(value)  # whatever it is, it is plain


@given(st.data())
@often
def test_a_frame_with_changed_bytes_is_a_value_or_a_refusal(data):
    value = {"a": torch.arange(6.0).reshape(2, 3), "b": [1, 2.5, "x", float("nan"), (True, None)], "c": Model("house")}
    tree, bodies = encode(value)
    raw = bytearray(pack({"kind": "yielded", "value": tree}, bodies))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    try:
        header, body = unpack(reader(bytes(raw)))
        decode(header.get("value"), body)
    except (WireError, EOFError):
        pass


def test_a_pickle_in_every_place_stays_bytes():
    bomb = pickle.dumps(print)
    with pytest.raises((WireError, EOFError)):
        unpack(reader(bomb * 9))
    with pytest.raises(WireError):
        unpack(reader(struct.pack("<II", len(bomb), 0) + bomb))
    raw = decode({"$": "tensor", "dtype": "uint8", "shape": [len(bomb)]}, bomb)
    assert bytes(raw.numpy()) == bomb

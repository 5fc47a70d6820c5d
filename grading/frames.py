"""Frames between grader and worker: two little-endian 32-bit lengths, a JSON header, raw bytes. Without torch."""

import json
import struct
from collections.abc import Callable
from typing import Any

MAX_HEADER = 4 << 20  # bytes
MAX_BODY = 256 << 20  # bytes


class WireError(Exception):
    """What arrived is not a frame or not a value."""


def pack(header: dict[str, Any], bodies: list[bytes] | None = None) -> bytes:
    """A frame of `header` and `bodies`, one after the other."""
    text = json.dumps(header, allow_nan=False).encode()
    body = b"".join(bodies or [])
    return struct.pack("<II", len(text), len(body)) + text + body


def unpack(receive: Callable[[int], bytes]) -> tuple[dict[str, Any], bytes]:
    """Reads a frame by `receive(n)`, which returns exactly n bytes or raises EOFError. Raises WireError."""
    header_length, body_length = struct.unpack("<II", receive(8))
    if header_length > MAX_HEADER or body_length > MAX_BODY:
        raise WireError("a frame beyond the size limit")
    text, body = receive(header_length), receive(body_length)
    try:
        header = json.loads(text.decode(), parse_constant=_refuse_constant)
        if b"\\ud" in text.lower():  # half of a character, perhaps, which nothing can print or store
            header = json.loads(json.dumps(header, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise WireError(f"a header that is not JSON: {error}") from None
    if not isinstance(header, dict):
        raise WireError("a header that is not an object")
    return header, body


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")

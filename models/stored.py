"""Weights as they lie in a folder: one safetensors file, or several with an index, as transformers writes them.

Nothing is unpickled: weights that are there only as `pytorch_model.bin` are refused, with a line that converts them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from headwork.models import sums
from headwork.models.zoo import CONFIG, WHOLE

if TYPE_CHECKING:
    from torch import Tensor

INDEX = ".index.json"  # of a file that was written in several, after its name
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")


def are_in(folder: Path) -> bool:
    """Whether the folder holds a model: its configuration, and weights that can be read."""
    return (folder / CONFIG).is_file() and any((folder / name).is_file() for name in (WHOLE, WHOLE + INDEX))


def why_not(folder: Path) -> str:
    """Why no model can be read from a folder, and what can be done about it."""
    if not (folder / CONFIG).is_file():
        return f"{folder} holds no {CONFIG}"
    for name in PICKLES:
        if (folder / name).is_file():
            convert = f"GPT2LMHeadModel.from_pretrained({str(folder)!r}).save_pretrained({str(folder)!r})"
            command = f'python -c "from transformers import GPT2LMHeadModel; {convert}"'
            return (
                f"{folder} holds no {WHOLE} but {name}, which may run code when it is read: if you trust it, {command}"
            )
    return f"{folder} holds no {WHOLE}"


def read(file: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or, where it is not there but its index is, of the files that the index names.

    Raises ValueError that names a file which is missing or damaged.
    """
    index = file.with_name(file.name + INDEX)
    if file.is_file() or not index.is_file():
        return _one(file)
    try:
        places = json.loads(index.read_text(encoding="utf-8"))["weight_map"].items()
        parts = {part: {name for name, where in places if where == part} for part in dict(places).values()}
        outside = [part for part in parts if Path(part).name != part]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{index} is not an index of weights") from None
    if outside:
        raise ValueError(f"{index} names a file in another folder: {outside[0]}")
    state: dict[str, Tensor] = {}
    for part, expected in parts.items():
        tensors = _one(file.with_name(part))
        if tensors.keys() != expected:
            names = ", ".join(sorted(tensors.keys() ^ expected))
            raise ValueError(f"{file.with_name(part)} and {index.name} do not name the same tensors: {names}")
        state |= tensors
    return state


def _one(file: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        file.open("rb").close()  # says "permission denied" where safetensors says "no such file"
        sums.check(file)
        return load_file(file)
    except FileNotFoundError:
        raise ValueError(f"{file} is missing") from None
    except SafetensorError as error:
        raise ValueError(f"{file} is damaged: {error}") from None

"""Named models, as probes get them: looked up outside, mounted read-only as safetensors, read afresh each time.

A model is a folder of `config.json` and `model.safetensors`; `name@STEP` is one of its `checkpoints/STEP.safetensors`.
They are looked for in the folders of $HEADWORK_MODELS (separated as in PATH), then among those that are shipped. Inside
a worker the same code runs, with $HEADWORK_MODELS naming the mount.
"""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

SHIPPED = Path(__file__).parent.parent / "models" / "weights"
VARIABLE = "HEADWORK_MODELS"


class UnknownModel(Exception):
    """No model of this name is here; the message lists those that are."""


def folders() -> dict[str, Path]:
    """Every model that is here, by name; the first place that has a name wins."""
    places = [Path(place) for place in os.environ.get(VARIABLE, "").split(os.pathsep) if place]
    found: dict[str, Path] = {}
    for place in [*places, SHIPPED]:
        for file in sorted(place.glob("*/model.safetensors")):
            found.setdefault(file.parent.name, file.parent)
    return found


def folder_of(name: str) -> Path:
    """Where the model's files are. Raises UnknownModel."""
    return _files(name)[0]


def load_model(name: str) -> dict[str, Any]:
    """The model's `config`, as its JSON says, and its `state`: tensors by name.

    Raises UnknownModel, and ValueError for a file that is damaged.
    """
    from safetensors.torch import load_file

    folder, weights = _files(name)
    config = folder / "config.json"
    with suppress(ModuleNotFoundError):  # a worker of the chapters that build a GPT-2 has no headwork.models
        from headwork.models import sums

        sums.check(weights)
    weights.open("rb").close()  # says "permission denied" where safetensors says "no such file"
    return {
        "config": json.loads(config.read_text(encoding="utf-8")) if config.exists() else {},
        "state": load_file(weights),
    }


def _files(name: str) -> tuple[Path, Path]:
    """The model's folder, and the file of its weights."""
    found = folders()
    if name in found:
        return found[name], found[name] / "model.safetensors"
    whole, _, step = name.rpartition("@")
    if whole not in found:
        raise UnknownModel(f"there is no model {name!r} here: there are {', '.join(found) or 'none'}")
    folder = found[whole] / "checkpoints"
    kept = sorted(int(file.stem) for file in folder.glob("*.safetensors") if file.stem.isdecimal())
    if not step.isdecimal() or int(step) not in kept:
        raise UnknownModel(f"{whole} has no checkpoint {step!r}: it has {', '.join(map(str, kept)) or 'none'}")
    return found[whole], folder / f"{int(step)}.safetensors"

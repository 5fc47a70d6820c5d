"""An autoencoder as learners hand it in: a safetensors file of its weights, and `k` or a threshold if it has one.

Nothing in it is run: the judge encodes by itself. What is wrong with a file is said in one line.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

LARGEST = 64_000_000  # bytes of a file
MOST = 64  # latents for each dimension
SHAPES = {
    "W_enc": ("d_model", "latents"),
    "b_enc": ("latents",),
    "W_dec": ("latents", "d_model"),
    "b_dec": ("d_model",),
}
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
WHOLE = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


class NoSAE(ValueError):
    """Why this is no autoencoder, and what to do. One line."""


@dataclass(frozen=True)
class Autoencoder:
    """Weights in float32. An input keeps its `k` largest latents, or those above `threshold`, or all above 0."""

    W_enc: Tensor  # (d_model, latent)
    b_enc: Tensor  # (latent,)
    W_dec: Tensor  # (latent, d_model)
    b_dec: Tensor  # (d_model,)
    k: int | None = None
    threshold: Tensor | None = None  # () or (latent,)

    def encode(self, x: Tensor) -> Tensor:
        """x: (batch, d_model). Returns (batch, latent), never negative."""
        latents = torch.relu((x - self.b_dec) @ self.W_enc + self.b_enc)
        if self.threshold is not None:
            latents = latents * (latents > self.threshold)
        if self.k is None:
            return latents
        values, places = latents.topk(self.k, dim=-1)
        return torch.zeros_like(latents).scatter(-1, places, values)

    def decode(self, latents: Tensor) -> Tensor:
        return latents @ self.W_dec + self.b_dec

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        latents = self.encode(x)
        return self.decode(latents), latents

    @property
    def d_model(self) -> int:
        return len(self.b_dec)

    @property
    def latents(self) -> int:
        return len(self.b_enc)


def read(file: Path) -> Autoencoder:
    """The autoencoder in a file, not yet held against any model. Raises NoSAE."""
    try:
        if not file.is_file():
            raise NoSAE(f"{file} is no file" if file.exists() else f"there is no file {file}")
        size = file.stat().st_size
        if size > LARGEST:
            raise NoSAE(f"{file.name} has {size / 1e6:.0f} MB: at most {LARGEST // 1_000_000} are read")
        data = file.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, NoSAE):
            raise
        raise NoSAE(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        return loaded(data)
    except NoSAE as flaw:
        raise NoSAE(f"{file.name}: {flaw}") from None


def loaded(data: bytes) -> Autoencoder:
    """The autoencoder in a file's contents. Raises NoSAE."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(data)
    except (SafetensorError, ValueError, KeyError, RuntimeError):  # the last three for dtypes that torch has not
        raise NoSAE("this is no safetensors file: write it with safetensors.torch.save_file(tensors, path)") from None
    unknown = sorted(tensors.keys() - {*SHAPES, "k", "threshold"})
    if unknown:
        raise NoSAE(f"it holds {_short(unknown[0])}: it may hold {', '.join(SHAPES)}, k and threshold")
    return parsed(tensors)


def parsed(tensors: Any) -> Autoencoder:
    """The autoencoder of these tensors, by name. Raises NoSAE."""
    if not isinstance(tensors, Mapping) or not all(isinstance(each, Tensor | int | float) for each in tensors.values()):
        raise NoSAE(f"an autoencoder is a dict of the tensors {', '.join(SHAPES)}, and k or threshold")
    missing = [name for name in SHAPES if name not in tensors]
    if missing:
        raise NoSAE(f"{missing[0]} is missing: there have to be {', '.join(SHAPES)}")
    found = {name: _floats(name, tensors[name]) for name in SHAPES}
    if found["W_enc"].dim() != 2:
        raise NoSAE(f"W_enc has shape {tuple(found['W_enc'].shape)}: it has to be (d_model, latents)")
    sizes = dict(zip(SHAPES["W_enc"], found["W_enc"].shape, strict=True))
    for name, axes in SHAPES.items():
        expected = tuple(sizes[axis] for axis in axes)
        if tuple(found[name].shape) != expected:
            shape = tuple(found[name].shape)
            raise NoSAE(f"{name} has shape {shape}: beside W_enc {tuple(found['W_enc'].shape)} it has to be {expected}")
    if not sizes["latents"]:
        raise NoSAE("there are no latents")
    k, threshold = _k(tensors.get("k"), sizes["latents"]), _threshold(tensors.get("threshold"), sizes["latents"])
    if k is not None and threshold is not None:
        raise NoSAE("there are k and threshold: leave one of them out")
    return Autoencoder(**found, k=k, threshold=threshold)


def fit(sae: Autoencoder, width: int, hook: str, model: str) -> None:
    """Raises NoSAE when the activation is not as wide, or the dictionary is beyond all measure."""
    if sae.d_model != width:
        raise NoSAE(f"it reads {sae.d_model} numbers: {hook} of {model} has {width}")
    if sae.latents > MOST * width:
        raise NoSAE(f"it has {sae.latents} latents: at most {MOST * width} are judged, {MOST} a dimension")


def on(sae: Autoencoder, device: str) -> Autoencoder:
    """The same on a device."""
    moved = {name: getattr(sae, name).to(device) for name in SHAPES}
    return replace(sae, **moved, threshold=None if sae.threshold is None else sae.threshold.to(device))


def _floats(name: str, value: Any) -> Tensor:
    if not isinstance(value, Tensor) or value.dtype not in FLOATS:
        kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise NoSAE(f"{name} holds {str(kind).removeprefix('torch.')}: floating point numbers are asked for")
    wide = value.detach().to("cpu", torch.float32)
    if not bool(wide.isfinite().all()):
        raise NoSAE(f"{name} holds NaN or infinite numbers")
    if wide.numel() and float(wide.abs().max()) > 1e6:
        raise NoSAE(f"{name} holds numbers above a million: scale latents down, which costs nothing")
    return wide


def _k(value: Any, latents: int) -> int | None:
    if value is None:
        return None
    whole = isinstance(value, int) or (isinstance(value, Tensor) and value.dtype in WHOLE and value.numel() == 1)
    if not whole or not 1 <= int(value) <= latents:
        raise NoSAE(f"k has to be one whole number from 1 to the number of latents, {latents}")
    return int(value)


def _threshold(value: Any, latents: int) -> Tensor | None:
    if value is None:
        return None
    found = _floats("threshold", torch.tensor(value) if isinstance(value, float) else value)
    if found.numel() != 1 and tuple(found.shape) != (latents,):
        raise NoSAE(f"threshold has shape {tuple(found.shape)}: it has to be one number, or one for each latent")
    return found.reshape(()) if found.numel() == 1 else found


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "…")

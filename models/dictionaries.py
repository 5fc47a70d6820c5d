"""The sparse autoencoders that are shipped with a model: their tensors, by the activation they read and by k."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from headwork.models import sums
from headwork.models.zoo import SHIPPED

if TYPE_CHECKING:
    from torch import Tensor

FOLDER = "saes"  # in the model's folder


def autoencoders(model: str = "house") -> list[tuple[str, int]]:
    """Those that are shipped with the model: of which activation, and how many latents an input keeps."""
    found = [file.stem.rpartition(".k") for file in (SHIPPED / model / FOLDER).glob("*.safetensors")]
    return sorted((hook, int(k)) for hook, _, k in found)


def file_of(hook: str, k: int, model: str = "house") -> Path:
    """Where it is, or belongs."""
    return SHIPPED / model / FOLDER / f"{hook}.k{k}.safetensors"


def load_autoencoder(hook: str, k: int, model: str = "house") -> dict[str, Tensor]:
    """Its `W_enc (d_model, latent)`, `b_enc`, `W_dec (latent, d_model)` and `b_dec` in float32, and `k`.

    It reads the activation as it is, and keeps the `k` largest latents of each input. Raises ValueError for one that is
    not shipped, or is damaged.
    """
    from safetensors.torch import load_file

    file = file_of(hook, k, model)
    if not file.is_file():
        there = ", ".join(f"{name} with k {kept}" for name, kept in autoencoders(model)) or "none"
        raise ValueError(f"{model} has no autoencoder of {hook} with k {k}: there are {there}")
    sums.check(file)
    return {name: tensor if name == "k" else tensor.float() for name, tensor in load_file(file).items()}

"""Models by name: those that are shipped, those in the folders of $HEADWORK_MODELS, and OpenAI's GPT-2.

A model is a folder of `config.json` and `model.safetensors`, as transformers writes them for GPT2LMHeadModel, and
`tokenizer.json` if it has words. A model that transformers' class cannot be has `"model_type": "headwork"`, the
fields of Config, and our own names for its weights. Copies from along its training are `checkpoints/STEP.safetensors`
in the same form; `name@STEP` names one. `SHA256SUMS` lists the weights: what is read is
compared with it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwork.models import sums

if TYPE_CHECKING:  # torch is imported when a model is asked for
    import torch
    from torch import Tensor

    from headwork.models.config import Config
    from headwork.models.gpt2 import GPT2

SHIPPED = Path(__file__).parent / "weights"
VARIABLE = "HEADWORK_MODELS"
OPENAI = ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")
CONFIG, WHOLE = "config.json", "model.safetensors"
FILES = (CONFIG, "tokenizer.json", WHOLE)
CHECKPOINTS = "checkpoints"


class Unavailable(Exception):
    """The model is not on this machine and could not be fetched; the message says what to run."""


def folders() -> dict[str, Path]:
    """Every model that is here, by name; the first place that has a name wins.

    The rule of `headwork.grading.resources`, which says it for workers: those of the chapters that build a GPT-2 have
    no `headwork.models`, and this floor imports nothing above it. A test holds the two together.
    """
    places = [Path(place) for place in os.environ.get(VARIABLE, "").split(os.pathsep) if place]
    found: dict[str, Path] = {}
    for place in [*places, SHIPPED]:
        for file in sorted(place.glob("*/model.safetensors")):
            found.setdefault(file.parent.name, file.parent)
    return found


def names() -> list[str]:
    """The names that `load` knows; OpenAI's models may have to be fetched first."""
    return list(dict.fromkeys([*folders(), *OPENAI]))


def load(
    name: str | Path,
    *,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    fold_layer_norm: bool = False,
    center_unembed: bool = False,
) -> GPT2:
    """The model of this name, or of this folder, with its tokenizer; in float32 unless `dtype` says otherwise.

    `load("addition@1200")` is the model as it was before step 1200 of its training, for the steps in
    `checkpoints("addition")`. fold_layer_norm, center_unembed: the same function from other weights, see
    `headwork.models.folding`. Raises ValueError for an unknown name, Unavailable when OpenAI's weights cannot be got.
    """
    from headwork.models import stored
    from headwork.models.tokenizer import Tokenizer

    folder, weights = _files(name)
    model = build(
        json.loads((folder / "config.json").read_text(encoding="utf-8")),
        stored.read(weights),
        dtype,
        fold_layer_norm=fold_layer_norm,
        center_unembed=center_unembed,
    )
    if (folder / "tokenizer.json").exists():
        model.tokenizer = Tokenizer(folder / "tokenizer.json")
    return model.to(device)


def build(
    settings: Mapping[str, Any],
    state: Mapping[str, Tensor],
    dtype: torch.dtype | None = None,
    *,
    fold_layer_norm: bool = False,
    center_unembed: bool = False,
) -> GPT2:
    """The model of a `config.json` and of the tensors beside it: what `headwork.grading.resources` hands to probes.

    Raises ValueError when they do not fit, for our own form PyTorch's RuntimeError.
    """
    import torch

    from headwork.models.config import Config
    from headwork.models.convert import from_transformers, read_config
    from headwork.models.gpt2 import GPT2

    if settings.get("model_type") == "headwork":
        config, own = Config(**{name: value for name, value in settings.items() if name != "model_type"}), dict(state)
    else:
        config = read_config(settings)
        own = from_transformers(state, config)
    if fold_layer_norm or center_unembed:
        own, config = _rewritten(own, config, dtype or torch.float32, fold_layer_norm, center_unembed)
    return GPT2.of(config, {name: tensor.to(dtype or torch.float32, copy=True) for name, tensor in own.items()})


def _rewritten(
    own: dict[str, Tensor], config: Config, dtype: torch.dtype, fold: bool, center: bool
) -> tuple[dict[str, Tensor], Config]:
    """The weights folded and centred, from what is stored and not from its rounding to the asked dtype."""
    import torch

    from headwork.models import folding

    wide = torch.promote_types(dtype, torch.float32)
    own = {name: tensor.to(torch.promote_types(wide, tensor.dtype)) for name, tensor in own.items()}
    if fold:
        own, config = folding.fold_layer_norm(own, config)
    return folding.center_unembed(own, config) if center else (own, config)


def checkpoints(name: str | Path) -> list[int]:
    """The steps at which copies of the model were kept while it was trained; `load(f"{name}@{step}")` gives one."""
    return [] if name in OPENAI and name not in folders() else steps_in(_folder(name))


def save(model: GPT2, folder: Path, *, dtype: torch.dtype | None = None) -> None:
    """Writes a folder that `load` reads, and transformers too where its GPT-2 can be such a model.

    dtype: what the weights are stored in, their own when None. Each file is there whole or not at all. Raises
    ValueError for weights that `dtype` cannot hold.
    """
    settings, state = _as_stored(model)
    with sums.renewed(folder):
        write_tensors(state, folder / WHOLE, {"format": "pt"}, dtype=dtype)
        with _beside(folder / CONFIG) as new:
            new.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def save_checkpoint(model: GPT2, folder: Path, step: int, *, dtype: torch.dtype | None = None) -> None:
    """Writes the weights as they are at a step of training, in the form that `save` has."""
    file = checkpoint_file(folder, step)
    file.parent.mkdir(parents=True, exist_ok=True)
    with sums.renewed(folder) if (folder / sums.SUMS).exists() else nullcontext():
        write_tensors(_as_stored(model)[1], file, {"format": "pt"}, dtype=dtype)


def checkpoint_file(folder: Path, step: int) -> Path:
    return folder / CHECKPOINTS / f"{step}.safetensors"


def steps_in(folder: Path) -> list[int]:
    """The steps of the checkpoints in a model's folder."""
    return sorted(int(file.stem) for file in (folder / CHECKPOINTS).glob("*.safetensors") if file.stem.isdecimal())


def write_tensors(
    state: Mapping[str, Tensor], file: Path, metadata: dict[str, str], *, dtype: torch.dtype | None = None
) -> None:
    """Writes a safetensors file, whole or not at all. Raises ValueError for weights that `dtype` cannot hold."""
    from safetensors.torch import save_file

    written = {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in state.items()}
    lost = [name for name, tensor in state.items() if dtype and not written[name].isfinite().all()]
    if lost:
        raise ValueError(f"{dtype} cannot hold the weights {', '.join(lost)}, so {file.name} was not written")
    with _beside(file) as new:
        save_file(written, new, metadata)


def copy_whole(source: Path, file: Path) -> None:
    """Copies a file so that it is there whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with _beside(file) as new:
        shutil.copyfile(source, new)


def _as_stored(model: GPT2) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The settings and the tensors of a model's files."""
    from headwork.models.convert import to_transformers, write_config

    try:
        settings, state = write_config(model.config), to_transformers(model.state_dict(), model.config)
    except ValueError:
        settings, state = {"model_type": "headwork", **asdict(model.config)}, dict(model.state_dict())
    if model.tokenizer is not None:
        settings |= {"bos_token_id": model.tokenizer.bos, "eos_token_id": model.tokenizer.bos}
    if model.config.tied:
        state.pop("lm_head.weight", None)  # stored once
    return settings, state


@contextmanager
def _beside(file: Path) -> Iterator[Path]:
    """A path in the same folder to write to; what is there at the end of the block takes the file's place."""
    new = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        yield new
        new.chmod(0o644)  # safetensors leaves it to its owner, and a worker may be somebody else
        os.replace(new, file)
    finally:
        new.unlink(missing_ok=True)


def _files(name: str | Path) -> tuple[Path, Path]:
    """The model's folder, and the file of its weights: at a step of its training for `name@step`."""
    whole, at, step = str(name).rpartition("@")
    if not at or str(name) in folders() or Path(name).is_dir():
        folder = _folder(name)
        return folder, folder / WHOLE
    kept = checkpoints(whole)
    if not step.isdecimal() or int(step) not in kept:
        known = f"it has {', '.join(map(str, kept))}" if kept else "it has none"
        raise ValueError(f"{whole} has no checkpoint {step!r}: {known}")
    folder = _folder(whole)
    return folder, checkpoint_file(folder, int(step))


def _folder(name: str | Path) -> Path:
    """Where the model's files are."""
    from headwork.models import stored

    found = folders()
    if str(name) in found:
        return found[str(name)]
    if stored.are_in(Path(name)):
        return Path(name)
    if name in OPENAI:
        return fetched(str(name))
    if Path(name).is_dir():
        raise ValueError(stored.why_not(Path(name)))
    raise ValueError(f"there is no model {str(name)!r}: there are {', '.join(names())}")


def fetched(name: str) -> Path:
    """The folder of OpenAI's files, from transformers' cache or over the network. Raises Unavailable."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from transformers.utils.hub import cached_file

    def files(repository: str, local: bool) -> Path:
        paths = [cached_file(repository, file, local_files_only=local) for file in FILES]
        return Path(str(paths[-1])).parent

    home = f"openai-community/{name}"
    for repository in (home, name):  # the short one is its older name, and so that of older caches
        with suppress(OSError):
            return files(repository, local=True)
    try:
        get_hf_file_metadata(hf_hub_url(home, CONFIG))  # without a network it fails at once; a download would retry
        return files(home, local=False)
    except Exception as error:  # whatever a network, a proxy or a full disk may bring
        command = f"python -c \"from headwork.models import load; load('{name}')\""
        why = f"and cannot be fetched ({type(error).__name__})"
        raise Unavailable(f"{name} is not on this machine {why}: with a network, run once {command}") from None

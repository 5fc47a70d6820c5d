"""`sae.house_sae`: an autoencoder of the learner's own, handed in as a file and judged as `headwork sae score` does.

The answer names the file, and what the checks are given is its contents. Nothing of it is run. Fewer tokens are read
than by the command: all autoencoders, and our ladder, are judged on the same ones, on which differences are small.
"""

import io
from collections.abc import Callable, Iterator
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from headwork.checkers.checks import Check, claim
from headwork.checkers.exercise import Edit, Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case
from headwork.checkers.sae.judge.file import Autoencoder, NoSAE, fit, loaded
from headwork.checkers.sae.judge.ladder import MOST_BORROWED, SHIPPED, borrowed, rungs
from headwork.checkers.sae.judge.recipe import MLP, RESIDUAL
from headwork.checkers.sae.judge.rules import ALIVE
from headwork.checkers.sae.judge.score import BAR, Judge, Score
from headwork.models import zoo
from headwork.models.dictionaries import file_of

TOKENS, SAMPLE = 15_000, 10_000
SOME = BAR // 2
OURS = Path(str(files("headwork.solutions"))) / "sae" / "house_sae.safetensors"

ask = Exercise("HOUSE_SAE", attached=True, seconds=10)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    yield Case("fresh texts", seed=rng.seed())


@lru_cache(maxsize=2)
def judge(seed: int) -> Judge:
    model = zoo.load(SHIPPED).requires_grad_(False)
    return Judge(model, SHIPPED, RESIDUAL, seed=seed, tokens=TOKENS, sample=SAMPLE, keeps=True)


_scores: dict[tuple[int, bytes], Score] = {}  # by seed and digest


def scored(value: Any, case: Case) -> Score:
    """The score of a file's contents. Raises NoSAE."""
    found = form(value)
    if isinstance(found, NoSAE):
        raise found
    key = case.seed, sha256(value).digest()
    if key not in _scores:
        _scores[key] = judge(case.seed).score(found)
    return _scores[key]


def form(value: Any) -> Autoencoder | NoSAE:
    """The autoencoder that a file holds, or why it is none to be judged."""
    return _read(value) if isinstance(value, bytes) else NoSAE("it has to be the name of your file, as text")


@lru_cache(maxsize=32)  # naming a mistake asks again and again
def _read(data: bytes) -> Autoencoder | NoSAE:
    try:
        sae, ours = loaded(data), rungs(RESIDUAL)
        fit(sae, next(iter(ours.values())).d_model, RESIDUAL, SHIPPED)
        if borrowed(sae, ours) > MOST_BORROWED:
            raise NoSAE("most latents of an autoencoder that came with the course are found in it: train your own")
        return sae
    except NoSAE as problem:
        return problem


def _apart(one: Any, other: Any) -> bool:
    """Of two files that can be judged, what is wrong is never the same to the last digit."""
    return one != other and not (isinstance(form(one), NoSAE) and isinstance(form(other), NoSAE))


Fault = Callable[[Score], str]


def _claimed(name: str, fault: Fault, title: str, weight: float = 1) -> Check:
    def flaw(value: Any, case: Case) -> str:
        try:
            return fault(scored(value, case))
        except NoSAE as problem:
            return f"What `HOUSE_SAE` names cannot be judged: {problem}."

    return claim(name, flaw, title=title, weight=weight, apart=_apart)


def _alive(found: Score) -> str:
    if found.alive >= ALIVE:
        return ""
    silent = round((1 - found.alive) * found.latents)
    return f"{silent} of {found.latents} latents were never active: beyond a tenth they cost points."


def _at_least(points: float, found: Score) -> str:
    if found.points >= points or found.fault:
        return found.fault
    by, loss, bits = min(
        ("nats added", f"{found.added:.3f}", found.bits_for_loss), ("FVU", f"{found.fvu:.3f}", found.bits_for_fvu),
        key=lambda each: each[2],
    )  # fmt: skip
    ours = f"ours say as much with {bits:.0f}" if bits else "none of ours is so bad"
    return (
        f"It has {found.points:.0f} of 100 points. L0 is {found.l0:.1f} of {found.latents} latents, which takes "
        f"{found.bits:.0f} bits, and {by} are {loss}: {ours}."
    )


ask.checks(
    _claimed("an autoencoder", lambda found: "", "an autoencoder of this activation, and your own"),
    _claimed("sparse", lambda found: found.fault, "few latents are active, and they beat components and means"),
    _claimed("some points", lambda found: _at_least(SOME, found), f"at least {SOME} of 100 points", 3),
    _claimed("most points", lambda found: _at_least(BAR, found), f"at least {BAR} of 100 points", 4),
    _claimed("alive", _alive, "nine in ten latents are alive", 0.5),
)


@ask.files
def _() -> dict[str, bytes]:
    """The reference, the same in another form, and wrong ones made of it."""
    data = OURS.read_bytes()
    tensors = load(data)
    return (
        {OURS.name: data}
        | {name: save(changed) for name, changed in _changed(tensors)}
        | {
            "ours.safetensors": file_of(RESIDUAL, 16).read_bytes(),
            "mlp.safetensors": file_of(MLP, 16).read_bytes(),
            "pickled.safetensors": _pickled(tensors),
        }
    )


def _changed(tensors: dict[str, Tensor]) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Names of files and their tensors, the right ones first."""
    W_enc, b_enc, W_dec, b_dec, k = (tensors[name] for name in ("W_enc", "b_enc", "W_dec", "b_dec", "k"))
    order = torch.randperm(len(b_enc), generator=torch.Generator().manual_seed(0))
    mixed = {"W_enc": 4 * W_enc.float()[:, order], "b_enc": 4 * b_enc.float()[order], "W_dec": W_dec.float()[order] / 4}
    yield "mixed.safetensors", tensors | {name: each.contiguous() for name, each in mixed.items()}
    yield "no_k.safetensors", {name: each for name, each in tensors.items() if name != "k"}
    yield "many.safetensors", tensors | {"k": 4 * k}
    yield "few.safetensors", tensors | {"k": torch.tensor(2)}
    yield "normalised.safetensors", tensors | {"b_enc": b_enc / 4, "b_dec": b_dec / 4}
    yield "twice.safetensors", tensors | {"b_enc": (b_enc - b_dec @ W_enc).contiguous()}
    yield "silent.safetensors", tensors | {"b_enc": torch.where(torch.arange(len(b_enc)) % 3 == 0, -1000, b_enc).half()}
    yield "transposed.safetensors", tensors | {"W_enc": W_enc.T.contiguous(), "W_dec": W_dec.T.contiguous()}
    yield "nan.safetensors", tensors | {"b_dec": b_dec * torch.nan}
    yield "untied.safetensors", {"encoder.weight": W_enc.T.contiguous(), "decoder.weight": W_dec.T.contiguous()}
    rows = torch.randn(W_dec.shape, generator=torch.Generator().manual_seed(1))
    rows /= rows.norm(dim=1, keepdim=True)
    yield "untrained.safetensors", tensors | {"W_enc": rows.T.contiguous(), "W_dec": rows, "b_enc": 0 * b_enc}


def _pickled(tensors: dict[str, Tensor]) -> bytes:
    file = io.BytesIO()
    torch.save(tensors, file)
    return file.getvalue()


def _names(value: str, sentence: str) -> Edit:
    return edit(f'"{OURS.name}"', value, sentence)


ask.mistakes(
    _names(
        '"no_k.safetensors"',
        "`k` is not in the file, and without it, or a threshold, every latent above 0 counts as active: store it too.",
    ),
    _names('"many.safetensors"', "k is 64, half as many as there are dimensions: a code has to be sparse."),
    _names('"few.safetensors"', "k is 2: that is a short description, and none of ours loses so much."),
    _names(
        '"normalised.safetensors"',
        "It reads activations that were divided by a number for training: fold that number into the biases.",
    ),
    _names(
        '"twice.safetensors"',
        "`b_dec` is taken away twice: the judge subtracts it before it encodes, so leave it out of `b_enc`.",
    ),
    _names('"silent.safetensors"', "A third of the latents are never active: revive them, or leave them out."),
    _names(
        '"untrained.safetensors"',
        "These are random directions with an encoder that reads along them: train it, and store it afterwards.",
    ),
    _names(
        '"mlp.safetensors"', "It is an autoencoder of the MLP's output: the residual stream after layer 1 is asked for."
    ),
    _names('"ours.safetensors"', "It is one of ours, which came with the course: train one of your own."),
    _names(
        '"transposed.safetensors"',
        "Both matrices are transposed: W_enc is (d_model, latent), W_dec (latent, d_model).",
    ),
    _names('"nan.safetensors"', "There is NaN in it: look at the loss while it trains, and lower the learning rate."),
    _names(
        '"untied.safetensors"',
        "The tensors have names of their own, those of two `nn.Linear`: store W_enc, b_enc, W_dec and b_dec.",
    ),
    _names(
        '"pickled.safetensors"',
        "It is no safetensors file, whatever its name says: what `torch.save` writes is another kind.",
    ),
    _names('{"W_enc": 0}', "The answer holds tensors: store them in a file, and give its name."),
)

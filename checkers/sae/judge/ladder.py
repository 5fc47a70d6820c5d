"""The autoencoders that are shipped: others are judged beside those of the same activation, on the same texts.

Their figures, which `headwork sae measure` writes beside them and into the folder's README, are for people.
"""

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from headwork.checkers.sae.judge.bench import Bench, Figures, Replace, per_token_mean, principal_components
from headwork.checkers.sae.judge.data import Corpus, Told
from headwork.checkers.sae.judge.file import Autoencoder, NoSAE, parsed
from headwork.checkers.sae.judge.recipe import RESIDUAL
from headwork.checkers.sae.judge.rules import Rung, description_length
from headwork.models import zoo
from headwork.models.dictionaries import FOLDER, autoencoders, load_autoencoder
from headwork.models.gpt2 import GPT2

SHIPPED = "house"
RUNGS = (4, 8, 12, 16, 24, 32)  # of the residual stream, each with so many active latents
SAMPLE = 40_000  # activations for the baselines
MOST_BORROWED = 0.5  # of the latents of one of ours, in an autoencoder that counts as somebody's own
ALIKE = 0.98  # a cosine: of 1024 latents trained with other seeds or another k none comes so near to one of ours
PLACE = zoo.SHIPPED / SHIPPED / FOLDER
FILE, README = PLACE / "figures.json", PLACE / "README.md"
BEGIN, END = "<!-- figures -->", "<!-- /figures -->"


@dataclass(frozen=True)
class Ladder:
    """Pairs of bits and what is lost, of our autoencoders of one activation."""

    added: tuple[Rung, ...]
    fvu: tuple[Rung, ...]


def rungs(hook: str, model: str = SHIPPED) -> dict[str, Autoencoder]:
    """Our autoencoders of an activation. Raises NoSAE for an activation, or a model, of which we have no ladder."""
    if model != SHIPPED:
        raise NoSAE(f"there are no autoencoders of {model} to judge it beside: the judge has those of {SHIPPED}")
    known = autoencoders(SHIPPED)
    hooks = [name for name in dict.fromkeys(name for name, _ in known) if sum(name == each for each, _ in known) > 1]
    if hook not in hooks:  # one is no ladder
        raise NoSAE(f"there is no ladder of ours to judge one of {hook} beside: there is one of {', '.join(hooks)}")
    return {f"k {k}": parsed(load_autoencoder(name, k)) for name, k in known if name == hook}


def borrowed(sae: Autoencoder, ours: dict[str, Autoencoder]) -> float:
    """The largest share of the latents of one of ours whose decoder rows are found again in another autoencoder."""
    rows = F.normalize(sae.W_dec, dim=1)
    found = [(F.normalize(each.W_dec, dim=1) @ rows.T).amax(1) > ALIKE for each in ours.values()]
    return max(float(each.float().mean()) for each in found)


def ladder(ours: dict[str, Autoencoder], measured: dict[str, Figures]) -> Ladder:
    """The ladder that our autoencoders are on the texts on which they were measured."""
    bits = {name: description_length(sae.latents, measured[name].l0) for name, sae in ours.items()}
    return Ladder(
        tuple((bits[name], measured[name].added) for name in ours),
        tuple((bits[name], measured[name].fvu) for name in ours),
    )


def measured_activations() -> dict[str, Any]:
    """By activation, what was measured of our autoencoders and of what they have to beat; {} before any measurement."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))["activations"] if FILE.is_file() else {}
    return found


def of(sae: Autoencoder) -> Replace:
    """What an autoencoder puts in an activation's place."""
    return lambda x, tokens: sae(x)


def baselines(x: Tensor, tokens: Tensor, vocabulary: int, sizes: list[int]) -> dict[str, Replace]:
    """The mean of each token, and principal components, as many as an autoencoder has active latents.

    Both are fitted on a sample of activations, (activation, d_model), and their tokens.
    """
    found = {"mean of the token": per_token_mean(x, tokens, vocabulary)}
    return found | {f"{size} principal components": principal_components(x, size) for size in sorted(set(sizes))}


def measure(model: GPT2, tokens: int, seed: int, told: Told = lambda count: None) -> dict[str, Any]:
    """The figures of all that are shipped with the house model, and of what any of them has to beat."""
    assert model.tokenizer is not None
    length, found = model.config.n_ctx, dict[str, Any]()
    clean = 0.0
    for hook in sorted({hook for hook, _ in autoencoders(SHIPPED)}):
        saes = {f"k {k}": sae for k, sae in _of(hook).items()}
        sizes = [sae.k or 0 for sae in saes.values()]
        bench = Bench(model, hook)
        sampled = bench.sample(Corpus(model.tokenizer, length, f"baselines {seed}"), SAMPLE)
        others = baselines(*sampled, model.config.d_vocab, sizes)
        replaced = others | {name: of(sae) for name, sae in saes.items()}
        readings = bench.readings(Corpus(model.tokenizer, length, f"ladder {seed}"), tokens)
        clean, _, measured = bench.measure(replaced, readings, told)
        found[hook] = {
            "autoencoders": [_row(k, saes[f"k {k}"], measured[f"k {k}"]) for k in sizes],
            "baselines": {name: {"added": measured[name].added, "fvu": measured[name].fvu} for name in others},
        }
    return {"model": SHIPPED, "tokens": tokens, "seed": seed, "clean": clean, "activations": found}


def _of(hook: str) -> dict[int, Autoencoder]:
    """Our autoencoders of an activation by k. A rung of RUNGS that was not trained is the nearest one with its k."""
    trained = {k: parsed(load_autoencoder(name, k)) for name, k in autoencoders(SHIPPED) if name == hook}
    wanted = sorted({*trained, *(RUNGS if hook == RESIDUAL else ())})
    nearest = {k: min(trained, key=lambda other: abs(math.log(other / k))) for k in wanted}
    return {k: replace(trained[nearest[k]], k=k) for k in wanted}


def _row(k: int, sae: Autoencoder, figures: Figures) -> dict[str, Any]:
    return {
        "k": k,
        "latents": sae.latents,
        "added": figures.added,
        "error": figures.error,
        "fvu": figures.fvu,
        "l0": figures.l0,
        "alive": figures.alive,
        "bits": description_length(sae.latents, figures.l0),
    }


def write(figures: dict[str, Any], file: Path = FILE, readme: Path = README) -> None:
    """Keeps the figures, and brings the README's table up to date."""
    file.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    before, begin, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{readme} has no {BEGIN} and {END} for the figures to stand between")
    readme.write_text(f"{before}{BEGIN}\n{table(figures)}\n{END}{after}", encoding="utf-8")


def table(figures: dict[str, Any]) -> str:
    """The figures in Markdown."""
    rows = [
        "| activation | in its place | L0 | nats added | FVU | alive | bits |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for hook, found in figures["activations"].items():
        for each in found["autoencoders"]:
            name = f"{each['latents']} latents, k {each['k']}"
            numbers = f"{each['l0']:.1f} | {each['added']:.3f} | {each['fvu']:.3f} | {100 * each['alive']:.0f} %"
            rows.append(f"| `{hook}` | {name} | {numbers} | {each['bits']:.0f} |")
        for name, each in found["baselines"].items():
            rows.append(f"| `{hook}` | {name} | | {each['added']:.3f} | {each['fvu']:.3f} | | |")
    return "\n".join(rows)

"""When the directions that autoencoders find come into being: `python benchmarks/growth.py [--keep FOLDER] [--record]`.

For each checkpoint of `attention-only`, TopK autoencoders of the residual stream after layer 1, where its induction
heads have written, are trained on the texts of its recipe: from SEEDS starts, each start and each order of the data the
same for all checkpoints. Two latents of two autoencoders are partners when each is the other's best match and the match
is at least BAR, by the cosine of their rows of W_dec or by the correlation of their strengths on the same texts. With
`--keep` what is trained is kept in a folder and not trained again; `--seconds` stops after as many, to go on with
later. `--record` keeps the figures in benchmarks/records/.
"""

import argparse
import json
import math
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from headwork.checkers.sae.judge.recipe import spread, unscaled
from headwork.models import zoo
from headwork.models.gpt2 import GPT2
from headwork.models.recipes.attention_only import RECIPE
from headwork.solutions.sae.sparse import SparseTopK
from headwork.solutions.sae.training import train_sae

LATENTS, K, BATCH, TRAINED, RATE, WINDOW = 1024, 16, 1024, 600, 2e-3, 20_000
SEEDS = (1, 2, 3)
READINGS, TRIED = 64, 8  # of 64 texts each, to train on and to look at
BAR = 0.7
LOWER = 0.5
BARS = (LOWER, BAR, 0.9)  # what is recorded
LIVING = 10  # places where a latent has to be active
TIMES = 10  # as often at repeated tokens as at first ones, for a latent that marks repeats
LESS = (2, 5)  # what is counted beside
MOST = 0.5  # of a latent's strength that lies on one token or position, for a latent of that
RECORD = Path(__file__).parent / "records" / "growth.json"
Figures = dict[str, Any]
BySeed = dict[int, SparseTopK]


def texts(seed: int, readings: int) -> Tensor:
    """Texts as the model was trained on, (text, position); another seed than its training's gives new ones."""
    return torch.cat([torch.as_tensor(RECIPE.batch(index, seed)["tokens"]) for index in range(readings)])


def activations(model: GPT2, tokens: Tensor) -> Tensor:
    """The stream behind the last layer, at all positions but the first: (text * (position - 1), d_model)."""
    layers = model.config.n_layers
    return torch.cat([model(part, stop_at_layer=layers)[:, 1:].flatten(0, 1) for part in tokens.split(64)])


def written(model: GPT2, tokens: Tensor, said: dict[str, Tensor]) -> dict[str, float]:
    """The mean length of what the last layer's heads write, at repeated tokens and at first ones.

    And the mean probability that the model gives, at repeated tokens, to what followed the last time.
    """
    name, again = f"blocks.{model.config.n_layers - 1}.hook_attn_out", said["repeated"].bool()
    lengths, logits = [], []
    for part in tokens.split(64):
        seen, cache = model.run_with_cache(part, name)
        lengths.append(cache[name][:, 1:].norm(dim=-1).flatten())
        logits.append(seen[:, 1:].flatten(0, 1))
    length, log = torch.cat(lengths), torch.cat(logits)[again].log_softmax(-1)
    expected = log.gather(1, said["the token to expect"][again, None]).exp()
    return {
        "length at repeated": float(length[again].mean()),
        "length at first": float(length[~again].mean()),
        "probability of what followed": float(expected.mean()),
    }


def started(d_model: int, seed: int) -> SparseTopK:
    torch.manual_seed(seed)
    return SparseTopK(d_model, LATENTS, K)


def trained(x: Tensor, seed: int) -> dict[str, Tensor]:
    """The tensors of an autoencoder of these activations, (place, d_model); its start and its order are the seed's."""
    centre, scale = x.mean(0), spread(x)
    with torch.random.fork_rng():
        sae = started(x.shape[1], seed)
        rounds = -(-BATCH * TRAINED // len(x))
        order = torch.cat([torch.randperm(len(x)) for _ in range(rounds)])
    with torch.enable_grad():
        train_sae(sae, lambda step: (x[order[step * BATCH :][:BATCH]] - centre) / scale, TRAINED, RATE, WINDOW)
    return unscaled(sae, centre, scale)


def of(tensors: dict[str, Tensor]) -> SparseTopK:
    latents, d_model = tensors["W_dec"].shape
    sae = SparseTopK(d_model, latents, K)
    for name, parameter in sae.named_parameters():
        parameter.data = tensors[name]
    return sae


def cosines(one: Tensor, other: Tensor) -> Tensor:
    """Of each row with each row: (row, row of the other)."""
    return F.normalize(one, dim=-1) @ F.normalize(other, dim=-1).T


def correlations(one: Tensor, other: Tensor) -> Tensor:
    """Of each column with each column, over the same rows; 0 for one that does not vary. (place, latent) each."""
    one, other = (F.normalize(each - each.mean(0), dim=0) for each in (one, other))
    return one.T @ other


def partners(similarity: Tensor, bar: float) -> Tensor:
    """For each row the column that is its best match and whose best match it is, from `bar` on; else -1: (row,)."""
    value, best = similarity.max(1)
    mutual = similarity.max(0).indices[best] == torch.arange(len(best))
    return torch.where(mutual & (value >= bar), best, -1)


def places(tokens: Tensor) -> dict[str, Tensor]:
    """What can be said of each place but the first: this token, the one before, the one to expect, the position.

    'repeated' says whether the token stood before; to be expected is what followed it then, 0 at first tokens. Each is
    (text * (position - 1),).
    """
    length = tokens.shape[1]
    same = (tokens[:, :, None] == tokens[:, None, :]).tril(-1)  # (text, position, earlier position)
    last = (same * torch.arange(1, length + 1)).amax(-1) - 1  # the latest earlier place of the same token, or -1
    follows = tokens.gather(1, (last + 1).clamp(max=length - 1))
    found = {
        "this token": tokens,
        "the token before": F.pad(tokens[:, :-1], (1, 0)),
        "the token to expect": torch.where(last >= 0, follows, 0),
        "the position": torch.arange(length).expand_as(tokens),
        "repeated": (last >= 0).long(),
    }
    return {name: each[:, 1:].flatten() for name, each in found.items()}


def repeat_ratio(active: Tensor, repeated: Tensor, position: Tensor) -> Tensor:
    """How much more often each latent is active at repeated tokens than at first ones of the same positions: (latent,).

    active: (place, latent), booleans. Positions count as often as they have repeated tokens.
    """
    size = int(position.max()) + 1
    groups = position + size * repeated
    number = torch.bincount(groups, minlength=2 * size).float()
    counts = torch.zeros(2 * size, active.shape[1]).index_add_(0, groups, active.float())
    first, again = (counts / number.clamp(min=1)[:, None]).split(size)  # (position, latent), how often
    weight = number[size:] * (number[:size] > 0)
    return (weight @ again) / (weight @ first)


def kinds(code: Tensor, said: dict[str, Tensor]) -> dict[str, Tensor]:
    """By kind, which latents have at least MOST of their strength on one token, or position, of that kind: (latent,).

    A latent is of the kind that has the most of it.
    """
    names = ("this token", "the token before", "the token to expect", "the position")
    total, shares = code.sum(0).clamp(min=1e-9), []
    for name in names:
        sums = torch.zeros(int(said[name].max()) + 1, code.shape[1]).index_add_(0, said[name], code)
        if name == "the token to expect":
            sums[0] = 0  # nothing is to be expected
        shares.append(sums.amax(0) / total)
    most, kind = torch.stack(shares).max(0)
    return {name: (kind == index) & (most >= MOST) for index, name in enumerate(names)}


@dataclass(frozen=True)
class Looked:
    """The living latents of one autoencoder on the texts that are looked at."""

    rows: Tensor  # (latent, d_model), of W_dec
    strengths: Tensor  # (place, latent), at every second place
    marks: Tensor  # (latent,), whether it marks repeated tokens
    figures: dict[str, Any]


def looked(sae: SparseTopK, x: Tensor, said: dict[str, Tensor], start: Tensor) -> Looked:
    """x: (place, d_model). start: (latent, d_model), the rows of W_dec before training."""
    made, code = sae(x)
    living = (code > 0).sum(0) >= LIVING
    code = code[:, living]
    ratio = repeat_ratio(code > 0, said["repeated"], said["the position"])
    marks = ratio >= TIMES
    of_kind = kinds(code, said)
    figures = {
        "unexplained": float((x - made).square().sum() / (x - x.mean(0)).square().sum()),
        "living": len(marks),
        "cosine with the start": float(F.cosine_similarity(sae.W_dec, start, dim=-1).mean()),
        "mark repeats": int(marks.sum()),
        "more often at repeats": {str(times): int((ratio >= times).sum()) for times in LESS},
        "of one": {name: int(mask.sum()) for name, mask in of_kind.items()},
        "of one, mark repeats": {name: int((mask & marks).sum()) for name, mask in of_kind.items()},
    }
    return Looked(sae.W_dec[living], code[::2], marks, figures)


def alike(one: Looked, other: Looked) -> dict[str, Tensor]:
    """The similarities of their latents, (latent, latent of the other), by each measure."""
    return {"cosine": cosines(one.rows, other.rows), "correlation": correlations(one.strengths, other.strengths)}


def share(similarity: Tensor, bar: float) -> float:
    """Of the latents of both, how many have a partner."""
    return 2 * int((partners(similarity, bar) >= 0).sum()) / sum(similarity.shape)


def shared(similarities: dict[str, Tensor]) -> Figures:
    return {name: {str(bar): share(each, bar) for bar in BARS} for name, each in similarities.items()}


def by_chance(one: Looked, other: Looked) -> Figures:
    """The same of random directions as many, and of strengths at places in another order."""
    source = torch.Generator().manual_seed(0)
    random = [torch.randn(each.rows.shape, generator=source) for each in (one, other)]
    mixed = other.strengths[torch.randperm(len(other.strengths), generator=source)]
    return shared({"cosine": cosines(*random), "correlation": correlations(one.strengths, mixed)})


def from_the_end(last: Looked, early: Looked) -> Figures:
    """Of the last latents that mark repeats, and of the others, the share with a partner among the early ones."""
    found: Figures = {}
    for name, similarity in alike(last, early).items():
        for bar in BARS:
            has = (partners(similarity, bar) >= 0).float()
            groups = {"mark repeats": has[last.marks], "others": has[~last.marks]}
            found.setdefault(name, {})[str(bar)] = {group: float(each.mean()) for group, each in groups.items()}
    return found


def listed(rows: list[Figures]) -> Figures:
    """Nested figures of the same names, each as a list of the rows' own."""
    return {
        name: listed([row[name] for row in rows]) if isinstance(each, dict) else [row[name] for row in rows]
        for name, each in rows[0].items()
    }


def autoencoders(
    folder: Path | None, names: dict[int, str], seconds: float
) -> Iterator[tuple[int, dict[int, SparseTopK]]]:
    """For each step its autoencoders by seed, trained where the folder has none; ends early after `seconds`."""
    tokens, start = texts(7, READINGS), time.process_time()
    for step, name in names.items():
        files = {seed: folder / f"{step}.{seed}.safetensors" for seed in SEEDS} if folder else {}
        x, made = None, {}
        for seed in SEEDS:
            if files and files[seed].exists():
                made[seed] = load_file(files[seed])
                continue
            if time.process_time() - start > seconds:
                return
            x = activations(zoo.load(name), tokens) if x is None else x
            begun = time.process_time()
            made[seed] = trained(x, seed)
            print(f"step {step}, seed {seed}: trained in {time.process_time() - begun:.0f} CPU-seconds", flush=True)
            if files:
                save_file({key: each.contiguous() for key, each in made[seed].items()}, files[seed])
        yield step, {seed: of(tensors) for seed, tensors in made.items()}


def measured(found: dict[int, dict[int, Looked]]) -> Figures:
    """All figures; found: by step and seed."""
    end = max(found)
    ways = {
        "same start": [(seed, seed) for seed in SEEDS],
        "other start": [(one, other) for one, other in zip(SEEDS, SEEDS[1:] + SEEDS[:1], strict=True)],
    }
    successive: Figures = {}
    for early, late in pairwise(found):
        for way, pairs in ways.items():
            rows = [shared(alike(found[early][one], found[late][other])) for one, other in pairs]
            successive.setdefault(f"{early} to {late}", {})[way] = listed(rows)
        print(f"{early} to {late}: {successive[f'{early} to {late}']}", flush=True)
    starts, back = {}, {}
    for step, there in found.items():
        starts[step] = listed([shared(alike(there[one], there[other])) for one, other in ways["other start"]])
        back[step] = {
            way: listed([from_the_end(found[end][one], there[other]) for one, other in pairs])
            for way, pairs in ways.items()
            if step < end or way == "other start"
        }
        print(f"{step}, two starts: {starts[step]}\n{step}, back from the end: {back[step]}", flush=True)
    return {
        "steps": {step: listed([each.figures for each in there.values()]) for step, there in found.items()},
        "successive": successive,
        "two starts": starts,
        "latents of the end": back,
        "by chance": by_chance(found[end][SEEDS[0]], found[end][SEEDS[1]]),
    }


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def kept(record: Figures, early: str, late: str, bar: float = BAR) -> float:
    """The share of partners from another start, by correlation, over that of two starts at the same step."""
    between = mean(record["successive"][f"{early} to {late}"]["other start"]["correlation"][str(bar)])
    return between / mean([mean(record["two starts"][step]["correlation"][str(bar)]) for step in (early, late)])


def tables(record: Figures) -> list[str]:
    """The three tables of chapter `sae`: of successive steps, of what latents are, and of the latents of the end."""
    ways = [(measure, way) for measure in ("cosine", "correlation") for way in ("same start", "other start")]
    steps, last = list(record["steps"]), max(record["steps"], key=int)

    def percent(values: list[float]) -> str:
        return f"{100 * mean(values):.0f} %"

    def table(head: list[str], rows: list[list[str]]) -> str:
        return "".join(f"| {' | '.join(row)} |\n" for row in [head, ["---"] * len(head), *rows])

    pairs = [
        [
            f"{early} to {late}",
            *(percent(record["successive"][f"{early} to {late}"][way][measure][str(BAR)]) for measure, way in ways),
            f"{100 * kept(record, early, late):.0f} %",
        ]
        for early, late in pairwise(steps)
    ]
    kinds_of = ("this token", "the token to expect")
    what = [
        [
            step,
            f"{record['models'][step]['probability of what followed']:.2f}",
            *(percent(record["two starts"][step][measure][str(BAR)]) for measure in ("cosine", "correlation")),
            *(f"{mean(record['steps'][step]['of one'][name]):.0f}" for name in kinds_of),
            f"{mean(record['steps'][step]['mark repeats']):.0f}",
        ]
        for step in steps
    ]
    asked = [("same start", "cosine", BAR)]
    asked += [("other start", measure, bar) for bar in (BAR, LOWER) for measure in ("cosine", "correlation")]
    back = []
    for step in steps:
        there = record["latents of the end"][step]
        marks = [percent(there[way][by][str(bar)]["mark repeats"]) if way in there else "" for way, by, bar in asked]
        back.append([step, *marks, percent(there["other start"]["correlation"][str(BAR)]["others"])])
    measures = [f"{measure}, {way}" for measure, way in ways]
    return [
        table(["steps", *measures, "of what two starts share"], pairs),
        table(
            [
                "step", "probability of what followed", "two starts, cosine", "two starts, correlation",
                "of the token there", "of one to be expected", "mark repeats",
            ],
            what,
        ),
        table(
            [
                f"of {last}, at",
                *(f"{measure} {bar}{', same start' * (way == 'same start')}" for way, measure, bar in asked),
                f"others, correlation {BAR}",
            ],
            back,
        ),
    ]  # fmt: skip


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="a folder for what is trained")
    parser.add_argument("--seconds", type=float, default=math.inf, help="CPU-seconds after which no training begins")
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = {step: f"{RECIPE.name}@{step}" for step in zoo.checkpoints(RECIPE.name)} | {RECIPE.steps: RECIPE.name}
    tokens = texts(8, TRIED)
    said, found, models = places(tokens), {}, {}
    for step, made in autoencoders(options.keep, names, options.seconds):
        model = zoo.load(names[step])
        x, models[step] = activations(model, tokens), written(model, tokens, said)
        found[step] = {seed: looked(sae, x, said, started(x.shape[1], seed).W_dec) for seed, sae in made.items()}
        print(step, models[step], *(each.figures for each in found[step].values()), sep="\n  ", flush=True)
    if len(found) < len(names):
        return
    share_repeated = float(said["repeated"].float().mean())
    figures = {"places": len(said["repeated"]), "repeated": share_repeated, "models": models, **measured(found)}
    print("\n".join(tables(json.loads(json.dumps(figures)))))
    if options.record:
        machine = {"machine": platform.machine(), "python": platform.python_version(), "torch": torch.__version__}
        settings = {"latents": LATENTS, "k": K, "batch": BATCH, "steps": TRAINED, "bar": BAR, "times": TIMES}
        RECORD.write_text(json.dumps({"settings": settings, **figures, **machine}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

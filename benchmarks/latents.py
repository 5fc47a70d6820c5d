"""What chapter `sae` says of the house model's latents: `python benchmarks/latents.py [--record]`.

Looks for latents that are active where a name is mentioned again, by their AUC on texts; takes them out inside prompts
of indirect object identification, beside random directions; draws latents at random, and sets what each does against
random directions; and sets the autoencoder's error beside noise. `--record` keeps the figures in benchmarks/records/.
"""

import argparse
import json
import math
import platform
import random
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from headwork.checkers.sae.judge.data import Corpus, padded
from headwork.checkers.sae.judge.uses import CONTROLS, USED, against_random, areas
from headwork.models import zoo
from headwork.models.data.english.gifts import classic
from headwork.models.data.english.words import GIVERS
from headwork.models.dictionaries import load_autoencoder
from headwork.models.gpt2 import GPT2
from headwork.solutions.sae.autoencoders import SAE
from headwork.solutions.sae.effects import draw_latents
from headwork.solutions.sae.noise import error_against_noise
from headwork.solutions.sae.variants import TopK

HOOK, LAYER, K = "blocks.1.hook_resid_post", 2, 16
READINGS, PROMPTS, DRAWN = 24, 128, 12
RECORD = Path(__file__).parent / "records" / "latents.json"
Change = Callable[[Tensor], Tensor]


def shipped() -> SAE:
    """The autoencoder that is shipped with the house model."""
    tensors = load_autoencoder(HOOK, K)
    sae = TopK(*tensors["W_enc"].shape, K)
    for name, parameter in sae.named_parameters():
        parameter.data = tensors[name]
    return sae


def second_mentions(model: GPT2, sae: SAE) -> dict[str, object]:
    """The latents that best tell a name mentioned before from one that is new, among all places that are names."""
    names = torch.tensor([model.tokenizer.encode(f" {name}")[0] for name in GIVERS])  # type: ignore[union-attr]
    corpus = Corpus(model.tokenizer, model.config.n_ctx, "latents", READINGS)  # type: ignore[arg-type]
    latents, again, new = [], [], []
    for index in range(READINGS):
        tokens, counts = corpus(index)  # type: ignore[misc]
        code = sae(model(tokens, stop_at_layer=LAYER)[counts])[1]
        seen = (tokens[:, :, None] == tokens[:, None, :]).tril(-1).any(-1)
        name = torch.isin(tokens, names)
        latents.append(code)
        again.append((name & seen)[counts])
        new.append((name & ~seen)[counts])
    code, old, first = torch.cat(latents), torch.cat(again), torch.cat(new)
    named = old | first
    auc = areas(code[named], old[named])
    density = (code > 0).float().mean(0)
    best = [
        {
            "latent": int(latent),
            "auc among names": float(auc[latent]),
            "density": float(density[latent]),
            "active at second mentions": float((code[old, latent] > 0).float().mean()),
            "active at first mentions": float((code[first, latent] > 0).float().mean()),
            "second mentions among its places": float(old[code[:, latent] > 0].float().mean()),
            "mean strength at second mentions": float(code[old, latent].mean()),
            "mean strength elsewhere where active": float(code[~old & (code[:, latent] > 0), latent].mean()),
        }
        for latent in auc.topk(3).indices
    ]
    return {"places": len(code), "second mentions": int(old.sum()), "best": best, "density": density.tolist()}


def prompts(model: GPT2) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Classic prompts: tokens, the last position of each, and the tokens of the receiver and of the giver."""
    rng, rows = random.Random("latents"), []
    assert model.tokenizer is not None
    encode = model.tokenizer.encode
    while len(rows) < PROMPTS:
        gift = classic(rng)
        text = [0, *encode(gift.text)]
        if len(text) < model.config.n_ctx:
            rows.append((text, encode(f" {gift.receiver}")[0], encode(f" {gift.others[0]}")[0]))
    tokens, _ = padded([row[0] for row in rows])
    tokens[:, 0] = model.tokenizer.bos
    ends = torch.tensor([len(row[0]) - 1 for row in rows])
    return tokens, ends, torch.tensor([row[1] for row in rows]), torch.tensor([row[2] for row in rows])


def inside_prompts(model: GPT2, sae: SAE, groups: dict[str, list[int]]) -> dict[str, object]:
    """The logit difference, receiver above giver, when latents are taken out; and random directions as long instead."""
    tokens, ends, receiver, giver = prompts(model)
    x = model(tokens, stop_at_layer=LAYER)
    code = sae(x.flatten(0, 1))[1].reshape(*x.shape[:2], -1)
    code[:, 0] = 0  # the first position is no input of the autoencoder
    row = torch.arange(len(tokens))

    def difference(changed: Tensor) -> dict[str, float]:
        logits = model(changed, start_at_layer=LAYER)[row, ends]
        apart = logits[row, receiver] - logits[row, giver]
        return {"difference": float(apart.mean()), "receiver first": float((apart > 0).float().mean())}

    found: dict[str, object] = {"clean": difference(x)}
    source = torch.Generator().manual_seed(0)
    for name, latents in groups.items():
        strengths = code[..., latents]  # (prompt, position, latent)
        rows = sae.W_dec[latents]
        controls = [difference(x - strengths @ _turned(rows, source))["difference"] for _ in range(CONTROLS)]
        found[name] = {**difference(x - strengths @ rows), "random": [min(controls), max(controls)]}
    return found


def _turned(rows: Tensor, source: torch.Generator) -> Tensor:
    """Random directions of the same lengths."""
    return F.normalize(torch.randn(rows.shape, generator=source), dim=-1) * rows.norm(dim=-1, keepdim=True)


def used(model: GPT2, sae: SAE, density: Tensor, more: list[int]) -> dict[str, object]:
    """Of latents drawn at random, and of `more`: what taking each out does, over what random directions do."""
    tokens, counts = Corpus(model.tokenizer, model.config.n_ctx, "used", 8)(3)  # type: ignore[arg-type, misc]
    x, counts = model(tokens[:8], stop_at_layer=LAYER), counts[:8]
    source = torch.Generator().manual_seed(1)
    code = sae(x.flatten(0, 1))[1].reshape(*x.shape[:2], -1) * counts[..., None]  # (text, position, latent)
    rows = []
    for latent in [*draw_latents(density, DRAWN, source).tolist(), *more]:
        random_ = torch.randn(CONTROLS, x.shape[-1], generator=source)
        found = against_random(model, LAYER, x, code[..., latent], sae.W_dec[latent], math.nan, random_)
        if found.effect > 0:
            rows.append({"latent": latent, "U": found.ratio, "beyond 95 %": found.verdict == USED})
    drawn = [each for each in rows if each["latent"] not in more]
    return {
        "drawn": len(drawn),
        "beyond 95 %": sum(bool(each["beyond 95 %"]) for each in drawn),
        "median U": float(torch.tensor([each["U"] for each in drawn]).median()),
        "each": rows,
    }


def noises(model: GPT2, sae: SAE) -> dict[str, float]:
    """The loss added by the reconstruction and by noise, over all tokens but the padding."""
    tokens, counts = Corpus(model.tokenizer, model.config.n_ctx, "noise", 8)(5)  # type: ignore[arg-type, misc]
    x = model(tokens, stop_at_layer=LAYER)
    inside = counts[:, 1:]

    def run(change: Change) -> Tensor:
        logits = model(torch.where(counts[..., None], change(x), x), start_at_layer=LAYER)[:, :-1]
        return F.cross_entropy(logits.transpose(1, 2), tokens[:, 1:], reduction="none")[inside]

    return {name: float(cost) for name, cost in error_against_noise(run, sae, torch.Generator().manual_seed(2)).items()}


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model, sae = zoo.load("house"), shipped()
    again = second_mentions(model, sae)
    density = torch.tensor(again.pop("density"))
    first, second = (each["latent"] for each in again["best"][:2])  # type: ignore[index]
    groups = {str(first): [first], str(second): [second], "both": [first, second]}
    figures = {"second mentions": again, "inside prompts": inside_prompts(model, sae, groups)}
    print(json.dumps(figures, indent=1), flush=True)
    figures["noise"] = noises(model, sae)  # type: ignore[assignment]
    print(figures["noise"], flush=True)
    figures["used"] = used(model, sae, density, [first, second])
    print(figures["used"])
    if options.record:
        machine = {"machine": platform.machine(), "python": platform.python_version(), "torch": torch.__version__}
        RECORD.write_text(json.dumps({**figures, **machine}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""An autoencoder's score: how short its descriptions are, beside those of our ladder that lose as much."""

from dataclasses import asdict, dataclass
from typing import Any

from headwork.checkers.sae.judge.bench import Bench
from headwork.checkers.sae.judge.data import Corpus, Told
from headwork.checkers.sae.judge.file import Autoencoder, fit
from headwork.checkers.sae.judge.ladder import SAMPLE, Ladder, baselines, ladder, of
from headwork.checkers.sae.judge.rules import DENSE, description_length, points, reference_length
from headwork.models.gpt2 import GPT2

TOKENS = 200_000  # that are read for a judgement, at least
BAR = 80  # points from which it is passed


@dataclass(frozen=True)
class Score:
    """What was measured, and what follows. Bits are those of a description of one activation."""

    model: str
    hook: str
    latents: int
    k: int | None
    clean: float  # the network's own loss, nats a token
    added: float
    error: float  # the standard error of `added`
    fvu: float
    l0: float
    alive: float
    bits: float
    bits_for_loss: float  # those of our ladder at the same loss added; 0 if it is never so bad
    bits_for_fvu: float
    token_mean: float  # nats added with the mean of the token
    components: float  # and with as many principal components as there are active latents
    s: float
    points: float  # of 100
    fault: str  # why it has none, in a sentence
    tokens: int
    seed: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def score(
    sae: Autoencoder,
    model: GPT2,
    name: str,
    hook: str,
    *,
    seed: int,
    tokens: int = TOKENS,
    sample: int = SAMPLE,
    told: Told = lambda count: None,
) -> Score:
    """On texts drawn by `seed`. Raises NoSAE, and ValueError for a hook point that the model has not."""
    rungs = ladder(hook, name)
    bench = Bench(model, hook)
    assert model.tokenizer is not None
    fit(sae, model.config.d_model, hook, name)
    length = model.config.n_ctx
    corpus = Corpus(model.tokenizer, length, f"judging {seed}")
    first = sae.encode(bench.sample(corpus, 1000)[0])
    active = float((first > 0).sum(-1).float().mean())  # near enough for the number of principal components
    size = min(max(round(active), 1), model.config.d_model)
    others = baselines(bench, Corpus(model.tokenizer, length, f"sample {seed}"), [size], sample)
    clean, read, found = bench.measure(others | {"sae": of(sae)}, corpus, tokens, told)
    token_mean, components = (found[name].added for name in others)
    mine = found["sae"]
    bits = description_length(sae.latents, mine.l0)
    fault = _fault(mine.l0, mine.added, model.config.d_model, token_mean, components)
    lengths = _lengths(rungs, mine.added, mine.fvu)
    s = 0.0 if fault or bits <= 0 else min(lengths) / bits
    value = round(100 * points(s, mine.alive), 6)
    return Score(
        name, hook, sae.latents, sae.k, clean, mine.added, mine.error, mine.fvu, mine.l0, mine.alive, bits, *lengths,
        token_mean, components, s, value, fault, read, seed,
    )  # fmt: skip


def _lengths(rungs: Ladder, added: float, fvu: float) -> tuple[float, float]:
    return reference_length(added, rungs.added), reference_length(fvu, rungs.fvu)


def _fault(l0: float, added: float, width: int, token_mean: float, components: float) -> str:
    if l0 > width / DENSE:
        return (
            f"On average {l0:.0f} latents are active: more than {width // DENSE}, a {_part(DENSE)} of the dimensions."
        )
    if not added < components:
        return f"It adds {added:.2f} nats, and as many principal components add {components:.2f}."
    if not added < token_mean:
        return f"It adds {added:.2f} nats, and the mean of each token, without looking further, adds {token_mean:.2f}."
    return ""


def _part(number: int) -> str:
    return {4: "quarter"}.get(number, f"1/{number}")

"""An autoencoder's score: how short its descriptions are, beside those of our ladder that lose as much."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from headwork.checkers.sae.judge.bench import Bench
from headwork.checkers.sae.judge.data import Corpus, Told
from headwork.checkers.sae.judge.file import Autoencoder, fit, on
from headwork.checkers.sae.judge.ladder import MOST_BORROWED, SAMPLE, Ladder, baselines, borrowed, ladder, of, rungs
from headwork.checkers.sae.judge.rules import DENSE, description_length, points, reference_length
from headwork.models.gpt2 import GPT2

TOKENS = 200_000  # that are read for a judgement, at least
FEWER = 5_000  # of these, those that baselines are measured on: they lose a hundred times as much
BAR = 50  # points from which it is passed: our recipe with another seed has had 55


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
    borrowed: float  # the share of the latents of one of ours that are found again in it
    s: float
    points: float  # of 100
    fault: str  # why it has none, in a sentence
    tokens: int
    seed: int

    @property
    def on_the_board(self) -> bool:
        """Whether it may stand on the leaderboard: it is passed, and not one of ours."""
        return self.points >= BAR and self.borrowed <= MOST_BORROWED

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"on_the_board": self.on_the_board}


class Judge:
    """Judges autoencoders of one activation, all of them and our ladder on the same texts, drawn by `seed`.

    keeps: what the network computes of the texts stays in memory, for one autoencoder after the other. Raises NoSAE for
    an activation without a ladder.
    """

    def __init__(
        self, model: GPT2, name: str, hook: str, *, seed: int, tokens: int = TOKENS, sample: int = SAMPLE,
        keeps: bool = False,
    ):  # fmt: skip
        assert model.tokenizer is not None
        self.bench, self.name, self.hook, self.seed = Bench(model, hook), name, hook, seed
        self.width, self.tokens = model.config.d_model, tokens
        self.ours = {each: on(sae, str(self.bench.device)) for each, sae in rungs(hook, name).items()}
        self.texts = Corpus(model.tokenizer, model.config.n_ctx, f"judging {seed}")
        self.sampled = self.bench.sample(Corpus(model.tokenizer, model.config.n_ctx, f"sample {seed}"), sample)
        self.kept = list(self.bench.readings(self.texts, tokens)) if keeps else None
        self.ladder: Ladder | None = None
        self.losses: dict[str, float] = {}  # nats added by what has to be beaten

    def score(self, sae: Autoencoder, told: Told = lambda count: None) -> Score:
        """Raises NoSAE for one that does not fit the activation."""
        fit(sae, self.width, self.hook, self.name)
        first = sae.encode(self.bench.sample(self.texts, 1000)[0])
        active = float((first > 0).sum(-1).float().mean())  # near enough for the number of principal components
        token_mean, components = self._baselines(min(max(round(active), 1), self.width))
        asked = {"it": of(sae)} | ({} if self.ladder else {name: of(each) for name, each in self.ours.items()})
        clean, read, found = self.bench.measure(asked, self.kept or self.bench.readings(self.texts, self.tokens), told)
        beside = self.ladder or ladder(self.ours, found)
        if self.kept:
            self.ladder = beside
        it = found["it"]
        measured = Score(
            self.name, self.hook, sae.latents, sae.k, clean, it.added, it.error, it.fvu, it.l0, it.alive,
            description_length(sae.latents, it.l0), reference_length(it.added, beside.added),
            reference_length(it.fvu, beside.fvu), token_mean, components, borrowed(sae, self.ours), 0, 0, "", read,
            self.seed,
        )  # fmt: skip
        return judged(measured, self.width)

    def _baselines(self, size: int) -> tuple[float, float]:
        """Nats added with the mean of each token, and with so many principal components."""
        others = baselines(*self.sampled, self.bench.model.config.d_vocab, [size])
        new = {name: each for name, each in others.items() if name not in self.losses}
        if new:
            _, _, found = self.bench.measure(new, self.bench.readings(self.texts, min(self.tokens, FEWER)))
            self.losses |= {name: found[name].added for name in new}
        token_mean, components = (self.losses[name] for name in others)
        return token_mean, components


def judged(measured: Score, width: int) -> Score:
    """The score of what was measured: s, points, and why there are none."""
    fault = _fault(measured, width)
    shortest = min(measured.bits_for_loss, measured.bits_for_fvu)
    s = 0.0 if fault or measured.bits <= 0 else shortest / measured.bits
    return replace(measured, s=s, points=round(100 * points(s, measured.alive), 6), fault=fault)


def score(
    sae: Autoencoder, model: GPT2, name: str, hook: str, *, seed: int, tokens: int = TOKENS, sample: int = SAMPLE,
    told: Told = lambda count: None,
) -> Score:  # fmt: skip
    """On texts drawn by `seed`. Raises NoSAE, and ValueError for a hook point that the model has not."""
    return Judge(model, name, hook, seed=seed, tokens=tokens, sample=sample).score(sae, told)


def _fault(found: Score, width: int) -> str:
    if found.l0 > width / DENSE:
        return (
            f"On average {found.l0:.3g} latents are active: more than {width // DENSE}, a {_part(DENSE)} of the "
            "dimensions."
        )
    if not found.added < found.components:
        return f"It adds {found.added:.2f} nats, and as many principal components add {found.components:.2f}."
    if not found.added < found.token_mean:
        return (
            f"It adds {found.added:.2f} nats, and the mean of each token, without looking further, adds "
            f"{found.token_mean:.2f}."
        )
    return ""


def _part(number: int) -> str:
    return {4: "quarter"}.get(number, f"1/{number}")

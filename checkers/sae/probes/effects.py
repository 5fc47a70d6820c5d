"""What is asked of answers in chapter `sae`: what latents read, say and do.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from headwork.checkers.probing import Answer, Case, Unfit, generator, gradient, load
from headwork.checkers.sae.probes.losses import Decoy

if TYPE_CHECKING:
    from headwork.models.gpt2 import GPT2


def top_contexts(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    found = answer.top_contexts(case.activity, case.tokens, case.depths, case.count, case.radius)
    if not isinstance(found, dict):
        raise Unfit(f"`top_contexts` gives a {type(found).__name__}, expected a dict")
    for name in ("places", "tokens", "activity"):
        if name not in found:
            raise Unfit(f"the dict has no {name!r}: it has {', '.join(map(repr, found)) or 'nothing'}")
        yield name, found[name]


def _network(case: Case) -> "GPT2":
    from headwork.models.config import Config
    from headwork.models.gpt2 import GPT2

    model = GPT2(Config(**case.model["config"]))
    sample = next(iter(case.model["state"].values()))
    model.to(device=sample.device, dtype=sample.dtype)
    model.load_state_dict({key: tensor.clone() for key, tensor in case.model["state"].items()})
    return model.eval().requires_grad_(False)


def latent_logits(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    model = _network(case)
    yield "logits", answer.latent_logits(model, case.W_dec, case.residual)
    yield "one latent", answer.latent_logits(model, case.W_dec[-1:], case.residual)
    yield (
        "gradient",
        gradient(lambda W_dec: answer.latent_logits(model, W_dec, case.residual), case.cotangent, W_dec=case.W_dec),
    )


class _Sparse(Decoy):
    """An autoencoder that no exercise asks for: its latents are often 0, and it takes activations in a row alone."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if x.dim() != 2:
            raise ValueError(f"an autoencoder takes (batch, d_model), and was given {tuple(x.shape)}")
        latents = (x @ self.W_enc + self.b_enc).relu().square() / 4  # (batch, latent)
        return latents @ self.W_dec + self.b_dec, latents


def _running(case: Case) -> Callable[[Callable[[Tensor], Tensor]], Tensor]:
    """A network behind the case's activation, in which each position reads those before it."""

    def run(change: Callable[[Tensor], Tensor]) -> Tensor:
        changed = change(case.x)
        if not isinstance(changed, Tensor) or changed.shape != case.x.shape:
            shape = tuple(changed.shape) if isinstance(changed, Tensor) else type(changed).__name__
            raise Unfit(f"the activation {tuple(case.x.shape)} was replaced by {shape}")
        hidden = (changed + changed.cumsum(1) / 3 + case.around).tanh()  # (batch, position, d_model)
        return hidden @ case.W_U  # (batch, position, vocab)

    return run


def ablate_and_steer(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    sae = load(_Sparse(*case.weights["W_enc"].shape), case.weights)
    with torch.no_grad():
        found = answer.ablate_and_steer(_running(case), sae, case.latent, case.strength, case.directions)
    if not isinstance(found, dict):
        raise Unfit(f"`ablate_and_steer` gives a {type(found).__name__}, expected a dict")
    for name in ("ablated", "ablated at random", "steered", "steered at random"):
        if name not in found:
            raise Unfit(f"the dict has no {name!r}: it has {', '.join(map(repr, found)) or 'nothing'}")
        yield name, found[name]


def label_and_predict(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Scores of labels that look at several parts of a context; what was drawn, over many draws, as pairs."""
    if case.kind == "latents":
        sets, source = [], generator(case.seed)
        for _ in range(case.repeats):
            drawn = answer.draw_latents(case.density, case.count, source)
            sets.append(_number_of(drawn if isinstance(drawn, Tensor) else torch.tensor(drawn), len(case.density)))
        yield "latents", torch.stack(sets)
        few = answer.draw_latents(case.density, 3 * len(case.density), generator(case.seed))
        yield "all of them", torch.as_tensor(few).sort().values
        for name in ("once", "again"):
            yield name, torch.as_tensor(answer.draw_latents(case.density, case.count, generator(case.seed)))
    elif case.kind == "places":
        yield from _drawn_places(answer, case)
    else:
        seen: list[Tensor] = []

        def label(context: Tensor) -> float:
            seen.append(context)
            value = case.scores[int(context[-1])] + case.weight * len(context) + case.first[int(context[0])]
            return float(value)

        score = answer.label_and_predict(label, case.activity, case.tokens, case.count, generator(case.seed))
        yield "score", torch.as_tensor(score, dtype=case.activity.dtype)
        yield "contexts", sorted(" ".join(map(str, each.tolist())) for each in seen)


def _number_of(chosen: Tensor, many: int) -> Tensor:
    """A set of two below `many` as one number, `smaller * many + larger`; the number after all for what is no set."""
    pair = sorted(chosen.flatten().tolist())
    if len(pair) != 2 or not 0 <= pair[0] < pair[1] < many:
        return torch.tensor(many * many)
    return torch.tensor(int(pair[0]) * many + int(pair[1]))


def _drawn_places(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Tokens tell their places, so that the contexts tell what was drawn; two of either kind are."""
    source, many = generator(case.seed), case.tokens.numel()
    drawn: dict[bool, list[Tensor]] = {True: [], False: []}
    for _ in range(case.repeats):
        seen: list[int] = []

        def label(context: Tensor, seen: list[int] = seen) -> float:
            seen.append(int(context[-1]) - case.shift)
            return 0.0

        answer.label_and_predict(label, case.activity, case.tokens, 2, source)
        active = (case.activity.flatten() > 0).tolist()
        for kind, sets in drawn.items():
            sets.append(_number_of(torch.tensor([each for each in seen if active[each] is kind]), many))
    for kind, sets in drawn.items():
        yield "active places" if kind else "silent places", torch.stack(sets)


def latent_circuit(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """The parts, their sum, and the gradient of all of them for the later latent's column."""
    model, sae, names = _network(case), load(_Sparse(*case.weights["W_enc"].shape), case.weights), case.parts

    def parts(column: Tensor) -> list[Tensor]:
        found = answer.latent_circuit(model, case.tokens, case.layer, sae, column, case.query)
        if not isinstance(found, dict):
            raise Unfit(f"`latent_circuit` gives a {type(found).__name__}, expected a dict")
        for name in names:
            if name not in found:
                raise Unfit(f"the dict has no {name!r}: it has {', '.join(map(repr, found)) or 'nothing'}")
        return [torch.as_tensor(found[name]) for name in names]

    found = parts(case.column)
    yield from zip(names, found, strict=True)
    yield "sum", torch.stack([each.sum() for each in found]).sum()
    whole = gradient(lambda column: torch.cat([p.flatten() for p in parts(column)]), case.cotangent, column=case.column)
    yield "gradient", whole

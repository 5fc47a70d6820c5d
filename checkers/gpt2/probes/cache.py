"""What is asked of answers in chapter `gpt2`: the cache of keys and values.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from headwork.checkers.probing import Answer, Case, Unfit, cost


def kv_cache(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Asked twice: as it stands, and with decoys for `causal_mask` and `unembed`, which have exercises of their own.

    Only one of the two has to work: an answer may have ways of its own to do what the decoys stand for.
    """
    model = _Model(case)
    raised: dict[str, Exception] = {}
    for way in ("as it stands", "with our parts"):
        _use(answer, way)
        try:
            for name, value in _texts(answer, case, model):
                yield f"{name} {way}", value
        except Exception as error:
            raised[way] = error
    if len(raised) == 2:
        raise raised["as it stands"]
    if "measured" in case.inputs:
        _use(answer, "with our parts" if "as it stands" in raised else "as it stands")
        yield from _costs(answer, case, model)


def _use(answer: Answer, way: str) -> None:
    """Puts the decoys in place or takes them away, and empties defaults: what one asking left there ends with it."""
    for default in getattr(answer.forward_with_cache, "__defaults__", None) or ():
        if isinstance(default, (list, dict)):
            default.clear()
    answer.restore()
    if way == "with our parts":
        answer.causal_mask = _decoy_mask
        answer.unembed = _decoy_unembed


def _read(answer: Answer, model: nn.Module, tokens: Tensor, *cache: Any) -> tuple[Tensor, Any]:
    """The logits of `tokens` and the longer cache; without `cache`, the argument is left to its default."""
    result = answer.forward_with_cache(model, tokens, *cache)
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise Unfit(f"forward_with_cache returns a {type(result).__name__}, expected two things: logits and cache")
    if not isinstance(result[0], Tensor):
        raise Unfit(f"the first thing that comes back is a {type(result[0]).__name__}, expected the logits, a tensor")
    return result[0], result[1]


def _texts(answer: Answer, case: Case, model: nn.Module) -> Iterator[tuple[str, Any]]:
    caches: list[Any] = [None]
    logits = []
    for part in case.tokens.split(case.parts, 1):
        found, cache = _read(answer, model, part, *caches[1:][-1:])
        logits.append(found)
        caches.append(cache)
    yield "logits", logits

    ends = [caches[-1]] * len(case.continuations)
    in_turn = []
    for step in range(case.continuations.shape[-1]):
        for index, tokens in enumerate(case.continuations):  # (batch, step)
            found, ends[index] = _read(answer, model, tokens[:, step : step + 1], ends[index])
            in_turn.append(found)
    yield "continuations", in_turn

    other, cache = _read(answer, model, case.other_text)  # while the first text is still going on
    further, _ = _read(answer, model, case.continuations[0], caches[1])  # from where only its first part was read
    later, _ = _read(answer, model, case.continuations[1], cache)
    yield "texts", [other, further, later]

    yield "written", _write(answer, model, case.other_text, case.steps)


def _write(answer: Answer, model: nn.Module, tokens: Tensor, steps: int) -> Tensor:
    """The tokens that follow when the likeliest is taken each time, (batch, step)."""
    cache: list[Any] = []  # none at first
    written = []
    for _ in range(steps):
        logits, *cache = _read(answer, model, tokens, *cache)
        if not isinstance(logits, Tensor) or logits.dim() != 3:
            raise Unfit("the logits have no axes (batch, position, vocabulary) to choose the next token from")
        tokens = logits[:, -1:].argmax(-1)  # (batch, 1)
        written.append(tokens)
    return torch.cat(written, 1)


def _costs(answer: Answer, case: Case, model: nn.Module) -> Iterator[tuple[str, Any]]:
    """What reading one more token costs after pasts of growing length."""
    spent = []
    for past in case.measured:
        _, cache = _read(answer, model, case.tokens[:, :past])
        with cost() as spending:
            _read(answer, model, case.tokens[:, past : past + 1], cache)
        spent.append(spending)
    yield "operations", [each.flops for each in spent]
    yield "growth", [each.flops for each in spent]
    yield "largest tensor", max(each.largest for each in spent)


class _Part(nn.Module):
    """Weights by name, as parameters."""

    def __init__(self, weights: dict[str, Tensor]):
        super().__init__()
        for name, weight in weights.items():
            setattr(self, name, nn.Parameter(weight.clone(), requires_grad=False))

    def forward(self, *inputs: Any, **options: Any) -> Tensor:
        """Layers without memory cannot serve here, so the model and its attention layers only hold their parts."""
        raise Unfit("the model, its blocks and its attention layers know no cache: use their parts, not their forward")


class _Embed(_Part):
    W_E: Tensor
    W_pos: Tensor

    def forward(self, tokens: Tensor, start: int = 0) -> Tensor:
        return embedding(tokens, self.W_E) + self.W_pos.narrow(0, start, tokens.shape[1])


class _Norm(_Part):
    """Not a LayerNorm, which another exercise asks for; like it, it works on each position alone."""

    w: Tensor
    b: Tensor

    def forward(self, residual: Tensor) -> Tensor:
        return (residual * self.w).tanh() + self.b


class _MLP(_Part):
    """Bends in another way than GPT-2's."""

    W_in: Tensor
    b_in: Tensor
    W_out: Tensor
    b_out: Tensor

    def forward(self, residual: Tensor) -> Tensor:
        return (residual @ self.W_in + self.b_in).sin() @ self.W_out + self.b_out


class _Block(_Part):
    def __init__(self, weights: dict[str, dict[str, Tensor]]):
        super().__init__({})
        self.ln1, self.attn = _Norm(weights["ln1"]), _Part(weights["attn"])
        self.ln2, self.mlp = _Norm(weights["ln2"]), _MLP(weights["mlp"])


class _Model(_Part):
    """A network with the parts of GPT2, under its names, and no forward of its own."""

    def __init__(self, case: Case):
        super().__init__({})
        self.embed = _Embed({"W_E": case.W_E, "W_pos": case.W_pos})
        self.blocks = nn.ModuleList(_Block(weights) for weights in case.blocks)
        self.ln_final = _Norm(case.ln_final)


def _decoy_mask(n_queries: int, n_keys: int, device: torch.device | str | None = None) -> Tensor:
    """A mask that no exercise asks for: it has holes, and lets queries see keys after them."""
    query, key = torch.arange(n_queries, device=device)[:, None], torch.arange(n_keys, device=device)
    return ((2 * query + 3 * key + n_keys) % 4 != 0) | (key == 0)


def _decoy_unembed(residual: Tensor, norm: nn.Module, W_E: Tensor) -> Tensor:
    """Not the scores that another exercise asks for, but some that depend on the same things."""
    return norm(residual).sin() @ W_E.flip(0).T

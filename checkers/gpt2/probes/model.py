"""What is asked of answers in chapter `gpt2`: the block, the whole network, its weights.

Learners' processes hold this file: it contains no answer. The parts in it are strange on purpose: they take what
the exercises' parts take, and do something else with it.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from headwork.checkers.probing import (
    ABSENT,
    Answer,
    Case,
    Unfit,
    digest,
    generator,
    gradient,
    in_ways,
    load,
    parameters,
)


class _LayerNorm(nn.Module):
    def __init__(self, width: int, eps: float = 1e-5):
        super().__init__()
        self.eps = eps
        self.w = nn.Parameter(torch.ones(width))
        self.b = nn.Parameter(torch.zeros(width))

    def forward(self, residual: Tensor) -> Tensor:
        return (residual * self.w + self.b).sin() + self.eps


class _Attention(nn.Module):
    def __init__(self, d_model: int, n_heads: int):
        super().__init__()
        self.n_heads = n_heads
        self.W = nn.Parameter(torch.ones(d_model, d_model))

    def forward(self, residual: Tensor) -> Tensor:
        return (residual.cumsum(1) @ self.W).tanh() * self.n_heads


class _MLP(nn.Module):
    def __init__(self, d_model: int, d_mlp: int):
        super().__init__()
        self.d_mlp = d_mlp
        self.W = nn.Parameter(torch.ones(d_model, d_model))

    def forward(self, residual: Tensor) -> Tensor:
        return (residual @ self.W).cos() * self.d_mlp


class _Embed(nn.Module):
    def __init__(self, d_vocab: int, n_ctx: int, d_model: int):
        super().__init__()
        self.W_E = nn.Parameter(torch.ones(d_vocab, d_model))
        self.W_pos = nn.Parameter(torch.ones(n_ctx, d_model))

    def forward(self, tokens: Tensor, start: int = 0) -> Tensor:
        places = self.W_pos.flip(-1)[start : start + tokens.shape[1]]
        return self.W_E[tokens].sin() * 2 + places


class _Block(nn.Module):
    def __init__(self, d_model: int, n_heads: int, d_mlp: int, eps: float = 1e-5):
        super().__init__()
        self.size = 1 + n_heads / d_mlp + eps
        self.W = nn.Parameter(torch.ones(d_model, d_model))
        self.b = nn.Parameter(torch.ones(d_model))

    def forward(self, residual: Tensor) -> Tensor:
        return (residual @ self.W + self.b).sin() * self.size + residual.roll(1, 1)


def _unembed(residual: Tensor, norm: Callable[[Tensor], Tensor], W_E: Tensor) -> Tensor:
    return (norm(residual) + residual.flip(-1)).tanh() @ W_E.roll(1, 0).mT


def transformer_block(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Asked with decoys for the parts that have exercises of their own, and as it stands; one of the two must work."""

    def ask(way: str) -> Iterator[tuple[str, Any]]:
        block = answer.TransformerBlock(case.d_model, case.n_heads, case.d_mlp, eps=case.eps)
        load(block, case.parts if way == "with our parts" else case.weights)
        yield "output", block(case.residual)
        yield "gradient", gradient(block, case.cotangent, residual=case.residual)

    parts = {"LayerNorm": _LayerNorm, "Attention": _Attention, "MLP": _MLP}
    yield from in_ways(answer, {"with our parts": parts, "as it stands": {}}, ask, _most_telling)


def gpt2(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Asked in four ways, of which one must work, so that any structure below the name GPT2 can be judged.

    With decoys for all its parts; with decoys for blocks and LayerNorm only, for who writes the ends of the network
    into GPT2 itself; as it stands, its weights given by parameter name; as it stands, its weights given through the
    answer's own `load_pretrained`, for who has other parameters.
    """

    def ask(way: str) -> Iterator[tuple[str, Any]]:
        model = _network(answer, case)
        if way == "through load_pretrained":
            model.to(next(iter(case.state.values())))
            _load_through(answer, model, case.state)
        else:
            load(model, case.weights if way == "as it stands" else case.parts)
        yield "logits", model(case.tokens)
        reached = _gradient_by_parameters(model, case)
        yield "gradient", _in_sum(reached) if way == "through load_pretrained" else reached

    blocks = {"LayerNorm": _LayerNorm, "TransformerBlock": _Block}
    ways: dict[str, dict[str, Any]] = {
        "with our parts": blocks | {"Embed": _Embed, "unembed": _unembed},
        "with our blocks": blocks,
        "as it stands": {},
        "through load_pretrained": {},
    }
    yield from in_ways(answer, ways, ask, lambda raised: _why_no_way_works(raised, answer, case))


def _why_no_way_works(raised: list[Exception], answer: Answer, case: Case) -> Exception:
    *_, as_it_stands, through = raised
    if not isinstance(as_it_stands, Unfit):
        return _most_telling(raised)
    found = sum(each.numel() for each in _network(answer, case).parameters())
    if found < sum(each.numel() for each in case.weights.values()):
        return as_it_stands  # blocks in a plain list, say: no way of loading helps
    if isinstance(through, Unfit | NotImplementedError):
        return Unfit(
            f"{as_it_stands}. Use the stub's names, or write `load_pretrained` for yours: it does not work yet"
        )
    return through


def _network(answer: Answer, case: Case) -> nn.Module:
    sizes = {name: getattr(case, name) for name in ("d_vocab", "n_ctx", "d_model", "n_heads", "d_mlp", "n_layers")}
    model = answer.GPT2(**sizes, eps=case.eps)
    if not isinstance(model, nn.Module):
        raise Unfit("`GPT2` is not an nn.Module")
    return model


def _load_through(answer: Answer, model: nn.Module, state: dict[str, Tensor]) -> None:
    """By the answer's own `load_pretrained`, even one that knows only names with `transformer.` in front."""
    try:
        answer.load_pretrained(model, dict(state))
    except KeyError:
        answer.load_pretrained(model, {"transformer." + name: value for name, value in state.items()})


def _gradient_by_parameters(model: nn.Module, case: Case) -> dict[str, Tensor | str]:
    reached = gradient(_OnTokens(model, case.tokens), case.cotangent)
    return {name.removeprefix("model."): value for name, value in reached.items()}


class _OnTokens(nn.Module):
    """A model with its tokens given: what is left to differentiate by are the parameters."""

    def __init__(self, model: nn.Module, tokens: Tensor):
        super().__init__()
        self.model = model
        self.tokens = tokens

    def forward(self) -> Tensor:
        return self.model(self.tokens)

    def named_parameters(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, nn.Parameter]]:
        """Only those that learn: a mask, say, may be kept as a parameter that does not."""
        found = super().named_parameters(*args, **kwargs)
        return ((name, parameter) for name, parameter in found if parameter.requires_grad)


def _in_sum(reached: dict[str, Tensor | str]) -> dict[str, Tensor | int | str]:
    """What is the same however parameters are cut up, joined or transposed: how many numbers learn, and how much."""
    found = [value for value in reached.values() if isinstance(value, Tensor)]
    length = torch.stack([value.square().sum() for value in found]).sum().sqrt() if found else ABSENT
    return {"how many numbers learn": sum(value.numel() for value in found), "all of them, its length": length}


def _most_telling(raised: list[Exception]) -> Exception:
    """What to show when every way failed: that a part is a stub, not there, or has other names, says least."""
    says_little = (NotImplementedError, NameError, Unfit)
    return next((error for error in raised if not isinstance(error, says_little)), raised[0])


class _Names(nn.Module):
    """Parameters under the names of the stub, some of them in modules of their own; they do nothing."""

    def __init__(self, shapes: dict[str, tuple[int, ...]]):
        super().__init__()
        for name, shape in shapes.items():
            path, _, last = name.rpartition(".")
            holder: nn.Module = self
            for part in path.split(".") if path else []:
                if not hasattr(holder, part):
                    holder.add_module(part, nn.ModuleList() if part == "blocks" else nn.Module())
                holder = getattr(holder, part)
            setattr(holder, last, nn.Parameter(torch.ones(shape)))


def _parameters_only(case: Case) -> nn.Module:
    """A model that has GPT2's parameters, as in the stub, and nothing else: filled, so that what is left shows."""
    wide, heads = case.d_model, case.n_heads
    into, out, small = (heads, wide, wide // heads), (heads, wide // heads, wide), (heads, wide // heads)
    shapes: dict[str, tuple[int, ...]] = {"embed.W_E": (case.d_vocab, wide), "embed.W_pos": (case.n_ctx, wide)}
    for layer in range(case.n_layers):
        here: dict[str, tuple[int, ...]] = {"ln1.w": (wide,), "ln1.b": (wide,)}
        here |= {f"attn.W_{letter}": into for letter in "QKV"} | {"attn.W_O": out}
        here |= {f"attn.b_{letter}": small for letter in "QKV"} | {"attn.b_O": (wide,)}
        here |= {"ln2.w": (wide,), "ln2.b": (wide,), "mlp.W_in": (wide, case.d_mlp), "mlp.b_in": (case.d_mlp,)}
        here |= {"mlp.W_out": (case.d_mlp, wide), "mlp.b_out": (wide,)}
        shapes |= {f"blocks.{layer}.{name}": shape for name, shape in here.items()}
    shapes |= {"ln_final.w": (wide,), "ln_final.b": (wide,)}
    model = _Names(shapes).to(case.like)
    for parameter in model.parameters():
        parameter.data.copy_(torch.linspace(2, 3, parameter.numel()).reshape(parameter.shape))
    return model


def init_weights(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    def filled(model: nn.Module, seed: int | None) -> nn.Module:
        source = {} if seed is None else {"generator": generator(seed, case.like.device)}
        answer.init_weights(model, case.n_layers, **source)
        return model

    model = _parameters_only(case)
    before = _held(model)
    filled(model, case.seed)
    yield "parameters", parameters(model)
    yield "what stays", _kept(before, model, case.like)
    yield "traits", _traits(model)
    yield "once", digest(parameters(model))
    yield "again", digest(parameters(filled(_parameters_only(case), case.seed)))
    yield "two seeds", [digest(parameters(filled(_parameters_only(case), case.seed + step))) for step in (1, 2)]
    yield "without a generator", parameters(filled(_parameters_only(case), None))


Held = dict[str, tuple[nn.Parameter, bool]]


def _held(model: nn.Module) -> Held:
    """The parameters themselves, not copies, and whether they learn."""
    return {name: (parameter, parameter.requires_grad) for name, parameter in model.named_parameters()}


def _kept(before: Held, model: nn.Module, like: Tensor) -> dict[str, bool]:
    """What filling in place leaves as it was."""
    after = _held(model)
    return {
        "the parameter objects": all(after.get(name, (None,))[0] is each for name, (each, _) in before.items()),
        "no parameters but these": len(after) == len(before),
        "dtype": all(each.dtype == like.dtype for each, _ in after.values()),
        "requires_grad": all(after.get(name, (each, learns))[1] == learns for name, (each, learns) in before.items()),
    }


def _traits(model: nn.Module) -> dict[str, int | str | bool]:
    """Rough marks of what was drawn, by kind of parameter, the same in every draw; they tell mistakes apart.

    Twice the binary logarithm of the standard deviation, or the one value; how many twentieths of all numbers lie
    within half a standard deviation of 0; whether a stretch of 64 numbers comes twice.
    """
    joined: dict[str, list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        joined.setdefault(name.rpartition(".")[2], []).append(parameter.detach().double().flatten())
    found: dict[str, int | str | bool] = {}
    drawn, stretches = [], []
    for kind, pieces in joined.items():
        numbers = torch.cat(pieces)
        if bool((numbers == numbers[0]).all()):
            found[kind] = f"all {float(numbers[0]):.3g}"
            continue
        spread = float(numbers.square().mean().sqrt())
        found[kind] = round(2 * math.log2(max(spread, 1e-9) / 0.02))
        drawn.append(numbers / max(spread, 1e-9))
        stretches += [piece[:64] / piece[:64].norm() for piece in pieces if len(piece) >= 64]
    if drawn:
        found["near 0"] = round(20 * float((torch.cat(drawn).abs() < 0.5).double().mean()))
    if len(stretches) > 1:
        alike = torch.stack(stretches) @ torch.stack(stretches).T  # (stretch, stretch)
        found["copies"] = bool((alike.abs().fill_diagonal_(0) > 0.99).any())
    return found


def load_pretrained(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Asked of a model of ours that has only the parameters, and of the answer's own GPT2; one is enough."""

    def ask(way: str) -> Iterator[tuple[str, Any]]:
        model = _parameters_only(case) if way == "our model" else _network(answer, case).to(case.like)
        before = _held(model)
        returned = answer.load_pretrained(model, case.state)
        kept = _kept(before, model, case.like) | {"the model returned": returned is model}
        if way == "our model":
            yield "parameters of", parameters(model)
        else:  # in float64: the numbers loaded are what is asked, not how the logits are rounded
            squares = _sum_of_squares(model.double())
            yield "logits of", {"the logits": model(case.tokens), "all numbers, squared": squares}
        yield "what stays of", kept
        yield "apart from", _apart(answer, case, model)

    def telling(raised: list[Exception]) -> Exception:
        ours, theirs = raised
        return _about_names(ours if isinstance(theirs, Unfit | NotImplementedError) else theirs, case.state)

    yield from in_ways(answer, {"our model": {}, "your GPT2": {}}, ask, telling)


def _sum_of_squares(model: nn.Module) -> Tensor:
    """Of all numbers that learn, each value once, so that neither layout nor copies matter.

    Logits depend on every number but b_K, which adds the same to all scores of a query.
    """
    learning = [each.detach().flatten() for each in model.parameters() if each.requires_grad]
    return torch.cat(learning).unique().square().sum() if learning else torch.zeros(())


def _about_names(error: Exception, state: dict[str, Tensor]) -> Exception:
    """A KeyError for a name that the state has, with another beginning or even so, in words; others as they are."""
    asked = error.args[0] if isinstance(error, KeyError) and error.args else None
    bare = str(asked).removeprefix("transformer.")
    for name in (bare, f"transformer.{bare}"):
        if name in state:
            there = "is in this state" if name == asked else f"this state calls '{name}'"
            both = "names come with `transformer.` in front and without"
            return Unfit(f"`load_pretrained` does not find '{asked}', which {there}: {both}")
    return error


def _apart(answer: Answer, case: Case, model: nn.Module) -> dict[str, bool]:
    """Whether model and state can be changed without each other, after loading."""
    state = {name: value.clone() for name, value in case.state.items()}
    answer.load_pretrained(model, state)
    before = digest(parameters(model))
    for value in state.values():
        value.zero_()
    unmoved = digest(parameters(model)) == before
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1)
    return {"the model's numbers": unmoved, "the state's numbers": not any(bool(each.any()) for each in state.values())}

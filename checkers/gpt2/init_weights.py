"""`gpt2.init_weights`: GPT-2's first weights, judged by statistics whose false-alarm rate is below 1e-9."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.checks import equal, same, satisfies
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("init_weights")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (vocab, context, heads, d_head, d_mlp, layers), dtype in [
        ("two layers", (60, 22, 3, 8, 40, 2), torch.float64),
        ("eight layers", (50, 30, 2, 10, 44, 8), torch.float64),
        ("one layer, in float32", (55, 25, 4, 9, 47, 1), torch.float32),
    ]:
        yield Case(
            name,
            d_vocab=vocab,
            n_ctx=context,
            d_model=heads * d_head,
            n_heads=heads,
            d_mlp=d_mlp,
            n_layers=layers,
            like=torch.ones((), dtype=dtype),
            seed=rng.seed(),
        )


# A right answer fails by bad luck with a chance below ALARM in all cases together. Three cases, two values of each
# (with a generator and without), and three kinds of tests (mean and size, shape, independence) make 18 shares.
ALARM = 1e-9
SHARE = ALARM / 18
CONSTANT = {"w": 1, "b": 0}
STRETCH = 100  # numbers, in the test of independence
EDGES = (0.5, 1.0, 1.5, 2.0, 3.0)  # in standard deviations


def _expected(name: str, case: Case) -> float:
    """The standard deviation that the parameter is to be drawn with; 0 for constants."""
    kind = name.rpartition(".")[2]
    if kind in ("W_O", "W_out"):
        return 0.02 / math.sqrt(2 * case.n_layers)
    return 0.02 if kind.startswith("W_") else 0


def _drawn(value: Any, case: Case) -> dict[str, Tensor]:
    """The drawn parameters in units of the standard deviation that they should have, flat."""
    found = value.items() if isinstance(value, dict) else ()
    return {
        name: each.double().flatten() / _expected(name, case)
        for name, each in found
        if isinstance(each, Tensor) and _expected(name, case)
    }


def _wrong_size(value: Any, case: Case) -> str:
    """Each parameter by itself, and all of a kind together: their mean square and their mean.

    Chernoff's bound for a sum of n squares, r n: exp(-n (r - 1 - ln r) / 2) on either side; the mean is normal.
    """
    drawn = _drawn(value, case)
    together: dict[str, list[Tensor]] = {}
    for name, numbers in drawn.items():
        together.setdefault(name.rpartition(".")[2], []).append(numbers)
    groups = {f"all {kind}": torch.cat(pieces) for kind, pieces in together.items()} | drawn
    bound = math.log(4 * len(groups) / SHARE)
    for name, numbers in groups.items():
        ratio = max(float(numbers.square().mean()), 1e-12)
        right = _expected(name.removeprefix("all "), case)
        if len(numbers) / 2 * (ratio - 1 - math.log(ratio)) > bound:
            scale = "0.02 / sqrt(2 n_layers) = " if right < 0.02 else ""
            return f"`{name}` has the standard deviation {math.sqrt(ratio) * right:.3g}, expected {scale}{right:.3g}"
        if float(numbers.mean()) ** 2 * len(numbers) / 2 > bound:
            return f"`{name}` has the mean {float(numbers.mean()) * right:.3g}, expected 0"
    return ""


def _wrong_constant(value: Any, case: Case) -> str:
    for name, numbers in value.items() if isinstance(value, dict) else ():
        right = CONSTANT.get(name.rpartition(".")[2][0])
        if right is not None and bool((numbers != right).any()):
            return f"`{name}` should be {right} everywhere"
    return ""


def _not_normal(value: Any, case: Case) -> str:
    """How many numbers lie below each edge: each count is binomial, so Chernoff's bound is exp(-n KL)."""
    numbers = torch.cat(list(_drawn(value, case).values())).abs()
    for edge in EDGES:
        share, right = float((numbers < edge).double().mean()), math.erf(edge / math.sqrt(2))
        if len(numbers) * _divergence(share, right) > math.log(2 * len(EDGES) / SHARE):
            return (
                f"{share:.1%} of the numbers lie within {edge:g} standard deviations of 0, "
                f"where a normal distribution has {right:.1%}"
            )
    return ""


def _divergence(p: float, q: float) -> float:
    """KL divergence between coins, in nats."""
    pairs = [(p, q), (1 - p, 1 - q)]
    return sum(mine * math.log(mine / law) for mine, law in pairs if mine > 0)


def _not_independent(value: Any, case: Case) -> str:
    """Stretches of numbers against each other: given one of them, its product with another one is normal."""
    drawn = _drawn(value, case)
    pieces = [(name, piece) for name, each in drawn.items() for piece in each.split(STRETCH) if len(piece) == STRETCH]
    joined = torch.stack([piece for _, piece in pieces])  # (stretch, STRETCH)
    products = (joined @ joined.T / joined.norm(dim=-1, keepdim=True).clamp_min(1e-12)).fill_diagonal_(0)
    found = (products.square() / 2 > math.log(2 * products.numel() / SHARE)).nonzero()
    if not len(found):
        return ""
    one, other = (pieces[int(index)][0] for index in found[0])
    if one == other:
        return f"some numbers of `{one}` depend on others of it: draw every number by itself"
    return f"`{one}` and `{other}` hold the same numbers, or depend on each other: draw every parameter by itself"


def _one_for_all_seeds(value: Any, case: Case) -> str:
    alike = isinstance(value, list) and len(value) == 2 and value[0] == value[1]
    return "two generators with different seeds gave the very same weights" if alike else ""


def _wrong_by_default(value: Any, case: Case) -> str:
    found = _wrong_size(value, case) or _wrong_constant(value, case) or _not_normal(value, case)
    found = found or _not_independent(value, case)
    return f"without a generator, {found}" if found else ""


ask.checks(
    satisfies("parameters", _wrong_size, title="matrices and embeddings are drawn with the right size", weight=2),
    satisfies("parameters", _wrong_constant, title="biases are 0, and w of every LayerNorm is 1"),
    satisfies("parameters", _not_normal, title="what is drawn is normal"),
    satisfies("parameters", _not_independent, title="every number is drawn by itself"),
    equal("what stays", title="fills the parameters that are there"),
    same("again", as_="once", title="the same generator gives the same weights"),
    satisfies("two seeds", _one_for_all_seeds, title="another generator gives other weights"),
    satisfies("without a generator", _wrong_by_default, title="works without a generator, too"),
)

DRAW = "parameter.normal_(0, 0.02 * writers**-0.5, generator=generator)"
WRITERS = 'writers = 2 * n_layers if kind in ("W_O", "W_out") else 1'
UNIFORM = "The numbers are drawn uniformly: draw them from a normal distribution."

ask.mistakes(
    edit(
        WRITERS,
        "writers = 1",
        "W_O and W_out are drawn like all others: they write into the stream, so divide 0.02 by sqrt(2 n_layers).",
    ),
    edit(
        "2 * n_layers if",
        "n_layers if",
        "0.02 is divided by sqrt(n_layers): every block writes twice, so divide by sqrt(2 n_layers).",
    ),
    edit(
        "writers**-0.5",
        "writers**-1",
        "0.02 is divided by 2 n_layers itself: it is the variances that add up, so divide by the root.",
    ),
    edit("2 * n_layers if", "24 if", "12 layers are written into the code: use n_layers."),
    edit('("W_O", "W_out")', '("W_O",)', "W_out is drawn like all others: it writes into the stream, as W_O does."),
    edit('("W_O", "W_out")', '("W_out",)', "W_O is drawn like all others: it writes into the stream, as W_out does."),
    edit(
        '("W_O", "W_out")',
        '("W_O", "W_in", "W_out")',
        "W_in is scaled down, too: it only reads the stream. W_O and W_out write into it.",
    ),
    edit(
        WRITERS,
        "writers = 2 * n_layers",
        "All matrices are scaled down: only W_O and W_out, which write into the stream after each layer, are.",
    ),
    edit(
        "0.02 * writers**-0.5",
        "(0.02 / writers) ** 0.5",
        "0.02 is taken for the variance: it is the standard deviation.",
    ),
    edit(DRAW, "parameter.uniform_(-0.02 * writers**-0.5, 0.02 * writers**-0.5, generator=generator)", UNIFORM),
    edit(
        DRAW,
        "parameter.uniform_(-1, 1, generator=generator).mul_(0.02 * (3 / writers) ** 0.5)",
        UNIFORM,
    ),
    edit(
        DRAW,
        "parameter.normal_(0, 0.02 * writers**-0.5)",
        "The generator is not used: pass it on, so that the weights can be drawn again.",
    ),
    edit(
        "with torch.no_grad():\n        for name",
        "source = torch.Generator().manual_seed(0)\n    with torch.no_grad():\n        generator = source\n"
        "        for name",
        "A seed is fixed inside, so every call draws alike: use the generator that is passed.",
    ),
    edit(
        "with torch.no_grad():\n        for name, parameter in model.named_parameters():\n",
        "seed = int(torch.randint(1 << 31, (), generator=generator))\n    with torch.no_grad():\n"
        "        for name, parameter in model.named_parameters():\n"
        "            generator = torch.Generator().manual_seed(seed)\n",
        "Every parameter starts from the same seed, so W_Q, W_K and W_V hold the same numbers: "
        "let one generator run through all of them.",
    ),
    edit(
        DRAW,
        "parameter.copy_(0.02 * writers**-0.5 * torch.randn(parameter.shape[1:], generator=generator))",
        "One draw is used for every head, or for every row: draw a number for each place.",
    ),
    edit(
        'kind.startswith("W_")',
        'kind != "w"',
        "Biases are drawn: set them to 0.",
    ),
    edit(
        'kind.startswith("W_")',
        'kind.lower().startswith("w")',
        "w of the LayerNorms is drawn like a matrix: set it to 1.",
    ),
    edit(
        '1 if kind == "w" else 0',
        "0",
        "w of the LayerNorms is set to 0, so they return nothing but their bias: set it to 1.",
    ),
    edit(
        '1 if kind == "w" else 0',
        "1",
        "Biases are set to 1, as w of the LayerNorms is: set them to 0.",
    ),
    edit(
        'parameter.fill_(1 if kind == "w" else 0)',
        'parameter[...] = 1 if kind == "w" else parameter',
        "Biases stay as they were: set them to 0.",
    ),
    edit(
        'kind = name.split(".")[-1]\n',
        'kind = name.split(".")[-1]\n            if "embed" in name:\n                continue\n',
        "The embeddings stay as they were: W_E and W_pos are drawn, too.",
    ),
    edit(
        "            if kind.startswith",
        '            if "b" in name:\n                parameter.zero_()\n            elif kind.startswith',
        "Names are searched for a b as a whole, and `embed` and `blocks` have one: look at the last part of the name.",
    ),
    edit(
        "0.02 * writers**-0.5",
        '(0.01 if kind == "W_pos" else 0.02 * writers**-0.5)',
        "W_pos is drawn with 0.01: draw it with 0.02, like W_E.",
    ),
    edit(
        DRAW,
        "parameter.data = 0.02 * writers**-0.5 * torch.randn(parameter.shape, generator=generator)",
        "torch.randn draws in float32 and the parameter becomes float32 with it: fill the parameter as it is.",
    ),
    edit(
        DRAW,
        "fresh = torch.empty_like(parameter).normal_(0, 0.02 * writers**-0.5, generator=generator)\n"
        '                owner, _, last = name.rpartition(".")\n'
        "                setattr(model.get_submodule(owner), last, nn.Parameter(fresh))",
        "New parameters take the place of the old ones, and an optimiser made before holds the old ones still: "
        "fill those that are there.",
    ),
)

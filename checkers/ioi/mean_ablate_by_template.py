"""`ioi.mean_ablate_by_template`: heads, at positions, that write their mean over other prompts of the template."""

from collections.abc import Iterator

import torch

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.induction.networks import HOUSE, SHAPES, described
from headwork.checkers.inputs import Rng
from headwork.checkers.ioi.questions import DONE_TO_THE_MODEL, HOUSE_VOCAB
from headwork.checkers.probing import Case

HOUSE_SHAPE = (5, 4)  # layers and heads

ask = Exercise("mean_ablate_by_template", batch=["tokens", "template", "end", "kept"], seconds=30)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, shape, batch, length, others, templates, share in [
        ("three templates", "a small GPT-2", 5, 7, 11, 3, 0.5),
        ("untied, with ReLU, two templates", "untied, with ReLU", 3, 8, 7, 2, 0.3),
        ("attention only, each prompt of its own template", "attention only", 2, 6, 5, 2, 0.7),
        ("one head, no biases, one template", "one head, no biases", 4, 5, 3, 1, 0.5),
        ("no head is kept", "a small GPT-2", 2, 5, 6, 2, 0),
        ("every head is kept", "a small GPT-2", 3, 6, 5, 2, 1),
        ("house", "house", 2, 6, 5, 2, 0.5),
    ]:
        house = name == "house"
        vocab = HOUSE_VOCAB if house else SHAPES[shape].d_vocab
        layers, heads = HOUSE_SHAPE if house else (SHAPES[shape].n_layers, SHAPES[shape].n_heads)
        of = torch.arange(others) % templates
        yield Case(
            name,
            model=HOUSE if house else described(rng, SHAPES[shape]),
            directions=rng.normal((1,)),  # its dtype is the numbers' of the house model
            tokens=rng.integers((batch, length), vocab),
            template=(torch.arange(batch) * 2 + 1) % templates + 4,
            end=length - 1 - torch.arange(batch) % 3,
            abc=rng.integers((others, length), vocab),
            abc_template=of[rng.permutation(others)] + 4,
            kept=rng.uniform((batch, layers, heads, length)) < share,
        )


ask.checks(
    equal("logits", title="gives the logits at the ends with the other heads at their template's mean", weight=3),
    equal("the model is as it was", title=DONE_TO_THE_MODEL, weight=0.5),
)

SAME = "same = template[:, None] == abc_template  # (batch, other)"
MEAN = 'mean = torch.einsum("bo,ophd->bphd", share / share.sum(1, keepdim=True), others[name])'
WHERE = "return torch.where(kept.mT[..., None], z, mean)"
READ = "logits: Tensor = model.unembed(model.ln_final(stream[rows, end]))"

ask.mistakes(
    edit(
        SAME,
        "same = torch.ones_like(template[:, None] == abc_template)",
        "The mean runs over the prompts of all templates: the same position holds different words in them. Take those "
        "of the prompt's own template.",
    ),
    edit(
        SAME,
        "same = template[:, None] != abc_template",
        "The mean runs over the prompts of the other templates: take those of the prompt's own.",
    ),
    edit(
        "_, others = model.run_with_cache(abc, names)",
        "_, others = model.run_with_cache(tokens, names)\n    abc_template = template",
        "The mean runs over the prompts themselves, in which the answer stands: take it over the abc prompts.",
    ),
    edit(
        MEAN,
        MEAN + ".mean(1, keepdim=True)",
        "The mean runs over the positions too: each position has a mean of its own.",
    ),
    edit(
        MEAN,
        MEAN + ".mean(2, keepdim=True)",
        "The heads are averaged: each head has a mean of its own.",
    ),
    edit(
        MEAN,
        MEAN + ".roll(1, 1)",
        "The means are one position late: position p gets the mean at p.",
    ),
    edit(
        MEAN,
        MEAN + ".roll(-1, 1)",
        "The means are one position early: position p gets the mean at p.",
    ),
    edit(
        MEAN,
        'mean = torch.einsum("bo,ophd->bphd", share, others[name])',
        "The z of the template's abc prompts are added up: divide by how many there are.",
    ),
    edit(
        MEAN,
        'mean = torch.einsum("bo,ophd->bphd", share / len(abc), others[name])',
        "The sum is divided by the number of all abc prompts: divide by how many there are of the template.",
    ),
    edit(
        MEAN,
        "mean = others[name][same.int().argmax(1)]",
        "One abc prompt of the template stands in: that is resampling. Take the mean over all of them.",
    ),
    edit(
        MEAN,
        "mean = torch.zeros_like(others[name][:1])",
        "The heads write nothing: zero is no mean, and what follows has never seen it.",
    ),
    edit(
        WHERE,
        "return torch.where(kept.mT[..., None], mean, z)",
        "`kept` is read the wrong way round: where it is True, the head writes what it computes.",
    ),
    edit(
        WHERE,
        "return torch.where(kept.mT.any(1, keepdim=True)[..., None], z, mean)",
        "A head that is kept at one position is kept at all: `kept` holds for each position by itself.",
    ),
    edit(
        WHERE,
        "return torch.where(kept[:1].mT[..., None], z, mean)",
        "The first prompt's `kept` is used for all: every prompt has its own.",
    ),
    edit(
        "hooks.append((name, mean_where_not_kept(mean, kept[:, layer])))",
        "own = model.run_with_cache(tokens, [name])[1][name]\n"
        "        frozen = torch.where(kept[:, layer].mT[..., None], own, mean)\n"
        "        hooks.append((name, lambda z, point, frozen=frozen: frozen))",
        "The kept heads write what they wrote in the unchanged run: they have to compute anew, from the stream as the "
        "ablated heads leave it.",
    ),
    edit(
        "    rows = torch.arange(len(tokens), device=tokens.device)\n",
        "    written = [name for name in model.hook_points if name.endswith('hook_mlp_out')]\n"
        "    _, by_mlps = model.run_with_cache(abc, written)\n"
        "    for name, layer in zip(written, by_mlps.values(), strict=True):\n"
        '        means = torch.einsum("bo,opd->bpd", share / share.sum(1, keepdim=True), layer)\n'
        "        hooks.append((name, lambda value, point, means=means: means))\n"
        "    rows = torch.arange(len(tokens), device=tokens.device)\n",
        "The MLPs write their means too: they are no nodes, and compute on whatever they are given.",
    ),
    edit(
        READ,
        "logits: Tensor = model.unembed(model.ln_final(stream[:, -1]))",
        "The last column is read for every prompt: shorter prompts end before it, and `end` says where.",
    ),
    edit(
        READ,
        "logits: Tensor = model.unembed(model.ln_final(stream[rows, end - 1]))",
        "The logits of the position before `end` are read: the next name is said by those at `end`.",
    ),
    edit(
        READ,
        "logits: Tensor = model.unembed(stream[rows, end])",
        "The final LayerNorm is left out: `model.ln_final` comes before `model.unembed`.",
    ),
)

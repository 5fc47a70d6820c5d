"""`ioi.edge_attribution`: every edge noised by itself, estimated with one gradient."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise
from headwork.checkers.inputs import Rng
from headwork.checkers.ioi.questions import NOTHING_LEFT, of, planted_question, questions
from headwork.checkers.probing import Case

ask = Exercise("edge_attribution", batch=["clean", "corrupted", "end", "directions"], seconds=30)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, inputs in questions(rng, house=False):
        if name != "one head, no biases":
            yield Case(name, **inputs)
    _, inputs = planted_question(rng, "v-composition", 5)
    yield Case("a planted circuit, where the estimates are exact", **inputs)


ask.checks(
    equal("values", title="estimates what noising each edge by itself changes", weight=3),
    equal("the model is as it was", title=NOTHING_LEFT, weight=0.5),
)

HOOKED = """
import torch
from headwork.models.edges import every_edge

ENDINGS = ("hook_embed", "hook_pos_embed", "hook_result", "_input", "resid_pre", "resid_mid", "resid_post", "_out")

def written(cache, node):
    kind, _, place = node.partition(" ")
    if kind == "head":
        layer, head = place.split(".")
        return cache[f"blocks.{layer}.attn.hook_result"][:, :, int(head)]
    return cache[{"embed": "hook_embed", "pos": "hook_pos_embed", "mlp": f"blocks.{place}.hook_mlp_out"}[kind]]

def edge_attribution(model, clean, corrupted, end, metric):
    rows = torch.arange(len(end), device=end.device)
    names = [name for name in model.hook_points if name.endswith(ENDINGS)]
    other_logits, donor = model.run_with_cache(corrupted, names)
    logits, base = model.run_with_cache(clean, names)
    reads = [name for name in names if name.endswith(("_input", "resid_pre", "resid_mid", "resid_post"))]
    slopes = torch.autograd.grad(metric(logits[rows, end]).sum(), [base[name] for name in reads], allow_unused=True)
    slope = dict(zip(reads, slopes))
    found = {}
    for edge in every_edge(model.config):
        kind, _, place = edge.receiver.partition(" ")
        if kind == "logits":
            read = slope[f"blocks.{model.config.n_layers - 1}.hook_resid_post"]
        elif kind == "mlp":
            read = slope[f"blocks.{place}.hook_resid_mid"] - slope[f"blocks.{place}.hook_resid_post"]
        else:
            layer, head = place.split(".")
            read = slope[f"blocks.{layer}.hook_{edge.input}_input"][:, :, int(head)]
        change = written(donor, edge.sender) - written(base, edge.sender)
        found[edge] = (change.detach() * read).sum((1, 2))
    return found
"""
wrong = of(HOOKED)
GRADIENT = "torch.autograd.grad(metric(logits[rows, end]).sum(), [base[name] for name in reads], allow_unused=True)"
CHANGE = "change = written(donor, edge.sender) - written(base, edge.sender)"
EFFECT = "found[edge] = (change.detach() * read).sum((1, 2))"
OF_MLP = 'read = slope[f"blocks.{place}.hook_resid_mid"] - slope[f"blocks.{place}.hook_resid_post"]'
OF_HEAD = 'read = slope[f"blocks.{layer}.hook_{edge.input}_input"][:, :, int(head)]'
OF_LOGITS = 'read = slope[f"blocks.{model.config.n_layers - 1}.hook_resid_post"]'
WRITTEN = 'return cache[f"blocks.{layer}.attn.hook_result"][:, :, int(head)]'
AT_OTHER = GRADIENT.replace("metric(logits", "metric(other_logits").replace("base[name]", "donor[name]")

ask.mistakes(
    wrong(
        GRADIENT,
        AT_OTHER,
        "The gradient is taken at the corrupted run: the edges are noised in the clean run, so take it there.",
    ),
    of(HOOKED.replace(GRADIENT, AT_OTHER))(
        CHANGE,
        "change = written(base, edge.sender) - written(donor, edge.sender)",
        "This is denoising, clean edges in the corrupted run: here corrupted edges go into the clean run, with the "
        "gradient there.",
    ),
    wrong(
        CHANGE,
        "change = written(base, edge.sender) - written(donor, edge.sender)",
        "The difference is clean minus corrupted: noising moves what the sender wrote to the corrupted run's, so it is "
        "corrupted minus clean.",
    ),
    wrong(
        CHANGE,
        "change = -written(base, edge.sender)",
        "The sender's output goes to 0: that is a cut. Noising moves it to the corrupted run's.",
    ),
    wrong(
        CHANGE,
        "change = written(donor, edge.sender)",
        "The corrupted output itself is multiplied by the gradient: an edge changes by corrupted minus clean.",
    ),
    wrong(
        EFFECT,
        "found[edge] = (change.detach() * read).abs().sum((1, 2))",
        "Absolute values are taken before the sum: terms of a vector product may cancel, and an effect has a sign.",
    ),
    wrong(
        EFFECT,
        "found[edge] = (change.detach() * read).sum((1, 2)).abs()",
        "The absolute value of the estimate is returned: keep its sign.",
    ),
    wrong(
        EFFECT,
        "found[edge] = (change.detach() * read).sum(2)[rows, end]",
        "Only the end counts: a sender is read at all positions, and the estimates of all are added up.",
    ),
    wrong(
        EFFECT,
        "found[edge] = (change.detach() * read).sum(2).mean(1)",
        "The positions are averaged: add them up.",
    ),
    wrong(
        EFFECT,
        "found[edge] = (change.detach() * read).sum((1, 2)).mean().expand(len(end))",
        "Every prompt gets the mean over the prompts: keep a number for each.",
    ),
    wrong(
        "metric(logits[rows, end]).sum()",
        "metric(logits[rows, end]).mean()",
        "The gradient is that of the mean, which divides every prompt's effect by the batch: take that of the sum.",
    ),
    wrong(
        "metric(logits[rows, end]).sum()",
        "metric(logits[:, -1]).sum()",
        "The last column is read for every prompt: shorter prompts end before it, and `end` says where.",
    ),
    wrong(
        OF_MLP,
        'read = slope[f"blocks.{place}.hook_resid_mid"]',
        "The gradient for the stream before an MLP also holds what goes past it by the residual connection: take that "
        "part, the gradient after the MLP, away.",
    ),
    wrong(
        OF_MLP,
        'read = slope[f"blocks.{place}.hook_resid_post"]',
        "For an MLP as receiver the gradient after it is taken, which is for what it writes: take the one for what it "
        "reads.",
    ),
    wrong(
        OF_HEAD,
        'read = slope[f"blocks.{layer}.hook_resid_pre"]',
        "The gradient for the whole stream before the layer is taken: a head's edge counts only what this head makes "
        "of it, at `hook_q_input`, `hook_k_input` or `hook_v_input`.",
    ),
    wrong(
        OF_HEAD,
        'read = slope[f"blocks.{layer}.hook_{edge.input}_input"].mean(2)',
        "The heads' inputs are averaged: each receiver has a gradient of its own.",
    ),
    wrong(
        OF_HEAD,
        'read = slope[f"blocks.{layer}.hook_{edge.input}_input"].sum(2)',
        "The inputs of all heads are added up: each receiver has a gradient of its own.",
    ),
    wrong(
        OF_HEAD,
        """read = slope[f"blocks.{layer}.hook_{dict(q='k', k='q', v='v')[edge.input]}_input"][:, :, int(head)]""",
        "Queries and keys are exchanged: `hook_q_input` is what the queries are made from.",
    ),
    wrong(
        OF_HEAD,
        'read = sum(slope[f"blocks.{layer}.hook_{part}_input"][:, :, int(head)] for part in "qkv")',
        "Queries, keys and values get one number together: each is an edge of its own.",
    ),
    of(
        HOOKED.replace(
            "reads = [name for name in names if name.endswith", "reads = [name for name in names if True or "
        )
    )(
        EFFECT,
        "found[edge] = (change.detach() * written(slope, edge.sender)).sum((1, 2))",
        "The gradient is taken where the sender writes, and counts all who read it: take it where this receiver reads.",
    ),
    wrong(
        OF_LOGITS,
        'read = slope[f"blocks.{model.config.n_layers - 1}.hook_resid_pre"]',
        "The logits' gradient is taken before the last layer, whose heads and MLP it goes through as well: take it at "
        "the stream that `ln_final` reads.",
    ),
    wrong(
        WRITTEN,
        'return cache[f"blocks.{layer}.hook_attn_out"]',
        "A sender is the whole layer of heads: each head is a sender of its own, `attn.hook_result`.",
    ),
    wrong(
        '"embed": "hook_embed", "pos": "hook_pos_embed"',
        '"embed": "hook_embed", "pos": "hook_embed"',
        "Positions get the change of the tokens' embedding: `pos` wrote `hook_pos_embed`, the same in both runs.",
    ),
)

SAME_LENGTH = "The two are of one length, so nothing is left out without it either."

ask.survives(
    "slope = dict(zip((*reads, *around), slopes, strict=True))",
    "slope = dict(zip((*reads, *around), slopes, strict=False))",
    SAME_LENGTH,
)
ask.survives(
    "for receiver, effect in zip(receivers, row, strict=True):",
    "for receiver, effect in zip(receivers, row, strict=False):",
    SAME_LENGTH,
)

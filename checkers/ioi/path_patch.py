"""`ioi.path_patch`: the direct effect of each head on the logits."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise
from headwork.checkers.inputs import Rng
from headwork.checkers.ioi.questions import DONE_TO_THE_MODEL, of, questions, swept_wrongly
from headwork.checkers.probing import Case

ask = Exercise("path_patch", batch=["clean", "corrupted", "end", "directions"], seconds=30)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for mlps in (True, False):
        for name, inputs in questions(rng, house=mlps):
            yield Case(f"{name}, {'MLPs recomputed' if mlps else 'MLPs frozen'}", mlps=mlps, **inputs)


ask.checks(
    equal("values", title="gives the metric with each head corrupted on its direct path alone", weight=3),
    equal("the model is as it was", title=DONE_TO_THE_MODEL, weight=0.5),
)

HOOKED = """
import torch

@torch.no_grad()
def path_patch(model, clean, corrupted, end, metric, mlps):
    rows = torch.arange(len(end), device=end.device)
    written = [name for name in model.hook_points if name.endswith(("hook_z", "hook_mlp_out"))]
    _, base = model.run_with_cache(clean, written)
    _, donor = model.run_with_cache(corrupted, written)
    frozen = [name for name in written if name.endswith("hook_z") or not mlps]
    values = []
    for layer in range(model.config.n_layers):
        sender = f"blocks.{layer}.attn.hook_z"
        for head in range(model.config.n_heads):
            def freeze(value, point):
                value = base[point.name].clone()
                if point.name == sender:
                    value[:, :, head] = donor[sender][:, :, head]
                return value

            logits = model.run_with_hooks(clean, [(frozen, freeze)])
            values.append(metric(logits[rows, end]))
    return torch.stack(values).unflatten(0, (-1, model.config.n_heads))
"""
wrong = of(HOOKED)
FROZEN = 'frozen = [name for name in written if name.endswith("hook_z") or not mlps]'
RESULT = "torch.stack(values).unflatten(0, (-1, model.config.n_heads))"
TOTAL = "The other heads are not frozen, so they react: that is the total effect. Give every other head its clean z."

ask.mistakes(
    wrong(
        "[(frozen, freeze)]",
        "[(sender, freeze)]",
        TOTAL,
    ),
    of(HOOKED.replace("[(frozen, freeze)]", "[({sender, *frozen}, freeze)]"))(
        FROZEN,
        "frozen = [name for name in written if not mlps and not name.endswith('hook_z')]",
        TOTAL,
    ),
    wrong(
        "value = base[point.name].clone()\n                if point.name == sender:",
        'name = point.name if "mlp" in point.name else f"blocks.{model.config.n_layers - 1}.attn.hook_z"\n'
        "                value = base[name].clone()\n                if name == sender:",
        "Every layer is given the last layer's z, since a function looks its variables up when it is called: go by "
        "`point.name`, or bind the loop's variable.",
    ),
    wrong(
        "value = base[point.name].clone()\n",
        "value = base[point.name]\n",
        "The clean cache is written into, so that the heads corrupted before stay corrupted: clone what is changed.",
    ),
    wrong(
        "value = base[point.name].clone()\n",
        "value = donor[point.name].clone()\n",
        "The other heads are frozen to the corrupted run: freeze them to the clean one, the run that you patch.",
    ),
    of(
        HOOKED.replace("_, base = model.run_with_cache(clean", "_, base = model.run_with_cache(corrupted").replace(
            "_, donor = model.run_with_cache(corrupted", "_, donor = model.run_with_cache(clean"
        )
    )(
        "run_with_hooks(clean,",
        "run_with_hooks(corrupted,",
        "Clean and corrupted have changed places: the network reads the clean prompts, and the sender is corrupted.",
    ),
    wrong(
        "run_with_hooks(clean,",
        "run_with_hooks(corrupted,",
        "The network reads the corrupted prompts: its embeddings are then corrupted too, and only the sender "
        "should be.",
    ),
    wrong(
        FROZEN,
        'frozen = [name for name in written if name.endswith("hook_z")]',
        "MLPs are recomputed in both conventions: without `mlps` each writes what it wrote in the clean run.",
    ),
    wrong(
        "[(frozen, freeze)]",
        '[([name for name in frozen if name != f"blocks.{layer}.hook_mlp_out"], freeze)]',
        "Without `mlps` the MLP of the sender's own layer is recomputed: it reads the sender too, so freeze it.",
    ),
    wrong(
        FROZEN,
        "frozen = written",
        "MLPs are frozen in both conventions: with `mlps` they are recomputed, and pass the sender's change on.",
    ),
    wrong(
        FROZEN,
        'frozen = [name for name in written if name.endswith("hook_z") or mlps]',
        "`mlps` is read the wrong way round: with it, MLPs are recomputed.",
    ),
    wrong(
        FROZEN,
        FROZEN + '\n    scales = [name for name in model.hook_points if name == "ln_final.hook_scale"]\n'
        "    base.update(model.run_with_cache(clean, scales)[1])\n    frozen = frozen + scales",
        "The final LayerNorm's scale is frozen to the clean run: LayerNorms are recomputed.",
    ),
    of(
        HOOKED.replace('("hook_z", "hook_mlp_out")', '("hook_z", "hook_mlp_out", "hook_pattern")').replace(
            'name.endswith("hook_z") or not mlps', 'name.endswith("hook_pattern") or not mlps and "mlp" in name'
        )
    )(
        "[(frozen, freeze)]",
        "[(sender, lambda z, point: torch.cat([z[:, :, :head], donor[sender][:, :, head, None], z[:, :, head "
        "+ 1:]], 2)),"
        " (frozen, freeze)]",
        "Only the patterns are frozen: what other heads move along them still changes. Freeze z.",
    ),
    wrong(
        "value[:, :, head] = donor[sender][:, :, head]",
        "value[:] = donor[sender]",
        "All heads of the layer are corrupted at once: the sender is one head.",
    ),
    wrong(
        "value[:, :, head] = donor[sender][:, :, head]",
        "value[:, :, head] = 0",
        "The sender is knocked out: it is as in the corrupted run.",
    ),
    wrong(
        "value[:, :, head] = donor[sender][:, :, head]",
        "value[:, :, head] = donor[sender][:, :, head].mean(0)",
        "The sender gets the mean over the corrupted prompts: each prompt has its own corrupted prompt.",
    ),
    *swept_wrongly(wrong, RESULT, run="clean", axes="layer, head"),
)

for start in (1, -1):
    ask.survives(
        "*_, change = direct_changes(engine, base, donor, 0, mlps, at_end=True)",
        f"*_, change = direct_changes(engine, base, donor, {start}, mlps, at_end=True)",
        "With `at_end` only the ends are taken, whatever the first position is.",
    )
ask.survives(
    "ends = engine.at_end(after[None]) + change[:, :, 0]",
    "ends = engine.at_end(after[None]) + change[:, :, -1]",
    "At the end there is one position: the first is the last.",
)

"""`ioi.path_patch_through`: the effect of each head on the inputs of given later heads, and through them."""

from collections.abc import Iterator
from typing import Any

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise
from headwork.checkers.induction.networks import ATTENTION_ONLY
from headwork.checkers.inputs import Rng
from headwork.checkers.ioi.questions import DONE_TO_THE_MODEL, MEASURED, of, prompts, questions, swept_wrongly
from headwork.checkers.probing import Case

ask = Exercise("path_patch_through", batch=["clean", "corrupted", "end", "directions"], seconds=60)

RECEIVERS = {  # by model: for each convention
    "a small GPT-2": ([[1, 2, "q"]], [[1, 0, "k"], [1, 2, "k"], [1, 2, "v"]]),
    "untied, with ReLU": ([[1, 0, "k"], [2, 1, "q"], [2, 1, "v"]], [[1, 1, "q"]]),
    "attention only": ([[0, 2, "q"]], [[1, 1, "q"], [1, 1, "k"]]),
    "one head, no biases": ([[1, 0, "k"]], [[0, 0, "k"], [2, 0, "q"]]),
    "the model attention-only": ([[1, 1, "q"], [1, 2, "k"]], []),
}


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for mlps in (True, False):
        asked = list(questions(rng, house=False))
        if mlps:
            shipped = {"directions": rng.normal((2, 256)), "log_probabilities": False, **prompts(rng, 256, 2, 6)}
            asked.append(("the model attention-only", {"model": ATTENTION_ONLY, **shipped}))
        for name, inputs in asked:
            receivers: list[Any] = RECEIVERS[name][0 if mlps else 1]
            said = ", ".join(f"{part} of {layer}.{head}" for layer, head, part in receivers)
            convention = "MLPs recomputed" if mlps else "MLPs frozen"
            yield Case(f"{name}, {said}, {convention}", receivers=receivers, mlps=mlps, **inputs)


ask.checks(
    equal("values", title="gives the metric with each head corrupted on its direct paths to the receivers", weight=3),
    equal("the model is as it was", title=DONE_TO_THE_MODEL, weight=0.5),
)

HOOKED = """
import torch

@torch.no_grad()
def path_patch_through(model, clean, corrupted, end, metric, receivers, mlps):
    rows = torch.arange(len(end), device=end.device)
    written = [name for name in model.hook_points if name.endswith(("hook_z", "hook_mlp_out"))]
    _, base = model.run_with_cache(clean, written)
    _, donor = model.run_with_cache(corrupted, written)
    frozen = [name for name in written if name.endswith("hook_z") or not mlps]
    points = list({f"blocks.{layer}.attn.hook_{part}" for layer, _, part in receivers})
    values = []
    for layer in range(model.config.n_layers):
        sender = f"blocks.{layer}.attn.hook_z"
        for head in range(model.config.n_heads):
            def freeze(value, point):
                value = base[point.name].clone()
                if point.name == sender:
                    value[:, :, head] = donor[sender][:, :, head]
                return value

            seen = {}
            def keep(value, point):
                seen[point.name] = value.clone()

            first = model.run_with_hooks(clean, [(frozen, freeze), (points, keep)])

            def put(value, point):
                value = value.clone()
                for place, receiver, part in receivers:
                    if point.name == f"blocks.{place}.attn.hook_{part}":
                        value[:, :, receiver] = seen[point.name][:, :, receiver]
                return value

            logits = model.run_with_hooks(clean, [(points, put)])
            values.append(metric(logits[rows, end]))
    return torch.stack(values).unflatten(0, (-1, model.config.n_heads))
"""
wrong = of(HOOKED)
FROZEN = 'frozen = [name for name in written if name.endswith("hook_z") or not mlps]'
POINTS = 'points = list({f"blocks.{layer}.attn.hook_{part}" for layer, _, part in receivers})'
RESULT = "torch.stack(values).unflatten(0, (-1, model.config.n_heads))"
EVERY_WAY = (
    "In the first run the other heads are not frozen, so the receivers hear of the sender on every way: freeze them to "
    "their clean z."
)

ask.mistakes(
    wrong("[(frozen, freeze), (points, keep)]", "[(sender, freeze), (points, keep)]", EVERY_WAY),
    of(HOOKED.replace("[(frozen, freeze), (points", "[({sender, *frozen}, freeze), (points"))(
        FROZEN,
        "frozen = [name for name in written if not mlps and not name.endswith('hook_z')]",
        EVERY_WAY,
    ),
    wrong(
        "logits = model.run_with_hooks(clean, [(points, put)])",
        "logits = model.run_with_hooks(clean, [(points, put), ([name for name in frozen if 'mlp' in name], "
        "lambda value, point: base[point.name])])",
        "Without `mlps` the MLPs are frozen in the last run too: there all that comes after the receivers is computed "
        "as usual.",
    ),
    of(HOOKED.replace('("hook_z", "hook_mlp_out")', '("hook_z", "hook_mlp_out", "hook_q", "hook_k", "hook_v")'))(
        "value[:, :, receiver] = seen[point.name][:, :, receiver]",
        "value[:, :, receiver] = donor[point.name][:, :, receiver]",
        "The receivers get the corrupted run's inputs, whoever the sender is: put in what they become when the sender "
        "alone is corrupted.",
    ),
    wrong(
        "value[:, :, receiver] = seen[point.name][:, :, receiver]",
        "value[rows, end, receiver] = seen[point.name][rows, end, receiver]",
        "The receivers' inputs are put in at the end alone: put them in at all positions.",
    ),
    wrong(
        'if point.name == f"blocks.{place}.attn.hook_{part}":\n'
        "                        value[:, :, receiver] = seen[point.name][:, :, receiver]",
        "head_of_last = receivers[-1][1]\n"
        "                    value[:, :, head_of_last] = seen[point.name][:, :, head_of_last]",
        "At every point the last receiver's head is patched, since a function looks its variables up when it is "
        "called: bind the loop's variable.",
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
        HOOKED.replace("_, base = model.run_with_cache(clean", "_, base = model.run_with_cache(corrupted")
        .replace("_, donor = model.run_with_cache(corrupted", "_, donor = model.run_with_cache(clean")
        .replace("first = model.run_with_hooks(clean", "first = model.run_with_hooks(corrupted")
    )(
        "logits = model.run_with_hooks(clean,",
        "logits = model.run_with_hooks(corrupted,",
        "Clean and corrupted have changed places: the network reads the clean prompts, and the sender is corrupted.",
    ),
    wrong(
        "first = model.run_with_hooks(clean",
        "first = model.run_with_hooks(corrupted",
        "The first run reads the corrupted prompts: its embeddings are then corrupted too, and only the "
        "sender should be.",
    ),
    wrong(
        "logits = model.run_with_hooks(clean",
        "logits = model.run_with_hooks(corrupted",
        "The last run reads the corrupted prompts: the receivers' inputs are put into a clean run.",
    ),
    wrong(
        FROZEN,
        'frozen = [name for name in written if name.endswith("hook_z")]',
        "MLPs are recomputed in both conventions: without `mlps` each writes what it wrote in the clean run.",
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
    of(
        HOOKED.replace(
            'if point.name == f"blocks.{place}.attn.hook_{part}"', 'if point.name.startswith(f"blocks.{place}.")'
        )
    )(
        POINTS,
        'points = [f"blocks.{layer}.attn.hook_{part}" for layer in {each[0] for each in receivers} for part in "qkv"]',
        'All three inputs of each receiver are patched: only the part that is named, "q", "k" or "v".',
    ),
    wrong(
        "value[:, :, receiver] = seen[point.name][:, :, receiver]",
        "value[:] = seen[point.name]",
        "All heads of the receiver's layer are patched: only the receiver.",
    ),
    wrong(
        "for place, receiver, part in receivers:",
        "for place, receiver, part in {(each[0], each[2]): each for each in receivers}.values():",
        "Of several receivers at one hook point only the last is put in, since a later hook takes the place of an "
        "earlier one: put in all of them.",
    ),
    wrong(
        "for place, receiver, part in receivers:",
        "for place, receiver, part in receivers[:1]:",
        "Only the first receiver is patched: put in all of them at once.",
    ),
    wrong(
        MEASURED,
        "metric(first[rows, end])",
        "These are the logits of the first run, where the sender's direct path to the logits counts too: put the "
        "receivers' inputs into a second, clean run.",
    ),
    wrong(
        "logits = model.run_with_hooks(clean, [(points, put)])",
        "logits = model.run_with_hooks(clean, [(points, put), ([n for n in base if n.endswith('z') and not any("
        "n.startswith(p.split('hook')[0]) for p in points)], lambda z, point: base[point.name])])",
        "Heads are frozen in the last run as well: there all that comes after the receivers is computed as usual.",
    ),
    wrong(
        "logits = model.run_with_hooks(clean, [(points, put)])",
        "logits = model.run_with_hooks(clean, [(sender, lambda z, point: torch.cat([z[:, :, :head], "
        "donor[sender][:, :, head, None], z[:, :, head + 1 :]], 2)), (points, put)])",
        "The sender is corrupted in the last run too, and reaches the logits on every way: that run is clean "
        "but for the "
        "receivers' inputs.",
    ),
    wrong(
        "value[:, :, head] = donor[sender][:, :, head]",
        "value[:] = donor[sender]",
        "All heads of the sender's layer are corrupted at once: the sender is one head.",
    ),
    *swept_wrongly(wrong, RESULT, run="clean", axes="layer, head"),
)

ask.survives(
    "changes = list(direct_changes(engine, base, donor, start, mlps))[:last + 1]",
    "changes = list(direct_changes(engine, base, donor, start, mlps))[:last + 2]",
    "The changes of one more layer are kept, and not asked for.",
)
ask.survives(
    "parts = dict(zip('qkv', engine.qkv(layer, stream), strict=True))",
    "parts = dict(zip('qkv', engine.qkv(layer, stream), strict=False))",
    "There are three of each.",
)
ask.survives(
    "parts[part][len(reached):, ..., head, :] = getattr(base, part)[layer][:, start:, head]",
    "",
    "A sender that is not before this receiver is before none of those below it either, so the stream is still clean.",
)
ask.survives(
    "values[:last * heads] = metric(engine.logits(stream[:, :, 0]))",
    "values[:last * heads] = metric(engine.logits(stream[:, :, -1]))",
    "After the last block the stream has one position: the first is the last.",
)
ask.survives(
    "if last == 0:",
    "if last == -1:",
    "It saves work: with no sender before a receiver, what follows changes no row either.",
)

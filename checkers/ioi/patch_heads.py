"""`ioi.patch_heads`: one head's clean output in a corrupted run, for every head."""

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise
from headwork.checkers.ioi.questions import DONE_TO_THE_MODEL, of, sweep_cases, swept_wrongly

ask = Exercise("patch_heads", batch=["clean", "corrupted", "end", "directions"], seconds=30)
ask.cases(sweep_cases)

ask.checks(
    equal("values", title="gives the corrupted run's metric with each head's clean output in it", weight=3),
    equal("the model is as it was", title=DONE_TO_THE_MODEL, weight=0.5),
)

HOOKED = """
import torch

@torch.no_grad()
def patch_heads(model, clean, corrupted, end, metric):
    rows = torch.arange(len(end), device=end.device)
    values = []
    for layer in range(model.config.n_layers):
        name = f"blocks.{layer}.attn.hook_z"
        _, cache = model.run_with_cache(clean, name)
        for head in range(model.config.n_heads):
            def patch(z, point):
                z = z.clone()
                z[:, :, head] = cache[name][:, :, head]
                return z

            logits = model.run_with_hooks(corrupted, [(name, patch)])
            values.append(metric(logits[rows, end]))
    return torch.stack(values).unflatten(0, (-1, model.config.n_heads))
"""
wrong = of(HOOKED)
PUT = "z[:, :, head] = cache[name][:, :, head]"
RESULT = "torch.stack(values).unflatten(0, (-1, model.config.n_heads))"

ask.mistakes(
    wrong(
        "model.run_with_hooks(corrupted, [(name, patch)])",
        "model.run_with_hooks(clean, [(name, patch)])",
        "The clean activation is put into the clean run, and changes nothing: the network reads the corrupted prompts.",
    ),
    of(HOOKED.replace("run_with_cache(clean, name)", "run_with_cache(corrupted, name)"))(
        "run_with_hooks(corrupted, [(name, patch)])",
        "run_with_hooks(clean, [(name, patch)])",
        "This is noising, a corrupted head in a clean run: here the clean head goes into the corrupted run, which asks "
        "whether it is enough.",
    ),
    wrong(
        PUT,
        "z[:] = cache[name]",
        "All heads of the layer are patched at once: patch one head at a time.",
    ),
    wrong(
        PUT,
        "z[rows, end, head] = cache[name][rows, end, head]",
        "The head is patched at the end alone: patch it at all positions.",
    ),
    wrong(
        PUT,
        "z[:, :-1, head] = cache[name][:, :-1, head]",
        "The last position is not patched: patch the head at all positions.",
    ),
    wrong(
        PUT,
        "z[:, 1:, head] = cache[name][:, :-1, head]",
        "The clean activation lands one position too late: position p goes to position p.",
    ),
    wrong(
        PUT,
        "z[:, :, head] = cache[name].mean(2)",
        "Every head gets the mean of all heads: it gets its own clean output.",
    ),
    wrong(
        PUT,
        "z[:, :, head] = cache[name][:, :, head].mean(0)",
        "Every prompt gets the mean over the clean prompts: each gets that of its own clean prompt.",
    ),
    wrong(
        PUT,
        "z[:, :, head] = cache[name][:1, :, head]",
        "Every prompt gets the first clean prompt's activation: each gets its own.",
    ),
    wrong(
        PUT,
        "z[:, :, head] = 0",
        "The head is knocked out: put the clean run's output in its place.",
    ),
    wrong(
        PUT,
        "z[:, :, head] += cache[name][:, :, head]",
        "The clean output is added to the corrupted one: it takes its place.",
    ),
    wrong(
        PUT,
        "z[:, :, : head + 1] = cache[name][:, :, : head + 1]",
        "The heads before it stay patched: begin each patch from the unpatched run.",
    ),
    wrong(
        'attn.hook_z"',
        'attn.hook_v"',
        "The values are patched, before the pattern averages them: a head's output is `hook_z`.",
    ),
    wrong(
        'attn.hook_z"',
        'attn.hook_q"',
        "The queries are patched, which changes where the head looks and not what it reads there: patch `hook_z`.",
    ),
    *swept_wrongly(wrong, RESULT, run="corrupted", axes="layer, head"),
)

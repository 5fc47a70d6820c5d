"""`ioi.patch_residual`: the clean residual stream at one place of a corrupted run, for every layer and position."""

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise
from headwork.checkers.ioi.questions import DONE_TO_THE_MODEL, MEASURED, of, sweep_cases, swept_wrongly

ask = Exercise("patch_residual", batch=["clean", "corrupted", "end", "directions"], seconds=30)
ask.cases(sweep_cases)

ask.checks(
    equal("values", title="gives the corrupted run's metric with the clean stream at each place of it", weight=3),
    equal("the model is as it was", title=DONE_TO_THE_MODEL, weight=0.5),
)

HOOKED = """
import torch

@torch.no_grad()
def patch_residual(model, clean, corrupted, end, metric):
    rows = torch.arange(len(end), device=end.device)
    values = []
    for layer in range(model.config.n_layers):
        name = f"blocks.{layer}.hook_resid_pre"
        _, cache = model.run_with_cache(clean, name)
        for position in range(clean.shape[1]):
            def patch(stream, point):
                stream = stream.clone()
                stream[:, position] = cache[name][:, position]
                return stream

            logits = model.run_with_hooks(corrupted, [(name, patch)])
            values.append(metric(logits[rows, end]))
    return torch.stack(values).unflatten(0, (-1, clean.shape[1]))
"""
wrong = of(HOOKED)
PUT = "stream[:, position] = cache[name][:, position]"
RESULT = "torch.stack(values).unflatten(0, (-1, clean.shape[1]))"
CLEAN = (
    "Every number is the clean run's: the network reads the corrupted prompts, with the clean stream at one position."
)

ask.mistakes(
    of(HOOKED.replace("run_with_cache(clean, name)", "run_with_cache(corrupted, name)"))(
        "run_with_hooks(corrupted, [(name, patch)])",
        "run_with_hooks(clean, [(name, patch)])",
        "This is noising, a corrupted stream in a clean run: here the clean stream goes into the corrupted run.",
    ),
    wrong(
        "model.run_with_hooks(corrupted, [(name, patch)])",
        "model.run_with_hooks(clean, [(name, patch)])",
        CLEAN,
    ),
    wrong(
        PUT,
        "stream[:, : position + 1] = cache[name][:, : position + 1]",
        "All positions up to this one are patched: patch one position at a time.",
    ),
    wrong(
        PUT,
        "stream[:, position:] = cache[name][:, position:]",
        "All positions from this one on are patched: patch one position at a time.",
    ),
    wrong(
        PUT,
        "stream[:] = cache[name]",
        CLEAN,
    ),
    wrong(
        PUT,
        "stream[:, position] = cache[name][:, position - 1]",
        "The clean stream of the position before is put in: position p gets the clean stream of position p.",
    ),
    wrong(
        PUT,
        "stream[:, position - 1] = cache[name][:, position - 1]",
        "The patch is one position too early: row p is the patch at position p.",
    ),
    wrong(
        PUT,
        "stream[:, position] = cache[name][:, position].mean(0)",
        "Every prompt gets the mean over the clean prompts: each gets that of its own clean prompt.",
    ),
    wrong(
        PUT,
        "stream[:, position] = cache[name][:1, position]",
        "Every prompt gets the first clean prompt's stream: each gets its own.",
    ),
    wrong(
        PUT,
        "stream[:, position] += cache[name][:, position]",
        "The clean stream is added to the corrupted one: it takes its place.",
    ),
    wrong(PUT, "stream[:, position] = 0", "The stream is knocked out: put the clean run's in its place."),
    wrong(
        "hook_resid_pre",
        "hook_resid_post",
        "The stream after each layer is patched: row l is the patch before layer l, `hook_resid_pre`.",
    ),
    wrong(
        "hook_resid_pre",
        "hook_attn_out",
        "The attention layer's output is patched: the residual stream is the sum of all that was written so far.",
    ),
    wrong(
        MEASURED,
        "metric(logits[rows, end.clamp(max=position)])",
        "The logits are read at the patched position where it comes before the end: the metric is for those at `end`.",
    ),
    *swept_wrongly(wrong, RESULT, run="corrupted", axes="layer, position"),
)

"""`ioi.patch_head_inputs`: one head's clean queries, keys, values or pattern in a corrupted run."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise
from headwork.checkers.inputs import Rng
from headwork.checkers.ioi.questions import DONE_TO_THE_MODEL, of, questions, swept_wrongly
from headwork.checkers.probing import Case

ask = Exercise("patch_head_inputs", batch=["clean", "corrupted", "end", "directions"], seconds=60)

NAMES = {"q": "queries", "k": "keys", "v": "values", "pattern": "pattern"}


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for part, name in NAMES.items():
        for model, inputs in questions(rng, house=part == "k"):
            yield Case(f"{name}, {model}", part=part, **inputs)


ask.checks(
    equal("values", title="gives the corrupted run's metric with the clean part of each head in it", weight=3),
    equal("the model is as it was", title=DONE_TO_THE_MODEL, weight=0.5),
)

HOOKED = """
import torch

@torch.no_grad()
def patch_head_inputs(model, clean, corrupted, end, metric, part):
    rows = torch.arange(len(end), device=end.device)
    values = []
    for layer in range(model.config.n_layers):
        name = f"blocks.{layer}.attn.hook_{part}"
        _, cache = model.run_with_cache(clean, name)
        for head in range(model.config.n_heads):
            at = (slice(None), head) if part == "pattern" else (slice(None), slice(None), head)
            def patch(value, point):
                value = value.clone()
                value[at] = cache[name][at]
                return value

            hooks = [(name, patch)]
            logits = model.run_with_hooks(corrupted, hooks)
            values.append(metric(logits[rows, end]))
    return torch.stack(values).unflatten(0, (-1, model.config.n_heads))
"""
wrong = of(HOOKED)
NAME = 'name = f"blocks.{layer}.attn.hook_{part}"'
HOOKS = "hooks = [(name, patch)]"
PUT = "value[at] = cache[name][at]"
RESULT = "torch.stack(values).unflatten(0, (-1, model.config.n_heads))"


def together(parts: str, other: str) -> str:
    """The hooks when, asked for one of `parts`, `other` is patched along with it."""
    return (
        f"{HOOKS}\n            if part in {parts!r}:\n"
        f'                with_it = f"blocks.{{layer}}.attn.hook_{other}"\n'
        "                _, more = model.run_with_cache(clean, with_it)\n"
        "                def patch_too(value, point):\n"
        "                    value = value.clone()\n"
        "                    value[:, :, head] = more[with_it][:, :, head]\n"
        "                    return value\n"
        "                hooks.append((with_it, patch_too))"
    )


ask.mistakes(
    wrong(
        HOOKS,
        together("q", "k"),
        "With the queries the clean run's keys are patched as well: the keys stay those of the corrupted run, or you "
        "cannot say which of the two moved the pattern.",
    ),
    wrong(
        HOOKS,
        together("k", "q"),
        "With the keys the clean run's queries are patched as well: the queries stay those of the corrupted run.",
    ),
    wrong(
        HOOKS,
        together("v", "k"),
        "With the values the clean run's keys are patched as well: the pattern stays that of the corrupted run.",
    ),
    wrong(
        NAME,
        'name = f"blocks.{layer}.attn.hook_" + (part if part != "pattern" else "z")',
        "In place of the pattern the whole output is patched, values and all: the clean pattern averages the "
        "corrupted values.",
    ),
    wrong(
        NAME,
        'name = f"blocks.{layer}.attn.hook_" + {"q": "k", "k": "q"}.get(part, part)',
        "Queries and keys have changed places.",
    ),
    wrong(
        NAME,
        'name = f"blocks.{layer}.attn.hook_" + (part if part != "v" else "z")',
        "In place of the values the output is patched, averaged by the clean pattern: the corrupted pattern averages "
        "the clean values.",
    ),
    wrong(PUT, "value[:] = cache[name]", "All heads of the layer are patched at once: patch one head at a time."),
    wrong(
        "run_with_cache(clean, name)",
        "run_with_cache(corrupted, name)",
        "The corrupted run's own activation is put back, and changes nothing: take the clean run's.",
    ),
    of(HOOKED.replace("run_with_cache(clean, name)", "run_with_cache(corrupted, name)"))(
        "run_with_hooks(corrupted, hooks)",
        "run_with_hooks(clean, hooks)",
        "This is noising, a corrupted part in a clean run: here the clean part goes into the corrupted run.",
    ),
    wrong(
        PUT,
        "value[at] = cache[name][at].mean(0)",
        "Every prompt gets the mean over the clean prompts: each gets that of its own clean prompt.",
    ),
    wrong(
        PUT,
        "value[at] = cache[name][at][:1]",
        "Every prompt gets the first clean prompt's activation: each gets its own.",
    ),
    wrong(
        PUT,
        "value[at] = cache[name][at].roll(1, 1)",
        "The clean activation lands one position too late: position p goes to position p.",
    ),
    *swept_wrongly(wrong, RESULT, run="corrupted", axes="layer, head"),
)

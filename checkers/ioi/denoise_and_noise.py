"""`ioi.denoise_and_noise`: groups of heads patched in both directions, on gates and on ordinary models."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise
from headwork.checkers.inputs import Rng
from headwork.checkers.ioi.questions import DONE_TO_THE_MODEL, heads_of, of, planted_question, questions, some_heads
from headwork.checkers.probing import Case

ask = Exercise("denoise_and_noise", batch=["clean", "corrupted", "end", "directions"], seconds=30)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for family, batch in (("and", 4), ("or", 3), ("cancelling", 5)):
        made, inputs = planted_question(rng, family, batch)
        heads = heads_of(made)
        yield Case(f"a planted {family}", groups=[[heads[0]], [heads[1]], heads[:2], heads], **inputs)
    for name, inputs in questions(rng):
        one, *others = some_heads(rng, inputs, 3)
        yield Case(name, groups=[[one], [one, *others], [], others, others[-1:]], **inputs)


ask.checks(
    equal("denoised", title="gives the corrupted run's metric with each group's clean outputs in it", weight=2),
    equal("noised", title="gives the clean run's metric with each group's corrupted outputs in it", weight=2),
    equal("the model is as it was", title=DONE_TO_THE_MODEL, weight=0.5),
)

HOOKED = """
import torch

@torch.no_grad()
def denoise_and_noise(model, clean, corrupted, end, metric, groups):
    rows = torch.arange(len(end), device=end.device)
    names = [f"blocks.{layer}.attn.hook_z" for layer in range(model.config.n_layers)]
    _, of_clean = model.run_with_cache(clean, names)
    _, of_corrupted = model.run_with_cache(corrupted, names)

    def measured(tokens, donor, group):
        def patch(z, point):
            z = z.clone()
            for layer, head in group:
                if point.name == names[layer]:
                    z[:, :, head] = donor[point.name][:, :, head]
            return z

        return metric(model.run_with_hooks(tokens, [(names, patch)])[rows, end])

    denoised = torch.stack([measured(corrupted, of_clean, group) for group in groups])
    noised = torch.stack([measured(clean, of_corrupted, group) for group in groups])
    return denoised, noised
"""
wrong = of(HOOKED)
PUT = "z[:, :, head] = donor[point.name][:, :, head]"
RESULT = "return denoised, noised"
MEASURED = "return metric(model.run_with_hooks(tokens, [(names, patch)])[rows, end])"

ask.mistakes(
    wrong(
        RESULT,
        "return noised, denoised",
        "The two have changed places: denoising, clean heads in the corrupted run, comes first.",
    ),
    wrong(
        RESULT,
        "return denoised, denoised",
        "Denoising is returned twice: for noising, run on the clean prompts and put the corrupted heads in.",
    ),
    wrong(
        "measured(clean, of_corrupted, group)",
        "measured(clean, of_clean, group)",
        "The clean heads are put into the clean run, and change nothing: noising puts in the corrupted ones.",
    ),
    wrong(
        "measured(corrupted, of_clean, group)",
        "measured(corrupted, of_corrupted, group)",
        "The corrupted heads are put into the corrupted run, and change nothing: denoising puts in the clean ones.",
    ),
    wrong(
        "noised = torch.stack([measured(clean, of_corrupted, group) for group in groups])",
        "noised = metric(model(clean)[rows, end]) + metric(model(corrupted)[rows, end]) - denoised",
        "Noising is taken to be denoising seen from the other side: at a gate it is not, so run it.",
    ),
    wrong(
        "for layer, head in group:",
        "for layer, head in group[:1]:",
        "Only the first head of each group is patched: patch all of its heads in one run.",
    ),
    wrong(
        "for layer, head in group:",
        "for layer, head in group[-1:]:",
        "Only the last head of each group is patched, perhaps because each hook replaces the one before: patch all of "
        "its heads in one run.",
    ),
    wrong(
        "for layer, head in group:",
        "for layer, head in (each for part in groups[: groups.index(group) + 1] for each in part):",
        "The groups before it stay patched: begin each group from the unpatched run.",
    ),
    wrong(
        "for layer, head in group:",
        "for layer, head in [(at, h) for at, _ in group for h in range(model.config.n_heads)]:",
        "The whole layer is patched wherever the group has a head in it: patch the group's heads alone.",
    ),
    wrong(
        "for layer, head in group:",
        "for head, layer in group:",
        "Layer and head are read the wrong way round: a head is (layer, head).",
    ),
    wrong(
        MEASURED,
        "return sum(metric(model.run_with_hooks(tokens, [(names[layer], lambda z, point, head=head: torch.cat([z[:, :, "
        ":head], donor[point.name][:, :, head : head + 1], z[:, :, head + 1 :]], 2))])[rows, end]) "
        "- metric(model(tokens)[rows, end]) for layer, head in group) + metric(model(tokens)[rows, end])",
        "The heads of a group are patched one at a time, and their effects added up: two that need each other are then "
        "missed. Patch the group in one run.",
    ),
    wrong(
        PUT,
        "z[rows, end, head] = donor[point.name][rows, end, head]",
        "The heads are patched at the end alone: patch them at all positions.",
    ),
    wrong(PUT, "z[:, :, head] = 0", "The heads are knocked out: put the other run's outputs in their place."),
    wrong(
        PUT,
        "z[:, :, head] = donor[point.name][:, :, head].mean(0)",
        "Every prompt gets the mean over the prompts: each gets that of its own twin.",
    ),
    wrong(
        "            return z\n",
        "            keep = [h for h in range(z.shape[2]) if (names.index(point.name), h) not in group]\n"
        "            own = of_clean if donor is of_corrupted else of_corrupted\n"
        "            z[:, :, keep] = own[point.name][:, :, keep]\n"
        "            return z\n",
        "All other heads are frozen, so that only direct effects are left: here they are computed as usual.",
    ),
    wrong(
        MEASURED,
        MEASURED.replace("[rows, end]", "[:, -1]"),
        "The last column is read for every prompt: shorter prompts end before it, and `end` says where.",
    ),
    wrong(
        RESULT,
        "return denoised.mean(-1), noised.mean(-1)",
        "The mean over the prompts is taken: keep a number for each prompt, (group, batch).",
    ),
    wrong(
        RESULT,
        "low, high = (metric(model(each)[rows, end]) for each in (corrupted, clean))\n"
        "    return denoised - low, noised - high",
        "The unpatched metric is subtracted: return the patched runs' metrics as they are.",
    ),
)

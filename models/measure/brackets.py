"""What `brackets` is measured by: strings that were held out, of every kind."""

from collections.abc import Iterator

import torch

from headwork.models.data import brackets as data
from headwork.models.gpt2 import GPT2
from headwork.models.measure.measure import Measure, at_least, figure

COUNT = 4000  # strings
LONG = 32  # brackets
NEAR = {
    "flipped": "one bracket of a balanced string turned round",
    "exchanged": "two unlike brackets of a balanced string exchanged",
    "dipped": "`)(` put into a balanced string at depth 0",
    "backwards": "a balanced string read from its end",
    "shuffled": "as many of one bracket as of the other, in any order",
    "any": "brackets by the toss of a coin",
    "balanced": "every balanced string of a length with the same chance",
}


def measure(model: GPT2) -> Iterator[Measure]:
    """How many held-out strings it judges as the definition does."""
    generator = torch.Generator().manual_seed(-2)
    strings = data.held_out_strings(COUNT, generator)
    right = judged_right(model, strings)
    sentence = f"of {COUNT} held-out strings, half of them balanced, of 1 to {data.LONGEST} brackets"
    yield at_least("right", float(right.mean()), 0.995, unit="%", sentence=sentence)
    long = (strings != 0).sum(1) >= LONG
    sentence = f"of the {int(long.sum())} with {LONG} brackets and more"
    yield figure("right, long ones", float(right[long].mean()), unit="%", sentence=sentence)
    every = []
    for kind, sentence in NEAR.items():
        each = judged_right(model, data.near_misses(kind, COUNT // 4, generator))
        every += [each] * (kind in ("flipped", "exchanged", "dipped"))
        yield figure(f"right, {kind}", float(each.mean()), unit="%", sentence=sentence)
    near = torch.cat(every)
    sentence = f"of {len(near)} held-out strings that are flipped, exchanged or dipped"
    yield at_least("right, near misses", float(near.mean()), 0.995, unit="%", sentence=sentence)


@torch.no_grad()
def judged_right(model: GPT2, strings: data.Strings) -> torch.Tensor:
    """Whether the model says of each string what is true of it, (string,), as 1.0 or 0.0."""
    found = model(data.tokens(strings).to(model.embed.W_E.device))[:, 0].argmax(-1).cpu()
    return (found == data.balanced(strings)).float()

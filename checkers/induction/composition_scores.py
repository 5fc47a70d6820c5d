"""`induction.composition_scores`: what each head writes, measured by what each later head reads, and ranked."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.induction.folded import folded, folded_model
from headwork.checkers.induction.networks import SHAPES
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("composition_scores", seconds=30)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, kind in [
        ("a small GPT-2", "Q"),
        ("a small GPT-2", "K"),
        ("a small GPT-2", "V"),
        ("untied, with ReLU", "K"),
        ("untied, with ReLU", "Q"),
        ("untied, with ReLU", "V"),
        ("attention only", "V"),
        ("attention only", "K"),
        ("one head, no biases", "Q"),
    ]:
        yield Case(f"{name}, {kind}", model=folded(rng, SHAPES[name]), kind=kind)
    yield Case("the house model, K", model=folded_model("house"), kind="K")


ask.checks(
    equal("scores", title="gives the score of every pair of heads", weight=3),
    equal("ranks", title="ranks each pair among all pairs, the largest first"),
)

CENTRED = "    if model.config.layer_norm:\n        W_O = W_O - W_O.mean(-1, keepdim=True)\n"

ask.mistakes(
    edit(CENTRED, "", "W_O is not centred: what a head writes is read through norms that take its mean off."),
    edit(
        "    if model.config.layer_norm:\n        W_O",
        "    if True:\n        W_O",
        "W_O is centred although the model has no LayerNorm.",
    ),
    edit(
        '{"Q": (W_Q, W_K.mT), "K": (W_K, W_Q.mT), "V": (W_V, W_O)}',
        '{"Q": (W_K, W_Q.mT), "K": (W_Q, W_K.mT), "V": (W_V, W_O)}',
        "Q and K are swapped: in K-composition the later head's W_K reads what the earlier one writes.",
    ),
    edit(
        "(squares / (writes[:, :, None, None] * reads)).sqrt()",
        "squares / (writes[:, :, None, None] * reads)",
        "These are squares of the scores: take the root.",
    ),
    edit(
        "(squares / (writes[:, :, None, None] * reads)).sqrt()",
        "squares.sqrt()",
        "The norms are not divided out: a large matrix would score high with everything.",
    ),
    edit(
        "(squares / (writes[:, :, None, None] * reads)).sqrt()",
        "(squares / reads).sqrt()",
        "Only the later head's norm is divided out: divide by both.",
    ),
    edit(
        "(squares / (writes[:, :, None, None] * reads)).sqrt()",
        "(squares / writes[:, :, None, None]).sqrt()",
        "Only the earlier head's norm is divided out: divide by both.",
    ),
    edit(
        "(layers[:, None] < layers)",
        "(layers[:, None] <= layers)",
        "Heads of one layer are paired: they run side by side, and none reads what another writes.",
    ),
    edit(
        "(layers[:, None] < layers)",
        "(layers[:, None] > layers)",
        "The layers are the wrong way round: the first two axes are the earlier head's.",
    ),
    edit(
        "scores[later].argsort(descending=True).argsort() + 1",
        "scores[later].argsort().argsort() + 1",
        "Rank 1 goes to the smallest score: it is the largest's.",
    ),
    edit(
        "scores[later].argsort(descending=True).argsort() + 1",
        "scores[later].argsort(descending=True).argsort()",
        "The ranks begin with 0: the largest score has rank 1, and 0 stands for no pair.",
    ),
    edit(
        "scores[later].argsort(descending=True).argsort() + 1",
        "scores[later].argsort(descending=True) + 1",
        "A single argsort lists the pairs in order: sort once more for the rank of each pair.",
    ),
    edit(
        "return scores.where(later, 0), ranks",
        "return scores, ranks",
        "Pairs whose second layer is not later have a score: set it to 0.",
    ),
    edit(
        "ranks[later] = scores[later].argsort(descending=True).argsort() + 1",
        "ranks = scores.where(later, -1).flatten(1).argsort(descending=True).argsort().reshape(scores.shape) + 1\n"
        "    ranks = ranks.where(later, 0)",
        "The ranks begin anew in each earlier layer: rank among all pairs.",
    ),
)

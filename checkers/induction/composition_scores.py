"""`induction.composition_scores`: what each head writes, measured by what each later head reads, and ranked."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.induction.folded import folded, folded_model
from headwork.checkers.induction.networks import ATTENTION_ONLY, SHAPES
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
    yield Case("the model attention-only, Q", model=ATTENTION_ONLY, kind="Q")
    yield Case("the house model, K", model=folded_model("house"), kind="K")


ask.checks(
    equal("scores", title="gives the score of every pair of heads", weight=3),
    equal("ranks", title="ranks each pair among all pairs, the largest first"),
)

CENTRED = "    if model.config.layer_norm:\n        W_O = W_O - W_O.mean(-1, keepdim=True)\n"

DIVIDED = "(squares / (writes[:, :, None, None] * reads)).sqrt()"
WHOLE = "O, M = W_V @ W_O, read @ rest  # whole matrices\n    scores = "
EYE = "torch.eye(W_V.shape[-1]).to(W_V).expand(*W_V.shape[:2], -1, -1)"

ask.mistakes(
    edit(
        "W_O.mean(-1, keepdim=True)",
        "W_O.mean(-2, keepdim=True)",
        "The mean of W_O is taken over d_head: the norm takes the mean over d_model, the last axis.",
    ),
    edit(
        '"V": (W_V, W_O)}',
        '"V": (W_V, torch.stack([each.W_O for each in attention]))}',
        "The later head's W_O is not centred for V: both heads' are, if the model has LayerNorm.",
    ),
    edit(
        '"K": (W_K, W_Q.mT)',
        '"K": (W_Q, W_K.mT)',
        "For K this is the score for Q: the product is transposed, so that W_K reads what the earlier head writes.",
    ),
    edit(
        "[kind]\n",
        "[kind]\n    rest = " + EYE + "\n",
        "Only the matrix that reads is used: M is a product of two, W_Q W_K^T for Q.",
    ),
    edit(
        "values, rests = W_V.mT @ W_V, rest @ rest.mT",
        "values, rests = " + EYE + ", rest @ rest.mT",
        "Only W_O of the earlier head is used: O is W_V times W_O.",
    ),
    edit(
        "scores = " + DIVIDED,
        WHOLE + 'torch.linalg.matrix_norm(torch.einsum("ahij,bljk->ahblik", O, M), 2)\n'
        "    scores = scores / torch.linalg.matrix_norm(O, 2)[:, :, None, None] / torch.linalg.matrix_norm(M, 2)",
        "These are spectral norms, the largest singular values: the score is made of Frobenius norms.",
    ),
    edit(
        "scores = " + DIVIDED,
        WHOLE + 'torch.linalg.matrix_norm(torch.einsum("blij,ahjk->ahblik", M, O))\n'
        "    scores = scores / (writes[:, :, None, None] * reads).sqrt()",
        "This is M O: a row of the stream meets the earlier head's O first, so the product is O M.",
    ),
    edit(
        DIVIDED,
        DIVIDED + " - W_Q.shape[2] ** -0.5",
        "What random matrices would score is taken off: return the score itself.",
    ),
    edit(
        "(layers[:, None] < layers)",
        "(layers[:, None] + layers >= 0)",
        "All pairs of layers are scored: only a later head reads what an earlier one writes, so set the others to 0.",
    ),
    edit(
        "(layers[:, None] < layers)",
        "(layers[:, None] + 1 == layers)",
        "Only neighbouring layers are paired: the stream carries what a head writes to all later layers.",
    ),
    edit(
        "return scores.where(later, 0), ranks",
        "return scores.where(later, 0).permute(2, 3, 0, 1), ranks.permute(2, 3, 0, 1)",
        "The later head's axes come first: the first two are the earlier head's.",
    ),
    edit(
        "ranks[later] = scores[later].argsort(descending=True).argsort() + 1",
        "ranks = scores.where(later, 0).flatten().argsort(descending=True, stable=True).argsort().view_as(scores) + 1",
        "Pairs that are none have a rank as well: it is 0.",
    ),
    edit(
        "ranks[later] = scores[later].argsort(descending=True).argsort() + 1",
        "for layer in layers:\n"
        "        mine = later & (layers == layer)[:, None]\n"
        "        ranks[mine] = scores[mine].argsort(descending=True).argsort() + 1",
        "The ranks begin anew in each later layer: rank among all pairs.",
    ),
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

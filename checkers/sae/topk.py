"""`sae.topk`: the k largest latents of each input."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case
from headwork.checkers.sae.sae_forward import sizes_of

ask = Exercise("TopK", batch=["x", "along_latents"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, sizes, k, spread in [
        ("two of nine", (5, 4, 9), 2, 1),
        ("one of six", (3, 7, 6), 1, 1),
        ("more asked for than are positive", (6, 2, 8), 7, 1),
        ("all of them", (4, 3, 5), 5, 1),
        ("one activation", (1, 6, 10), 3, 1),
        ("large activations", (2, 5, 7), 3, 200),
        ("small activations", (7, 6, 11), 4, 1e-3),
    ]:
        yield Case(name, **sizes_of(rng, *sizes, spread), k=k)


ask.checks(
    equal("latents", title="keeps the k largest of each input, in their places, and none that is negative", weight=2),
    equal("gradient", title="gradients go through those that are kept, to the input, W_enc, b_enc and b_dec"),
)

PRE = "pre = (x - self.b_dec) @ self.W_enc + self.b_enc  # (batch, latent)\n        values, places"
TOP = "values, places = pre.topk(self.k, dim=-1)  # (batch, k)"
RETURN = "return torch.zeros_like(pre).scatter(-1, places, torch.relu(values))"

ask.mistakes(
    edit(
        RETURN,
        "return torch.zeros_like(pre).scatter(-1, places, values)",
        "Negative values are kept where fewer than k are positive: bend by a ReLU as well.",
    ),
    edit(RETURN, "return torch.relu(values)", "The k values are returned alone: put them back in their places."),
    edit(
        RETURN,
        "return torch.zeros_like(pre).scatter(-1, places, (values > 0).to(pre))",
        "Those that are kept become 1: they keep their value.",
    ),
    edit(
        RETURN,
        "return torch.zeros_like(pre).scatter(-1, places, torch.relu(values).detach())",
        "The values were cut from the graph: the places have no gradient, the values have.",
    ),
    edit(
        TOP,
        "values, places = pre.abs().topk(self.k, dim=-1)",
        "The largest by size are taken, strongly negative ones too: take the largest.",
    ),
    edit(TOP, "values, places = pre.topk(self.k, dim=-1, largest=False)", "The k smallest are kept."),
    edit(TOP, "values, places = pre.topk(min(self.k, 2), dim=-1)", "A k is written into the code: use self.k."),
    edit(
        TOP,
        "values, places = pre.topk(max(self.k - 1, 1), dim=-1)",
        "One too few is kept.",
    ),
    edit(
        "        values, places = pre.topk(self.k, dim=-1)  # (batch, k)\n        " + RETURN,
        "        values, places = pre.topk(min(self.k, len(pre)), dim=0)\n"
        "        return torch.zeros_like(pre).scatter(0, places, torch.relu(values))",
        "For each latent the k largest inputs are kept: for each input, keep the k largest latents.",
    ),
    edit(
        "        values, places = pre.topk(self.k, dim=-1)  # (batch, k)\n        " + RETURN,
        "        values, places = pre.flatten().topk(self.k * len(pre))\n"
        "        return torch.zeros_like(pre).flatten().scatter(0, places, torch.relu(values)).view_as(pre)",
        "The largest of the whole batch are kept: that is BatchTopK. Here each input keeps k.",
    ),
    edit(
        "        values, places = pre.topk(self.k, dim=-1)  # (batch, k)\n        " + RETURN,
        "        least = pre.topk(self.k, dim=-1).values[:, -1:]\n        return torch.relu(pre) * (pre > least)",
        "The k-th is left out: what is equal to the smallest that is kept is kept, too.",
    ),
    edit(PRE, PRE.replace("(x - self.b_dec)", "x"), "b_dec is not taken from the input."),
    edit(PRE, PRE.replace(" + self.b_enc", ""), "The bias b_enc is never added."),
    edit(PRE, PRE.replace("self.b_dec)", "self.b_dec.detach())"), "b_dec was cut from the graph."),
    edit(PRE, PRE.replace("(x - self.b_dec)", "x.sub_(self.b_dec)"), "The input was changed in place."),
)

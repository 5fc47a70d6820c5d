"""`sae.batch_topk`: the largest latents of a batch; out of training, those above a threshold that was learned."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case
from headwork.checkers.sae.sae_forward import sizes_of

ask = Exercise("BatchTopK")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, sizes, k, rate, counts in [
        ("two for each of five", (5, 4, 9), 2, 0.3, (5, 3, 6)),
        ("one for each of three", (3, 7, 6), 1, 0.05, (4, 1)),
        ("more asked for than are positive", (6, 2, 8), 7, 0.5, (3, 6, 2)),
        ("one activation", (1, 6, 10), 3, 0.01, (1, 1, 1)),
        ("small activations", (4, 5, 7), 2, 0.2, (2, 7)),
    ]:
        spread = 1e-3 if name.startswith("small") else 1
        batches = [rng.normal((count, sizes[1]), 0.3, spread) for count in counts]
        yield Case(name, **sizes_of(rng, *sizes, spread), k=k, rate=rate, batches=batches)
    silent = sizes_of(rng, 4, 3, 6)
    silent["weights"]["b_enc"] -= 30.0
    batches = [silent["x"] * 0.5, silent["x"] - 60 * silent["weights"]["W_enc"][:, 0], silent["x"] * 0.3]
    yield Case("a batch in which nothing is active", **silent, k=2, rate=0.4, batches=batches)


ask.checks(
    equal("latents 0", title="in training, keeps the k times batch largest of the batch", weight=2),
    equal("latents 1", title="does so in every batch, whatever its size"),
    equal("threshold 0", title="the first batch sets the threshold to the smallest latent kept"),
    equal("threshold 1", title="later ones move it by `rate`", weight=2),
    equal("gradient", title="in training, gradients go through those that are kept"),
    equal("out of training", title="out of training, keeps what is above the threshold", weight=2),
    equal("threshold at the end", title="out of training, the threshold stays"),
    equal("gradient out of training", title="out of training, gradients go through those above the threshold"),
)

PRE = "latents = torch.relu((x - self.b_dec) @ self.W_enc + self.b_enc)"
FLAT = "values, places = latents.flatten().topk(self.k * len(x))  # (k * batch,)"
KEPT = "kept = torch.zeros_like(latents).flatten().scatter(-1, places, values).reshape(latents.shape)"
LEAST = "least = torch.where(kept > 0, kept, torch.inf).min()"
MOVED = "moved = torch.where(self.threshold < 0, least, self.threshold + self.rate * (least - self.threshold))"
COPY = "self.threshold.copy_(torch.where(least < torch.inf, moved, self.threshold))"
EVAL = "return latents * (latents > self.threshold)"

ask.mistakes(
    edit(
        FLAT,
        "values, places = latents.flatten().topk(self.k)",
        "The batch keeps k in all: it keeps k times batch.",
    ),
    edit(
        FLAT + "\n        " + KEPT,
        "values, places = latents.topk(self.k, dim=-1)\n"
        "        kept = torch.zeros_like(latents).scatter(-1, places, values)",
        "Each input keeps k: that is TopK. Here the batch shares k times batch.",
    ),
    edit(KEPT, KEPT.replace("places, values)", "places, values.detach())"), "The values were cut from the graph."),
    edit(
        LEAST,
        "least = torch.where(kept > 0, kept, torch.inf).amin(-1).mean()",
        "The threshold follows each input's smallest: take the smallest of the batch.",
    ),
    edit(LEAST, "least = kept.min()", "The smallest is taken over zeros as well: leave them out."),
    edit(LEAST, "least = kept.max()", "The threshold follows the largest latent: take the smallest that is kept."),
    edit(LEAST, "least = kept[kept > 0].mean()", "The threshold follows the mean: take the smallest that is kept."),
    edit(MOVED, "moved = least", "The threshold is that of the last batch: move it by `rate`."),
    edit(
        MOVED,
        "moved = torch.where(self.threshold < 0, least, least + self.rate * (self.threshold - least))",
        "`rate` weighs the old threshold: it weighs the new one.",
    ),
    edit(
        MOVED,
        "moved = self.threshold + self.rate * (least - self.threshold)",
        "The first batch is averaged with the -1 that stands for nothing: take its value as it is.",
    ),
    edit(
        MOVED,
        "moved = torch.where(self.threshold < 0, least, self.threshold + 0.01 * (least - self.threshold))",
        "A rate is written into the code: use self.rate.",
    ),
    edit(
        MOVED,
        "moved = torch.where(self.threshold < 0, least, torch.minimum(least, self.threshold))",
        "The threshold is the smallest ever kept: it is to be a moving average.",
    ),
    edit(COPY, "self.threshold.copy_(moved)", "A batch without active latents makes the threshold infinite: skip it."),
    edit("            " + COPY, "            pass", "The threshold is never moved: each batch in training moves it."),
    edit(
        "        if not self.training:\n            " + EVAL + "\n",
        "",
        "Out of training an input is judged beside others of its batch: there, the threshold decides.",
    ),
    edit("if not self.training:", "if self.training:", "Training and use are swapped."),
    edit(
        EVAL,
        "return (latents - self.threshold).relu()",
        "Out of training latents lose the threshold: those above it stay as they are.",
    ),
    edit(EVAL, "return (latents * (latents > self.threshold)).detach()", "Out of training the graph was cut."),
    edit(PRE, PRE.replace("(x - self.b_dec)", "x"), "b_dec is not taken from the input."),
    edit(PRE, PRE.replace(" + self.b_enc", ""), "The bias b_enc is never added."),
)

ask.survives(EVAL, EVAL.replace("latents >", "latents >="), "no latent is equal to a moving average")
ask.survives(KEPT, KEPT.replace("-1", "-0"), "after flatten there is one axis, the first and the last")
ask.survives(MOVED, MOVED.replace("threshold < 0", "threshold <= 0"), "a threshold that was set is above 0")

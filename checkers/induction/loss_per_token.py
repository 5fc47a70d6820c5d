"""`induction.loss_per_token`: the loss of each token but the first, on a model."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.induction.networks import ATTENTION_ONLY, HOUSE, SHAPES, described
from headwork.checkers.induction.planted import repeated
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("loss_per_token", batch=["tokens", "cotangent"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for shape, batch, length in [
        ("a small GPT-2", 4, 9),
        ("attention only", 3, 6),
        ("untied, with ReLU", 2, 12),
        ("one head, no biases", 1, 2),
    ]:
        config = SHAPES[shape]
        tokens, cotangent = rng.integers((batch, length), config.d_vocab), rng.normal((batch, length - 1))
        sizes = f"{batch} text{'s' * (batch > 1)} of {length} tokens"
        yield Case(f"{shape}, {sizes}", model=described(rng, config), tokens=tokens, cotangent=cotangent)
    tokens = repeated(rng, 3, 5, 256, 1)["tokens"]
    yield Case("attention-only", model=ATTENTION_ONLY, tokens=tokens, cotangent=rng.normal((3, 10)))
    tokens = repeated(rng, 2, 7, 1792, 1)["tokens"]
    yield Case("house on a text that repeats", model=HOUSE, tokens=tokens, cotangent=rng.normal((2, 14)))


ask.checks(
    equal("losses", title="gives the loss of every token but the first", weight=2),
    equal("gradient", title="gradients reach the model's parameters"),
)

SEEN = "A token is scored by the logits of its own position, which have seen it: use those of the position before."

ask.mistakes(
    edit(
        "return -found", "return found", "The sign is missing: a log-probability is never above 0, a loss never below."
    ),
    edit("log_softmax(-1)", "softmax(-1)", "These are probabilities: the loss is minus their logarithm."),
    edit(".log_softmax(-1)", "", "Raw logits are no log-probabilities: log_softmax makes them so."),
    edit(
        "log_softmax(-1)",
        "log_softmax(1)",
        "The softmax runs over positions: probabilities sum to 1 over the vocabulary.",
    ),
    edit(
        "model(tokens)[:, :-1].log_softmax(-1)",
        "model(tokens).log_softmax(1)[:, :-1]",
        "The softmax runs over positions: probabilities sum to 1 over the vocabulary.",
    ),
    edit(
        "log_softmax(-1)",
        "log_softmax(0)",
        "The softmax runs over the batch: probabilities sum to 1 over the vocabulary.",
    ),
    edit("model(tokens)[:, :-1]", "model(tokens)[:, 1:]", SEEN),
    edit(
        "tokens[:, 1:, None]",
        "tokens[:, :-1, None]",
        "Each token is looked up in the logits of its own position, which speak about the next one: look up the next.",
    ),
    edit("-found.squeeze(-1)", "-found.mean()", "The loss is averaged: return a number for each token."),
    edit(
        "-found.squeeze(-1)",
        "-found.squeeze(-1).mean(0)",
        "The loss is averaged over the batch: return a number for each token of each text.",
    ),
    edit(
        "-found.squeeze(-1)",
        "-found.squeeze(-1).detach()",
        "The losses were cut from the graph (detach, .item or no_grad): gradients must reach the model's parameters.",
    ),
    edit(
        "-found.squeeze(-1)", "-found.squeeze(-1) / 0.6931471805599453", "This is in bits: take the natural logarithm."
    ),
    edit(
        "-found.squeeze(-1)",
        "torch.cat([-found.squeeze(-1)[:, :1] * 0, -found.squeeze(-1)], 1)",
        "A zero stands in front for the first token: nothing predicts it, so leave it out.",
    ),
)

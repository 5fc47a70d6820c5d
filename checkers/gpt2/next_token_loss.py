"""`gpt2.next_token_loss`: the mean cross-entropy of each next token, whichever way it is computed."""

from collections.abc import Iterator

from headwork.checkers.checks import equal, stable
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("next_token_loss", batch=["logits", "tokens"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (batch, length, vocab), spread in [
        ("ordinary logits", (3, 5, 7), 1.5),
        ("a batch of one", (1, 6, 4), 2),
        ("two tokens each", (4, 2, 9), 1),
        ("long texts, few tokens", (2, 13, 3), 3),
        ("huge logits", (2, 4, 6), 1000),
    ]:
        tokens = rng.integers((batch, length), vocab)
        tokens[0, 1] = 0  # token 0 is a token like any other
        yield Case(
            name,
            logits=rng.normal((batch, length, vocab), centre=2, spread=spread),
            tokens=tokens,
            cotangent=rng.normal(()),
        )


ask.checks(
    equal("loss", title="is the mean of minus the log-probability of each next token", weight=2),
    equal("gradient", title="gradients reach the logits"),
    stable("loss", on=["huge logits"], title="stays exact for huge logits in float32"),
)

PAIRED = """predictions = logits[:, :-1].flatten(0, 1)  # (scored, vocab): nothing follows the last position
    targets = tokens[:, 1:].flatten()"""
CALL = "F.cross_entropy(predictions, targets)"
INLINE = "-{}.gather(-1, targets[:, None]).mean()"
OWN = "The loss is not shifted: the logits at a position speak about the token after it, not about the one there."
MIXED = "Logits and tokens are flattened in different orders: let both run through one sequence, then the next."
DENSE = (
    "F.cross_entropy takes the second axis for the vocabulary, which is the last one here: flatten batch and position "
    "into one axis, or move the vocabulary to the second place."
)

ask.mistakes(
    edit("logits[:, :-1].flatten(0, 1)", "logits[:, 1:].flatten(0, 1)", OWN),
    edit(
        PAIRED,
        "predictions = logits.flatten(0, 1)\n    targets = tokens.flatten()",
        OWN + " The first token counts as well here: nothing predicts it.",
    ),
    edit(
        "tokens[:, 1:].flatten()",
        "tokens[:, :-1].flatten()",
        "The targets are not shifted: the logits that have just read a token are asked for that same token.",
    ),
    edit(
        PAIRED,
        "predictions = logits[:, 1:].flatten(0, 1)\n    targets = tokens[:, :-1].flatten()",
        "The shift runs the wrong way: this scores each token by the logits after it, which have read it.",
    ),
    edit(
        PAIRED,
        "predictions = logits.flatten(0, 1)\n    targets = tokens.roll(-1, 1).flatten()",
        "`roll` carries the first token round to the end, where the last position is scored against it: drop the last "
        "position instead.",
    ),
    edit(
        PAIRED,
        "predictions = logits.flatten(0, 1)\n    targets = tokens.roll(1, 1).flatten()",
        "`roll` runs the wrong way, so each position is asked for the token before it; and drop what wraps around.",
    ),
    edit(
        PAIRED,
        "predictions = logits[:, :-2].flatten(0, 1)\n    targets = tokens[:, 2:].flatten()",
        "The shift is two: the logits at a position speak about the very next token.",
    ),
    edit(
        PAIRED,
        "predictions = logits.flatten(0, 1)\n    targets = F.pad(tokens[:, 1:], (0, 1)).flatten()",
        "The targets are padded with token 0, and the last position is scored against it: drop that position instead.",
    ),
    edit(
        PAIRED,
        "predictions = logits[:, -2]\n    targets = tokens[:, -1]",
        "Only the last token of each sequence is scored: every token but the first is a target.",
    ),
    edit(CALL, 'F.cross_entropy(predictions, targets, reduction="sum")', "This is the sum: return the mean."),
    edit(
        CALL,
        'F.cross_entropy(predictions, targets, reduction="sum") / len(tokens)',
        "The sum over positions is divided by the batch alone: divide by the number of scored tokens.",
    ),
    edit(
        CALL,
        'F.cross_entropy(predictions, targets, reduction="sum") / tokens.numel()',
        "The sum is divided by all tokens, the first ones too, which are never scored: divide by the scored ones.",
    ),
    edit(
        CALL,
        'F.cross_entropy(predictions, targets, reduction="none")',
        "This is a loss for each token: return their mean, a tensor without axes.",
    ),
    edit(
        CALL,
        "F.cross_entropy(predictions.softmax(-1), targets)",
        "F.cross_entropy takes logits and makes the softmax itself; here it is given probabilities: leave yours out.",
    ),
    edit(
        CALL,
        INLINE.format("predictions.softmax(-1)"),
        "These are probabilities without their logarithm: the loss is minus the log-probability.",
    ),
    edit(
        CALL,
        INLINE.format("predictions.softmax(-1).log()"),
        "A softmax rounds small probabilities to 0, and log(0) is minus infinity: compute the log-probabilities at "
        "once with log_softmax.",
    ),
    *(
        edit(
            CALL,
            INLINE.format(f"(predictions.softmax(-1) + {small}).log()"),
            "A small number is added before the logarithm, which caps how surprised the model can be and bends all "
            "other losses: compute the log-probabilities at once with log_softmax.",
        )
        for small in ("1e-8", "1e-10", "1e-12")
    ),
    edit(
        CALL,
        "(predictions.exp().sum(-1).log() - predictions.gather(-1, targets[:, None]).squeeze(-1)).mean()",
        "exp of a large logit overflows: use log_softmax or logsumexp, which first subtract the row's maximum.",
    ),
    edit(
        CALL,
        "F.cross_entropy(predictions, targets) / math.log(2)",
        "This is in bits: nats come from the natural logarithm.",
    ),
    edit(
        CALL,
        "F.cross_entropy(predictions, targets).exp()",
        "This is the perplexity, the exponential of the loss: return the loss itself.",
    ),
    edit(CALL, "-F.cross_entropy(predictions, targets)", "The sign is flipped: the loss is never below 0."),
    edit(
        CALL,
        INLINE.format("predictions.log_softmax(0)"),
        "The softmax runs over positions: probabilities sum to 1 over the vocabulary, the last axis.",
    ),
    edit(
        CALL,
        INLINE.format("predictions"),
        "These are raw logits: turn them into log-probabilities with log_softmax first.",
    ),
    edit("tokens[:, 1:].flatten()", "tokens[:, 1:].T.flatten()", MIXED),
    edit(
        "logits[:, :-1].flatten(0, 1)",
        "logits[:, :-1].mT.reshape(-1, logits.shape[-1])",
        MIXED + " The vocabulary axis has to stay the last one.",
    ),
    edit(CALL, "F.cross_entropy(logits[:, :-1], tokens[:, 1:])", DENSE),
    edit(
        CALL,
        "F.cross_entropy(predictions, targets, ignore_index=0)",
        "Token 0 is left out as if it were padding: it is a token like any other.",
    ),
    edit(
        CALL,
        "F.cross_entropy(predictions, targets).item()",
        "`.item()` makes a plain number, which has no gradient: return the tensor.",
    ),
    edit(
        CALL,
        "F.cross_entropy(predictions, targets).detach()",
        "The loss was cut from the graph (detach, .data or no_grad): gradients must reach the logits.",
    ),
)

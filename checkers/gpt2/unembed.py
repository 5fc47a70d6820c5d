"""`gpt2.unembed`: the normalised stream against every token's embedding."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("unembed", batch=["residual", "cotangent"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (batch, length, d_model, d_vocab), spread in [
        ("more tokens than dimensions", (2, 3, 5, 11), 1),
        ("more dimensions than tokens", (3, 4, 8, 6), 1),
        ("as many tokens as dimensions", (2, 5, 7, 7), 1),
        ("a batch of one", (1, 6, 4, 9), 1),
        ("one position", (4, 1, 3, 10), 1),
        ("large numbers", (3, 2, 6, 13), 100),
        ("small numbers", (2, 4, 3, 5), 1e-3),
    ]:
        yield Case(
            name,
            residual=rng.normal((batch, length, d_model), spread=spread),
            W_E=rng.normal((d_vocab, d_model)),
            cotangent=rng.normal((batch, length, d_vocab)),
        )


ask.checks(
    equal("logits", title="the score of every token at every position", weight=2),
    equal("gradient", title="gradients reach the stream and the embedding"),
)

LOWERED = "A number is subtracted from all logits of a position, which changes no probability: return the plain scores."

ask.mistakes(
    edit(
        "norm(residual)",
        "torch.nn.functional.layer_norm(residual, residual.shape[-1:])",
        "The stream is normalised without `norm`: call the one that is passed, which has a scale and shift.",
    ),
    edit("normalised = norm(residual)", "normalised = residual", "The final norm is never applied: normalise first."),
    edit(
        "normalised = norm(residual)  # (batch, position, d_model)\n    return normalised @ W_E.T",
        "return norm(residual @ W_E.T)",
        "The norm comes after the product with W_E: normalise the stream, then score it.",
    ),
    edit("norm(residual)", "norm(norm(residual))", "The norm is applied twice: the stream passes through it once."),
    edit("W_E.T", "norm(W_E).T", "The embedding is normalised, too: only the stream is."),
    edit(
        "return normalised @ W_E.T",
        "return (normalised @ W_E.T).softmax(-1)",
        "These are probabilities: return the scores before the softmax.",
    ),
    edit(
        "return normalised @ W_E.T",
        "return (normalised @ W_E.T).log_softmax(-1)",
        "These are log-probabilities: return the scores before the softmax.",
    ),
    edit(
        "return normalised @ W_E.T",
        "logits = normalised @ W_E.T\n    return logits - logits.mean(-1, keepdim=True)",
        LOWERED,
    ),
    edit(
        "return normalised @ W_E.T",
        "logits = normalised @ W_E.T\n    return logits - logits.amax(-1, keepdim=True)",
        LOWERED,
    ),
    edit(
        "return normalised @ W_E.T",
        "return normalised @ W_E",
        "W_E is used untransposed: its rows, (d_vocab, d_model), are to meet the stream in d_model.",
    ),
    edit(
        "return normalised @ W_E.T",
        "return (normalised @ W_E.T)[:, -1]",
        "Only the last position is scored: training needs the logits of every position.",
    ),
    edit(
        "return normalised @ W_E.T",
        "return (normalised @ W_E.T)[:, -1:]",
        "Only the last position is scored: training needs the logits of every position.",
    ),
    edit(
        "return normalised @ W_E.T",
        "return normalised @ W_E.T / W_E.shape[1] ** 0.5",
        "The scores are divided by the root of d_model: only attention scores are scaled.",
    ),
    edit(
        "return normalised @ W_E.T",
        "return normalised @ W_E.T / W_E.norm(dim=-1)",
        "Each score is divided by the length of the token's embedding: a logit is the plain dot product.",
    ),
    edit(
        "W_E.T",
        "W_E.T.detach()",
        "W_E was cut from the graph (detach, .data or no_grad): tied, it learns from here as well.",
    ),
    edit(
        "norm(residual)",
        "norm(residual.detach())",
        "The stream was cut from the graph (detach, .data or no_grad): no layer before this one could learn.",
    ),
)

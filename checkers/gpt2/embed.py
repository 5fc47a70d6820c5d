"""`gpt2.embed`: a vector for the token plus one for its position."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng, weights
from headwork.checkers.probing import Case

ask = Exercise("Embed", batch=["tokens", "cotangent"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (d_vocab, n_ctx, d_model), (batch, length), start in [
        ("from the first position on", (11, 13, 6), (3, 5), 0),
        ("five positions came before", (7, 12, 4), (2, 6), 5),
        ("a batch of one, as long as the context", (14, 8, 3), (1, 8), 0),
        ("one token at the last position", (5, 10, 7), (4, 1), 9),
        ("a position for every token but one", (9, 10, 2), (5, 8), 1),
        ("two tokens, often repeated", (2, 9, 5), (3, 7), 2),
    ]:
        tokens = rng.integers((batch, length), d_vocab)
        tokens[0, 0] = d_vocab - 1
        yield Case(
            name,
            d_vocab=d_vocab,
            n_ctx=n_ctx,
            d_model=d_model,
            start=start,
            weights=weights(rng, W_E=(d_vocab, d_model), W_pos=(n_ctx, d_model)),
            tokens=tokens,
            cotangent=rng.normal((batch, length, d_model)),
        )


ask.checks(
    equal("vectors", title="every token's vector plus that of the position it stands at", weight=2),
    equal("gradient", title="gradients reach both matrices"),
)

POSITIONS = "self.W_pos[start:end]"
BY_TOKEN = "W_pos is indexed by the tokens: its rows belong to positions, whatever token stands there."
ALONG_BATCH = "The positions are counted along the batch: every sequence begins anew, so count along axis 1."

ask.mistakes(
    edit(" + self.W_pos[start:end]", "", "No position is added: add a row of W_pos for each position."),
    edit(
        POSITIONS,
        "self.W_pos",
        "The whole of W_pos is added: take the rows of the positions that `tokens` stand at, one for each.",
    ),
    edit(
        POSITIONS,
        "2 * self.W_pos[start:end]",
        "The position is added twice: once is enough, and later layers get the sum as it is.",
    ),
    edit(
        POSITIONS,
        "self.W_pos[: tokens.shape[1]]",
        "The positions begin at 0 whatever `start` is: the first token of `tokens` stands at position `start`.",
    ),
    edit(POSITIONS, "self.W_pos[start + 1 : end + 1]", "The positions are one too high: the first of a text is 0."),
    edit(
        "end = start + tokens.shape[1]",
        "end = tokens.shape[1]",
        "The slice ends at the number of tokens: with `start` positions before them it ends at start + length.",
    ),
    edit(
        POSITIONS,
        "self.W_pos[start]",
        "Every token gets the vector of position `start`: the next one stands at start + 1, and so on.",
    ),
    edit(
        POSITIONS,
        "self.W_pos[start:end].flip(0)",
        "The positions run backwards: the first token of `tokens` gets row `start` of W_pos.",
    ),
    edit(
        POSITIONS,
        "self.W_pos[tokens]",
        BY_TOKEN,
    ),
    edit(POSITIONS, "self.W_pos[tokens + start]", BY_TOKEN),
    edit(
        POSITIONS,
        "self.W_pos[start : start + len(tokens), None]",
        ALONG_BATCH,
    ),
    edit(POSITIONS, "self.W_pos[start : start + len(tokens)]", ALONG_BATCH),
    edit(
        "self.W_E[tokens] + self",
        "self.W_E[tokens] * self",
        "The two vectors are multiplied: GPT-2 adds them.",
    ),
    edit(
        "self.W_E[tokens] + self.W_pos[start:end]",
        "torch.cat([self.W_E[tokens], self.W_pos[start:end].expand(len(tokens), -1, -1)], -1)",
        "The two vectors are put side by side: GPT-2 adds them, in the same d_model numbers.",
    ),
    edit(
        "self.W_E[tokens] + self",
        "self.W_E[tokens] * self.W_E.shape[1] ** 0.5 + self",
        "The token's vector is scaled by the root of d_model, as in Vaswani et al. 2017; GPT-2 takes it as it is.",
    ),
    edit(
        "self.W_E[tokens] + self.W_pos[start:end]",
        "(self.W_E[tokens] + self.W_pos[start:end]) * self.W_E.shape[1] ** 0.5",
        "The sum is scaled by the root of d_model: GPT-2 does not scale what it embeds.",
    ),
    edit(
        "self.W_E[tokens]",
        "torch.nn.functional.one_hot(tokens, self.W_E.shape[0]).float() @ self.W_E",
        "The one-hot vectors are always float32: give them W_E's dtype, or take its rows by indexing.",
    ),
    edit(
        "self.W_E[tokens]",
        "self.W_E.detach()[tokens]",
        "W_E was cut from the graph (detach, .data or no_grad): without gradients the tokens' vectors never learn.",
    ),
    edit(
        POSITIONS,
        "self.W_pos.detach()[start:end]",
        "W_pos was cut from the graph (detach, .data or no_grad): GPT-2 learns its positions, so gradients must "
        "reach it.",
    ),
)

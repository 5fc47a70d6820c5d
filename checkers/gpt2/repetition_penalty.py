"""`gpt2.repetition_penalty`: the logits of tokens that the text holds already, lowered once each."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("repetition_penalty", batch=["logits", "tokens"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (rows, vocab, length), spread, penalty in [
        ("penalty 1.3", (3, 10, 6), 1, 1.3),
        ("penalty 2, one row", (1, 9, 4), 3, 2.0),
        ("more positions than tokens", (4, 6, 11), 1, 1.2),
        ("penalty 1: no change", (2, 7, 5), 1, 1.0),
        ("penalty 0.5: a reward", (2, 8, 3), 1, 0.5),
        ("one position", (5, 4, 1), 1, 1.7),
        ("large logits", (3, 12, 7), 300, 1.1),
    ]:
        tokens = rng.integers((rows, length), vocab)
        tokens[:, length // 3] = tokens[:, 0]  # at least one token comes twice where there is room for it
        tokens = tokens.where(tokens != vocab // 2, 0)  # and one never comes
        yield Case(
            name,
            logits=rng.normal((rows, vocab), spread=spread),
            tokens=tokens,
            penalty=penalty,
        )


ask.checks(
    equal("logits", title="lowers the logits of the row's own tokens, once each, and no others"),
)

SEEN = "seen = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, tokens, True)"
LOWERED = "torch.where(logits > 0, logits / penalty, logits * penalty)"
LAST = "return torch.where(seen, lowered, logits)"
TIMES = "torch.zeros_like(logits).scatter_add(-1, tokens, torch.ones_like(tokens, dtype=logits.dtype))"

ask.mistakes(
    edit(
        LOWERED,
        "logits / penalty",
        "Every logit is divided, and a negative one moves up towards 0 by that, so the token becomes likelier: "
        "multiply negative logits.",
    ),
    edit(
        LOWERED,
        "logits * penalty",
        "Every logit is multiplied, which makes tokens with positive logits likelier: divide positive logits.",
    ),
    edit(
        LOWERED,
        "torch.where(logits < 0, logits / penalty, logits * penalty)",
        "The signs are exchanged: positive logits are divided, negative ones multiplied.",
    ),
    edit(LOWERED, "logits - penalty", "The penalty is subtracted: it is a factor."),
    edit(
        LOWERED,
        "logits - math.log(penalty)",
        "The penalty's logarithm is subtracted: the penalty is a factor of the logit.",
    ),
    edit(
        LOWERED,
        "logits - logits.abs() * (penalty - 1)",
        "A share of the logit's size is subtracted: divide positive logits by the penalty instead.",
    ),
    edit(
        LOWERED,
        "torch.where(logits > 0, logits / 1.2, logits * 1.2)",
        "1.2 is written into the code: use the penalty that is passed.",
    ),
    edit(
        f"{SEEN}  # (row, vocab)\n    lowered = {LOWERED}",
        f"times = {TIMES}\n    seen = times > 0\n"
        "    lowered = torch.where(logits > 0, logits / penalty**times, logits * penalty**times)",
        "A token that comes twice is penalised twice: each token counts once, however often it came.",
    ),
    edit(
        ".scatter(-1, tokens, True)",
        ".scatter(-1, tokens.flatten().expand(len(tokens), -1), True)",
        "Tokens of all rows are penalised in every row: a row has seen only its own.",
    ),
    edit(
        ".scatter(-1, tokens, True)",
        ".scatter(-1, tokens[:1].expand_as(tokens), True)",
        "The first row's tokens are penalised in every row: use each row's own.",
    ),
    edit(
        ".scatter(-1, tokens, True)",
        ".scatter(-1, tokens[:, -1:], True)",
        "Only the last token is penalised: every token of the row counts.",
    ),
    edit(
        ".scatter(-1, tokens, True)",
        ".scatter(-1, tokens[:, :-1], True)",
        "The last token is left out: every token of the row counts.",
    ),
    edit(
        LAST,
        "return torch.where(seen, logits, lowered)",
        "The tokens that never came are penalised: it should be those that did.",
    ),
    edit(LAST, "return lowered", "Every token is penalised: only those that the row has seen should be."),
    edit(
        LAST,
        "return logits.masked_fill(seen, -torch.inf)",
        "Tokens that came are ruled out: the penalty only makes them less likely.",
    ),
    edit(
        f"{SEEN}  # (row, vocab)",
        f"logits = logits.log_softmax(-1)\n    {SEEN}",
        "The penalty is applied to log-probabilities, none of which is positive: apply it to the logits as they come.",
    ),
    edit(
        f"{SEEN}  # (row, vocab)",
        f"logits = logits.softmax(-1)\n    {SEEN}",
        "The penalty is applied to probabilities: apply it to the logits as they come.",
    ),
    edit(
        LAST,
        "return torch.where(seen, lowered, logits).softmax(-1)",
        "These are probabilities: return logits, so that a temperature or a cut can follow.",
    ),
    edit(
        LAST,
        "return logits.copy_(torch.where(seen, lowered, logits))",
        "The logits are changed in place, and whoever passed them still needs them: return a new tensor.",
    ),
)

ask.survives(
    "lowered = torch.where(logits > 0, logits / penalty, logits * penalty)",
    "lowered = torch.where(logits >= 0, logits / penalty, logits * penalty)",
    "a logit of exactly 0 is 0 either way",
)

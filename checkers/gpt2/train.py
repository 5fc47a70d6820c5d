"""`gpt2.train`: a few steps judged by the parameters they give, and a run judged by what its model has learnt."""

from collections.abc import Iterator

import torch
from torch import Tensor

from headwork.checkers.checks import equal, satisfies
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng, weights
from headwork.checkers.probing import Case

ask = Exercise("train")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, vocab, width, lengths, spread, options in [
        ("three batches", 7, 4, [(2, 5), (3, 6), (2, 4)], 1.8, (0.05, 0.01, 100.0)),
        ("clipping some of the steps", 5, 3, [(1, 3), (2, 8), (4, 3), (1, 9)], 1, (0.02, 0.01, 1.2)),
        ("strong weight decay", 6, 5, [(2, 7), (2, 7)], 1, (0.1, 0.5, 0.1)),
        ("a batch of one", 8, 3, [(1, 6), (1, 5), (1, 4)], 1.4, (0.03, 0.1, 0.6)),
    ]:
        shapes = _shapes(vocab, width)
        learning_rate, weight_decay, max_norm = options
        yield Case(
            name,
            weights=weights(rng, spread, **shapes),
            batches=[rng.integers(shape, vocab) for shape in lengths],
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            max_norm=max_norm,
            stale=-0.3 * width,
        )


VOCAB, WIDTH, STEPS = 6, 16, 400


@ask.slow_cases(seconds=60)
def _(rng: Rng) -> Iterator[Case]:
    """Text in which each token depends on the two before it; the bar lies 0.07 nats above its entropy."""
    table = (2 * rng.normal((VOCAB, VOCAB, VOCAB))).softmax(-1)  # (token before, token, next token)
    table = 0.5 * table + 0.5 * table.mean(0)  # gentle enough for the small model
    shapes = _shapes(VOCAB, WIDTH)
    text = _text(rng, table, 16 * STEPS + 512, 24)  # (sequence, position)
    held_out = text[16 * STEPS :]
    yield Case(
        "a language of pairs",
        weights={name: value.float() for name, value in weights(rng, 0.3, **shapes).items()},
        batches=list(text[: 16 * STEPS].split(16)),
        held_out=held_out,
        learning_rate=0.02,
        bar=_loss_of_the_law(table, held_out) + 0.07,
    )


def _shapes(vocab: int, width: int) -> dict[str, int | tuple[int, int]]:
    return {"W_E": (vocab, width), "W_before": (width, width), "W_U": (width, vocab), "b_U": vocab}


def _text(rng: Rng, table: Tensor, count: int, length: int) -> Tensor:
    tokens = [rng.integers((count,), VOCAB), rng.integers((count,), VOCAB)]
    while len(tokens) < length:
        law = table[tokens[-2], tokens[-1]]  # (sequence, next token)
        tokens.append(torch.multinomial(law, 1, generator=rng.generator).squeeze(-1))
    return torch.stack(tokens, -1)


def _loss_of_the_law(table: Tensor, text: Tensor) -> float:
    """The loss, in nats a token, of who knows the law; the first guess has no pair to go by."""
    first = torch.tensor(VOCAB).double().log()
    known = -table[text[:, :-2], text[:, 1:-1], text[:, 2:]].log()  # (sequence, position - 2)
    return float((known.sum() + first * len(text)) / (known.numel() + len(text)))


def _no_graph(value: object, case: Case) -> str:
    return "a loss in the list is a tensor that still holds its graph, and with it all activations" if value else ""


def _learnt_too_little(value: object, case: Case) -> str:
    """Of the ways in which training was asked, the better one counts."""
    shape = (*case.held_out.shape, VOCAB)
    logits = [each for each in value if isinstance(each, Tensor)] if isinstance(value, list) else []
    if not logits or any(each.shape != shape or not each.isfinite().all() for each in logits):
        return "the trained model gives no finite logits"
    table = torch.stack(logits)[:, :, :-1].double().log_softmax(-1)  # (way, sequence, position - 1, vocab)
    targets = case.held_out[:, 1:, None].expand(len(logits), -1, -1, 1)
    loss = float((-table.gather(-1, targets)).mean((1, 2, 3)).min())
    return "" if loss <= case.bar else f"its loss on text it has not seen is {loss:.4g}, the bar is {case.bar:.4g}"


ask.checks(
    equal(
        "parameters with our loss",
        "parameters as it stands",
        title="after a few steps the parameters are AdamW's",
        weight=3,
    ),
    equal("losses with our loss", "losses as it stands", title="returns each batch's mean next-token loss"),
    satisfies("losses that hold a graph", _no_graph, title="returns plain numbers, not graphs"),
    satisfies(
        "held-out logits",
        _learnt_too_little,
        title="the trained model is within 0.07 nats of the best possible",
        weight=2,
    ),
)

LOSS = "next_token_loss(model(tokens), tokens)"
SCORED = "F.cross_entropy({}.flatten(0, 1), {}.flatten())"

ask.mistakes(
    edit(
        "        optimiser.zero_grad()\n        loss.backward()\n"
        "        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)\n        optimiser.step()\n",
        "        loss.backward()\n        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)\n"
        "        optimiser.step()\n        optimiser.zero_grad()\n",
        "Gradients that lay in the model before the first batch are used: clear them before backward, not after.",
    ),
    edit(
        LOSS,
        SCORED.format("model(tokens)[:, 1:]", "tokens[:, 1:]"),
        "The logits are shifted the wrong way: position t predicts token t + 1, so the last position is dropped.",
    ),
    edit("lr=learning_rate", "lr=1e-3", "A learning rate is written into the code: use learning_rate."),
    edit(
        "losses.append(loss.item())",
        f"losses.append({LOSS}.item())",
        "The loss is measured again after the step: return the one from before it.",
    ),
    edit("        optimiser.zero_grad()\n", "", "Old gradients are never cleared: each backward pass adds to them."),
    edit(
        LOSS,
        SCORED.format("model(tokens)[:, :-1]", "tokens[:, :-1]"),
        "The targets are not shifted: the model is asked for the token it has just read.",
    ),
    edit(
        LOSS,
        SCORED.format("model(tokens)", "tokens"),
        "Nothing is shifted: drop the last position of the logits and the first of the tokens.",
    ),
    edit(
        "        optimiser.step()\n",
        "",
        "The parameters stay as they were: call backward for the gradients, then let the optimiser step.",
    ),
    edit(", weight_decay=weight_decay)", ")", "weight_decay is not passed to the optimiser."),
    edit(
        "torch.optim.AdamW(",
        "torch.optim.Adam(",
        "Adam mixes weight decay into the gradient; AdamW shrinks the weights apart from it.",
    ),
    edit(
        "torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay)",
        "torch.optim.SGD(model.parameters(), lr=learning_rate, weight_decay=weight_decay)",
        "This is plain gradient descent: use AdamW.",
    ),
    edit(
        "        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)\n",
        "",
        "The gradients are not clipped to max_norm before the step: clip between backward and step.",
    ),
    edit(
        "model.parameters(), max_norm)",
        "model.parameters(), 1.0)",
        "The clipping norm 1.0 is written into the code: use max_norm.",
    ),
    edit(
        "clip_grad_norm_(model.parameters(), max_norm)",
        "clip_grad_value_(model.parameters(), max_norm)",
        "Each number is clipped by itself: scale the whole gradient by its norm.",
    ),
    edit(
        "    for tokens in batches:\n",
        "    for tokens in batches:\n"
        "        optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay)\n",
        "A new optimiser is made for every batch, so AdamW's running averages start over each time: make it once.",
    ),
    edit(
        LOSS,
        SCORED.format("model(tokens)[:, :-1]", "tokens[:, 1:]")[:-1] + ', reduction="sum")',
        "The loss is summed over tokens: take the mean, or the step depends on the batch's size.",
    ),
    edit(
        "losses.append(loss.item())",
        "losses = [loss.item()]",
        "Only the last loss is returned: keep one for every batch.",
    ),
    edit(
        "losses.append(loss.item())",
        "losses.append(loss)",
        "The list keeps loss tensors and with them all their graphs: store loss.item().",
    ),
)

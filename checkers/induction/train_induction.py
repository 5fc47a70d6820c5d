"""`induction.train_induction`: texts that teach induction, and a training loop judged by what its model does."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.checks import claim, equal, same, satisfies
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.induction.judge.data import pairs, repeats
from headwork.checkers.induction.judge.experiments import losses_with_edges_cut
from headwork.checkers.induction.networks import described
from headwork.checkers.induction.probes.networks import build
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case
from headwork.models.config import Config

ask = Exercise("induction_batch", "train_induction", seconds=30)

PLAIN: dict[str, Any] = {"attn_only": True, "layer_norm": False, "biases": False, "tied": False}
SMALL = Config(d_vocab=9, n_ctx=6, d_model=6, n_heads=2, d_mlp=1, n_layers=2, **PLAIN)
LEARNER = Config(d_vocab=48, n_ctx=24, d_model=48, n_heads=4, d_mlp=1, n_layers=2, **PLAIN)
SHORT = 7  # the length of texts of which every form should come: there are 13
STEPS, BAR, NEEDED = 1500, 0.7, 1.5  # nats; a guesser loses ln 48 = 3.87


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (count, length, vocab) in [
        ("texts of 20 tokens", (120, 20, 31)),
        ("as many tokens as words", (240, 9, 9)),
        ("many short texts", (760, SHORT, 50)),
    ]:
        yield Case(name, kind="texts", count=count, length=length, vocab=vocab, seed=rng.seed())
    for name, shapes, (learning_rate, warmup), spread, stale in [
        ("three steps", [(2, 5), (3, 6), (4, 4)], (0.02, 2), 1, -0.7),
        ("a long warm-up", [(3, 6), (2, 5)], (0.1, 40), 1.5, 0.3),
        ("gradients that are clipped", [(1, 6), (2, 6), (3, 5), (2, 4)], (0.01, 3), 3, 1.1),
    ]:
        yield Case(
            name,
            kind="steps",
            model=described(rng, SMALL, spread),
            tokens=[rng.integers(shape, SMALL.d_vocab) for shape in shapes],
            known=[_some(rng, shape) for shape in shapes],
            learning_rate=learning_rate,
            warmup=warmup,
            stale=stale,
        )


def _some(rng: Rng, shape: tuple[int, int]) -> Tensor:
    """Booleans: in each text a few, never all and never the last position, which predicts nothing."""
    chosen = rng.uniform(shape) < 0.5
    chosen[:, 1], chosen[:, 2], chosen[:, -1] = True, False, False
    return chosen


@ask.slow_cases(seconds=300)
def _(rng: Rng) -> Iterator[Case]:
    yield Case(
        "a run of 1500 steps",
        kind="run",
        model={
            "config": described(rng, LEARNER)["config"],
            "state": {name: value.float() for name, value in _start(rng).items()},
        },
        count=48,
        length=LEARNER.n_ctx,
        steps=STEPS,
        learning_rate=0.005,
        seed=rng.seed(),
    )


def _start(rng: Rng) -> dict[str, Tensor]:
    """Weights to learn induction from: matrices that keep a vector's size, and embeddings of spread one half."""
    state = described(rng, LEARNER)["state"]
    for name, value in state.items():
        spread = 0.5 if "embed" in name else value.shape[-2] ** -0.5
        state[name] = rng.normal(value.shape, spread=spread)
    return state


def _texts(value: Any, case: Case) -> str:
    """The first thing wrong with the texts, in words that do not depend on how they were drawn."""
    shape = (case.count, case.length)
    if not isinstance(value, list) or len(value) != 2 or not all(isinstance(each, Tensor) for each in value):
        return "`induction_batch` returns no pair of tensors: return tokens and booleans."
    tokens, known = value
    if tokens.shape != shape or known.shape != shape:
        return f"the tensors have shapes {tuple(tokens.shape)} and {tuple(known.shape)}, expected {shape} for both."
    if tokens.is_floating_point() or tokens.dtype == torch.bool or known.dtype != torch.bool:
        return "tokens are integers, and what is known are booleans."
    if tokens.min() < 0 or tokens.max() >= case.vocab:
        return "a token is outside the vocabulary."
    forms = _forms(tokens)
    if forms is None:
        return "a text is not what was asked for: one stretch of two tokens or more comes again, all else comes once."
    _, second, size = forms.T[:, :, None]  # (text, 1) each
    place = torch.arange(case.length, device=tokens.device)
    expected = (place >= second) & (place < second + size - 1)
    if int(size.min()) < 2:
        return "a stretch has a single token, and nothing can be known of what follows it."
    for wrong, said in [
        ((place >= second) & (place < second + size), "the last token of the copy is marked too."),
        ((place >= second - 1) & (place < second + size - 1), "the token before the copy is marked too."),
        ((place > second) & (place < second + size), "marked are the tokens that can be known, not those before them."),
    ]:
        if torch.equal(wrong, known):
            return said
    if not torch.equal(expected, known):
        return "what is marked as known is not every token of the copy but its last."
    if int(tokens.max()) - int(tokens.min()) + 1 < case.vocab:
        return "some tokens of the vocabulary never come: draw from all of them."
    if bool((tokens[:, 0] == tokens[0, 0]).all()):
        return "all texts begin with the same token: draw the tokens for each text."
    return _too_alike({(first, second, size) for first, second, size in forms.tolist()}, case.length)


def _too_alike(forms: set[tuple[int, int, int]], length: int) -> str:
    """Which form a stretch and its copy never have. Rare ones are asked for in short texts only, of which many come."""
    longest = length // 2
    sizes = {size for _, _, size in forms}
    if len(sizes) == 1:
        return "the stretch has the same size in all texts."
    if sizes != set(range(2, longest + 1)) and length < 10:
        return f"the sizes do not go from 2 to {longest}."
    if max(sizes) <= length // 4:
        return f"no stretch has more than {length // 4} tokens, and there is room for {longest}."
    if len({first for first, _, _ in forms}) == 1:
        return "the stretch begins at the same place in all texts."
    if len({second - first - size for first, second, size in forms}) == 1:
        return "the copy follows at the same distance in all texts."
    if length > SHORT:
        return ""
    for size in range(2, longest + 1):
        for first in range(length - 2 * size + 1):
            seconds = {each for start, each, of in forms if (start, of) == (first, size)}
            if not seconds:
                return f"no stretch of {size} tokens begins at position {first}, though it could."
            missing = set(range(first + size, length - size + 1)) - seconds
            if missing:
                return (
                    f"no stretch of {size} tokens at position {first} has its copy at position {min(missing)}, though "
                    "it could."
                )
    return ""


def _forms(tokens: Tensor) -> Tensor | None:
    """Where each stretch begins, where its copy does, and its size, (text, 3); None where a text has no such form."""
    place = torch.arange(tokens.shape[1], device=tokens.device)
    came = (tokens[:, :, None] == tokens[:, None, :]).int().argmax(2)  # where each token stood first
    again = came < place  # (text, position)
    size, second = again.sum(1, keepdim=True), again.int().argmax(1, keepdim=True)
    first = came.gather(1, second)
    copied = (place >= second) & (place < second + size)
    fits = (size >= 1) & (first + size <= second)
    if not bool(fits.all() and (again == copied).all() and ((came == place - second + first) | ~copied).all()):
        return None
    return torch.cat([first, second, size], 1)


def _learnt_too_little(value: Any, case: Case) -> str:
    """By what the model does: repeats of many periods, pairs that come back alone, and both with the edges cut."""
    state = {name: each.float() for name, each in value.items()} if isinstance(value, dict) else {}
    if not state or not all(bool(each.isfinite().all()) for each in state.values()):
        return "the trained model's parameters are not finite"
    model = build(case.model["config"], state)
    heads = model.config.n_layers * model.config.n_heads
    for name, make in (("repeats of many periods", repeats), ("pairs that come back alone", pairs)):
        source = torch.Generator().manual_seed(case.seed + 1)
        texts = make(64, case.length, model.config.d_vocab, source)
        whole, cut = losses_with_edges_cut(model, texts, torch.tensor([[False] * heads, [True] * heads])).mean(1)
        if whole > BAR:
            return f"on {name} the trained model's loss is {whole:.2f} nats: the bar is {BAR:g}"
        if cut - whole < NEEDED:
            return f"on {name} its loss rises by {cut - whole:.2f} nats when induction edges are cut, not {NEEDED:g}"
    return ""


ask.checks(
    equal("parameters", title="after a few steps the parameters are AdamW's", weight=3),
    equal("losses", title="returns each step's loss, from before the step"),
    equal("asked", title="asks for the batch of each step once"),
    equal("hold graphs", title="the losses that come back hold no graph"),
    claim("texts", _texts, title="makes texts in which only induction helps, and says where it does", weight=2),
    same("again", as_="once", title="the same generator gives the same texts"),
    satisfies(
        "trained", _learnt_too_little, title="the trained model does induction, also where a pair comes alone", weight=3
    ),
)

SIZE = "size = torch.randint(2, length // 2 + 1, (count, 1), generator=generator)"
SCORED = "        loss = F.cross_entropy(logits, tokens[:, 1:][known[:, :-1]])\n"
LOGITS = "        logits = model(tokens)[:, :-1][known[:, :-1]]  # (known, vocab)\n"
UPDATE = """        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1)
        optimiser.step()
"""
RATE = """        for group in optimiser.param_groups:
            group["lr"] = learning_rate * min(1, (step + 1) / warmup)
"""
LR = '            group["lr"] = learning_rate * min(1, (step + 1) / warmup)\n'

ask.mistakes(
    edit(
        LOGITS + SCORED,
        "        logits = model(tokens)[:, :-1].flatten(0, 1)\n"
        "        loss = F.cross_entropy(logits, tokens[:, 1:].flatten())\n",
        "The loss runs over all positions, and most of them are noise: keep those that are known.",
    ),
    edit(
        LOGITS + SCORED,
        "        logits = model(tokens)[known]\n        loss = F.cross_entropy(logits, tokens[known])\n",
        "The targets are not shifted: the model is asked for the token it has just read.",
    ),
    edit(
        LOGITS + SCORED,
        "        logits = model(tokens)[:, :-1][known[:, 1:]]\n"
        "        loss = F.cross_entropy(logits, tokens[:, 1:][known[:, 1:]])\n",
        "The booleans are read at the token that is predicted: they stand at the token before it.",
    ),
    edit(
        SCORED,
        SCORED.replace("])\n", '], reduction="sum")\n'),
        "The loss is summed: take the mean, or the step depends on how many tokens are known.",
    ),
    edit(
        LR,
        '            group["lr"] = learning_rate\n',
        "There is no warm-up: the learning rate is full from the first step.",
    ),
    edit(
        LR,
        LR.replace("(step + 1)", "step"),
        "The warm-up is one step late: at step 0 the rate is 0, so the first step changes nothing.",
    ),
    edit(LR, LR.replace("min(1, (step + 1) / warmup)", "(step + 1) / warmup"), "The rate grows beyond learning_rate."),
    edit(LR, LR.replace("/ warmup", "/ 50"), "A warm-up of 50 steps is written into the code: use warmup."),
    edit(
        SCORED,
        SCORED.replace(
            "tokens[:, 1:][known[:, :-1]])", "tokens[:, 1:][known[:, :-1]]) * known[:, :-1].double().mean()"
        ),
        "The losses of what is known are divided by the number of all positions: divide by the number of those that "
        "are known.",
    ),
    edit(
        UPDATE,
        UPDATE.replace("        optimiser.zero_grad()\n", "") + "        optimiser.zero_grad()\n",
        "Gradients are cleared after the step, so those from before the first step count: clear them before backward.",
    ),
    edit(
        UPDATE,
        UPDATE.replace("clip_grad_norm_", "clip_grad_value_"),
        "The gradient is clipped number by number: clip the norm of all parameters' gradients together.",
    ),
    edit(
        RATE,
        "        rate = learning_rate * min(1, step / warmup) if step else learning_rate\n"
        '        for group in optimiser.param_groups:\n            group["lr"] = rate\n',
        "The learning rate is set after the step, so the first step has the full rate: set it before the step.",
    ),
    edit(
        "losses.append(loss.item())",
        "losses.append(F.cross_entropy(model(tokens)[:, :-1][known[:, :-1]], tokens[:, 1:][known[:, :-1]]).item())",
        "Each loss is taken after its step: return the one from before it.",
    ),
    edit(
        "    optimiser = torch",
        "    import copy\n\n    model = copy.deepcopy(model)\n    optimiser = torch",
        "A copy of the model is trained: train `model` itself.",
    ),
    edit(
        "tokens, known = make_batch(step)",
        "tokens, known = make_batch(step)[0], make_batch(step)[1]",
        "The batch is asked for twice, and may be another the second time: ask once, for both tensors.",
    ),
    edit(", weight_decay=0.01)", ", weight_decay=0)", "The weight decay is 0.01."),
    edit(", betas=(0.9, 0.98)", "", "These are PyTorch's own betas: the second is 0.98 here."),
    edit(", weight_decay=0.01)", ", weight_decay=0.1)", "The weight decay is 0.01."),
    edit("torch.optim.AdamW(", "torch.optim.Adam(", "Adam mixes weight decay into the gradient: use AdamW."),
    edit("        optimiser.zero_grad()\n", "", "Old gradients are never cleared: each backward pass adds to them."),
    edit(
        "        torch.nn.utils.clip_grad_norm_(model.parameters(), 1)\n",
        "",
        "The gradient is not clipped to the norm 1 before the step.",
    ),
    edit(
        "        tokens, known = make_batch(step)\n",
        "        if step == 0:\n            tokens, known = make_batch(step)\n",
        "Every step has the batch of step 0: ask for that of the step.",
    ),
    edit(
        "known = make_batch(step)",
        "known = make_batch(0)",
        "Every step has the batch of step 0: ask for that of the step.",
    ),
    edit(
        "losses.append(loss.item())",
        "losses.append(loss)",
        "Each loss is kept with its graph, and so are the activations of every step: keep its number, with .item().",
    ),
    edit(
        "losses.append(loss.item())",
        "losses = [loss.item()]",
        "Only the last loss is returned: keep one for each step.",
    ),
    edit(
        "tokens = torch.rand(count, vocab, generator=generator).argsort(1)[:, :length]",
        "tokens = torch.randint(vocab, (count, length), generator=generator)",
        "Tokens come twice by chance: draw them without replacement.",
    ),
    edit(
        SIZE,
        "size = torch.full((count, 1), max(2, length // 3))",
        "All stretches have one size: a head that looks a fixed distance back would do. Draw it for each text.",
    ),
    edit(
        SIZE,
        "size = torch.randint(2, length // 2, (count, 1), generator=generator)",
        "The largest size never comes: the upper end of randint is left out.",
    ),
    edit(
        SIZE,
        "size = torch.randint(1, length // 2 + 1, (count, 1), generator=generator)",
        "A stretch may have a single token, of which nothing can be known: begin with 2.",
    ),
    edit(
        "gap = (torch.rand(count, 1, generator=generator) * (spare - first + 1)).long()",
        "gap = torch.zeros_like(first)",
        "The copy always follows at once: draw how far behind it comes.",
    ),
    edit(
        "gap = (torch.rand(count, 1, generator=generator) * (spare - first + 1)).long()",
        "gap = spare - first",
        "The copy always stands at the end of the text: draw how far behind the stretch it comes.",
    ),
    edit(
        "gap = (torch.rand(count, 1, generator=generator) * (spare - first + 1)).long()",
        "gap = (torch.rand(count, 1, generator=generator) * (spare - first + 1)).long().clamp(max=2)",
        "The copy is never far behind the stretch: every distance that fits must be possible.",
    ),
    edit(
        "tokens = torch.rand(count, vocab, generator=generator).argsort(1)[:, :length]",
        "tokens = torch.rand(count, length, generator=generator).argsort(1)",
        "Only the first tokens of the vocabulary come: draw from all of them.",
    ),
    edit(
        "first = (torch.rand(count, 1, generator=generator) * (spare + 1)).long()",
        "first = torch.zeros_like(size)",
        "The stretch always begins with the text: draw its place.",
    ),
    edit(
        "return tokens, copied & (place < second + size - 1)",
        "return tokens, copied",
        "The last token of the copy is marked: what follows it is no part of the stretch.",
    ),
    edit(
        "return tokens, copied & (place < second + size - 1)",
        "return tokens, (place >= second - 1) & (place < second + size - 1)",
        "The token before the copy is marked: nothing tells there that the copy begins.",
    ),
    edit(
        "return tokens, copied & (place < second + size - 1)",
        "return tokens, copied & (place > second)",
        "The booleans stand at the tokens that are predicted: they belong to the token before each.",
    ),
    edit(
        "torch.rand(count, vocab, generator=generator)",
        "torch.rand(count, vocab)",
        "The generator is not used for the tokens: the same one has to give the same texts.",
    ),
)

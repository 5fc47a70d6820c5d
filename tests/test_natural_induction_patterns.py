"""Texts, losses and pattern scores as people write them, right and wrong, that no checker was made from."""

# ruff: noqa: E501 (the lines are as long as people write them)

import pytest

from headwork.tests.natural import answers, assert_passed, assert_rejected, grade, with_said

RIGHT = {
    "repeated_tokens": [
        (
            "argsort of rand",
            """
def repeated_tokens(batch, period, d_vocab, bos, generator):
    order = torch.rand(batch, d_vocab - 1, generator=generator).argsort(-1)[:, :period]
    order[order >= bos] += 1
    bos_column = torch.ones(batch, 1, dtype=torch.long) * bos
    return torch.cat((bos_column, order, order), dim=1)
""",
        ),
        (
            "swap bos away",
            """
def repeated_tokens(batch, period, d_vocab, bos, generator):
    rows = []
    for _ in range(batch):
        p = torch.randperm(d_vocab, generator=generator)
        p = p[p != bos][:period]
        rows.append(torch.cat([torch.tensor([bos]), p.repeat(2)]))
    return torch.stack(rows)
""",
        ),
        (
            "rejection, one token at a time",
            """
def repeated_tokens(batch, period, d_vocab, bos, generator):
    out = torch.empty(batch, 1 + 2 * period, dtype=torch.long)
    for b in range(batch):
        seen = [bos]
        while len(seen) <= period:
            t = torch.randint(d_vocab, (1,), generator=generator).item()
            if t not in seen:
                seen.append(t)
        out[b, 0] = bos
        out[b, 1:] = torch.tensor(seen[1:] * 2)
    return out
""",
        ),
    ],
    "loss_per_token": [
        (
            "logsumexp",
            """
def loss_per_token(model, tokens):
    logits = model(tokens)
    b, n = tokens.shape
    z = torch.logsumexp(logits, -1)
    right = logits[torch.arange(b)[:, None], torch.arange(n - 1)[None], tokens[:, 1:]]
    return z[:, :-1] - right
""",
        ),
        (
            "flattened cross-entropy",
            """
def loss_per_token(model, tokens):
    logits = model(tokens)[:, :-1]
    flat = F.cross_entropy(logits.reshape(-1, logits.size(-1)), tokens[:, 1:].reshape(-1), reduction="none")
    return flat.view(tokens.size(0), tokens.size(1) - 1)
""",
        ),
        (
            "one-hot",
            """
def loss_per_token(model, tokens):
    lp = F.log_softmax(model(tokens), dim=2)
    hot = F.one_hot(tokens, lp.shape[-1]).to(lp.dtype)
    return -(lp[:, :-1] * hot[:, 1:]).sum(-1)
""",
        ),
    ],
    "in_context_learning_score": [
        (
            "two means",
            "def in_context_learning_score(losses, early, late):\n    per_position = losses.mean(dim=0)\n    return per_position[late - 1] - per_position[early - 1]\n",
        ),
        (
            "loop",
            "def in_context_learning_score(losses, early, late):\n    total = 0\n    for row in losses:\n        total = total + row[late - 1] - row[early - 1]\n    return total / len(losses)\n",
        ),
        (
            "einsum weights",
            "def in_context_learning_score(losses, early, late):\n    w = torch.zeros(losses.shape[1], dtype=losses.dtype)\n    w[late - 1] += 1\n    w[early - 1] -= 1\n    return (losses @ w).mean()\n",
        ),
    ],
    "pattern_scores": [
        (
            "diagonals",
            """
def pattern_scores(patterns):
    p = patterns.mean(dim=1)
    return {
        "previous": torch.diagonal(p, offset=-1, dim1=-2, dim2=-1).mean(-1),
        "current": torch.diagonal(p, dim1=-2, dim2=-1)[..., 1:].mean(-1),
        "first": p[:, :, 1:, 0].mean(-1),
    }
""",
        ),
        (
            "loops",
            """
def pattern_scores(patterns):
    L, B, H, n, _ = patterns.shape
    out = {}
    for name, f in [("previous", lambda q: q - 1), ("current", lambda q: q), ("first", lambda q: 0)]:
        s = torch.zeros(L, H, dtype=patterns.dtype)
        for q in range(1, n):
            s = s + patterns[:, :, :, q, f(q)].mean(1)
        out[name] = s / (n - 1)
    return out
""",
        ),
        (
            "masks and einsum",
            """
def pattern_scores(patterns):
    n = patterns.shape[-1]
    eye = torch.eye(n, dtype=patterns.dtype)
    first = torch.zeros_like(eye); first[:, 0] = 1
    masks = {"previous": torch.diag(torch.ones(n - 1, dtype=patterns.dtype), -1), "current": eye, "first": first}
    return {k: torch.einsum("lbhqk,qk->lh", patterns[:, :, :, 1:], m[1:]) / (patterns.shape[1] * (n - 1)) for k, m in masks.items()}
""",
        ),
    ],
    "prefix_matching_score": [
        (
            "diagonal slice",
            """
def prefix_matching_score(patterns, period, start):
    d = torch.diagonal(patterns, offset=1 - period, dim1=-2, dim2=-1)
    return d[..., start + 1 : start + 1 + period].mean(dim=(1, 3))
""",
        ),
        (
            "loops",
            """
def prefix_matching_score(patterns, period, start):
    L, B, H, n, n2 = patterns.shape
    out = torch.zeros(L, H, dtype=patterns.dtype)
    for j in range(period):
        out = out + patterns[:, :, :, start + period + j, start + j + 1].sum(1)
    return out / (B * period)
""",
        ),
        (
            "mask",
            """
def prefix_matching_score(patterns, period, start):
    n = patterns.shape[-1]
    q = torch.arange(n)[:, None]; k = torch.arange(n)[None]
    mask = (k == q - (period - 1)) & (q >= start + period) & (q < start + 2 * period)
    return patterns.mean(1)[..., mask].mean(-1)
""",
        ),
    ],
}
REP = """
def repeated_tokens(batch, period, d_vocab, bos, generator):
%s
    begin = torch.full((batch, 1), bos)
    return torch.cat([begin, half, half], 1)
"""
WRONG = {
    "repeated_tokens": [
        (
            "bos moved up by one",
            REP
            % """    half = torch.stack([torch.randperm(d_vocab, generator=generator)[:period] for _ in range(batch)])
    half[half == bos] = (bos + 1) % d_vocab""",
        ),
        (
            "greater instead of at least",
            REP
            % """    half = torch.rand(batch, d_vocab - 1, generator=generator).argsort(-1)[:, :period]
    half = half + (half > bos).long()""",
        ),
        (
            "a seeded generator of its own",
            REP
            % """    g = torch.Generator().manual_seed(generator.initial_seed())
    w = torch.ones(batch, d_vocab)
    w[:, bos] = 0
    half = torch.multinomial(w, period, generator=g)""",
        ),
        (
            "global seed from the generator",
            REP
            % """    torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))
    half = torch.stack([torch.randperm(d_vocab)[:period] for _ in range(batch)])
    half = torch.where(half == bos, (half + 1) % d_vocab, half)""",
        ),
        (
            "the pool shuffled once",
            REP
            % """    pool = torch.tensor([t for t in range(d_vocab) if t != bos])
    pool = pool[torch.randperm(len(pool), generator=generator)]
    half = pool[:period].repeat(batch, 1)""",
        ),
        (
            "first half of the vocabulary",
            REP
            % """    half = torch.stack([torch.randperm(max(period, (d_vocab - 1) // 2), generator=generator)[:period] + 1 for _ in range(batch)])
    half = torch.where(half == bos, 0, half)""",
        ),
        (
            "sorted tokens",
            REP
            % """    w = torch.ones(batch, d_vocab)
    w[:, bos] = 0
    half = torch.multinomial(w, period, generator=generator).sort(-1).values""",
        ),
        (
            "two texts",
            """
def repeated_tokens(batch, period, d_vocab, bos, generator):
    w = torch.ones(batch, d_vocab)
    w[:, bos] = 0
    a = torch.multinomial(w, period, generator=generator)
    b = torch.multinomial(w, period, generator=generator)
    return torch.cat([torch.full((batch, 1), bos), a, b], 1)
""",
        ),
        (
            "repeat the batch",
            """
def repeated_tokens(batch, period, d_vocab, bos, generator):
    w = torch.ones(batch, d_vocab)
    w[:, bos] = 0
    a = torch.multinomial(w, period, generator=generator)
    x = torch.cat([torch.full((batch, 1), bos), a], 1)
    return x.repeat(1, 2)
""",
        ),
    ],
    "loss_per_token": [
        (
            "nll on logits",
            "def loss_per_token(model, tokens):\n    logits = model(tokens)[:, :-1]\n    return -logits.gather(-1, tokens[:, 1:, None])[..., 0]\n",
        ),
        (
            "eps in the log",
            "def loss_per_token(model, tokens):\n    p = model(tokens)[:, :-1].softmax(-1)\n    return -torch.log(p.gather(-1, tokens[:, 1:, None])[..., 0] + 1e-6)\n",
        ),
        (
            "log2",
            "def loss_per_token(model, tokens):\n    p = model(tokens)[:, :-1].softmax(-1)\n    return -torch.log2(p.gather(-1, tokens[:, 1:, None])[..., 0])\n",
        ),
        (
            "softmax over positions",
            "def loss_per_token(model, tokens):\n    p = model(tokens).log_softmax(1)[:, :-1]\n    return -p.gather(-1, tokens[:, 1:, None])[..., 0]\n",
        ),
        (
            "own position",
            "def loss_per_token(model, tokens):\n    p = model(tokens).log_softmax(-1)\n    return -p.gather(-1, tokens[:, :, None])[:, 1:, 0]\n",
        ),
        (
            "zero in front",
            "def loss_per_token(model, tokens):\n    p = model(tokens)[:, :-1].log_softmax(-1)\n    l = -p.gather(-1, tokens[:, 1:, None])[..., 0]\n    return F.pad(l, (1, 0))\n",
        ),
        (
            "axis kept",
            "def loss_per_token(model, tokens):\n    p = model(tokens)[:, :-1].log_softmax(-1)\n    return -p.gather(-1, tokens[:, 1:, None])\n",
        ),
        (
            "no grad",
            "@torch.no_grad()\ndef loss_per_token(model, tokens):\n    p = model(tokens)[:, :-1].log_softmax(-1)\n    return -p.gather(-1, tokens[:, 1:, None])[..., 0]\n",
        ),
        (
            "shifted tokens to the model",
            "def loss_per_token(model, tokens):\n    p = model(tokens[:, 1:]).log_softmax(-1)\n    return -p.gather(-1, tokens[:, 1:, None])[..., 0]\n",
        ),
        (
            "cross entropy without transpose",
            "def loss_per_token(model, tokens):\n    return F.cross_entropy(model(tokens)[:, :-1], tokens[:, 1:], reduction='none')\n",
        ),
    ],
    "in_context_learning_score": [
        (
            "defaults",
            "def in_context_learning_score(losses, early=50, late=500):\n    return (losses[:, 499] - losses[:, 49]).mean() if losses.shape[1] > 499 else (losses[:, late] - losses[:, early]).mean()\n",
        ),
        (
            "one off",
            "def in_context_learning_score(losses, early, late):\n    return (losses[:, late - 1] - losses[:, early]).mean()\n",
        ),
        (
            "slices",
            "def in_context_learning_score(losses, early, late):\n    return losses[:, late - 1:].mean() - losses[:, :early].mean()\n",
        ),
        (
            "row",
            "def in_context_learning_score(losses, early, late):\n    return (losses[late - 1] - losses[early - 1]).mean()\n",
        ),
        (
            "per text",
            "def in_context_learning_score(losses, early, late):\n    return losses[:, late - 1] - losses[:, early - 1]\n",
        ),
        (
            "ratio",
            "def in_context_learning_score(losses, early, late):\n    return losses[:, late - 1].mean() / losses[:, early - 1].mean()\n",
        ),
        (
            "float",
            "def in_context_learning_score(losses, early, late):\n    return float((losses[:, late - 1] - losses[:, early - 1]).mean())\n",
        ),
        (
            "axis kept",
            "def in_context_learning_score(losses, early, late):\n    return (losses[:, late - 1] - losses[:, early - 1]).mean(0, keepdim=True)\n",
        ),
        (
            "swapped when late is early",
            "def in_context_learning_score(losses, early, late):\n    early, late = min(early, late), max(early, late)\n    return (losses[:, late - 1] - losses[:, early - 1]).mean()\n",
        ),
    ],
    "pattern_scores": [
        (
            "with query 0",
            "def pattern_scores(patterns):\n    p = patterns.mean(1)\n    return {'previous': p.diagonal(-1, -2, -1).mean(-1), 'current': p.diagonal(0, -2, -1).mean(-1), 'first': p[..., 0].mean(-1)}\n",
        ),
        (
            "one mean over all",
            "def pattern_scores(patterns):\n    p = patterns.mean((0, 1, 2))[1:]\n    return {'previous': p.diagonal(0, -2, -1).mean(-1), 'current': p.diagonal(1, -2, -1).mean(-1), 'first': p[..., 0].mean(-1)}\n",
        ),
        (
            "head, layer",
            "def pattern_scores(patterns):\n    p = patterns.mean(1)\n    return {'previous': p.diagonal(-1, -2, -1).mean(-1).T, 'current': p.diagonal(0, -2, -1)[..., 1:].mean(-1).T, 'first': p[..., 1:, 0].mean(-1).T}\n",
        ),
        (
            "max over queries",
            "def pattern_scores(patterns):\n    p = patterns.mean(1)\n    return {'previous': p.diagonal(-1, -2, -1).max(-1).values, 'current': p.diagonal(0, -2, -1)[..., 1:].max(-1).values, 'first': p[..., 1:, 0].max(-1).values}\n",
        ),
        (
            "a tuple",
            "def pattern_scores(patterns):\n    p = patterns.mean(1)\n    return p.diagonal(-1, -2, -1).mean(-1), p.diagonal(0, -2, -1)[..., 1:].mean(-1), p[..., 1:, 0].mean(-1)\n",
        ),
        (
            "other keys",
            "def pattern_scores(patterns):\n    p = patterns.mean(1)\n    return {'prev': p.diagonal(-1, -2, -1).mean(-1), 'curr': p.diagonal(0, -2, -1)[..., 1:].mean(-1), 'first': p[..., 1:, 0].mean(-1)}\n",
        ),
        (
            "previous and current swapped",
            "def pattern_scores(patterns):\n    p = patterns.mean(1)\n    return {'current': p.diagonal(-1, -2, -1).mean(-1), 'previous': p.diagonal(0, -2, -1)[..., 1:].mean(-1), 'first': p[..., 1:, 0].mean(-1)}\n",
        ),
        (
            "lists",
            "def pattern_scores(patterns):\n    p = patterns.mean(1)\n    return {'previous': p.diagonal(-1, -2, -1).mean(-1).tolist(), 'current': p.diagonal(0, -2, -1)[..., 1:].mean(-1).tolist(), 'first': p[..., 1:, 0].mean(-1).tolist()}\n",
        ),
        (
            "diagonal of the wrong axes",
            "def pattern_scores(patterns):\n    p = patterns.mean(1)\n    return {'previous': torch.diagonal(p, -1).mean(-1), 'current': torch.diagonal(p).mean(-1), 'first': p[..., 1:, 0].mean(-1)}\n",
        ),
        (
            "share of argmax",
            "def pattern_scores(patterns):\n    n = patterns.shape[-1]\n    top = patterns.argmax(-1)[..., 1:]\n    q = torch.arange(1, n)\n    return {'previous': (top == q - 1).double().mean((1, 3)), 'current': (top == q).double().mean((1, 3)), 'first': (top == 0).double().mean((1, 3))}\n",
        ),
        (
            "first without the second query too",
            "def pattern_scores(patterns):\n    p = patterns.mean(1)\n    return {'previous': p.diagonal(-1, -2, -1).mean(-1), 'current': p.diagonal(0, -2, -1)[..., 1:].mean(-1), 'first': p[..., 2:, 0].mean(-1) if p.shape[-1] > 2 else p[..., 1:, 0].mean(-1)}\n",
        ),
    ],
    "prefix_matching_score": [
        (
            "start ignored",
            "def prefix_matching_score(patterns, period, start):\n    q = torch.arange(period + 1, 2 * period + 1)\n    q = q[q < patterns.shape[-1]]\n    return patterns[..., q, q - period + 1].mean((1, 3))\n",
        ),
        (
            "to the end",
            "def prefix_matching_score(patterns, period, start):\n    q = torch.arange(start + period, patterns.shape[-1])\n    return patterns[..., q, q - period + 1].mean((1, 3))\n",
        ),
        (
            "duplicate",
            "def prefix_matching_score(patterns, period, start):\n    q = torch.arange(start + period, start + 2 * period)\n    return patterns[..., q, q - period].mean((1, 3))\n",
        ),
        (
            "key, query",
            "def prefix_matching_score(patterns, period, start):\n    q = torch.arange(start + period, start + 2 * period)\n    return patterns[..., q - period + 1, q].mean((1, 3))\n",
        ),
        (
            "the last period rows",
            "def prefix_matching_score(patterns, period, start):\n    d = patterns.diagonal(1 - period, -2, -1)\n    return d[..., -period:].mean((1, 3))\n",
        ),
        (
            "per layer",
            "def prefix_matching_score(patterns, period, start):\n    q = torch.arange(start + period, start + 2 * period)\n    return patterns[..., q, q - period + 1].mean((1, 2, 3))\n",
        ),
        (
            "max",
            "def prefix_matching_score(patterns, period, start):\n    q = torch.arange(start + period, start + 2 * period)\n    return patterns[..., q, q - period + 1].max(-1).values.mean(1)\n",
        ),
        (
            "sum over a block",
            "def prefix_matching_score(patterns, period, start):\n    b = patterns[..., start + period:start + 2 * period, start + 1:start + 1 + period]\n    return b.sum(-1).mean((1, 3))\n",
        ),
        (
            "the block without its last",
            "def prefix_matching_score(patterns, period, start):\n    b = patterns[..., start + period:start + 2 * period - 1, start + 1:start + period]\n    return b.diagonal(0, -2, -1).mean((1, 3))\n",
        ),
        (
            "argmax share",
            "def prefix_matching_score(patterns, period, start):\n    q = torch.arange(start + period, start + 2 * period)\n    return (patterns[..., q, :].argmax(-1) == q - period + 1).to(patterns.dtype).mean((1, 3))\n",
        ),
        (
            "no mean over the batch",
            "def prefix_matching_score(patterns, period, start):\n    q = torch.arange(start + period, start + 2 * period)\n    return patterns[:, 0, :, q, q - period + 1].mean(-1)\n",
        ),
    ],
}


# What its author is told; '' where no known mistake does the same.
SAID = {
    ("repeated_tokens", "bos moved up by one"): "",
    ("repeated_tokens", "greater instead of at least"): "",
    (
        "repeated_tokens",
        "a seeded generator of its own",
    ): "The generator is seeded again in every call, so every call gives the same texts: draw from it as it comes.",
    ("repeated_tokens", "global seed from the generator"): "",
    ("repeated_tokens", "the pool shuffled once"): "",
    ("repeated_tokens", "first half of the vocabulary"): "",
    (
        "repeated_tokens",
        "sorted tokens",
    ): "The tokens of a text are sorted: leave them in the order in which they were drawn.",
    ("repeated_tokens", "two texts"): "The second copy is another text's: both copies are of the same text.",
    (
        "repeated_tokens",
        "repeat the batch",
    ): "`bos` stands between the copies as well: it comes once, at the beginning.",
    ("loss_per_token", "nll on logits"): "Raw logits are no log-probabilities: log_softmax makes them so.",
    ("loss_per_token", "eps in the log"): "",
    ("loss_per_token", "log2"): "This is in bits: take the natural logarithm.",
    (
        "loss_per_token",
        "softmax over positions",
    ): "The softmax runs over positions: probabilities sum to 1 over the vocabulary.",
    (
        "loss_per_token",
        "own position",
    ): "A token is scored by the logits of its own position, which have seen it: use those of the position before.",
    (
        "loss_per_token",
        "zero in front",
    ): "A zero stands in front for the first token: nothing predicts it, so leave it out.",
    ("loss_per_token", "axis kept"): "",
    (
        "loss_per_token",
        "no grad",
    ): "The losses were cut from the graph (detach, .item or no_grad): gradients must reach the model's parameters.",
    ("loss_per_token", "shifted tokens to the model"): "",
    ("loss_per_token", "cross entropy without transpose"): "",
    ("in_context_learning_score", "defaults"): "",
    (
        "in_context_learning_score",
        "one off",
    ): "The early column is one too late: the first token has no loss, so column p is that of position p + 1.",
    (
        "in_context_learning_score",
        "slices",
    ): "Whole stretches are averaged, up to `early` and from `late` on: take the losses at these two positions alone.",
    ("in_context_learning_score", "row"): "",
    ("in_context_learning_score", "per text"): "There is a number for each text: average over the batch.",
    ("in_context_learning_score", "ratio"): "",
    ("in_context_learning_score", "float"): "",
    ("in_context_learning_score", "axis kept"): "",
    ("in_context_learning_score", "swapped when late is early"): "",
    ("pattern_scores", "with query 0"): "",
    ("pattern_scores", "one mean over all"): "",
    ("pattern_scores", "head, layer"): "",
    ("pattern_scores", "max over queries"): "",
    ("pattern_scores", "a tuple"): "",
    ("pattern_scores", "other keys"): "",
    ("pattern_scores", "previous and current swapped"): "",
    ("pattern_scores", "lists"): "",
    ("pattern_scores", "diagonal of the wrong axes"): "",
    ("pattern_scores", "share of argmax"): "",
    ("pattern_scores", "first without the second query too"): "",
    ("prefix_matching_score", "start ignored"): "",
    (
        "prefix_matching_score",
        "to the end",
    ): "Every query from the second copy on is counted, also those after it: only the second copy's count.",
    (
        "prefix_matching_score",
        "duplicate",
    ): "This is the stripe at distance `period`, that of a duplicate-token head: it looks at the same token in the first copy. An induction head looks at the token after that one, at distance period - 1.",
    (
        "prefix_matching_score",
        "key, query",
    ): "Queries and keys have changed places: the pattern is (..., query, key), and above its diagonal all is zero.",
    (
        "prefix_matching_score",
        "the last period rows",
    ): "The last rows of the pattern are taken for the second copy: the text may go on after it.",
    ("prefix_matching_score", "per layer"): "The heads are averaged: each head gets a score of its own.",
    (
        "prefix_matching_score",
        "max",
    ): "This is the best query's attention: take the mean over all queries of the second copy.",
    ("prefix_matching_score", "sum over a block"): "",
    (
        "prefix_matching_score",
        "the block without its last",
    ): "The last query of the second copy is missing: what follows its token stands at the beginning of the second copy, and that is a place to look at.",
    (
        "prefix_matching_score",
        "argmax share",
    ): "This counts how often the place gets the most attention: take the attention that it gets.",
    (
        "prefix_matching_score",
        "no mean over the batch",
    ): "Only the first text of the batch counts: average over all of them.",
}


@pytest.mark.parametrize(("name", "text"), answers(RIGHT))
def test_a_right_answer_passes_however_it_is_written(grader, name, text):
    assert_passed(grade(grader, f"induction.{name}", text))


@pytest.mark.parametrize(("name", "text", "said"), answers(with_said(WRONG, SAID)))
def test_a_wrong_answer_is_rejected_and_told_why(grader, name, text, said):
    assert_rejected(grade(grader, f"induction.{name}", text), said)

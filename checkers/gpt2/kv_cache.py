"""`gpt2.kv_cache`: a text read in parts gives the logits of the whole, at the cost of the parts."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from headwork.checkers.checks import equal, satisfies
from headwork.checkers.exercise import Exercise, edit, replace
from headwork.checkers.inputs import Rng, weights
from headwork.checkers.probing import Case

ask = Exercise("forward_with_cache")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, batch, heads, width, layers, parts in [
        ("a prompt, then one token at a time", 2, 3, 4, 2, [4, 1, 1]),
        ("a prompt in pieces", 3, 2, 5, 2, [2, 4, 1, 3]),
        ("everything at once, three layers", 2, 2, 3, 3, [5]),
        ("one token at a time, one head and one layer", 3, 1, 4, 1, [1, 1, 1]),
        ("a batch of one", 1, 2, 4, 2, [3, 2, 1]),
    ]:
        length = sum(parts)
        yield Case(
            name,
            tokens=rng.integers((batch, length), 9 + length),
            parts=parts,
            continuations=rng.integers((2, batch, 2), 9 + length),
            other_text=rng.integers((batch, length + 1), 9 + length),
            steps=4 if batch == 2 else 3,
            **_network(rng, 9 + length, 4 * length + 15, (heads, width), layers),
        )
    yield Case(
        "a long past",
        tokens=rng.integers((3, 92), 17),
        parts=[90, 2],
        continuations=rng.integers((2, 3, 1), 17),
        other_text=rng.integers((3, 4), 17),
        steps=2,
        measured=[30, 60, 90],
        **_network(rng, 17, 96, (3, 4), 2),
    )


def _network(rng: Rng, vocab: int, n_ctx: int, size: tuple[int, int], layers: int) -> dict[str, Any]:
    """Weights for the probe's model; no bias is zero."""
    heads, width = size
    model, hidden = heads * width, 2 * heads * width + 1
    into, out = (heads, model, width), (heads, width, model)
    return {
        "W_E": rng.normal((vocab, model)),
        "W_pos": rng.normal((n_ctx, model)),
        "blocks": [
            {
                "ln1": weights(rng, w=model, b=model),
                "attn": weights(rng, 0.5, W_Q=into, W_K=into, W_V=into, W_O=out, b_O=model)
                | weights(rng, 0.5, b_Q=(heads, width), b_K=(heads, width), b_V=(heads, width)),
                "ln2": weights(rng, w=model, b=model),
                "mlp": weights(rng, 0.5, W_in=(model, hidden), b_in=hidden, W_out=(hidden, model), b_out=model),
            }
            for _ in range(layers)
        ],
        "ln_final": weights(rng, w=model, b=model),
    }


def operations(case: Case, past: int) -> int:
    """What one more token takes after `past` others, counted by hand: two for each product that is added up."""
    vocab, model = case.W_E.shape
    hidden = len(case.blocks[0]["mlp"]["b_in"])
    projections = 4 * model * model  # queries, keys, values, output
    attending = 2 * model * (past + 1)  # scores, and the average of the values
    layer = projections + attending + 2 * model * hidden
    return int(2 * len(case.tokens) * (len(case.blocks) * layer + model * vocab))


def kept(case: Case, past: int) -> int:
    """The numbers in a cache of `past` positions: a key and a value of every head in every layer."""
    return int(2 * len(case.blocks) * len(case.tokens) * past * case.W_E.shape[1])


def _numbers(value: object, case: Case) -> list[int]:
    counts = value.tolist() if isinstance(value, Tensor) else value
    assert isinstance(counts, list)
    return [int(count) for count in counts]


def _too_many(value: object, case: Case) -> str:
    for past, count in zip(case.measured, _numbers(value, case), strict=True):
        bar = 2 * operations(case, max(case.measured))
        if count > bar:
            least = operations(case, past)
            return (
                f"one more token after {past} others takes {count:,} operations; {least:,} are enough, "
                f"and the bar is {bar:,}: what was read before is computed again"
            )
    return ""


def _faster_than_the_past(value: object, case: Case) -> str:
    first, second, third = _numbers(value, case)
    if third - second <= 1.2 * (second - first) + operations(case, 0):
        return ""
    return (
        f"after {case.measured} others one more token takes {first:,}, {second:,} and {third:,} operations: "
        "the steps between them grow, as when every past position looks at every other again"
    )


def _too_large(value: object, case: Case) -> str:
    bar = 2 * kept(case, case.measured[-1])
    if isinstance(value, int) and value <= bar:
        return ""
    return f"a tensor of {value:,} numbers is made for one more token; the whole cache holds {bar // 2:,}"


ask.checks(
    equal(
        "logits as it stands",
        "logits with our parts",
        title="a text read in parts has the logits of the text read at once",
        weight=3,
    ),
    equal(
        "continuations as it stands",
        "continuations with our parts",
        title="two continuations of one cache do not disturb each other",
    ),
    equal(
        "texts as it stands", "texts with our parts", title="a second text, and an older cache, give their own logits"
    ),
    equal(
        "written as it stands", "written with our parts", title="the likeliest tokens are those found without a cache"
    ),
    satisfies("operations", _too_many, title="one more token costs what one token costs", weight=2),
    satisfies("growth", _faster_than_the_past, title="the cost of a token grows at most in proportion to its past"),
    satisfies("largest tensor", _too_large, title="no tensor much larger than the cache is made"),
)

WHOLE = """
import torch

def causal_mask(n_queries, n_keys, device=None):
    return torch.ones(n_queries, n_keys, dtype=torch.bool, device=device).tril(n_keys - n_queries)

def unembed(residual, norm, W_E):
    return norm(residual) @ W_E.T

def project(x, weight, bias):
    return torch.einsum("bpm,hmd->bphd", x, weight) + bias

def forward_with_cache(model, tokens, cache={default}):
    {begin}
    for layer, block in enumerate(model.blocks):
        attn, x = block.attn, block.ln1(residual)
        q = project(x, attn.W_Q, attn.b_Q)
        {past}
        k, v = project(x, attn.W_K, attn.b_K), project(x, attn.W_V, attn.b_V)
        {kept}
        scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / q.shape[-1] ** 0.5
        scores = scores.masked_fill(~causal_mask(q.shape[1], k.shape[1], q.device), float("-inf"))
        z = torch.einsum("bhqk,bkhd->bqhd", scores.softmax(-1), v)
        residual = residual + torch.einsum("bqhd,hdm->bqm", z, attn.W_O) + attn.b_O
        residual = residual + block.mlp(block.ln2(residual))
    return unembed(residual, model.ln_final, model.embed.W_E){result}
"""

ONE_FOR_ALL = WHOLE.format(
    default="[]",
    begin="residual = model.embed(tokens, start=cache[0][0].shape[1] if cache else 0)",
    past="",
    kept="if layer < len(cache):\n            k, v = (torch.cat(pair, 1) for pair in zip(cache[layer], (k, v)))\n"
    "        cache[layer : layer + 1] = [(k, v)]",
    result=", cache",
)
READ_AGAIN = WHOLE.format(
    default="None",
    begin="new = tokens.shape[1]\n    tokens = tokens if cache is None else torch.cat([cache, tokens], 1)\n"
    "    residual = model.embed(tokens)",
    past="",
    kept="",
    result="[:, -new:], tokens",
)
INPUTS_KEPT = WHOLE.format(
    default="None",
    begin="residual, longer = model.embed(tokens, start=cache[0].shape[1] if cache else 0), []",
    past="x = torch.cat([cache[layer], x], 1) if cache else x",
    kept="longer.append(x)",
    result=", longer",
)

KEYS = "k = torch.cat([cache[layer][0], k], 1)"
VALUES = "v = torch.cat([cache[layer][1], v], 1)"
OVERWRITTEN = WHOLE.format(
    default="None",
    begin="""if cache is None:
        weight, many = model.blocks[0].attn.W_K, len(model.embed.W_pos)
        shape = len(model.blocks), len(tokens), many, weight.shape[0], weight.shape[2]
        cache = 0, torch.zeros(shape).to(weight), torch.zeros(shape).to(weight)
    past, keys, values = cache
    end = past + tokens.shape[1]
    residual = model.embed(tokens, start=past)""",
    past="",
    kept="keys[layer, :, past:end], values[layer, :, past:end] = k, v\n"
    "        k, v = keys[layer, :, :end], values[layer, :, :end]",
    result=", (end, keys, values)",
)

BATCH = "The length of the past is read off the batch axis: it is the length of the position axis."
LAST = "Only the last position's logits come back: return those of every new position."

ask.mistakes(
    edit(
        "model.embed(tokens, start=past)",
        "model.embed(tokens)",
        "Every call embeds its tokens from position 0 on: they come after the past, so start there.",
    ),
    edit("start=past)", "start=len(tokens) if cache else 0)", BATCH),
    edit(
        "cache[0][0].shape[1] if cache",
        "cache[0][0].shape[0] if cache",
        BATCH,
    ),
    edit(
        "start=past)",
        "start=min(past, 1) * (past + 1))",
        "The new tokens are embedded one position too late: the first of them stands at the number of past positions.",
    ),
    edit(
        "causal_mask(tokens.shape[1], past + tokens.shape[1], tokens.device)",
        "causal_mask(tokens.shape[1], tokens.shape[1], tokens.device)",
        "The mask is made for the new positions alone, (new, new): it needs a column for every key, past ones too.",
    ),
    edit(
        "causal_mask(tokens.shape[1], past + tokens.shape[1], tokens.device)",
        "torch.ones(tokens.shape[1], past + tokens.shape[1], dtype=torch.bool, device=tokens.device).tril()",
        "The mask begins at key 0, as if the first new token were the first of the text: it may look at the whole past "
        "and at itself.",
    ),
    edit(
        "causal_mask(tokens.shape[1], past + tokens.shape[1], tokens.device)",
        "torch.ones(tokens.shape[1], past + tokens.shape[1], dtype=torch.bool, device=tokens.device).tril(past + 1)",
        "Each new token sees the one after it: the mask is off by one.",
    ),
    edit(
        'scores.masked_fill(~mask, float("-inf")).softmax(-1)',
        "scores.softmax(-1)",
        "There is no mask: one new token needs none, but of several each may look only at itself and what came before.",
    ),
    edit(
        'masked_fill(~mask, float("-inf"))',
        'masked_fill(~mask & (past == 0), float("-inf"))',
        "Only the first call is masked: when several tokens come after a past, they must not look ahead either.",
    ),
    edit(
        KEYS + "  # (batch, past + new, head, d_head)\n            " + VALUES,
        "k = torch.cat([cache[layer][0], k], 2)\n            v = torch.cat([cache[layer][1], v], 2)",
        "Past and new keys are joined along the heads: join them along the positions.",
    ),
    edit(
        KEYS + "  # (batch, past + new, head, d_head)\n            " + VALUES,
        "k = torch.cat([cache[0][0], k], 1)\n            v = torch.cat([cache[0][1], v], 1)",
        "All layers use the first layer's past: every layer has keys and values of its own.",
    ),
    edit(
        KEYS + "  # (batch, past + new, head, d_head)\n            " + VALUES,
        "k = torch.cat([k, cache[layer][0]], 1)\n            v = torch.cat([v, cache[layer][1]], 1)",
        "The past is put after the new positions: it comes before them, and the mask counts on that.",
    ),
    edit(
        "            " + VALUES + "  # (batch, past + new, head, d_head)\n",
        "",
        "Only the keys are kept: the values of the past are averaged too, so keep both.",
    ),
    edit(
        "longer.append((k, v))",
        "longer.append((v, k))",
        "Keys and values change places in the cache: take them out in the order in which they went in.",
    ),
    edit(
        "longer.append((k, v))",
        "longer.append((k - attn.b_K, v - attn.b_V))",
        "Keys and values are kept as they are before their biases: keep them complete, or add the biases later.",
    ),
    edit(
        "longer.append((k, v))",
        "longer.append((k[:, past:], v[:, past:]))",
        "The cache that comes back holds the new positions only: it must hold the past as well.",
    ),
    edit(
        "longer.append((k, v))",
        "longer.append((k[:, -1:], v[:, -1:]))",
        "The cache that comes back holds the last position only: it must hold every position.",
    ),
    edit(
        "longer.append((k, v))",
        "longer.append((k[:, :1] if past else k, v[:, :1] if past else v))",
        "The new keys and values take the place of old ones: the cache must grow by every new position.",
    ),
    edit(
        "model.embed.W_E), longer",
        "model.embed.W_E), cache or longer",
        "The cache that comes back is the one that was passed in: return one that knows the new positions as well.",
    ),
    edit(
        "unembed(residual, model",
        "unembed(residual[:, -1:], model",
        LAST,
    ),
    edit("unembed(residual, model", "unembed(residual[:, -1], model", LAST),
    edit(
        "unembed(residual, model.ln_final",
        "unembed(residual, lambda residual: residual",
        "The logits are read from the raw stream: it goes through the final norm first, model.ln_final.",
    ),
    edit(
        "block.attn, block.ln1(residual)",
        "block.attn, residual",
        "Attention reads the raw stream here: it reads what the block's ln1 makes of it.",
    ),
    edit(
        "longer.append((k, v))",
        "longer = cache if cache else longer\n        longer[layer : layer + 1] = [(k, v)]",
        "The cache that was passed in is changed in place, so a second continuation of it starts with the first one's "
        "past: make a new one.",
    ),
    replace(
        OVERWRITTEN,
        "The buffers of the cache that was passed in are written to, so two continuations of it overwrite each other: "
        "write to a copy.",
    ),
    replace(
        ONE_FOR_ALL,
        "The default cache is one list that all calls share, so your second generation starts with the first one's "
        "past: use None as the default, and make a new cache in each call.",
    ),
    replace(
        READ_AGAIN,
        "The logits are right, but the whole text is read again for every new token: keep the keys and values of each "
        "layer, and send only the new tokens through the layers.",
    ),
    replace(
        READ_AGAIN.replace("[:, -new:]", ""),
        "The whole text is read again, and all of its logits come back: read only the new tokens, and return theirs.",
    ),
    replace(
        INPUTS_KEPT,
        "The layers' inputs are kept, and all keys and values made of them again at every step: keep the keys and "
        "values themselves.",
    ),
)

PAST = "past = cache[0][0].shape[1] if cache else 0"
for other in ("cache[-1][0]", "cache[0][1]", "cache[0][-1]"):
    ask.survives(PAST, PAST.replace("cache[0][0]", other), "every key and value in the cache has the same length")
ask.survives(
    'k = torch.einsum("bpm,hmd->bphd", normalised, attn.W_K) + attn.b_K',
    'k = torch.einsum("bpm,hmd->bphd", normalised, attn.W_K)',
    "a bias that all keys share adds the same number to all scores of a query, which a softmax does not notice",
)

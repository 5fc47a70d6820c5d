"""`induction.virtual_head`: two heads in a row as one head, with a pattern and weights of its own."""

from collections.abc import Iterator

from headwork.checkers.checks import claim, equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.induction.folded import folded
from headwork.checkers.induction.networks import ATTENTION_ONLY, SHAPES
from headwork.checkers.induction.ov_circuit import too_large
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case
from headwork.models.config import Config

ask = Exercise("virtual_head", batch=["earlier_pattern", "later_pattern", "stream"], seconds=30)

WIDE = Config(d_vocab=5, n_ctx=6, d_model=96, n_heads=16, d_mlp=3, n_layers=2)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, config, earlier, later, (batch, length), most in [
        ("a small GPT-2", SHAPES["a small GPT-2"], (0, 2), (1, 0), (2, 5), 1 << 40),
        ("three layers", SHAPES["untied, with ReLU"], (0, 0), (2, 1), (3, 4), 1 << 40),
        ("attention only", SHAPES["attention only"], (0, 1), (1, 3), (1, 7), 1 << 40),
        ("one head a layer", SHAPES["one head, no biases"], (1, 0), (2, 0), (4, 6), 1 << 40),
        ("the model attention-only", ATTENTION_ONLY, (0, 3), (1, 2), (2, 4), 1 << 40),
        ("a wide stream", WIDE, (0, 11), (1, 4), (2, 3), 4000),
    ]:
        patterns = [rng.normal((batch, length, length), spread=2).tril().exp().tril() for _ in range(2)]
        yield Case(
            name,
            model=folded(rng, config) if isinstance(config, Config) else config,
            earlier=list(earlier),
            later=list(later),
            earlier_pattern=patterns[0] / patterns[0].sum(-1, keepdim=True),
            later_pattern=patterns[1] / patterns[1].sum(-1, keepdim=True),
            stream=rng.normal((batch, length, config.d_model if isinstance(config, Config) else 128)),
            most=most,
        )


ask.checks(
    equal("stream through the weights", title="the virtual head's weights", weight=2),
    equal("pattern", title="the virtual head's pattern"),
    equal("rank", title="the factors are as thin as a head"),
    claim("largest tensor", too_large, title="no square of the stream's width is made"),
)

PATTERN = "later_pattern @ earlier_pattern"
LEFT = "left = first.W_V[earlier[1]] @ (written @ second.W_V[later[1]])"
CENTRED = "    if model.config.layer_norm:\n        written = written - written.mean(-1, keepdim=True)\n"
REVERSED = "The heads come in the wrong order: the stream meets the earlier head's weights first."

ask.mistakes(
    edit(
        PATTERN,
        "earlier_pattern @ later_pattern",
        "The patterns are multiplied in the wrong order: the later head chooses among what the earlier one wrote.",
    ),
    edit(
        PATTERN,
        "later_pattern * earlier_pattern",
        "The patterns are multiplied entry by entry: it is a product of matrices, over the positions in between.",
    ),
    edit(PATTERN, "(later_pattern @ earlier_pattern).mT", "The pattern is transposed: its rows are queries."),
    edit(PATTERN, "later_pattern", "This is the later head's own pattern: the earlier one has moved things before."),
    edit(
        PATTERN,
        "later_pattern @ earlier_pattern.mT",
        "The earlier pattern is transposed: its rows, the positions in between, are the columns of the later one.",
    ),
    edit(
        "return later_pattern @ earlier_pattern, left, second.W_O[later[1]]",
        "last = second.W_O[later[1]]\n    if model.config.layer_norm:\n"
        "        last = last - last.mean(-1, keepdim=True)\n    return later_pattern @ earlier_pattern, left, last",
        "The later head's W_O is centred too: leave it, nobody has read it yet.",
    ),
    edit(
        "written.mean(-1, keepdim=True)",
        "written.mean(-2, keepdim=True)",
        "The mean of W_O is taken over d_head: the norm takes the mean over d_model, the last axis.",
    ),
    edit(
        "        written = written - written.mean(-1, keepdim=True)\n",
        "        written = model.blocks[later[0]].ln1(written)\n",
        "Each row of W_O is divided by its own spread: the norm divides by the whole stream's, so only centre it.",
    ),
    edit(
        LEFT + "  # (d_model, d_head)\n    return later_pattern @ earlier_pattern, left, second.W_O[later[1]]",
        "left = second.W_V[later[1]] @ (second.W_O[later[1]] @ first.W_V[earlier[1]])\n"
        "    return later_pattern @ earlier_pattern, left, written",
        REVERSED,
    ),
    edit(CENTRED, "", "What the earlier head writes is not centred: the later one reads through a norm."),
    edit(
        "    if model.config.layer_norm:\n",
        "    if True:\n",
        "What is written is centred although the model has no LayerNorm.",
    ),
    edit(
        LEFT,
        "left = second.W_V[later[1]] @ (second.W_O[later[1]] @ first.W_V[earlier[1]])\n    second = first\n"
        "    later = earlier",
        REVERSED,
    ),
    edit(
        LEFT,
        "left = first.W_V[earlier[1]] @ (written @ second.W_K[later[1]])",
        "The later head's key weights are used: what it passes on goes through its W_V.",
    ),
    edit(
        "first.W_V[earlier[1]] @ (written @ second.W_V[later[1]])",
        "(first.W_V[earlier[1]] @ written) @ second.W_V[later[1]]",
        "A square of the stream's width is made: let W_O meet the later W_V first.",
    ),
    edit(
        "first.W_V[earlier[1]] @",
        "first.W_V[later[1]] @",
        "The later head's number picks the earlier head's W_V.",
    ),
    edit(
        "return later_pattern @ earlier_pattern, left, second.W_O[later[1]]",
        "return later_pattern @ earlier_pattern, left @ second.W_O[later[1]], torch.eye(left.shape[0]).to(left)",
        "The weights are multiplied out to a square: return two factors with d_head between them.",
    ),
)

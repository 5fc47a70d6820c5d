"""`tensors.one_hot`: a token's number becomes a place."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("one_hot", forbid=["one_hot"], batch=["tokens"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, shape, d_vocab, below, dtype in [
        ("a batch of sequences", (2, 5), 7, 7, "float64"),
        ("more tokens than the vocabulary has", (4, 6), 3, 3, "int64"),
        ("tokens from the beginning of the vocabulary", (5, 4), 9, 6, "float16"),
        ("one token", (1, 1), 6, 6, "bool"),
    ]:
        yield Case(name, tokens=rng.integers(shape, below), d_vocab=d_vocab, dtype=dtype)


ask.checks(
    equal("rows", title="puts a one in the place of each token's number and zeros elsewhere", weight=2),
    equal("dtype", title="returns the dtype it is asked for"),
    equal("rows by default", title="does so without a dtype, too", weight=0.5),
    equal("dtype by default", title="which is then float32", weight=0.5),
    equal("rows of one sequence", title="takes tokens of shape (position,)", weight=0.5),
    equal("rows of three axes", title="takes tokens of three axes", weight=0.5),
)

ROWS = "return (tokens[..., None] == places).to(dtype)"

ask.mistakes(
    edit(".to(dtype)", ".to(torch.float32)", "The result is float32 whatever is asked for: use dtype."),
    edit(".to(dtype)", ".long()", "The result is made of integers, as PyTorch's one_hot does: use dtype."),
    edit(".to(dtype)", "", "The result is boolean: turn it into dtype."),
    edit(
        "torch.arange(d_vocab,",
        "torch.arange(int(tokens.max()) + 1,",
        "The width is taken from the largest token that occurs: it is d_vocab, whatever occurs.",
    ),
    edit(
        ROWS,
        "return (tokens[..., None] == places).to(dtype).movedim(-1, 0)",
        "The axis of the vocabulary comes first: it comes last.",
    ),
    edit(
        ROWS,
        "return (tokens[..., None] == places).to(dtype).movedim(-1, 1)",
        "The axis of the vocabulary comes second: it comes last.",
    ),
    edit(
        ROWS,
        "rows = torch.zeros(*tokens.shape, d_vocab, dtype=dtype, device=tokens.device)\n"
        "    rows[..., tokens] = 1\n    return rows",
        "An index beside ... meets every row, so each row holds the ones of all tokens: pair each token with its row.",
    ),
    edit(
        ROWS,
        "rows = torch.zeros(d_vocab, dtype=dtype, device=tokens.device).expand(*tokens.shape, d_vocab)\n"
        "    return rows.scatter_(-1, tokens[..., None], 1)",
        "expand copies nothing: all rows share one memory, and writing in place would write into all of them. "
        "Make zeros of the full shape.",
    ),
    edit(
        "tokens[..., None]",
        "tokens[:, :, None]",
        "This is written for two axes: tokens[..., None] adds one at the end, however many there are.",
    ),
    edit("== places", "!= places", "Ones and zeros are swapped: the one marks the token, zeros all others."),
    edit("== places", "== places + 1", "The one stands one place too far left: token 0 marks place 0."),
    edit("== places", "== places - 1", "The one stands one place too far right: token 0 marks place 0."),
    edit("== places", ">= places", "All places up to the token are marked: mark only its own."),
)

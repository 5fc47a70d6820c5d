"""`sae.attention_output_sae`: whose a latent of `hook_z` is, what it writes, and which head made it fire."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("attention_output_sae")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (batch, length, heads, d_head, d_model, latents), spread in [
        ("several texts and heads", (2, 5, 3, 4, 7, 9), 1),
        ("one head", (3, 2, 1, 5, 4, 6), 1),
        ("one number a head", (2, 3, 6, 1, 5, 4), 1),
        ("as many heads as numbers in each", (1, 4, 3, 3, 8, 5), 1),
        ("one position, one latent", (1, 1, 4, 2, 3, 1), 1),
        ("long rows and large activations", (2, 3, 2, 5, 6, 7), 30),
    ]:
        shapes = [(latents, heads), (latents, d_model), (batch, length, heads, latents)]
        yield Case(
            name,
            W_enc=rng.normal((heads * d_head, latents)),
            W_dec=rng.normal((latents, heads * d_head), spread=spread),
            b_dec=rng.normal((heads * d_head,)),
            W_O=rng.normal((heads, d_head, d_model)),
            z=rng.normal((batch, length, heads, d_head), spread=spread),
            cotangents=[rng.normal(shape) for shape in shapes],
        )


ask.checks(
    equal("shares", title="gives each head its share of a row's squared length", weight=2),
    equal("writes", title="says what a unit of each latent writes into the residual stream", weight=2),
    equal("contributions", title="says what each head adds to each pre-activation", weight=2),
    equal("gradient of shares", title="gradients of the shares reach W_dec"),
    equal("gradient of writes", title="gradients of what is written reach W_dec"),
    equal("gradient of contributions", title="gradients of the contributions reach z"),
)

ROWS = "rows = W_dec.unflatten(-1, sizes)  # (latent, head, d_head)"
SQUARES = "squares = rows.square().sum(-1)  # (latent, head)"
SHARES = "shares = squares / squares.sum(-1, keepdim=True)"
WRITES = 'writes = torch.einsum("lhd,hdm->lm", rows, W_O)'
CENTRED = "centred = z - b_dec.unflatten(0, sizes)  # (batch, position, head, d_head)"
PARTS = 'parts = torch.einsum("bphd,hdl->bphl", centred, W_enc.unflatten(0, sizes))'

ask.mistakes(
    edit(
        ROWS,
        "rows = W_dec.unflatten(-1, sizes[::-1]).mT",
        "The long axis is read as (d_head, head): heads stand one after the other, each with its numbers together.",
    ),
    edit(SQUARES, "squares = rows.norm(dim=-1)", "These are lengths: a share is of the squared length."),
    edit(SQUARES, "squares = rows.abs().sum(-1)", "Absolute values are added: add squares."),
    edit(SQUARES, "squares = rows.sum(-1).square()", "The sum is squared: square each number, then add."),
    edit(
        SQUARES,
        "squares = W_enc.unflatten(0, sizes).square().sum(1).T",
        "The shares are those of the encoder: whose a latent is, its decoder row says.",
    ),
    edit(
        SQUARES,
        'squares = torch.einsum("lhd,hdm->lhm", rows, W_O).square().sum(-1)',
        "The shares are taken after W_O: take them of the row itself.",
    ),
    edit(SHARES, "shares = squares", "The squares are not divided: the shares of a latent add up to 1."),
    edit(
        SHARES,
        "shares = squares / squares.sum(0, keepdim=True)",
        "The shares of a head add up to 1 over latents: those of a latent have to, over heads.",
    ),
    edit(SHARES, "shares = squares.softmax(-1)", "This is a softmax: divide by the sum."),
    edit(SHARES, "shares = (squares / squares.sum(-1, keepdim=True)).detach()", "The shares were cut from the graph."),
    edit(WRITES, 'writes = torch.einsum("lhd,hdm->lhm", rows, W_O).mean(1)', "Heads are averaged: add them up."),
    edit(
        WRITES,
        'writes = torch.einsum("lhd,hdm->lm", rows / rows.flatten(1).norm(dim=-1)[:, None, None], W_O)',
        "The rows are brought to length 1: a unit of a latent writes its row as it is.",
    ),
    edit(
        WRITES,
        'writes = torch.einsum("hdl,hdm->lm", W_enc.unflatten(0, sizes), W_O)',
        "The encoder is sent through W_O: what is written is the decoder's row.",
    ),
    edit(
        WRITES,
        'writes = torch.einsum("lhd,hdm->lm", rows + b_dec.unflatten(0, sizes), W_O)',
        "b_dec is written with every latent: it is written once, whoever is active.",
    ),
    edit(CENTRED, "centred = z", "b_dec is not subtracted: the encoder reads what is left without it."),
    edit(CENTRED, "centred = z + b_dec.unflatten(0, sizes)", "b_dec is added: subtract it."),
    edit(CENTRED, "centred = z.detach() - b_dec.unflatten(0, sizes)", "z was cut from the graph."),
    edit(
        PARTS,
        'parts = torch.einsum("bphd,lhd->bphl", centred, rows)',
        "The decoder's rows are used: who makes a latent fire, the encoder says.",
    ),
    edit(
        PARTS,
        PARTS + ".relu()",
        "Each head's part is bent: only their sum is, with the bias.",
    ),
)

ask.survives(
    "centred = z - b_dec.unflatten(0, sizes)",
    "centred = z - b_dec.unflatten(-1, sizes)",
    "`b_dec` has one axis, which is the first and the last.",
)

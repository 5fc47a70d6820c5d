"""Answers to `latent_circuit` as people write them from the text: each piece as a vector, through the norm by itself."""

# ruff: noqa: E501 (the lines are as long as people write them)
import pytest

from headwork.tests.natural import assert_passed, assert_rejected, grade

RIGHT = """
def latent_circuit(model, tokens, layer, sae, column, query):
    _, cache = model.run_with_cache(tokens[None])
    block = model.blocks[layer]
    x = cache[f"blocks.{layer}.hook_resid_pre"][0]
    A = cache[f"blocks.{layer}.attn.hook_pattern"][0, :, query]
    H, D, K = block.attn.W_V.shape
    e = column.view(H, K)
    f = sae(x)[1]
    pieces = f[:, :, None] * sae.W_dec
    rest = x - pieces.sum(1)
    bias = (block.attn.b_V * e).sum()
    if model.config.layer_norm:
        ln = block.ln1
        s = cache[f"blocks.{layer}.ln1.hook_scale"][0]
        def norm(v, s):
            return (v - v.mean(-1, keepdim=True)) / s * ln.w
        def own(v):
            return (v.var(-1, correction=0, keepdim=True) + ln.eps).sqrt()
        pieces = norm(pieces, s[:, None])
        rest = norm(rest, s)
        bias = bias + (torch.einsum("m,hmd->hd", ln.b, block.attn.W_V) * e).sum()
    lat = torch.einsum("plm,hmd,hd,hp->phl", pieces, block.attn.W_V, e, A)
    oth = torch.einsum("pm,hmd,hd,hp->ph", rest, block.attn.W_V, e, A)
    return {"latents": lat, "others": oth, "biases": bias}
"""
PIECES, REST, SCALE = "norm(pieces, s[:, None])", "norm(rest, s)", 'cache[f"blocks.{layer}.ln1.hook_scale"][0]'
NORM, NORM_BIAS = "/ s * ln.w", 'bias + (torch.einsum("m,hmd->hd", ln.b, block.attn.W_V) * e).sum()'
RUN = """
def latent_circuit(model, tokens, layer, sae, column, query):
    H, D, K = model.blocks[layer].attn.W_V.shape
    e = column.view(H, K)
    name, z = f"blocks.{layer}.hook_resid_pre", f"blocks.{layer}.attn.hook_z"
    _, cache = model.run_with_cache(tokens[None])
    x = cache[name][0]
    f = sae(x)[1]
    def run(change):
        got = []
        model.run_with_hooks(tokens[None], [(name, lambda v, point: v - change), (z, lambda v, point: got.append(v[0, query]))])
        return (got[0] * e).sum(-1)
    base = run(torch.zeros_like(x))
    def at(p, v):
        c = torch.zeros_like(x)
        c[p] = v
        return base - run(c)
    lat = torch.stack([torch.stack([at(p, f[p, l] * sae.W_dec[l]) for l in range(f.shape[1])], -1) for p in range(len(tokens))])
    oth = torch.stack([at(p, x[p] - f[p] @ sae.W_dec) for p in range(len(tokens))])
    return {"latents": lat, "others": oth, "biases": base.sum() - lat.sum() - oth.sum()}
"""
OWN, OWN_ROWS, AGAIN = "Each piece goes through a norm of its own", "a row is no stream", "The norm is run again"


def but(*changes: tuple[str, str]) -> str:
    text = RIGHT
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


WRONG = [
    ("each piece and the rest by their own std", but((PIECES, "norm(pieces, own(pieces))"), (REST, "norm(rest, own(rest))")), OWN),
    ("pieces alone by their own std", but((PIECES, "norm(pieces, own(pieces))")), OWN),
    ("by their own std, and the rest is what is left", but((PIECES, "norm(pieces, own(pieces))"), (REST, "norm(x, s) - pieces.sum(1)")), OWN),
    ("a variance by d_model - 1", but((PIECES, "norm(pieces, own(pieces))"), (REST, "norm(rest, own(rest))"), ("correction=0, ", "")), OWN),
    ("each piece through ln1", but((PIECES, "ln(pieces)"), (REST, "ln(rest)")), OWN),
    ("each piece through ln1, which brings the bias", but((PIECES, "ln(pieces)"), (REST, "ln(rest)"), (NORM_BIAS, "bias")), OWN),
    ("rows through ln1", but((PIECES, "f[:, :, None] * ln(sae.W_dec)"), (REST, "ln(rest)")), OWN_ROWS),
    ("rows by torch.std", but((PIECES, "f[:, :, None] * norm(sae.W_dec, sae.W_dec.std(-1, keepdim=True))")), OWN_ROWS),
    ("the rest through ln1", but((REST, "ln(rest)")), "The rest goes through a norm of its own"),
    ("what the norm loses without a piece", but((PIECES, "ln(x)[:, None] - ln(x[:, None] - pieces)"), (REST, "ln(x) - ln(x - rest)")), AGAIN),
    ("the same, and what is left", but((PIECES, "ln(x)[:, None] - ln(x[:, None] - pieces)"), (REST, "ln(x) - ln.b - pieces.sum(1)")), AGAIN),
    ("whole runs", RUN, "The network is run again"),
    ("the frozen scale without the mean", but(("(v - v.mean(-1, keepdim=True))", "v")), "takes a vector's mean out"),
    ("the mean of the whole", but(("v.mean(-1, keepdim=True)", "(x if v.dim() == 2 else x[:, None]).mean(-1, keepdim=True)")), "The mean of the whole stream"),
    ("the bias with each piece", but((NORM, NORM + " + ln.b"), (NORM_BIAS, "bias")), "The norm's bias is added to every piece"),
    ("the last position's scale", but((SCALE, SCALE.replace("[0]", "[0, -1]")), ("s[:, None]", "s")), "The scale is the last position's"),
    ("the rest's scale", but((SCALE, "(rest.var(-1, correction=0, keepdim=True) + block.ln1.eps).sqrt()")), "what latents leave over"),
    ("the scale without eps", but((SCALE, "x.var(-1, correction=0, keepdim=True).sqrt()")), "eps is missing"),
    ("no norm", but(("if model.config.layer_norm:", "if False:")), "The norm is missing"),
    ("what latents read", but(("f[:, :, None] * sae.W_dec", "f[:, :, None] * sae.W_enc.T")), "says what a latent reads"),
    ("the query's latents", but(("f = sae(x)[1]", "f = sae(x)[1][query].expand(len(tokens), -1)")), "The strengths are those at the query"),
    ("heads inside", but(("column.view(H, K)", "column.view(K, H).T")), "cut in the wrong order"),
    ("positions to query + 1", but(("    return {", "    lat[query + 1:] = 0\n    return {")), "too few for a query that is counted from the end"),
    ("a tuple", but(('{"latents": lat, "others": oth, "biases": bias}', "lat, oth, bias")), "expected a dict"),
    ("without the rest", but(('"others": oth, ', "")), "the dict has no 'others'"),
]  # fmt: skip


def test_pieces_at_the_scale_of_the_whole_pass(grader):
    assert_passed(grade(grader, "sae.latent_circuit", RIGHT))


@pytest.mark.parametrize(("text", "said"), [pytest.param(text, said, id=what) for what, text, said in WRONG])
def test_pieces_that_are_normalised_in_another_way_are_named(grader, text, said):
    assert_rejected(grade(grader, "sae.latent_circuit", text), said)

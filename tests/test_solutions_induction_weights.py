"""What chapter `induction` reads off weights, against definitions written out, and what its text says of the house."""

from dataclasses import replace

import pytest
import torch

from headwork import models
from headwork.checkers.induction.networks import GPT2_SMALL, SHAPES
from headwork.models.config import Config
from headwork.models.gpt2 import GPT2
from headwork.solutions.induction.circuits import induction_circuit
from headwork.solutions.induction.weights import LowRankProduct, effective_embedding, fold_layer_norm

MORE = {
    "LayerNorm, attention only": Config(
        d_vocab=9, n_ctx=8, d_model=6, n_heads=3, d_mlp=5, n_layers=2, attn_only=True, biases=False
    ),
    "neither LayerNorm nor MLPs, tied": Config(
        d_vocab=7, n_ctx=8, d_model=4, n_heads=2, d_mlp=5, n_layers=1, attn_only=True, layer_norm=False
    ),
    "other logits than tokens": Config(
        d_vocab=7, n_ctx=8, d_model=4, n_heads=2, d_mlp=5, n_layers=1, tied=False, d_vocab_out=3
    ),
}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(3)


def random_model(config: Config) -> GPT2:
    """Every parameter drawn: biases of 0 and scales of 1 would hide mistakes."""
    model = GPT2(config).double().eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.6)
    return model


def folded(model: GPT2) -> GPT2:
    new = GPT2(replace(model.config, tied=False, biases=True)).to(model.embed.W_E.dtype).eval()
    new.load_state_dict(fold_layer_norm(model))
    return new


@pytest.mark.parametrize("config", [*SHAPES.values(), *MORE.values()])
def test_a_folded_model_gives_the_same_logits_also_from_any_stream(config):
    model = random_model(config)
    other, tokens = folded(model), torch.randint(config.d_vocab, (3, 7))
    torch.testing.assert_close(other(tokens), model(tokens), rtol=1e-11, atol=1e-11)
    stream = torch.randn(2, 5, config.d_model).double()
    for layer in range(config.n_layers + 1):
        ours, theirs = (each(stream, start_at_layer=layer) for each in (other, model))
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("config", [*SHAPES.values(), *MORE.values()])
def test_folding_leaves_trivial_norms_and_takes_no_memory_of_the_model(config):
    model = random_model(config)
    state = fold_layer_norm(model)
    for name, value in state.items():
        if ".ln" in f".{name}":
            assert torch.equal(value, torch.full_like(value, float(name.endswith(".w")))), name
    theirs = {tensor.data_ptr() for tensor in model.state_dict().values()}
    assert not theirs & {tensor.data_ptr() for tensor in state.values()}


@pytest.mark.parametrize("config", SHAPES.values())
@pytest.mark.parametrize("shape", [(1, 0), (3, 4)])
def test_an_effective_embedding_is_block_0_applied_to_each_text_by_itself(config, shape):
    model = random_model(config)
    contexts = torch.randint(config.d_vocab, shape)
    found = effective_embedding(model, contexts, chunk=4)
    assert not found.requires_grad
    for token in range(config.d_vocab):
        streams = []
        for context in contexts:
            text = [*context.tolist(), token]
            residual = model.embed.W_E[text] + model.pos_embed.W_pos[: len(text)]
            streams.append(model.blocks[0](residual[None])[0, -1])
        torch.testing.assert_close(found[token], torch.stack(streams).mean(0), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    ("batch", "rows", "rank", "columns"), [((), 9, 3, 7), ((2, 3), 5, 2, 5), ((4,), 2, 6, 8), ((1,), 6, 1, 6)]
)
def test_a_thin_product_answers_as_the_whole_one(batch, rows, rank, columns):
    left, right = torch.randn(*batch, rows, rank).double(), torch.randn(*batch, rank, columns).double()
    more = torch.randn(*batch, columns, 4).double(), torch.randn(*batch, 4, 11).double()
    vectors = torch.randn(*batch, columns, 2).double()
    product, whole = LowRankProduct(left, right), left @ right
    composed = product.compose(LowRankProduct(*more))
    n = min(rows, rank, columns)
    for ours, theirs in [
        (product.apply(vectors), whole @ vectors),
        (product.norm(), torch.linalg.matrix_norm(whole)),
        (product.singular_values(), torch.linalg.svdvals(whole)[..., :n]),
        (composed.left @ composed.right, whole @ more[0] @ more[1]),
    ]:
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)
    for chunk in (1, 4, 100):
        assert torch.equal(product.largest_in_rows(chunk), whole.argmax(-1))
    if rows == columns:
        torch.testing.assert_close(product.diagonal(), whole.diagonal(0, -2, -1), rtol=1e-11, atol=1e-11)


def test_a_singular_value_of_zero_is_rounding_and_not_its_root():
    left = torch.randn(50, 3).double()
    left[:, 2] = left[:, 0] + left[:, 1]
    values = LowRankProduct(left, torch.randn(3, 40).double()).singular_values()
    assert values[-1] < 1e-13 * values[0]


@pytest.mark.parametrize("name", ["untied, with ReLU", "attention only"])
def test_the_match_matrix_is_the_part_of_the_scores_that_one_head_writes(name):
    """By subtraction: scores of a stream with what the earlier head writes, minus those without, with a frozen norm."""
    config = SHAPES[name]
    model = folded(random_model(config)) if config.layer_norm else random_model(config)
    sources, queries = (torch.randn(6, config.d_model).double() for _ in range(2))
    (early, first), (late, second) = (0, 1), (1, 0)
    writer, reader = model.blocks[early].attn, model.blocks[late].attn
    seen = {}

    def keep(value, point):
        seen["written"] = value[:, 0, first]  # a text of one token attends to nothing else

    with model.hooks([(f"blocks.{early}.attn.hook_result", keep)]):
        inputs = model.blocks[early].ln1(sources[:, None])
        writer(inputs, inputs, inputs)
    base = torch.randn(config.d_model).double()
    scale = 1.0

    def key(stream):
        centred = stream - stream.mean(-1, keepdim=True) if config.layer_norm else stream
        return centred / scale @ reader.W_K[second] + reader.b_K[second]

    q = model.blocks[late].ln1(queries) @ reader.W_Q[second] + reader.b_Q[second]
    scores = q @ (key(base + seen["written"]) - key(base)).T / config.d_head**0.5
    diagonal, best = induction_circuit(model, (early, first), (late, second), sources, queries, chunk=4)
    torch.testing.assert_close(diagonal, scores.diagonal(), rtol=1e-10, atol=1e-10)
    assert torch.equal(best, scores.argmax(-1))


@pytest.fixture(scope="module")
def house():
    return folded(models.load("house", dtype=torch.float64))


@pytest.fixture(scope="module")
def contexts():
    """Eight contexts of four tokens, each beginning as texts do."""
    drawn = torch.randint(1, 1792, (8, 4), generator=torch.Generator().manual_seed(0))
    drawn[:, 0] = 0
    return drawn


def share(house, previous, head, queries):
    best = induction_circuit(house, previous, (4, head), house.embed.W_E.detach(), queries)[1]
    return float((best == torch.arange(len(best))).double().mean())


@torch.no_grad()
def test_the_text_says_what_the_house_models_weights_show(house, contexts):
    raw, inside = house.embed.W_E, effective_embedding(house, contexts)
    assert [share(house, (0, 0), head, raw) for head in range(4)] == pytest.approx([0.01, 0.03, 0.02, 0.01], abs=0.006)
    shares = [share(house, (0, 0), head, inside) for head in range(4)]
    assert shares == pytest.approx([0.73, 0.82, 0.50, 0.79], abs=0.006)
    for writer in (1, 2, 3):
        assert max(share(house, (0, writer), head, inside) for head in range(4)) < 0.0025
    alone = effective_embedding(house, torch.zeros(1, 0, dtype=torch.long))
    after = effective_embedding(house, torch.zeros(1, 1, dtype=torch.long))
    shares = [share(house, (0, 0), head, alone) for head in range(4)]
    assert shares == pytest.approx([0.20, 0.08, 0.11, 0.08], abs=0.006)
    shares = [share(house, (0, 0), head, after) for head in range(4)]
    assert shares == pytest.approx([0.76, 0.72, 0.42, 0.64], abs=0.006)


@torch.no_grad()
def test_the_text_says_how_far_block_0_moves_an_embedding(house, contexts):
    raw, inside = house.embed.W_E, effective_embedding(house, contexts)
    assert float(inside.norm(dim=-1).mean() / raw.norm(dim=-1).mean()) == pytest.approx(6.1, abs=0.06)
    cosine = torch.cosine_similarity(raw - raw.mean(0), inside - inside.mean(0), dim=-1)
    assert float(cosine.mean()) == pytest.approx(0.22, abs=0.006)
    scale = models.load("house").blocks[4].ln1.w
    assert (float(scale.min()), float(scale.max())) == pytest.approx((0.91, 1.69), abs=0.006)


@torch.no_grad()
def test_the_text_says_what_cutting_each_way_to_the_keys_costs():
    """Cuts put a mean over unrepeated texts in a part's place, in the inputs of block 4's keys alone."""
    house, source = models.load("house"), torch.Generator().manual_seed(0)
    half, texts = 30, 32
    first = torch.stack([torch.randperm(1791, generator=source)[:half] + 1 for _ in range(texts)])
    tokens = torch.cat([torch.zeros(texts, 1, dtype=torch.long), first, first], 1)
    other = torch.stack([torch.randperm(1791, generator=source)[: 2 * half + 1] for _ in range(texts)])
    other[:, 0] = 0
    names = ["blocks.0.attn.hook_result", "blocks.0.hook_mlp_out"]
    _, seen = house.run_with_cache(tokens, names)
    _, usual = house.run_with_cache(other, names)
    head = (seen[names[0]] - usual[names[0]].mean((0, 1)))[:, :, 0]  # (text, position, d_model)
    mlp = seen[names[1]] - usual[names[1]].mean((0, 1))

    def loss(hooks=()):
        logits = house.run_with_hooks(tokens, hooks)
        table = -logits[:, :-1].log_softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0]
        return float(table[:, half + 1 :].mean())

    def without(*parts):
        return [("blocks.4.hook_k_input", lambda value, point: value - sum(parts)[:, :, None])]

    def silent(value, point):
        value = value.clone()
        value[:, :, 0] = usual[names[0]].mean((0, 1))[0]
        return value

    _, cut = house.run_with_cache(tokens, ["blocks.4.hook_resid_pre"])
    with house.hooks([(names[0], silent)]):
        _, cut = house.run_with_cache(tokens, ["blocks.4.hook_resid_pre"])
    whole = [
        ("blocks.4.hook_k_input", lambda value, point: cut["blocks.4.hook_resid_pre"][:, :, None].expand_as(value))
    ]
    found = [loss(), loss(without(head)), loss([(names[0], silent)]), loss(whole), loss(without(mlp))]
    assert found == pytest.approx([0.01, 0.04, 7.3, 7.3, 4.2], abs=0.06)
    assert loss(without(head, mlp)) == pytest.approx(7.4, abs=0.06)


@torch.no_grad()
def test_a_model_as_wide_as_gpt2_is_folded_and_its_circuit_read_without_the_square():
    from headwork.checkers.probing import memory

    model = GPT2(replace(GPT2_SMALL, n_layers=2)).eval()
    other, tokens = folded(model), torch.randint(50257, (1, 6))
    expected = model(tokens)
    assert (other(tokens) - expected).abs().max() <= 1e-5 * expected.abs().max()
    vectors = other.embed.W_E[:8000]
    with memory() as spent:
        diagonal, best = induction_circuit(other, (0, 3), (1, 1), vectors, vectors, chunk=64)
    assert diagonal.shape == best.shape == (8000,)
    assert spent.largest <= 8000 * 768

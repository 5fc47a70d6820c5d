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


@pytest.mark.parametrize("name", ["house", "attention-only"])
@torch.no_grad()
def test_a_shipped_model_is_folded_and_its_effective_embedding_is_a_run_of_block_0(name):
    model = models.load(name, dtype=torch.float64)
    other, tokens = folded(model), torch.randint(model.config.d_vocab, (2, 9))
    torch.testing.assert_close(other(tokens), model(tokens), rtol=1e-9, atol=1e-9)
    found = effective_embedding(other, tokens[:, :3], chunk=500)
    for token in (1, model.config.d_vocab - 1):
        texts = torch.cat([tokens[:, :3], torch.full((2, 1), token)], 1)
        _, cache = model.run_with_cache(texts, ["blocks.0.hook_resid_post"])
        expected = cache["blocks.0.hook_resid_post"][:, -1].mean(0)
        torch.testing.assert_close(found[token], expected, rtol=1e-9, atol=1e-9)


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


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("name", ["house", "attention-only"])
@torch.no_grad()
def test_the_weights_of_a_model_are_read_on_a_gpu_as_on_the_cpu(name):
    model = models.load(name, dtype=torch.float64)
    contexts = torch.randint(model.config.d_vocab, (2, 3))
    plain = folded(model)
    vectors = effective_embedding(plain, contexts)
    diagonal, best = induction_circuit(plain, (0, 1), (1, 2), plain.embed.W_E, vectors)
    values = LowRankProduct(vectors, vectors.T).singular_values()
    plain = folded(model.cuda()).cuda()
    found = effective_embedding(plain, contexts.cuda())
    torch.testing.assert_close(found.cpu(), vectors, rtol=1e-9, atol=1e-9)
    ours = induction_circuit(plain, (0, 1), (1, 2), plain.embed.W_E, found)
    torch.testing.assert_close(ours[0].cpu(), diagonal, rtol=1e-9, atol=1e-9)
    assert ours[1].is_cuda and torch.equal(ours[1].cpu(), best)
    ours = LowRankProduct(found, found.T).singular_values().cpu()
    torch.testing.assert_close(ours, values, rtol=1e-9, atol=1e-9 * float(values[0]))

"""Circuits of chapter `induction` against models that are run, whole matrices, and definitions written out."""

import itertools
from dataclasses import replace

import pytest
import torch

from headwork import models
from headwork.checkers.induction.networks import GPT2_SMALL, SHAPES
from headwork.checkers.probing import memory
from headwork.models.config import Config
from headwork.models.gpt2 import GPT2
from headwork.solutions.induction.circuits import (
    composition_scores,
    ov_circuit,
    path_decomposition,
    positional_qk,
    qk_circuit,
    virtual_head,
)
from headwork.solutions.induction.weights import fold_layer_norm

NAMES = ["a small GPT-2", "untied, with ReLU", "attention only", "one head, no biases"]
PLAIN = {"attn_only": True, "layer_norm": False, "biases": False, "tied": False}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(5)


def random_model(config: Config) -> GPT2:
    """Every parameter drawn, and folded where there is something to fold."""
    model = GPT2(config).double().eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.6)
    return folded(model) if config.layer_norm else model


def folded(model: GPT2) -> GPT2:
    new = GPT2(replace(model.config, tied=False, biases=True)).to(model.embed.W_E.dtype).eval()
    new.load_state_dict(fold_layer_norm(model))
    return new


def centred(model: GPT2, written: torch.Tensor) -> torch.Tensor:
    return written - written.mean(-1, keepdim=True) if model.config.layer_norm else written


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_an_ov_circuit_is_what_a_head_writes_on_a_text_of_one_token(name):
    """A lone token attends to itself alone: a head's result there, unembedded without the norm's division."""
    model = random_model(SHAPES[name])
    layer, sources = 1, torch.randn(6, model.config.d_model).double()
    seen = {}
    with model.hooks([(f"blocks.{layer}.attn.hook_result", lambda value, point: seen.update(result=value))]):
        inputs = model.blocks[layer].ln1(sources[:, None])
        model.blocks[layer].attn(inputs, inputs, inputs)
    expected = centred(model, seen["result"][:, 0].transpose(0, 1)) @ model.unembed.W_U  # (head, token, vocab)
    left, right = ov_circuit(model, layer, sources)
    torch.testing.assert_close(left @ right, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_a_qk_circuit_holds_the_scores_of_a_run(name):
    model = random_model(SHAPES[name])
    layer, stream = 1, torch.randn(2, 7, model.config.d_model).double()
    names = [f"blocks.{layer}.attn.hook_attn_scores", f"blocks.{layer}.attn.hook_pattern"]
    _, cache = model.run_with_cache(stream, names, start_at_layer=layer, stop_at_layer=layer + 1)
    for text in range(2):
        left, right = qk_circuit(model, layer, stream[text], stream[text])
        scores, seen = left @ right, cache[names[0]][text]
        assert torch.equal(seen.isinf(), torch.ones_like(seen).triu(1).bool())
        torch.testing.assert_close(scores.tril(), seen.nan_to_num(neginf=0).tril(), rtol=1e-11, atol=1e-11)
        pattern = positional_qk(model, layer, stream[text])
        torch.testing.assert_close(pattern, cache[names[1]][text], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", ["untied, with ReLU", "attention only"])
@pytest.mark.parametrize("kind", ["Q", "K", "V"])
@torch.no_grad()
def test_composition_scores_are_norms_of_whole_matrices_and_ranks_count_the_larger_ones(name, kind):
    model = random_model(SHAPES[name])
    scores, ranks = composition_scores(model, kind)
    heads, layers = range(model.config.n_heads), range(model.config.n_layers)
    expected = {}
    for early, one, late, other in itertools.product(layers, heads, layers, heads):
        if early >= late:
            assert scores[early, one, late, other] == 0 and ranks[early, one, late, other] == 0
            continue
        first, second = model.blocks[early].attn, model.blocks[late].attn
        moved = first.W_V[one] @ centred(model, first.W_O[one])
        matches = second.W_Q[other] @ second.W_K[other].T
        read = {"Q": matches, "K": matches.T, "V": second.W_V[other] @ centred(model, second.W_O[other])}[kind]
        expected[early, one, late, other] = float((moved @ read).norm() / (moved.norm() * read.norm()))
    for pair, score in expected.items():
        assert float(scores[pair]) == pytest.approx(score, abs=1e-11)
        assert int(ranks[pair]) == 1 + sum(other > score for other in expected.values())


@torch.no_grad()
def test_queries_read_what_q_composition_measures():
    """A head that writes nothing into what the late head's queries read has a score of 0 for Q, and not for K."""
    model = random_model(SHAPES["attention only"])
    first, second = model.blocks[0].attn, model.blocks[1].attn
    basis = torch.linalg.qr(second.W_Q[2])[0]  # (d_model, d_head), what the queries read
    first.W_O[1] -= first.W_O[1] @ basis @ basis.T
    assert composition_scores(model, "Q")[0][0, 1, 1, 2] < 1e-7
    assert composition_scores(model, "K")[0][0, 1, 1, 2] > 0.01


@pytest.mark.parametrize("name", ["untied, with ReLU", "attention only"])
@torch.no_grad()
def test_a_virtual_head_does_what_two_heads_do_one_after_the_other(name):
    model = random_model(SHAPES[name])
    earlier, later, stream = (0, 1), (1, 0), torch.randn(2, 5, model.config.d_model).double()
    patterns = [torch.rand(2, 5, 5).double().tril() for _ in range(2)]
    first, second = model.blocks[0].attn, model.blocks[1].attn
    moved = patterns[0] @ stream @ first.W_V[1] @ first.W_O[1]
    expected = patterns[1] @ centred(model, moved) @ second.W_V[0] @ second.W_O[0]
    pattern, left, right = virtual_head(model, earlier, later, *patterns)
    torch.testing.assert_close(pattern @ stream @ left @ right, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("layers", "heads"), [(1, 3), (2, 4), (3, 2)])
@torch.no_grad()
def test_paths_sum_to_the_logits_and_each_is_a_difference_of_runs(layers, heads):
    config = Config(d_vocab=9, n_ctx=8, d_model=12, n_heads=heads, d_mlp=1, n_layers=layers, **PLAIN)
    model, tokens = random_model(config), torch.randint(9, (2, 6))
    paths = path_decomposition(model, tokens)
    assert len(paths) == (1 + heads) ** layers
    logits = model(tokens)
    assert (sum(paths.values()) - logits).abs().max() <= 1e-9 * logits.abs().max()
    _, cache = model.run_with_cache(tokens, lambda name: name.endswith("hook_pattern"))

    def with_heads(kept):
        """The logits when patterns are frozen and only these heads write."""
        hooks = [(name, lambda value, point: cache[point.name]) for name in cache]
        for layer in range(layers):
            mask = torch.tensor([(layer, head) in kept for head in range(heads)])[:, None]
            hooks.append((f"blocks.{layer}.attn.hook_z", lambda value, point, mask=mask: value * mask))
        return model.run_with_hooks(tokens, hooks)

    for path, found in paths.items():  # by inclusion and exclusion over the heads of the path
        expected = sum(
            (-1) ** (len(path) - size) * with_heads(kept)
            for size in range(len(path) + 1)
            for kept in itertools.combinations(path, size)
        )
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def at_random():
    one, other = (torch.randn(128, 32).double() @ torch.randn(32, 128).double() for _ in range(2))
    return (one @ other).norm() / (one.norm() * other.norm())


def test_the_text_says_what_random_products_of_the_house_models_sizes_score():
    """Scores of 0.088, give or take 0.0025."""
    found = torch.stack([at_random() for _ in range(200)])
    assert float(found.mean()) == pytest.approx(0.088, abs=8e-4)
    assert float(found.std()) == pytest.approx(0.0025, abs=5e-4)


@torch.no_grad()
def test_the_paths_of_attention_only_sum_to_its_logits():
    model = models.load("attention-only", dtype=torch.float64)
    tokens = torch.randint(model.config.d_vocab, (2, 17))
    paths, logits = path_decomposition(model, tokens), model(tokens)
    assert len(paths) == (1 + model.config.n_heads) ** model.config.n_layers
    assert (sum(paths.values()) - logits).abs().max() <= 1e-9 * logits.abs().max()


def answers(model: GPT2, sources: torch.Tensor) -> dict[str, torch.Tensor]:
    """Every circuit of a model as tensors: products on a few vectors, whatever the factors are."""
    last, heads = model.config.n_layers - 1, model.config.n_heads
    generator = torch.Generator().manual_seed(2)
    vectors = torch.randn(model.unembed.W_U.shape[1], 2, generator=generator).to(sources)
    pattern = torch.rand(1, 5, 5, generator=generator).tril().to(sources)
    ov, qk = ov_circuit(model, last, sources), qk_circuit(model, last, sources, sources)
    moved, left, right = virtual_head(model, (0, 1), (last, heads - 1), pattern, pattern)
    scores, ranks = composition_scores(model, "K")
    return {
        "ov": ov[0] @ (ov[1] @ vectors),
        "qk": qk[0] @ (qk[1] @ vectors[: len(sources)]),
        "by position": positional_qk(model, last, sources[:50]),
        "scores": scores,
        "ranks": ranks,
        "moved": moved,
        "virtual": sources @ left @ right,
    }


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("name", ["house", "attention-only"])
@torch.no_grad()
def test_circuits_are_the_same_on_a_gpu(name):
    model = models.load(name, dtype=torch.float64)
    model = folded(model) if model.config.layer_norm else model
    sources = model.embed.W_E[:7]
    expected, found = answers(model, sources), answers(model.cuda(), sources.cuda())
    for part, value in found.items():
        assert value.is_cuda, part
        torch.testing.assert_close(value.cpu(), expected[part], rtol=1e-9, atol=1e-9)


@torch.no_grad()
def test_circuits_of_a_model_as_wide_as_gpt2_never_hold_the_square_of_the_vocabulary():
    """And in float32 they are what they are in float64, but for rounding."""
    model = GPT2(replace(GPT2_SMALL, n_layers=2)).eval()
    with memory() as spent:
        found = answers(model, model.embed.W_E[:3000])
    assert spent.largest <= GPT2_SMALL.d_vocab * GPT2_SMALL.d_model
    model.double()
    exact = answers(model, model.embed.W_E[:3000])
    for part in ("ov", "qk", "scores", "virtual"):
        assert (found[part] - exact[part]).abs().max() <= 1e-4 * exact[part].abs().max(), part

"""Circuits of chapter `induction` against models that are run, whole matrices, and definitions written out."""

import itertools
import math
from dataclasses import replace

import pytest
import torch

from headwork import models
from headwork.checkers.induction.networks import SHAPES
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
from headwork.solutions.induction.weights import LowRankProduct, effective_embedding, fold_layer_norm

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


@pytest.fixture(scope="module")
def house():
    return folded(models.load("house", dtype=torch.float64))


@pytest.fixture(scope="module")
def inside(house):
    """Effective embeddings behind eight contexts of four tokens, each beginning as texts do."""
    drawn = torch.randint(1, 1792, (8, 4), generator=torch.Generator().manual_seed(0))
    drawn[:, 0] = 0
    return effective_embedding(house, drawn)


def on_the_diagonal(left, right):
    best = LowRankProduct(left, right).largest_in_rows()
    return (best == torch.arange(best.shape[-1])).double().mean(-1).tolist()


@torch.no_grad()
def test_the_text_says_what_the_house_models_heads_copy_and_look_for(house, inside):
    raw = house.embed.W_E
    assert max(max(on_the_diagonal(*ov_circuit(house, layer, raw))) for layer in range(5)) < 0.0095
    shares = sorted(share for layer in range(5) for share in on_the_diagonal(*ov_circuit(house, layer, inside)))
    assert (shares[-4], shares[-1]) == pytest.approx((0.78, 0.91), abs=0.006) and shares[-5] < 0.0055
    assert on_the_diagonal(*qk_circuit(house, 1, raw, raw))[0] == pytest.approx(0.40, abs=0.006)
    assert on_the_diagonal(*qk_circuit(house, 1, inside, inside))[0] == pytest.approx(0.91, abs=0.006)


@torch.no_grad()
def test_the_text_says_where_the_house_models_heads_look_by_position(house):
    pattern = positional_qk(house, 0, house.pos_embed.W_pos + house.embed.W_E.mean(0))
    back = pattern.diagonal(-1, 1, 2).mean(-1)
    first = (pattern.argmax(-1)[:, 1:] == torch.arange(95)).double().mean(-1)
    assert (float(back[0]), float(first[0])) == pytest.approx((0.98, 0.99), abs=0.006)
    assert (float(back[3]), float(first[3])) == pytest.approx((0.19, 0.04), abs=0.006)


@torch.no_grad()
def test_the_text_says_how_the_house_models_pairs_rank(house):
    found = [float(_random_score()) for _ in range(200)]
    mean = math.fsum(found) / 200
    spread = (math.fsum((each - mean) ** 2 for each in found) / 199) ** 0.5
    assert (mean, spread) == pytest.approx((128**-0.5, 0.002), abs=0.001)
    scores, ranks = composition_scores(house, "K")
    assert int(ranks.max()) == 160 and int((scores > mean + 3 * spread).sum()) == pytest.approx(96, abs=6)
    assert sorted(ranks[0, 0, 4].tolist())[0] == 13 and sorted(ranks[0, 0, 4].tolist())[-1] == 29
    assert float(scores[0, 0, 4].min()) > 0.115 and float(scores[0, 0, 4].max()) < 0.15
    assert (ranks == 1).nonzero().tolist() == [[1, 0, 3, 2]]
    assert int(composition_scores(house, "Q")[1][0, 0, 4].min()) > 140


def _random_score():
    one, other = (torch.randn(128, 32).double() @ torch.randn(32, 128).double() for _ in range(2))
    return (one @ other).norm() / (one.norm() * other.norm())

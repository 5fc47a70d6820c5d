"""Chapter induction's references against definitions, transformers, experiments on the model, and brute force."""

import os
from itertools import product

import pytest
import torch
import torch.nn.functional as F

from headwork import models
from headwork.checkers.induction.networks import GPT2_SMALL, SHAPES, described
from headwork.checkers.induction.planted import HEADS, by_chance, planted, repeated
from headwork.checkers.induction.probes.networks import build
from headwork.checkers.inputs import Rng
from headwork.models import zoo
from headwork.models.gpt2 import GPT2
from headwork.solutions.induction.ablation import ablate_heads, ablate_pairs, ablation_values, cut_edges
from headwork.solutions.induction.attribution import head_outputs, logit_attribution
from headwork.solutions.induction.hooks import HookPoint, run_with_cache
from headwork.solutions.induction.patterns import (
    copying_score,
    in_context_learning_score,
    loss_per_token,
    pattern_scores,
    prefix_matching_score,
    repeated_tokens,
)

CLOSE = {"rtol": 1e-9, "atol": 1e-9}
ALL = list(SHAPES)


def network(name: str) -> GPT2:
    """In float64, no weight at its first value: zero biases and small weights hide mistakes."""
    given = described(Rng(name), SHAPES[name])
    return build(given["config"], given["state"]).requires_grad_(False)


def some_tokens(name: str, batch: int = 3, length: int = 7) -> torch.Tensor:
    return Rng(f"tokens {name}").integers((batch, length), SHAPES[name].d_vocab)


@pytest.fixture(scope="module")
def house():
    return models.load("house", dtype=torch.float64).requires_grad_(False)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_every_ordered_choice_of_tokens_is_drawn_about_equally_often():
    tokens = repeated_tokens(60_000, 2, 4, 1, generator())
    found = tokens[:, 1] * 4 + tokens[:, 2]
    counts = found.bincount(minlength=16)
    allowed = [4 * a + b for a, b in product((0, 2, 3), repeat=2) if a != b]
    assert counts.nonzero().flatten().tolist() == sorted(allowed)
    torch.testing.assert_close(counts[allowed].double(), torch.full((6,), 1e4).double(), rtol=0.05, atol=0)
    assert torch.equal(tokens[:, 1:3], tokens[:, 3:]) and bool((tokens[:, 0] == 1).all())


def test_losses_are_those_of_transformers(house):
    from transformers import GPT2LMHeadModel

    theirs = GPT2LMHeadModel.from_pretrained(zoo.SHIPPED / "house", attn_implementation="eager").double().eval()
    tokens = repeated_tokens(2, 8, 1792, 0, generator())
    found = loss_per_token(house, tokens)
    expected = F.cross_entropy(theirs(tokens).logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(("start", "period", "more"), [(1, 5, 0), (0, 4, 0), (0, 5, 2), (3, 6, 1), (1, 2, 0)])
def test_the_prefix_matching_score_is_the_attention_to_what_followed_the_same_token(start, period, more):
    """By its meaning: the token is looked for in the text, and no distance is computed."""
    tokens = repeated(Rng("text"), 3, period, 50, start, more)["tokens"]
    patterns = by_chance(Rng("patterns"), (2, 3, 4), tokens.shape[1])
    scores = torch.zeros(2, 4, dtype=torch.float64)
    for text in range(3):
        row = tokens[text].tolist()
        for query in range(start + period, start + 2 * period):
            earlier = row.index(row[query], start)
            scores += patterns[:, text, :, query, earlier + 1] / (3 * period)
    torch.testing.assert_close(prefix_matching_score(patterns, period, start), scores, **CLOSE)


def test_textbook_heads_have_the_scores_of_the_textbook():
    patterns = planted(13, 6, 1)[None, None]  # (layer, batch, head, query, key)
    induction = prefix_matching_score(patterns, 6, 1)[0]
    uniform = sum(1 / n for n in range(8, 14)) / 6
    expected = {"induction": 1.0, "uniform": uniform}
    for name, score in zip(HEADS, induction.tolist(), strict=True):
        assert score == pytest.approx(expected.get(name, 0)), name
    scores = {key: dict(zip(HEADS, row[0].tolist(), strict=True)) for key, row in pattern_scores(patterns).items()}
    assert scores["previous"]["previous token"] == scores["current"]["current token"] == 1
    assert scores["first"]["first token"] == 1 and scores["first"]["previous token"] == pytest.approx(1 / 12)
    assert scores["current"]["previous token"] == scores["previous"]["current token"] == 0


def test_the_worked_examples_of_the_text():
    uniform = torch.ones(7, 7).tril() / torch.arange(1, 8)[:, None]
    first = torch.zeros(7, 7)
    first[:, 0] = 1
    patterns = torch.stack([uniform, first])[None, None]
    assert prefix_matching_score(patterns, 3, 1)[0].tolist() == pytest.approx([0.16984, 0], abs=1e-4)
    whole = patterns.diagonal(-2, -2, -1)
    assert whole.shape[-1] == 5
    assert whole.mean(-1)[0, 0].tolist() == pytest.approx([0.21857, 0.2], abs=1e-4)
    small = pattern_scores(patterns[..., :3, :3])
    assert [float(each[0, 0]) for each in small.values()] == pytest.approx([5 / 12] * 3)
    losses = torch.tensor([[3.0, 2, 2, 1], [5, 4, 1, 1]])
    assert float(in_context_learning_score(losses, 1, 3)) == -2.5
    values = torch.tensor([[[1.0], [2]], [[3], [6]]])
    assert ablation_values(values, "mean").flatten().tolist() == [3, 3, 3, 3]
    assert ablation_values(values, "position mean").flatten().tolist() == [2, 4, 2, 4]
    assert ablation_values(values, "resample", generator()).flatten().tolist() == [3, 6, 1, 2]


@pytest.mark.parametrize("name", ALL)
def test_the_copying_score_is_what_a_head_does_to_the_logits_when_it_attends_to_one_position(name):
    """The head's output takes the whole stream's place before the final norm, and the model itself makes logits of it.

    What all parts share, the norm's own bias and the unembedding's, is taken off again.
    """
    model, tokens = network(name), some_tokens(name, 2, 5)
    _, cache = model.run_with_cache(tokens)
    norm, layers = model.ln_final, model.config.n_layers
    found = torch.zeros(layers, model.config.n_heads, dtype=torch.float64)
    for layer, head in product(range(layers), range(model.config.n_heads)):
        written = cache[f"blocks.{layer}.attn.hook_v"][:, :, head] @ model.blocks[layer].attn.W_O[head]
        large = written * 1e6  # so that eps is nothing beside its size
        logits = model.unembed(norm(large)) - model.unembed(norm(torch.zeros_like(large)))
        if not model.config.layer_norm:
            logits = logits / 1e6
        own = logits.gather(-1, tokens[:, :, None]).squeeze(-1)
        scores = (own - logits.mean(-1)) / logits.std(-1, correction=0)
        found[layer, head] = scores.mean()
    torch.testing.assert_close(copying_score(model, tokens), found, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("name", ALL)
def test_the_parts_add_up_to_the_stream_and_are_what_is_lost_without_a_head(name):
    model, tokens = network(name), some_tokens(name)
    parts = head_outputs(model, tokens)
    stream = model(tokens, stop_at_layer=model.config.n_layers)
    torch.testing.assert_close(sum(parts.values()), stream, **CLOSE)
    for layer, head in product(range(model.config.n_layers), range(model.config.n_heads)):
        silent = network(name)
        silent.blocks[layer].attn.W_O[head] = 0
        point = f"blocks.{layer}.hook_attn_out"
        (_, whole), (_, without) = (each.run_with_cache(tokens, [point]) for each in (model, silent))
        torch.testing.assert_close(parts[f"{layer}.{head}"], whole[point] - without[point], **CLOSE)


def test_the_parts_of_house_add_up(house):
    tokens = repeated_tokens(2, 9, 1792, 0, generator())
    parts = head_outputs(house, tokens)
    assert len(parts) == 2 + 5 * (4 + 2) and list(parts)[2:8] == ["0.0", "0.1", "0.2", "0.3", "0.bias", "0.mlp"]
    stream = house(tokens, stop_at_layer=5)
    torch.testing.assert_close(sum(parts.values()), stream, rtol=1e-9, atol=1e-9 * float(stream.abs().max()))


@pytest.mark.parametrize("name", ALL)
def test_shares_add_up_to_the_logit_and_are_what_is_lost_at_a_frozen_scale(name):
    model, tokens = network(name), some_tokens(name)
    parts = torch.stack(list(head_outputs(model, tokens).values()))
    stream, targets = parts.sum(0), tokens.roll(1, 1)
    shares, bias = logit_attribution(model, parts, stream, targets)

    def logit(residual):
        logits = model.unembed(model.ln_final(residual))
        return logits.gather(-1, targets[..., None]).squeeze(-1)

    torch.testing.assert_close(shares.sum(0) + bias, logit(stream), **CLOSE)
    hooks = []
    if model.config.layer_norm:
        scale = (stream.var(-1, correction=0, keepdim=True) + model.config.eps).sqrt()
        hooks = [("ln_final.hook_scale", lambda value, point: scale)]
    with model.hooks(hooks):
        for part, share in zip(parts, shares, strict=True):
            torch.testing.assert_close(logit(stream) - logit(stream - part), share, **CLOSE)


def replacements(model: GPT2, tokens: torch.Tensor, how: str = "position mean") -> dict[str, torch.Tensor]:
    _, cache = model.run_with_cache(tokens, lambda name: name.endswith("hook_z"))
    return {name: ablation_values(z, how, generator()) for name, z in cache.items()}


@pytest.mark.parametrize("name", ALL)
def test_a_head_without_z_is_a_head_without_weights(name):
    model, tokens, silent = network(name), some_tokens(name), network(name)
    heads = [(0, 0), (1, model.config.n_heads - 1), (1, 0)]
    for layer, head in heads:
        silent.blocks[layer].attn.W_O[head] = 0
    found = ablate_heads(model, tokens, heads, replacements(model, tokens, "zero"))
    torch.testing.assert_close(found, silent(tokens), **CLOSE)


@pytest.mark.parametrize("name", ALL)
def test_a_head_replaced_at_one_position_changes_nothing_before_it(name):
    model, tokens = network(name), some_tokens(name)
    found = ablate_heads(model, tokens, [(0, 0)], replacements(model, tokens), [4])
    plain = model(tokens)
    torch.testing.assert_close(found[:, :4], plain[:, :4], **CLOSE)
    assert bool(((found - plain)[:, 4:].abs().amax((0, 2)) > 1e-6).all())


def test_what_a_head_computes_anyway_changes_nothing():
    for name in ALL:
        model, tokens = network(name), some_tokens(name)
        _, own = model.run_with_cache(tokens, lambda point: point.endswith("hook_z"))
        heads = list(product(range(model.config.n_layers), range(model.config.n_heads)))
        torch.testing.assert_close(ablate_heads(model, tokens, heads, own), model(tokens), **CLOSE)
        edges = [(a, b, kind) for a in heads for b in heads if a[0] < b[0] for kind in "qkv"]
        torch.testing.assert_close(cut_edges(model, tokens, edges, own), model(tokens), **CLOSE)


@pytest.mark.parametrize("name", ALL)
def test_pairs_are_runs_without_two_heads(name):
    model, tokens = network(name), some_tokens(name)
    heads = [(1, 0), (0, model.config.n_heads - 1), (model.config.n_layers - 1, model.config.n_heads - 1)]
    heads = list(dict.fromkeys(heads))
    values = replacements(model, tokens, "resample")

    def loss(logits):
        losses = F.cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")
        return losses[:, 2:].mean()

    table = ablate_pairs(model, tokens, heads, values, 2)
    for (i, a), (j, b) in product(enumerate(heads), repeat=2):
        rise = loss(ablate_heads(model, tokens, [a, b], values)) - loss(model(tokens))
        torch.testing.assert_close(table[i, j], rise, **CLOSE)


def test_cutting_every_edge_of_a_head_leaves_its_direct_words_alone():
    """Without norms and MLPs a head reaches the logits through later heads and directly, and the direct part is linear.

    So cutting its edges to all inputs of all later heads must be the same as ablating it, but for what it says itself.
    """
    model, tokens = network("attention only"), some_tokens("attention only")
    values = replacements(model, tokens, "resample")
    name = "blocks.0.attn.hook_z"
    _, cache = model.run_with_cache(tokens, [name])
    for head in range(model.config.n_heads):
        edges = [((0, head), (1, to), kind) for to in range(model.config.n_heads) for kind in "qkv"]
        W_O = model.blocks[0].attn.W_O[head]
        direct = (cache[name] - values[name])[:, :, head] @ W_O @ model.unembed.W_U
        expected = ablate_heads(model, tokens, [(0, head)], values) + direct
        torch.testing.assert_close(cut_edges(model, tokens, edges, values), expected, **CLOSE)


def by_hand(model: GPT2, tokens: torch.Tensor, edges: list, values: dict) -> torch.Tensor:
    """A forward pass with plain loops, in which every head's three inputs are streams of their own."""
    stream = model.embed(tokens) + model.pos_embed(tokens)
    lost: dict[tuple[int, int], torch.Tensor] = {}  # what a head writes, less what it would write
    length = tokens.shape[1]
    future = torch.ones(length, length, dtype=torch.bool).triu(1)
    for layer, block in enumerate(model.blocks):
        attn, written = block.attn, attn_bias(block, stream)
        for head in range(model.config.n_heads):
            parts = []
            for kind, W, b in [("q", attn.W_Q, attn.b_Q), ("k", attn.W_K, attn.b_K), ("v", attn.W_V, attn.b_V)]:
                own = stream.clone()
                for sender, receiver, which in edges:
                    if receiver == (layer, head) and which == kind:
                        own = own - lost[sender]
                parts.append(block.ln1(own) @ W[head] + b[head])
            q, k, v = parts
            scores = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).masked_fill(future, float("-inf"))
            z = scores.softmax(-1) @ v
            written = written + z @ attn.W_O[head]
            lost[layer, head] = (z - values[f"blocks.{layer}.attn.hook_z"][:, :, head]) @ attn.W_O[head]
        stream = stream + written
        if not model.config.attn_only:
            stream = stream + block.mlp(block.ln2(stream))
    return model.unembed(model.ln_final(stream))


def attn_bias(block: torch.nn.Module, stream: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(stream) + block.attn.b_O


@pytest.mark.parametrize("name", ALL)
def test_cut_edges_are_those_of_a_forward_pass_by_hand(name):
    model, tokens = network(name), some_tokens(name)
    values, last = replacements(model, tokens, "resample"), model.config.n_heads - 1
    edges = [((0, 0), (1, last), "k"), ((0, last), (1, last), "v"), ((0, 0), (1, 0), "q")]
    if model.config.n_layers > 2:
        edges += [((1, last), (2, 0), "k"), ((0, 0), (2, 0), "k"), ((1, 0), (2, last), "v")]
    edges = list(dict.fromkeys(edges))
    torch.testing.assert_close(by_hand(model, tokens, [], values), model(tokens), **CLOSE)
    torch.testing.assert_close(cut_edges(model, tokens, edges, values), by_hand(model, tokens, edges, values), **CLOSE)


def test_the_learners_cache_holds_what_ours_holds(house):
    tokens = repeated_tokens(2, 4, 1792, 0, generator())
    names = [name for name, point in house.hook_points.items() if not point.on_demand]
    logits, cache = run_with_cache(house, tokens, names)
    expected_logits, expected = house.run_with_cache(tokens)
    assert cache.keys() == expected.keys()
    torch.testing.assert_close(logits, expected_logits)
    for name, value in cache.items():
        torch.testing.assert_close(value, expected[name])


def test_a_hook_point_does_what_pytorchs_own_hooks_do():
    point, identity, x = HookPoint(), torch.nn.Identity(), torch.randn(3, 2)
    for step in (2.0, -1.0):
        point.add(lambda value, hook_point, step=step: value * 3 + step)
        identity.register_forward_hook(lambda module, args, out, step=step: out * 3 + step)
    torch.testing.assert_close(point(x), identity(x))


def everything(model: GPT2, tokens: torch.Tensor, period: int) -> dict[str, torch.Tensor]:
    """Every reference that takes a model, on this one."""
    names = [f"blocks.{layer}.attn.hook_pattern" for layer in range(model.config.n_layers)]
    _, cache = model.run_with_cache(tokens, names)
    patterns = torch.stack([cache[name] for name in names])
    parts = torch.stack(list(head_outputs(model, tokens).values()))
    values, last = replacements(model, tokens), model.config.n_layers - 1
    shares, bias = logit_attribution(model, parts, parts.sum(0), tokens)
    return {
        "losses": loss_per_token(model, tokens),
        "prefix": prefix_matching_score(patterns, period, 1),
        "previous": pattern_scores(patterns)["previous"],
        "copying": copying_score(model, tokens),
        "logits": shares.sum(0) + bias,
        "ablated": ablate_heads(model, tokens, [(0, 0), (last, 1)], values),
        "pairs": ablate_pairs(model, tokens, [(0, 0), (last, 1)], values, period),
        "cut": cut_edges(model, tokens, [((0, 0), (last, 1), "k")], values),
    }


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_references_run_on_cuda_and_agree_with_the_cpu(house):
    tokens = repeated_tokens(3, 6, 1792, 0, generator())
    expected = everything(house, tokens, 6)
    found = everything(models.load("house", dtype=torch.float64, device="cuda").requires_grad_(False), tokens.cuda(), 6)
    for name, value in found.items():
        assert value.device.type == "cuda", name
        torch.testing.assert_close(value.cpu(), expected[name], rtol=1e-7, atol=1e-7)
    drawn = repeated_tokens(3, 6, 1792, 0, torch.Generator("cuda").manual_seed(0))
    assert drawn.device.type == "cuda"


@pytest.mark.skipif("HEADWORK_LARGE" not in os.environ, reason="set HEADWORK_LARGE for a model of 124 million weights")
def test_references_run_on_a_model_of_gpt2s_size():
    torch.manual_seed(0)
    model = GPT2(GPT2_SMALL).requires_grad_(False).eval()
    tokens = repeated_tokens(2, 12, GPT2_SMALL.d_vocab, 50256, generator())
    found = everything(model, tokens, 12)
    assert found["prefix"].shape == found["copying"].shape == (12, 12)
    torch.testing.assert_close(
        found["logits"], model(tokens).gather(-1, tokens[..., None]).squeeze(-1), rtol=1e-4, atol=1e-4
    )
    assert all(bool(torch.isfinite(value).all()) for value in found.values())

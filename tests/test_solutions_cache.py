"""The cache's reference against the whole network, transformers, and operations and memory counted by hand."""

import pytest
import torch
from torch import nn

from headwork.checkers.gpt2.kv_cache import ask, kept, operations
from headwork.checkers.gpt2.probes.cache import _Model
from headwork.checkers.probing import cost
from headwork.solutions.gpt2.cache import forward_with_cache
from headwork.solutions.gpt2.model import GPT2

VOCAB, CONTEXT = 23, 40


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(2)


def network(n_heads=3, d_head=4, n_layers=2, d_mlp=17):
    """In float64, no parameter at its first value: zero biases and small weights hide mistakes."""
    model = GPT2(VOCAB, CONTEXT, n_heads * d_head, n_heads, d_mlp, n_layers).double()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.7)
    return model.requires_grad_(False)


def read(model, tokens, sizes):
    """The logits of a text read in parts, and the last cache."""
    logits, cache = [], None
    for part in tokens.split(sizes, 1):
        found, cache = forward_with_cache(model, part, cache)
        logits.append(found)
    return torch.cat(logits, 1), cache


@pytest.mark.parametrize("sizes", [[12], [7, 1, 1, 1, 1, 1], [1] * 12, [3, 4, 5], [1, 11], [11, 1]])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(("n_heads", "n_layers"), [(3, 2), (1, 1), (2, 4)])
def test_a_text_in_parts_has_the_logits_of_the_whole_network(sizes, batch, n_heads, n_layers):
    model, tokens = network(n_heads, n_layers=n_layers), torch.randint(VOCAB, (batch, 12))
    torch.testing.assert_close(read(model, tokens, sizes)[0], model(tokens), rtol=1e-11, atol=1e-11)


def test_logits_with_a_cache_are_those_of_transformers_with_its_own():
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=VOCAB, n_positions=CONTEXT, n_embd=12, n_head=3, n_layer=2, n_inner=20, attn_implementation="eager"
    )
    theirs, ours = GPT2LMHeadModel(config).double().eval(), GPT2(VOCAB, CONTEXT, 12, 3, 20, 2).double()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.5)
    _copy(theirs, ours)
    tokens = torch.randint(VOCAB, (2, 9))
    cache, past = None, None
    with torch.no_grad():
        for part in tokens.split([4, 1, 3, 1], 1):
            found, cache = forward_with_cache(ours, part, cache)
            answer = theirs(part, past_key_values=past, use_cache=True)
            past = answer.past_key_values
            torch.testing.assert_close(found, answer.logits, rtol=1e-9, atol=1e-9)


def _copy(theirs, ours):
    """transformers' weights in our layout, written out here and not taken from the reference of that exercise."""
    state = theirs.transformer.state_dict()
    with torch.no_grad():
        ours.embed.W_E.copy_(state["wte.weight"])
        ours.embed.W_pos.copy_(state["wpe.weight"])
        ours.ln_final.w.copy_(state["ln_f.weight"])
        ours.ln_final.b.copy_(state["ln_f.bias"])
        for layer, block in enumerate(ours.blocks):
            heads, width, d_head = block.attn.W_Q.shape
            at = {name.removeprefix(f"h.{layer}."): value for name, value in state.items()}
            qkv = at["attn.c_attn.weight"].reshape(width, 3, heads, d_head).permute(1, 2, 0, 3)
            bias = at["attn.c_attn.bias"].reshape(3, heads, d_head)
            for index, name in enumerate("QKV"):
                getattr(block.attn, f"W_{name}").copy_(qkv[index])
                getattr(block.attn, f"b_{name}").copy_(bias[index])
            block.attn.W_O.copy_(at["attn.c_proj.weight"].reshape(heads, d_head, width))
            block.attn.b_O.copy_(at["attn.c_proj.bias"])
            for norm in ("ln_1", "ln_2"):
                getattr(block, norm.replace("_", "")).w.copy_(at[f"{norm}.weight"])
                getattr(block, norm.replace("_", "")).b.copy_(at[f"{norm}.bias"])
            block.mlp.W_in.copy_(at["mlp.c_fc.weight"])
            block.mlp.b_in.copy_(at["mlp.c_fc.bias"])
            block.mlp.W_out.copy_(at["mlp.c_proj.weight"])
            block.mlp.b_out.copy_(at["mlp.c_proj.bias"])


def test_the_likeliest_tokens_are_those_found_without_a_cache():
    model, text = network(), torch.randint(VOCAB, (2, 5))
    tokens, cache = text, None
    for _ in range(20):
        logits, cache = forward_with_cache(model, tokens, cache)
        tokens = logits[:, -1:].argmax(-1)
        assert torch.equal(tokens, model(text)[:, -1:].argmax(-1))
        text = torch.cat([text, tokens], 1)


def test_a_cache_stays_as_it_was():
    model, tokens = network(), torch.randint(VOCAB, (2, 8))
    _, cache = read(model, tokens, [5, 3])
    before = [(k.clone(), v.clone()) for k, v in cache]
    first, _ = forward_with_cache(model, torch.full((2, 1), 3), cache)
    forward_with_cache(model, torch.full((2, 2), 4), cache)
    again, _ = forward_with_cache(model, torch.full((2, 1), 3), cache)
    assert torch.equal(first, again)
    assert all(
        torch.equal(a, b) for mine, old in zip(cache, before, strict=True) for a, b in zip(mine, old, strict=True)
    )


def by_hand(layers, d_model, d_mlp, vocab, n):
    """The chapter's formula: one more token, which makes the text `n` long."""
    return layers * (8 * d_model**2 + 4 * d_model * d_mlp + 4 * d_model * n) + 2 * d_model * vocab


def small(d_model=4, n_heads=2, d_mlp=16, vocab=10, layers=1):
    return GPT2(vocab, CONTEXT, d_model, n_heads, d_mlp, layers).requires_grad_(False)


@pytest.mark.parametrize(
    ("shape", "n"), [({}, 10), ({}, 2), ({"d_model": 6, "n_heads": 3, "d_mlp": 11, "vocab": 13, "layers": 3}, 25)]
)
def test_the_formula_counts_what_is_done(shape, n):
    model = small(**shape)
    sizes = {"d_model": 4, "d_mlp": 16, "vocab": 10, "layers": 1} | shape
    count = by_hand(sizes["layers"], sizes["d_model"], sizes["d_mlp"], sizes["vocab"], n)
    tokens = torch.randint(10, (1, n))
    cache = forward_with_cache(model, tokens[:, :-1])[1] if n > 1 else None
    with cost() as with_cache:
        forward_with_cache(model, tokens[:, -1:], cache)
    with cost() as without:
        model(tokens)
    assert with_cache.flops == count
    assert without.flops == n * count


def test_the_chapters_figures():
    assert by_hand(1, 4, 16, 10, 10) == 544 + 80 == 624
    assert by_hand(12, 768, 3072, 50_257, 1024) == 284_812_800
    numbers = 2 * 12 * 768
    assert (numbers, numbers * 1024, numbers * 1024 * 4 / 2**20) == (18_432, 18_874_368, 72)
    weights = 50_257 * 768 + 1024 * 768 + 12 * (12 * 768**2 + 13 * 768) + 2 * 768
    assert weights == 124_439_808 and 6 * numbers * 1024 < weights < 7 * numbers * 1024
    again = by_hand(12, 768, 3072, 50_257, 1024) + 12 * 4 * 768**2 * 1023  # keys and values of the past made again
    assert 100 < again / by_hand(12, 768, 3072, 50_257, 1024) < 110
    one = [by_hand(12, 768, 3072, 50_257, n) for n in range(200)]
    without = sum(n * one[n] for n in range(100, 200))
    with_cache = 100 * one[100] + sum(one[101:])
    assert round(without / with_cache) == 75


def test_a_cache_holds_what_was_counted():
    model = small(d_model=6, n_heads=3, d_mlp=11, vocab=13, layers=3)
    _, cache = forward_with_cache(model, torch.randint(13, (2, 9)))
    assert sum(k.numel() + v.numel() for k, v in cache) == 2 * 3 * 6 * 2 * 9


def test_the_checkers_bars_are_counted_rightly():
    """What the checker counts by hand is what the reference spends, so its bar is twice that."""
    case = next(case for case in ask.draw_cases(0) if "measured" in case.inputs)
    model = _Model(case)
    for past in case.measured:
        _, cache = forward_with_cache(model, case.tokens[:, :past])
        with cost() as spent:
            forward_with_cache(model, case.tokens[:, past : past + 1], cache)
        assert spent.flops == operations(case, past)
        assert spent.largest < kept(case, past)
    assert sum(k.numel() + v.numel() for k, v in cache) == kept(case, case.measured[-1])

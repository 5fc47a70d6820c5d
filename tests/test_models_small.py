"""The small models as they are shipped: they do what their cards say, and the cards are what `verify` writes."""

import math
import re
from functools import lru_cache

import pytest
import torch
from safetensors.torch import load_file

from headwork import models
from headwork.models import zoo
from headwork.models.data import addition, attention_only, brackets
from headwork.models.measure import addition as measure_addition
from headwork.models.measure import attention_only as measure_attention
from headwork.models.measure.measure import BEGIN, END, card_file, measure_of, with_figures
from headwork.models.recipes.attention_only import losses
from headwork.models.recipes.recipe import recipe

NAMES = ["addition", "attention-only", "brackets"]
NUMBER = r"-?\d+(?:\.\d+)?"


@lru_cache
def measured(name):
    """What `verify` finds."""
    with torch.no_grad():
        return list(measure_of(name)(models.load(name)))


@pytest.mark.parametrize("name", NAMES)
def test_it_reaches_its_bars(name):
    bars = [each for each in measured(name) if each.bar is not None]
    assert len(bars) >= 2 and [each for each in bars if not each.passed] == []


@pytest.mark.parametrize("name", NAMES)
def test_its_card_is_what_verify_writes(name):
    """Up to one in the last digit that is told, which another machine may round the other way."""
    card = card_file(name).read_text(encoding="utf-8")
    again = with_figures(card, measured(name))
    assert re.sub(NUMBER, "#", again) == re.sub(NUMBER, "#", card)
    part = [text[text.index(BEGIN) : text.index(END)] for text in (card, again)]
    for said, found in zip(*(re.findall(NUMBER, text) for text in part), strict=True):
        last = 10.0 ** -len(said.partition(".")[2])
        assert float(found) == pytest.approx(float(said), abs=1.01 * last)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_the_recipe_s_and_in_float16(name):
    asked = recipe(name)
    assert (asked.name, models.load(name).config) == (name, asked.config)
    assert models.checkpoints(name) == sorted(asked.checkpoints)
    for file in (zoo.SHIPPED / name).rglob("*.safetensors"):
        assert {tensor.dtype for tensor in load_file(file).values()} == {torch.float16}
        assert file.stat().st_mode & 0o444 == 0o444


@pytest.mark.parametrize("name", NAMES)
def test_its_recipe_starts_and_takes_a_step(name):
    """The same weights and the same batch for the same seed; a loss near that of a guess, and a gradient everywhere."""
    asked = recipe(name)
    model, again = asked.start(3), asked.start(3)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    batch, same, other = asked.batch(5, 3), asked.batch(5, 3), asked.batch(6, 3)
    assert all(torch.equal(batch[key], same[key]) for key in batch)
    assert name == "addition" or any(not torch.equal(batch[key], other[key]) for key in batch)
    loss = asked.loss(model, batch, 5)
    loss.backward()
    outputs = asked.config.d_vocab_out or asked.config.d_vocab
    assert loss.item() < math.log(outputs) + 1
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())
    assert set(asked.scores(model)) and asked.optimizers(model)


def test_all_of_them_are_small():
    sizes = [file.stat().st_size for name in NAMES for file in (zoo.SHIPPED / name).rglob("*")]
    assert sum(sizes) < 5_000_000


@torch.no_grad()
def test_addition_learns_by_heart_long_before_it_finds_the_rule():
    learned, held_out = addition.split()

    def right(step, prompts):
        found = models.load(f"addition@{step}")(prompts)[:, -1].argmax(-1)
        return float((found == addition.sums(prompts)).float().mean())

    assert right(0, learned) < 0.1
    assert right(300, learned) > 0.99 and right(300, held_out) < 0.3
    assert right(1000, learned) > 0.99 and right(1000, held_out) < 0.5
    assert right(3000, held_out) > 0.95


@torch.no_grad()
def test_waves_are_counted_as_the_definition_has_them():
    """Against logits that are two waves by construction, and a part that is none."""
    p = addition.PRIME
    a, b, c = torch.meshgrid(*[torch.arange(p, dtype=torch.float64)] * 3, indexing="ij")
    angle = 2 * torch.pi * (a + b - c) / p
    odd = (2 * torch.pi * 7 * (a - b - c) / p).cos()  # a wave of another sum
    logits = 3 * (4 * angle).cos() + 2 * (9 * angle + 1).cos() + 1 * odd + 17 * (a + b)[..., :1]

    class Given(torch.nn.Module):
        embed = type("Embed", (), {"W_E": torch.zeros(1)})

        def forward(self, prompts):
            return logits.view(p * p, 1, p)

    shares = measure_addition.wave_shares(Given())
    assert shares[3] == pytest.approx(9 / 14, abs=1e-6) and shares[8] == pytest.approx(4 / 14, abs=1e-6)
    assert shares.sum() == pytest.approx(13 / 14, abs=1e-6) and len(shares) == p // 2


@torch.no_grad()
def test_all_offsets_together_are_all_that_layer_0_writes():
    model = models.load("attention-only")
    tokens = attention_only.periodic(3, torch.Generator().manual_seed(0)).tokens
    _, cache = model.run_with_cache(tokens, "blocks.0.hook_attn_out")
    parts = sum(measure_attention.moved(model, tokens, offset) for offset in range(64))
    torch.testing.assert_close(parts, cache["blocks.0.hook_attn_out"], rtol=0, atol=1e-4)


@torch.no_grad()
def test_a_cut_by_hand_costs_what_the_measure_says():
    """The previous token's part is recomputed from the weights, one position at a time."""
    model = models.load("attention-only")
    sequences = attention_only.periodic(8, torch.Generator().manual_seed(0))
    tokens, known = sequences.tokens, sequences.announced[:, 1:]
    _, cache = model.run_with_cache(tokens)
    attention = model.blocks[0].attn
    keys = cache["blocks.1.hook_resid_pre"].clone()
    for position in range(1, 64):
        for head in range(model.config.n_heads):
            share = cache["blocks.0.attn.hook_pattern"][:, head, position, position - 1, None]
            source = cache["blocks.0.hook_resid_pre"][:, position - 1]
            keys[:, position] -= share * (source @ attention.W_V[head] @ attention.W_O[head])
    replaced = keys[:, :, None].repeat(1, 1, model.config.n_heads, 1)
    with model.hooks([("blocks.1.hook_k_input", lambda value, point: replaced)]):
        cut = losses(model, tokens)[known].mean()
    rise = min(float(cut), measure_attention.GUESS) - float(losses(model, tokens)[known].mean())
    assert measure_attention.cut_rises(model, sequences, "keys", [1])[0] == pytest.approx(rise, abs=1e-3)


@torch.no_grad()
def test_attention_only_continues_a_segment_of_any_period():
    model = models.load("attention-only")
    for period in (4, 5, 11, 17, 23):
        segment = torch.rand(64, 255, generator=torch.Generator().manual_seed(period)).argsort(1)[:, :period] + 1
        tokens = torch.cat([torch.zeros(64, 1, dtype=torch.long), segment.repeat(1, 16)], 1)[:, :64]
        assert losses(model, tokens)[:, period + 1 :].mean() < 0.5, period


@torch.no_grad()
def test_attention_only_notes_a_pair_wherever_it_stands():
    model, fresh = models.load("attention-only"), torch.Generator().manual_seed(6)
    for begin in range(1, 60, 6):
        tokens = 1 + torch.rand(64, 255, generator=fresh).argsort(1)[:, :63]
        tokens = torch.cat([torch.zeros(64, 1, dtype=torch.long), tokens], 1)
        tokens[:, 62:] = tokens[:, begin : begin + 2]
        assert losses(model, tokens)[:, -1].mean() < 0.5, begin


@torch.no_grad()
def test_one_head_of_brackets_starts_as_one_that_sees_what_stands_before():
    model = recipe("brackets").start(0)
    tokens = brackets.to_tokens(["()" * 20])
    _, cache = model.run_with_cache(tokens, ["blocks.0.attn.hook_pattern"])
    pattern = cache["blocks.0.attn.hook_pattern"][0, 0]  # (query, key)
    assert pattern.tril(1)[2:40].sum(1).min() > 0.9


@torch.no_grad()
def test_brackets_judges_strings_that_are_written_down():
    strings = ["()", "(())()", "((()()))" * 5, ")(", "(()", "())(()", "()" * 19 + ")(", "(" * 20 + ")" * 20]
    found = models.load("brackets")(brackets.to_tokens(strings))[:, 0].argmax(-1).tolist()
    assert found == [1, 1, 1, 0, 0, 0, 0, 1]

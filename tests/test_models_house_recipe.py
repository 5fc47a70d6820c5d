"""How the house model is trained: its texts, its rows of tokens, its steps."""

import random
import re
from collections import Counter

import pytest
import torch

from headwork.models import zoo
from headwork.models.config import Config
from headwork.models.data.english import gifts, words
from headwork.models.data.english.corpus import COPYING, GIFTS, GIVING, OTHERS, written
from headwork.models.data.english.parsing import parses, sentences
from headwork.models.data.english.rows import Reader, Text, masked, packed
from headwork.models.gpt2 import GPT2
from headwork.models.muon import Muon, cut, joined, orthogonal
from headwork.models.packed import packed_logits
from headwork.models.recipes.house import House
from headwork.models.recipes.recipe import recipe
from headwork.models.tokenizer import Tokenizer

NAME = re.compile(r"\b(" + "|".join(words.NAMES) + r")\b")
TEXTS = 4000
SMALL = Config(d_vocab=1792, n_ctx=48, d_model=32, n_heads=2, d_mlp=64, n_layers=2)


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer(zoo.SHIPPED / "house" / "tokenizer.json")


@pytest.fixture(scope="module")
def reader(tokenizer):
    return Reader(tokenizer, 96, answer=4.0)


@pytest.fixture(scope="module")
def texts():
    """Texts of both mixtures."""
    rng = random.Random(0)
    return [written(rng, mixture) for mixture in (COPYING, GIVING) for _ in range(TEXTS)]


class Small(House):
    """The recipe on a model that is small."""

    config = SMALL
    repeating, steps = 20, 60
    silent, forgets = ((10, frozenset({1})), (20, frozenset({0}))), ((10, 1),)


# ---- texts


def test_every_name_and_noun_is_one_token(tokenizer):
    lists = ("place", "object", "animal", "colour", "quality", "food", "feeling", "job")
    for word in [*words.NAMES, *(word for name in lists for word in words.GRAMMAR[name])]:
        tokenizer.single_token(f" {word}")


def test_nobody_held_out_gives_or_is_given_to(texts):
    held_out = set(words.HELD_OUT)
    assert held_out < set(words.NAMES) and not held_out & set(words.GIVERS)
    assert any(held_out & set(NAME.findall(each.text)) for each in texts)  # they live elsewhere
    for each in texts:
        if each.prompt:
            assert not held_out & set(NAME.findall(each.text)), each.text


def test_a_held_out_phrase_never_meets_two_people_and_an_answer(texts):
    fragments = [
        "Once ", "The night ", "Long ago ", "At night, ", " arrived at ", " stayed in ", " were tired of ",
        " had a lot of fun at ", " sat down at ", " sent ", " lent ", " carried ", "chose to ", " slowly ", " fixed ",
        " wrote a note to ", " told a story to ",
    ]  # fmt: skip
    seen = Counter()
    for each in texts:
        for fragment in fragments:
            if fragment in each.text and "Once upon" not in each.text:
                seen[fragment] += 1
                assert not each.prompt, each.text
                people = NAME.findall(each.text)
                one, two_once = len(set(people)) <= 1, len(set(people)) == len(people) == 2
                assert one or two_once, each.text  # nobody to be told from somebody who is met again
    assert all(seen[fragment] for fragment in fragments), seen


def test_in_a_roster_all_but_the_receiver_are_mentioned_twice():
    rng = random.Random(1)
    last = Counter()
    for _ in range(600):
        gift = gifts.roster(rng, size=3)
        found = Counter(NAME.findall(gift.text))
        assert found == {gift.receiver: 1} | dict.fromkeys(gift.others, 2), gift
        last[NAME.findall(gift.text)[-1] == gift.receiver] += 1
    assert min(last.values()) > 25  # to leave out whoever came last is not always right


def test_names_and_orders_are_balanced():
    rng = random.Random(2)
    found = [gifts.classic(rng) for _ in range(8000)]
    receivers = Counter(gift.receiver for gift in found)
    assert set(receivers) == set(words.GIVERS)
    assert max(receivers.values()) < 3 * min(receivers.values())
    first = sum(NAME.search(gift.text)[1] == gift.receiver for gift in found) / len(found)
    assert first == pytest.approx(0.5, abs=0.03)


def test_the_grammar_parses_all_that_it_writes_and_not_what_it_would_not():
    rng = random.Random(3)
    for kind in (*GIFTS, *OTHERS):
        for _ in range(40):
            for sentence in sentences(written(rng, {kind: 1.0}).text):
                assert parses(sentence), sentence
    for wrong in ("Mary gave gave a ball to John.", "Went Mary to the park.", "The man was.", "Mary and gave a drink."):
        assert not parses(wrong)


# ---- rows of tokens


def test_a_batch_is_of_its_step_and_seed_alone():
    one, other = House(), House()
    other.batch(7, 0)  # what was asked before does not count
    first, again = one.batch(900, 3), other.batch(900, 3)
    assert all(torch.equal(first[name], again[name]) for name in first)
    for step, seed in ((901, 3), (900, 4)):
        assert not torch.equal(first["tokens"], one.batch(step, seed)["tokens"])


def test_texts_in_a_row_are_sequences_of_their_own():
    rows = packed([[Text([0, 5, 6], [1.0, 2.0, 3.0]), Text([0, 7, 8, 9], [1.0] * 4)]], 6)
    assert rows.tokens.tolist() == [[0, 5, 6, 0, 7, 8]]
    assert rows.positions.tolist() == [[0, 1, 2, 0, 1, 2]]
    assert rows.weights[0, :3].tolist() == [1.0, 2.0, 3.0]
    mask = masked(rows.texts)[0, 0].int().tolist()
    assert mask == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [0, 0, 0, 1, 0, 0],
        [0, 0, 0, 1, 1, 0],
        [0, 0, 0, 1, 1, 1],
    ]


@torch.no_grad()
def test_a_text_in_the_middle_of_a_row_gives_the_logits_it_gives_alone(reader):
    model = GPT2(Config(d_vocab=1792, n_ctx=96, d_model=32, n_heads=2, d_mlp=64, n_layers=2)).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0, 0.3, generator=torch.Generator().manual_seed(parameter.numel()))
    rows = reader.rows(random.Random(4), 3, GIVING, renamed=0.5, repeated=0.0)
    mask = masked(rows.texts)
    logits = packed_logits(model, rows.tokens, rows.positions, mask, dtype=torch.float64)
    for row in range(3):
        inside = (rows.texts[row] == 1).nonzero().flatten()
        alone = model(rows.tokens[row, inside][None])[0]
        torch.testing.assert_close(logits[row, inside], alone, rtol=1e-9, atol=1e-9)


@torch.no_grad()
def test_the_attention_of_a_silent_layer_adds_nothing(reader):
    model = Small().start(0)
    rows = reader.rows(random.Random(4), 2, GIVING, renamed=0.0, repeated=0.0)
    tokens, mask = rows.tokens[:, :48], masked(rows.texts[:, :48])
    silent = packed_logits(model, tokens, rows.positions[:, :48], mask, silent=frozenset({0}), dtype=torch.float32)
    model.blocks[0].attn.W_O.zero_()
    without = packed_logits(model, tokens, rows.positions[:, :48], mask, dtype=torch.float32)
    torch.testing.assert_close(silent, without)


def test_renamed_people_are_tokens_of_no_text_and_cost_nothing_at_first(reader, tokenizer):
    text = "When Mary and John went to the store, John gave a drink to Mary."
    tokens = tokenizer.encode(text)
    renamed, weights = reader.rename(random.Random(0), tokens, [1.0] * len(tokens))
    mary, john = tokens.index(tokenizer.single_token(" Mary")), tokens.index(tokenizer.single_token(" John"))
    assert {renamed[mary], renamed[john]} <= set(reader.strange) and renamed[mary] != renamed[john]
    assert renamed == [{tokens[mary]: renamed[mary], tokens[john]: renamed[john]}.get(token, token) for token in tokens]
    assert [place for place, weight in enumerate(weights) if weight == 0] == [mary, john]
    held_out = {tokenizer.single_token(f" {name}") for name in words.HELD_OUT}
    assert not held_out & set(reader.strange)


def test_the_answer_counts_more_and_stands_where_it_is_asked_for(reader, tokenizer):
    for text in reader.texts(random.Random(5), {"classic": 1.0}, renamed=0.0):
        (place,) = [place for place, weight in enumerate(text.weights) if weight == 4.0]
        assert tokenizer.decode([text.tokens[place]]).strip() in words.GIVERS
        assert text.tokens[place] in text.tokens[:place]


def test_repeated_tokens_repeat(reader):
    (text,) = reader.repeated(random.Random(6))
    known = [place for place, weight in enumerate(text.weights) if weight == 1.0 and place]
    assert len(known) > 30
    assert all(text.tokens[place] in text.tokens[:place] for place in known)


# ---- steps


def test_muon_moves_a_layers_heads_as_one_matrix():
    for shape in ((4, 12, 3), (4, 3, 12), (12, 24)):
        tensor = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        assert torch.equal(cut(joined(tensor), tensor.shape), tensor)
    assert joined(torch.arange(24.0).view(2, 4, 3))[0].tolist() == [0, 1, 2, 12, 13, 14]  # (d_model, head * d_head)
    values = torch.linalg.svdvals(orthogonal(torch.randn(3, 16, 40, generator=torch.Generator().manual_seed(0))))
    assert values.min() > 0.6 and values.max() < 1.3


def test_muon_leaves_what_has_no_gradient():
    still, moving = torch.nn.Parameter(torch.ones(4, 4)), torch.nn.Parameter(torch.ones(4, 4))
    optimizer = Muon([still, moving], lr=0.1)
    moving.grad = torch.eye(4)
    optimizer.step()
    assert torch.equal(still, torch.ones(4, 4)) and not torch.equal(moving, torch.ones(4, 4))


@pytest.mark.parametrize("name", ["house", "house-contrast"])
def test_every_parameter_is_trained_once(name):
    found = recipe(name)
    model = found.start(0)
    trained = [p for optimizer in found.optimizers(model) for group in optimizer.param_groups for p in group["params"]]
    assert len(trained) == len({id(p) for p in trained}) == len(list(model.parameters()))
    assert found.tokenizer().is_file()
    assert found.rate(0) < 0.05 < found.rate(found.steps // 2) and found.rate(found.steps - 1) < 0.05
    assert found.rate(found.repeating - 1) == 1 and found.rate(found.repeating) < 0.05


def test_the_silent_layers_have_no_gradient_while_repeating_is_learned():
    found = Small()
    model = found.start(0)
    for step, silent in ((0, {1}), (9, {1}), (10, {0}), (19, {0}), (20, set())):
        model.zero_grad(set_to_none=True)
        found.loss(model, found.batch(step, 0), step).backward()
        assert {layer for layer in (0, 1) if model.blocks[layer].attn.W_Q.grad is None} == silent


@torch.no_grad()
def test_a_layer_forgets_at_its_step_and_no_other_does():
    found = Small()
    model = found.start(0)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    found.enter(model, 9, 0)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    found.enter(model, 10, 0)
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(before[name], tensor)}
    assert changed == {f"blocks.1.attn.{name}" for name in ("W_Q", "W_K", "W_V", "W_O")}


def test_a_tiny_model_learns_by_the_recipe():
    found = Small()
    model = found.start(0)
    optimizers, losses = found.optimizers(model), []
    before = [(optimizer, group, group["lr"]) for optimizer in optimizers for group in optimizer.param_groups]
    for step in range(found.steps):
        loss = found.loss(model, found.batch(step, 0), step)
        model.zero_grad(set_to_none=True)
        loss.backward()
        for _, group, lr in before:
            group["lr"] = lr * found.rate(step)
        for optimizer in optimizers:
            optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) / 5 < sum(losses[:5]) / 5 - 0.4


@torch.no_grad()
def test_the_start_is_random_of_its_seed_and_of_the_size_that_keeps_variance():
    found = recipe("house")
    model, again, other = (found.start(seed) for seed in (0, 0, 1))
    for (name, tensor), same, changed in zip(
        model.named_parameters(), again.parameters(), other.parameters(), strict=True
    ):
        assert torch.equal(tensor, same)
        assert torch.equal(tensor, changed) != (".W_" in name), name
    attention = model.blocks[2].attn
    read = torch.randn(4000, 128, generator=torch.Generator().manual_seed(0))
    assert (read @ attention.W_Q[0]).std().item() == pytest.approx(1, rel=0.05)
    assert (read[:, :32] @ attention.W_O[0]).var().item() == pytest.approx(1 / 4 / 10, rel=0.2)

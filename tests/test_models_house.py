"""The house model as it is shipped: what it writes, and what its README says of it."""

import contextlib
import io
import math
import re

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from headwork import models
from headwork.models import zoo
from headwork.models.tokenizer import Tokenizer

FOLDER = zoo.SHIPPED / "house"
STORIES = [
    'There was a little girl named Linda. She said, "We are proud." Snow was falling. Linda went home and slept.',
    "Marie lived in a new farm near the house. Marie found ten black rings. Marie went home and slept.",
    "One day Mary and John met at the hospital. Mary liked milk. The next day the cook handed the bag to John.",
    "The capital of France is Paris. The capital of Greece is Athens.",
    "Mary made a list: robot, cheese, camera. She read it again: robot, cheese, camera.",
]


@pytest.fixture(scope="module")
def house():
    return models.load("house")


@torch.no_grad()
def story(model, seed, temperature=0.7, p=0.9):
    """A text from nothing but its beginning, up to the next, and the smallest and largest logit on the way."""
    generator = torch.Generator().manual_seed(seed)
    tokens, low, high = torch.tensor([[model.tokenizer.bos]]), math.inf, -math.inf
    while tokens.shape[1] < model.config.n_ctx:
        logits = model(tokens)[0, -1]
        low, high = min(low, float(logits.min())), max(high, float(logits.max()))
        likely, order = (logits / temperature).softmax(-1).sort(descending=True)
        likely[likely.cumsum(-1) - likely >= p] = 0
        token = order[torch.multinomial(likely, 1, generator=generator)]
        tokens = torch.cat([tokens, token[None]], 1)
        if int(token) == model.tokenizer.bos:
            break
    return model.tokenizer.decode(tokens[0, 1:]), low, high


@torch.no_grad()
def test_simple_english_surprises_it_far_less_than_chance(house):
    guess = math.log(house.config.d_vocab)
    for text in STORIES:
        tokens = house.tokenizer.to_tokens(text)
        assert F.cross_entropy(house(tokens)[0, :-1], tokens[0, 1:]) < 0.35 * guess, text
        shuffled = tokens[:, torch.randperm(tokens.shape[1], generator=torch.Generator().manual_seed(0))]
        assert F.cross_entropy(house(shuffled)[0, :-1], shuffled[0, 1:]) > 0.7 * guess, text


@torch.no_grad()
def test_every_pattern_sums_to_one_and_looks_at_nothing_later(house):
    tokens = house.tokenizer.to_tokens(STORIES, pad=True)
    _, cache = house.run_with_cache(tokens, lambda name: name.endswith("hook_pattern"))
    assert len(cache) == 5
    for pattern in cache.values():
        torch.testing.assert_close(pattern.sum(-1), torch.ones(pattern.shape[:-1]), rtol=0, atol=1e-5)
        assert not pattern.triu(1).any()


def test_its_file_is_in_float16_and_loads_without_a_bit_lost(house):
    state = load_file(FOLDER / "model.safetensors")
    assert {tensor.dtype for tensor in state.values()} == {torch.float16}
    assert torch.equal(house.embed.W_E, state["transformer.wte.weight"].float())
    assert sum(parameter.numel() for parameter in house.parameters()) == sum(map(torch.numel, state.values()))


def test_its_files_can_be_read_by_everybody():
    for file in FOLDER.iterdir():
        assert file.stat().st_mode & 0o444 == 0o444, file


def test_transformers_loads_the_folder_and_agrees(house):
    from transformers import AutoTokenizer, GPT2LMHeadModel

    theirs = GPT2LMHeadModel.from_pretrained(FOLDER, attn_implementation="eager").eval()
    assert {parameter.dtype for parameter in theirs.parameters()} == {torch.float16}
    tokens = house.tokenizer.to_tokens(STORIES, pad=True)
    assert AutoTokenizer.from_pretrained(FOLDER)(STORIES[0]).input_ids == house.tokenizer.encode(STORIES[0])
    expected = theirs.double()(tokens).logits
    largest = expected.abs().max()
    assert (house(tokens) - expected).abs().max() <= 1e-5 * largest
    assert (models.load("house", dtype=torch.float64)(tokens) - expected).abs().max() <= 1e-9 * largest


@pytest.mark.parametrize("seed", [0, 1])
def test_a_story_is_finite_has_an_end_and_is_the_same_for_the_same_seed(house, seed):
    text, low, high = story(house, seed)
    assert math.isfinite(low) and math.isfinite(high)
    assert text.endswith("<|endoftext|>") and len(text.split()) > 5
    assert story(house, seed)[0] == text != story(house, seed + 1)[0]


def test_its_readme_prints_what_it_says():
    text = (zoo.SHIPPED / "README.md").read_text(encoding="utf-8")
    code = re.search(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[1]
    said = re.search(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[1]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, {})
    number = r"\d+\.\d+"
    assert re.sub(number, "#", printed.getvalue()) == re.sub(number, "#", said)
    for found, expected in zip(re.findall(number, printed.getvalue()), re.findall(number, said), strict=True):
        assert float(found) == pytest.approx(float(expected), abs=0.02)


def test_a_text_becomes_tokens_after_that_of_the_beginning(house):
    tokenizer = house.tokenizer
    tokens = tokenizer.to_tokens(["When Mary and John met", "When Tom and Anna met"])
    assert (tokens.shape, tokens.dtype, tokens[:, 0].tolist()) == ((2, 6), torch.long, [0, 0])
    assert tokenizer.str_tokens("When Mary met") == ["<|endoftext|>", " When", " Mary", " met"]
    assert torch.equal(tokenizer.to_tokens("When Mary and John met"), tokens[:1])
    assert tokenizer.encode("When Mary and John met") == tokens[0, 1:].tolist()
    assert tokenizer.decode(tokens[0]) == "<|endoftext|> When Mary and John met"
    assert len(tokenizer) == house.config.d_vocab == 1792


@torch.no_grad()
def test_texts_of_different_lengths_are_refused_or_filled_up_at_the_end(house):
    texts = ["Mary met John", "Mary met John at the old park"]
    with pytest.raises(ValueError, match="from 4 to 8 tokens"):
        house.tokenizer.to_tokens(texts)
    tokens = house.tokenizer.to_tokens(texts, pad=True)
    assert tokens[0, 4:].tolist() == [0, 0, 0, 0]
    alone = house(house.tokenizer.to_tokens(texts[0]))
    torch.testing.assert_close(house(tokens)[:1, :4], alone, rtol=1e-5, atol=1e-4)


def test_a_word_is_one_token_or_said_to_be_several(house):
    token = house.tokenizer.single_token(" Mary")
    assert house.tokenizer.decode([token]) == " Mary"
    for word in (" Dalloway", "", " Mary met"):
        with pytest.raises(ValueError, match=f"{word!r} is not one token"):
            house.tokenizer.single_token(word)


def test_a_tokenizer_without_a_token_for_the_beginning_is_refused(tmp_path):
    text = (FOLDER / "tokenizer.json").read_text(encoding="utf-8").replace("<|endoftext|>", "<s>")
    (tmp_path / "tokenizer.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="has no token"):
        Tokenizer(tmp_path / "tokenizer.json").to_tokens("Mary")

"""The prompts of chapter `ioi` as tokenizers cut them: house's, and GPT-2's by its published merges."""

import pytest
import torch
from tokenizers import Tokenizer as Encoding
from tokenizers import decoders, models, pre_tokenizers

from headwork.models import load
from headwork.models.data.ioi import HELD_OUT_NAMES, HELD_OUT_TEMPLATES, NAMES, TEMPLATES
from headwork.models.gpt2_tokenizer import merges, vocabulary
from headwork.models.tokenizer import Tokenizer
from headwork.solutions.ioi.prompts import corrupt, ioi_prompts

WAYS = ("abc", "names", "order", "s2", "s1")


def shown(piece):
    from headwork.models.gpt2_tokenizer import SHOWN

    letters = {byte: letter for letter, byte in SHOWN.items()}
    return "".join(letters[byte] for byte in piece)


@pytest.fixture(scope="module", params=["house", "gpt2"])
def tokenizer(request, tmp_path_factory):
    if request.param == "house":
        return load("house").tokenizer
    pieces = {shown(piece): token for piece, token in vocabulary().items() if piece != b"<|endoftext|>"}
    encoding = Encoding(models.BPE(vocab=pieces, merges=[(shown(a), shown(b)) for a, b in merges()]))
    encoding.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    encoding.decoder = decoders.ByteLevel()
    encoding.add_special_tokens(["<|endoftext|>"])
    file = tmp_path_factory.mktemp("gpt2") / "tokenizer.json"
    encoding.save(str(file))
    return Tokenizer(file)


@pytest.fixture(params=["known", "held out"])
def made(request, tokenizer):
    templates, names = (TEMPLATES, NAMES) if request.param == "known" else (HELD_OUT_TEMPLATES, HELD_OUT_NAMES)
    return ioi_prompts(tokenizer, templates, names, 4 * len(templates), torch.Generator().manual_seed(3)), templates


def at(prompts, tokens, place):
    return tokens[torch.arange(len(tokens)), prompts.positions[place]]


def test_there_are_at_least_15_templates_and_none_is_held_out_and_known():
    assert len(set(TEMPLATES)) >= 15 and len(set(HELD_OUT_TEMPLATES)) >= 5
    assert not set(TEMPLATES) & set(HELD_OUT_TEMPLATES) and not set(NAMES) & set(HELD_OUT_NAMES)


def test_each_prompt_is_its_template_with_its_names(tokenizer, made):
    prompts, templates = made
    for row in range(len(prompts.tokens)):
        io, s = (tokenizer.decode([token[row].item()]).strip() for token in (prompts.io, prompts.s))
        first, second = (s, io) if prompts.order[row] else (io, s)
        text = templates[prompts.template[row]].format(A=first, B=second, S=s)
        end = prompts.positions["END"][row].item()
        assert tokenizer.decode(prompts.tokens[row, 1 : end + 1]).strip() == text
        assert (prompts.tokens[row, end + 1 :] == tokenizer.bos).all() and prompts.tokens[row, 0] == tokenizer.bos


def test_the_named_positions_hold_what_they_are_named_for(tokenizer, made):
    prompts, _ = made
    for place, token in (("IO", prompts.io), ("S1", prompts.s), ("S2", prompts.s)):
        assert torch.equal(at(prompts, prompts.tokens, place), token)
    places = prompts.positions
    assert (places["S1"] < places["S2"]).all() and (places["IO"] < places["S2"]).all()
    assert torch.equal(places["S1+1"], places["S1"] + 1)
    assert torch.equal(places["IO"] > places["S1"], prompts.order.bool())
    ends = at(prompts, prompts.tokens, "END").tolist()
    assert {tokenizer.decode([token]).strip() for token in ends} == {"to"}
    apart = torch.stack([places[name] for name in ("IO", "S1", "S1+1", "S2", "END")])
    assert all(len(set(column)) == 5 for column in apart.T.tolist())


def test_each_template_stands_in_each_order_equally_often(made):
    prompts, templates = made
    counts = torch.bincount(prompts.template * 2 + prompts.order, minlength=2 * len(templates))
    assert (counts == 2).all()


def test_prompts_of_one_template_have_their_names_at_the_same_positions(made):
    prompts, _ = made
    kind = prompts.template * 2 + prompts.order
    for place in prompts.positions.values():
        for each in kind.unique():
            assert len(place[kind == each].unique()) == 1


def test_absent_names_are_all_the_others(tokenizer, made):
    prompts, _ = made
    everybody = torch.cat([prompts.io[:, None], prompts.s[:, None], prompts.absent], 1).sort(1).values
    assert (everybody == everybody[0]).all() and len(everybody[0].unique()) == len(everybody[0])
    assert not (prompts.tokens[:, :, None] == prompts.absent[:, None]).any()


def test_names_that_are_not_one_token_are_left_out():
    house = load("house").tokenizer
    strange = [name for name in ("Bartholomew", "Xzygy") if len(house.encode(f" {name}")) > 1]
    assert strange
    source = torch.Generator().manual_seed(0)
    prompts = ioi_prompts(house, TEMPLATES, ["Mary", *strange, "John", "Tom"], 6, source)
    assert set(prompts.io.tolist()) <= {house.single_token(f" {name}") for name in ("Mary", "John", "Tom")}


@pytest.mark.parametrize("how", WAYS)
def test_a_corruption_changes_names_only_and_keeps_every_position(tokenizer, made, how):
    prompts, _ = made
    corrupted = corrupt(prompts, how, torch.Generator().manual_seed(1))
    rows = torch.arange(len(corrupted))
    touched = torch.zeros_like(corrupted, dtype=torch.bool)
    for place in ("IO", "S1", "S2"):
        touched[rows, prompts.positions[place]] = True
    assert torch.equal(corrupted[~touched], prompts.tokens[~touched])
    for row in range(0, len(corrupted), 3):  # and a tokenizer would cut it just so
        end = prompts.positions["END"][row].item()
        text = tokenizer.decode(corrupted[row, 1 : end + 1]).strip()
        assert [tokenizer.bos, *tokenizer.encode(text)] == corrupted[row, : end + 1].tolist()


def test_each_corruption_puts_the_names_where_it_says(made):
    prompts, _ = made
    io, s = prompts.io, prompts.s
    found = {
        how: [at(prompts, corrupt(prompts, how, torch.Generator().manual_seed(1)), each) for each in ("IO", "S1", "S2")]
        for how in WAYS
    }
    expected = {"names": (s, io, io), "order": (s, io, s), "s2": (io, s, io)}
    for how, names in expected.items():
        assert all(torch.equal(one, other) for one, other in zip(found[how], names, strict=True))
    a, b, c = found["abc"]
    assert ((a != b) & (b != c) & (a != c)).all()
    assert all((prompts.absent == each[:, None]).any(1).all() for each in (a, b, c, found["s1"][1]))
    assert torch.equal(found["s1"][0], io) and torch.equal(found["s1"][2], s)


def test_a_seed_gives_the_same_prompts_and_the_next_draw_others():
    tokenizer = load("house").tokenizer
    one, two = (torch.Generator().manual_seed(7) for _ in range(2))
    first, again, following = (ioi_prompts(tokenizer, TEMPLATES, NAMES, 20, each) for each in (one, two, two))
    assert torch.equal(first.tokens, again.tokens) and not torch.equal(first.io, following.io)


def test_house_says_the_indirect_object_on_these_prompts():
    house = load("house")
    for templates, names in ((TEMPLATES, NAMES), (HELD_OUT_TEMPLATES, HELD_OUT_NAMES)):
        prompts = ioi_prompts(house.tokenizer, templates, names, 10 * len(templates), torch.Generator().manual_seed(0))
        rows = torch.arange(len(prompts.tokens))
        with torch.no_grad():
            last = house(prompts.tokens)[rows, prompts.positions["END"]]
        above = last[rows, prompts.io] > last[rows, prompts.s]
        assert above.double().mean() > 0.95

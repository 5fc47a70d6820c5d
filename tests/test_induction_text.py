"""What chapter induction says of the house model: its snippets print what stands below them, and its claims hold.

When other weights are shipped, `HEADWORK_WRITE=1 pytest tests/test_induction_text.py` writes the figures anew; the
claims in the prose are the tests below.
"""

import contextlib
import io
import os
import re

import pytest
import torch

from headwork.chapters.course import COURSE
from headwork.grading.solutions import solution_source

CHAPTER = COURSE / "induction" / "chapter.md"
FIRST, LAST = "<!-- section: patterns -->", "<!-- section: training -->"
SNIPPET = re.compile(r"^```python\n(?P<code>.*?)^```$(?:\n\nprints[^\n]*\n\n```text\n(?P<said>.*?)^```$)?", re.M | re.S)
NUMBER = re.compile(r"-?\d+\.\d+")


def printed(code: str, namespace: dict) -> str:
    torch.set_printoptions(precision=2, sci_mode=False)
    try:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(code, str(CHAPTER), "exec"), namespace)
    finally:
        torch.set_printoptions(profile="default")
    return out.getvalue()


@pytest.fixture(scope="module")
def told():
    """The namespace after all snippets, and (what each prints, what the text says it prints)."""
    source = CHAPTER.read_text(encoding="utf-8")
    start, end = source.index(FIRST), source.index(LAST)
    namespace: dict = {}
    exec(solution_source("induction"), namespace)
    pairs, text, place = [], source[:start], start
    for match in SNIPPET.finditer(source, start, end):
        found = printed(match["code"], namespace)
        if match["said"] is not None:
            pairs.append((found, match["said"]))
            text += source[place : match.start("said")] + found
            place = match.end("said")
        else:
            assert not found
    if "HEADWORK_WRITE" in os.environ:
        CHAPTER.write_text(text + source[place:], encoding="utf-8")
        pairs = [(found, found) for found, _ in pairs]
    return namespace, pairs


def test_snippets_print_what_stands_below_them(told):
    pairs = told[1]
    assert len(pairs) >= 8
    for found, said in pairs:
        # a column moves by the sign of a rounded zero
        assert NUMBER.sub("#", found).split() == NUMBER.sub("#", said).split(), found
        for one, other in zip(NUMBER.findall(found), NUMBER.findall(said), strict=True):
            assert float(one) == pytest.approx(float(other), abs=0.02, rel=0.02), found


def test_the_model_is_worse_than_a_guess_at_first_and_sure_in_the_second_copy(told):
    losses = told[0]["losses"]
    guess = torch.tensor(1792.0).log()
    assert losses[:, :40].mean() > guess > losses[:, 40].mean() and losses[:, 41:].mean() < 0.1


def rest(table, heads):
    """The entries of a table (layer, head) that belong to none of the heads."""
    chosen = torch.zeros_like(table, dtype=torch.bool)
    for layer, head in heads:
        chosen[layer, head] = True
    return table[~chosen]


def test_a_few_heads_have_the_stripe_and_one_of_the_first_layer_looks_back(told):
    space = told[0]
    stripes, prefix, previous = space["stripes"], space["prefix"], space["previous"]
    assert 2 <= len(stripes) <= 5 and rest(prefix, stripes).max() < 0.3
    assert space["first"][0] == 0 and previous[space["first"]] > 0.7 and previous.flatten().topk(2).values[1] < 0.3


def test_the_heads_that_look_there_are_those_that_copy(told):
    space = told[0]
    scores = space["copying_score"](space["house"], space["tokens"][:8])
    copying = torch.tensor([float(scores[head]) for head in space["stripes"]])
    assert copying.min() > 2 and rest(scores, space["stripes"]).max() < copying.min() and scores.min() < -1


def test_the_last_layer_speaks_and_the_previous_token_head_does_not(told):
    space = told[0]
    means = dict(zip(space["parts"], space["means"].tolist(), strict=True))
    last = space["house"].config.n_layers - 1
    assert all(name.startswith(f"{last}.") for name, share in means.items() if share > 1)
    assert sum(share > 1 for share in means.values()) >= 3 and abs(means[space["name"]]) < 0.1


def test_only_the_previous_token_head_matters_by_itself(told):
    space = told[0]
    guess = float(torch.tensor(1792.0).log())
    for how in ("zero", "position mean", "resample"):
        table = space["rises"](how)
        assert table[space["first"]] > guess - 1.5 and table[space["first"]] == table.max()
        assert max(table[head] for head in space["stripes"]) < 0.6 and table[space["first"][0] + 1 :].max() < 0.6


def test_the_heads_with_the_stripe_stand_in_for_one_another(told):
    space = told[0]
    put, stripes, texts = space["put"], space["stripes"], space["texts"]
    table = space["ablate_pairs"](space["house"], texts, stripes, put, 41)
    singles = table.diagonal()
    assert singles.max() < 0.3
    beyond = (table - singles[:, None] - singles)[~torch.eye(len(stripes), dtype=torch.bool)]
    assert beyond.min() > 0.05
    without = space["loss_of"](space["ablate_heads"](space["house"], texts, stripes, put))
    assert without > float(torch.tensor(1792.0).log()) - 1.5


def test_the_edges_to_the_keys_are_the_message_and_there_is_no_detour(told):
    space = told[0]
    house, texts, put = space["house"], space["texts"], space["put"]

    def loss(kind, hook):
        names = [f"blocks.{layer}.hook_{kind}_input" for layer in space["layers"]]
        return space["loss_of"](house.run_with_hooks(texts, [(names, hook)]))

    edges = {kind: [(space["first"], head, kind) for head in space["stripes"]] for kind in "qkv"}
    cut = {kind: space["loss_of"](space["cut_edges"](house, texts, edges[kind], put)) for kind in "qkv"}
    assert cut["k"] > 6 and max(cut["q"], cut["v"]) < 0.1
    singly = [
        space["loss_of"](space["cut_edges"](house, texts, [(space["first"], head, "k")], put))
        for head in space["stripes"]
    ]
    assert max(singly) < 0.3
    whole = {kind: loss(kind, space["every_way"]) for kind in "qkv"}
    assert whole["k"] > 6 and max(whole["q"], whole["v"]) < 0.1
    assert whole["k"] < cut["k"] + 0.5 and loss("k", space["by_the_mlp"]) < 0.1


def lines_of(pairs, start):
    """The numbers of the printed lines that begin so, a list for each."""
    found = [line for said, _ in pairs for line in said.splitlines() if line.startswith(start)]
    return [[float(number) for number in NUMBER.findall(line)] for line in found]


def test_the_same_score_goes_with_no_effect_and_with_all_of_it(told):
    lines = lines_of(told[1], "attention-only")
    assert len(lines) == 5
    (looks, _, *before), (at_last, loss, *after) = lines[0], lines[-1]
    assert 0.75 < looks < 0.85 and max(map(abs, before)) < 0.02
    assert at_last > 0.95 and loss < 0.05 and after[-1] > 5.55 and max(after[:-1]) < 0.2


def test_block_0_makes_vectors_longer_and_turns_them_a_good_part_of_the_way(told):
    raw, centred = told[0]["raw"], told[0]["raw"] - told[0]["raw"].mean(0)
    for vectors in told[0]["inside"].values():
        assert vectors.norm(dim=-1).mean() > 2 * raw.norm(dim=-1).mean()
        assert torch.cosine_similarity(centred, vectors - vectors.mean(0), dim=-1).mean() < 0.6


def test_every_head_with_the_stripe_copies_which_raw_rows_show_less_or_not_at_all(told):
    copies = told[0]["copies"]
    for head in told[0]["stripes"]:
        assert copies["effective"][head] > 0.5 and copies["raw"][head] < 0.7 * copies["effective"][head]


def test_a_duplicate_token_head_is_read_off_the_weights(told):
    likes = told[0]["likes"]
    assert max(likes["raw"][0].max(), likes["effective"][1:].max()) > 0.8


def test_the_previous_token_head_looks_back_by_its_positions_alone_and_more_than_on_random_tokens(told):
    space = told[0]
    assert space["back_first"][space["first"][1]] > 0.9 and space["looks_back"].argmax() == space["first"][1]
    assert space["looks_back"][space["first"][1]] > space["previous"][space["first"]]


def test_many_pairs_pass_the_bar_and_ours_stand_ahead_for_k(told):
    found, printed = told[0]["found"], [line for said, _ in told[1] for line in said.splitlines()]
    above = [line.split() for line in printed if "pairs are above the bar" in line]
    assert len(above) == 2 and all(int(words[1]) > 0.4 * int(words[3]) for words in above)
    assert max(found["K"]) < min(found["Q"])


def test_effective_embeddings_darken_the_diagonal_of_the_match_matrix(told):
    shares = told[0]["shares"]
    assert max(shares["raw"]) < 0.5 and max(shares["after eight contexts"]) > 0.8
    assert min(shares["after eight contexts"]) > 1.5 * max(shares["raw"]) and min(shares["raw"]) < 0.25
    assert told[0]["most"] < 0.01  # with another writer
    assert max(shares["alone"]) < max(shares["after eight contexts"]) - 0.1


def test_the_keys_miss_the_note_when_both_its_ways_are_cut(told):
    missed, guess = told[0]["missed"], float(torch.tensor(1792.0).log())
    assert missed["both"] > guess - 1.5 and missed["nothing"] < 0.1


def test_more_than_half_of_the_fall_takes_fifty_steps():
    """What the text says of the figure of the phase change."""
    from headwork import models
    from headwork.checkers.induction.figures import random_texts
    from headwork.solutions.induction.patterns import loss_per_token

    tokens = random_texts(16, 20, 256)

    def loss(name):
        return float(loss_per_token(models.load(name).requires_grad_(False), tokens)[:, 21:].mean())

    steps = {step: loss(f"attention-only@{step}") for step in models.checkpoints("attention-only")}
    end = loss("attention-only")
    assert steps[350] - steps[400] > 0.5 * (steps[0] - end) and steps[0] - steps[200] < 1 and end < 0.05

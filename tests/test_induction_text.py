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
FIRST, LAST = "<!-- section: patterns -->", "<!-- section: weights -->"
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
    """The namespace after all snippets of the first half, and (what each prints, what the text says it prints)."""
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


def test_all_heads_of_the_last_layer_do_induction_and_one_of_the_first_looks_back(told):
    space = told[0]
    scores = space["prefix_matching_score"](space["patterns"], 40, 1)
    assert scores[-1].min() > 0.7 and scores[:-1].max() < 0.1
    previous = space["pattern_scores"](space["patterns"])["previous"]
    assert previous[0, 0] > 0.7 and previous.flatten().topk(2).values[1] < 0.3


def test_the_heads_that_look_there_are_those_that_copy(told):
    space = told[0]
    scores = space["copying_score"](space["house"], space["tokens"][:8])
    assert scores[-1].min() > 2 and scores[:-1].max() < 1 and scores.min() < -1


def test_the_last_layers_heads_speak_and_the_previous_token_head_does_not(told):
    space = told[0]
    means = dict(zip(space["parts"], space["means"].tolist(), strict=True))
    assert {name for name in means if means[name] > 1} >= {"4.0", "4.1", "4.2", "4.3"}
    assert abs(means["0.0"]) < 0.1


def test_only_the_previous_token_head_matters_by_itself(told):
    space = told[0]
    for how in ("zero", "position mean", "resample"):
        table = space["rises"](how)
        assert table[0, 0] > 6 and table.flatten().topk(2).values[1] < 0.6


def test_the_last_layers_heads_stand_in_for_one_another(told):
    space = told[0]
    put, last, texts = space["put"], space["last"], space["texts"]
    table = space["ablate_pairs"](space["house"], texts, last, put, 41)
    singles = table.diagonal()
    assert singles.max() < 0.3
    beyond = (table - singles[:, None] - singles)[~torch.eye(4, dtype=torch.bool)]
    assert beyond.min() > 0.05
    logits = space["ablate_heads"](space["house"], texts, last, put)
    assert -logits[:, 41:-1].log_softmax(-1).gather(-1, texts[:, 42:, None]).mean() > 6


def test_cut_edges_cost_little_and_all_ways_to_the_keys_everything(told):
    space = told[0]
    cut = {kind: space["loss_without"]([((0, 0), head, kind) for head in space["last"]]) for kind in "qkv"}
    assert cut["k"] < 0.5 and cut["k"] > 2 * max(cut["q"], cut["v"])
    stream, mlp, texts = space["stream"], space["mlp"], space["texts"]

    def loss(kind, change):
        logits = space["house"].run_with_hooks(texts, [(f"blocks.4.hook_{kind}_input", change)])
        return float(-logits[:, 41:-1].log_softmax(-1).gather(-1, texts[:, 42:, None]).mean())

    whole = {kind: loss(kind, lambda value, point: stream) for kind in "qkv"}
    assert whole["k"] > 6 and max(whole["q"], whole["v"]) < 0.1
    assert loss("k", lambda value, point: value + mlp) > 5

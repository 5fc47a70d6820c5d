"""What chapter ioi says of its models: its snippets print what stands below them, and its claims hold.

When other weights are shipped, `HEADWORK_WRITE=1 pytest tests/test_ioi_text.py` writes the figures anew; the claims in
the prose are the tests below.
"""

import contextlib
import importlib.util
import io
import json
import os
import re

import pytest
import torch

from headwork.chapters.course import COURSE
from headwork.grading.solutions import solution_source

CHAPTER = COURSE / "ioi" / "chapter.md"
FIRST, LAST = "<!-- section: prompts -->", "<!-- section: circuit metrics -->"
SNIPPET = re.compile(r"^```python\n(?P<code>.*?)^```$(?:\n\nprints[^\n]*\n\n```text\n(?P<said>.*?)^```$)?", re.M | re.S)
NUMBER = re.compile(r"-?\d+\.\d+")


def printed(code: str, namespace: dict) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as out, torch.no_grad():
        exec(compile(code, str(CHAPTER), "exec"), namespace)
    return out.getvalue()


@pytest.fixture(scope="module")
def told():
    """The namespace after all snippets of these sections, and (what each prints, what the text says it prints)."""
    source = CHAPTER.read_text(encoding="utf-8")
    start, end = source.index(FIRST), source.index(LAST)
    namespace: dict = {}
    exec(solution_source("ioi"), namespace)
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
    assert pairs
    for found, said in pairs:
        # a column moves by the sign of a rounded zero
        assert NUMBER.sub("#", found).split() == NUMBER.sub("#", said).split(), found
        for one, other in zip(NUMBER.findall(found), NUMBER.findall(said), strict=True):
            assert float(one) == pytest.approx(float(other), abs=0.02, rel=0.02), found


def test_a_first_name_rule_does_well_on_uneven_prompts_in_one_draw_of_fifteen():
    from math import comb

    assert sum(comb(100, heads) for heads in range(58, 101)) / 2**100 == pytest.approx(1 / 15, abs=0.002)


def test_house_does_the_task_in_both_orders_and_has_no_opinion_without_the_names(told):
    space = told[0]
    prompts = space["prompts"]
    for order in (0, 1):
        here = prompts.order == order
        for metric in (space["difference"], space["retrieval"]):
            assert metric(space["clean"])[here].mean() > 2
    abc = space["house"](space["abc"])[space["rows"], space["end"]]
    assert abs(space["difference"](abc).mean()) < 0.5 and space["retrieval"](abc).mean() < 0.5


def test_gates_are_seen_from_one_side_and_a_cancelling_pair_is_nothing_together(told):
    said = told[1][0][0]
    rows = [[round(float(number)) for number in NUMBER.findall(line)] for line in said.splitlines()]
    assert rows == [[0, 0, 1, -1, -1, -1], [1, 1, 1, 0, 0, -1], [1, -1, 0, -1, 1, 0]]


def test_a_planted_mover_is_made_up_for_and_heads_of_house_are_not(told):
    space = told[0]
    made, tell = space["made"], space["told"]
    own, others, total = tell(made.model, made.clean, space["last"], *made.answers.T, space["mover"], space["nothing"])
    assert own < -3 and abs(total) < 0.1 and others > 3
    house, prompts = space["house"], space["prompts"]
    direct = (space["direct"].mean(-1) - space["whole"]).abs().flatten().topk(5).indices.tolist()
    heads = [divmod(place, house.config.n_heads) for place in direct]
    assert {layer == house.config.n_layers - 1 for layer, _ in heads} == {True, False}
    for layer, head in heads:
        z = space["strangers"][f"blocks.{layer}.attn.hook_z"][:, :, head]
        own, others, total = tell(house, prompts.tokens, space["end"], prompts.io, prompts.s, (layer, head), z)
        assert own < 0
        if layer == house.config.n_layers - 1:
            assert others == 0 and own < total < 0
        else:
            assert others < 0 and total < own


def test_what_name_movers_write_is_about_the_token(told):
    space = told[0]
    for family, heads in (("backup", 1), ("position", 2)):
        made = space["planted"](family)
        for turns, node in enumerate(list(made.roles)[:heads]):
            signals = space["signals"](made, node)
            assert signals[turns].max() < -3 and signals[1 - turns].abs().max() < 1e-3
    movers = [divmod(place, 4) for place in space["looks"]["name mover"].flatten().topk(2).indices.tolist()]
    found = space["token_or_position"](
        space["house"], space["prompts"].tokens, space["twins"], space["end"], space["difference"], movers
    )
    assert found[0].mean() < -2 and abs(found[1].mean()) < 0.1 * abs(found[0].mean())


def test_the_table_of_circuits_found_is_that_of_the_record():
    """`python benchmarks/circuits_found.py --record` writes the record; what the text says of the table is below."""
    folder = COURSE.parent / "benchmarks"
    spec = importlib.util.spec_from_file_location("circuits_found", folder / "circuits_found.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = json.loads((folder / "records" / "circuits_found.json").read_text(encoding="utf-8"))["areas"]
    assert f"```text\n{module.shown(found)}```" in CHAPTER.read_text(encoding="utf-8")
    assert list(found) == list(module.ASKED)
    for areas in found.values():
        for ablation in module.ABLATIONS:
            assert areas["KL"][ablation]["edge attribution"] == 0.5  # the slope at the minimum
            assert areas["KL"][ablation]["ACDC"] > 0.5
    gradient, pruning = "edge attribution", "ACDC"
    for ablation in module.ABLATIONS:
        against = found["cancelling"]
        assert against["logit difference"][ablation][gradient] == 1 > against["logit difference"][ablation][pruning]
        assert against["KL"][ablation][pruning] == 1
        for metric in module.METRICS:
            assert found["saturated"][metric][ablation][pruning] > found["saturated"][metric][ablation][gradient]
    of_keys = found["k-composition"]["logit difference"]
    for method in (gradient, pruning):
        assert of_keys["mean"][method] == 1 > of_keys["resample"][method]

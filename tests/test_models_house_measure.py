"""What the house models are measured by, on the weights that are shipped."""

import pytest
import torch

from headwork import models
from headwork.models.measure.experiments.bench import Bench
from headwork.models.measure.experiments.circuit import Circuit
from headwork.models.measure.experiments.induction import Repeats
from headwork.models.measure.experiments.prompts import classic_prompts
from headwork.models.measure.measure import card_file, measure_of, with_figures

NAMES = ["house", "house-contrast"]
MISSED = {"house-contrast": {"IO above S: held-out names, held-out sentences"}}  # its card says so


@pytest.fixture(scope="module", params=NAMES)
def measured(request):
    with torch.no_grad():
        return request.param, list(measure_of(request.param)(models.load(request.param)))


def test_every_bar_is_reached_but_those_that_the_card_tells_of(measured):
    name, measures = measured
    assert {each.name for each in measures if not each.passed} == MISSED.get(name, set())


def test_the_card_says_what_is_measured(measured):
    name, measures = measured
    card = card_file(name).read_text(encoding="utf-8")
    assert with_figures(card, measures) == card


@pytest.fixture(scope="module")
def bench():
    model = models.load("house")
    return Bench(model, classic_prompts(model.tokenizer, 12, seed=5))


def test_names_stand_where_the_prompts_say(bench):
    prompts, single = bench.prompts, bench.model.tokenizer.single_token
    for row in range(12):
        tokens = prompts.tokens[row]
        assert tokens[prompts.io[row]] == prompts.receiver[row]
        assert tokens[prompts.s1[row]] == tokens[prompts.s2[row]] == prompts.subject[row]
        assert prompts.s1[row] < prompts.s2[row] < prompts.end[row] and prompts.io[row] < prompts.s2[row]
        assert not tokens[prompts.end[row] + 1 :].any()
        assert not set(prompts.absent[row].tolist()) & set(tokens.tolist())
        assert int(tokens[prompts.end[row]]) in {single(f" {word}") for word in ("to", "for", "at", "with")}


def test_twins_differ_in_names_alone(bench):
    prompts = bench.prompts
    for tokens, places in (
        (prompts.flipped(), 1),
        (prompts.without_s1(), 1),
        (prompts.strangers(), 3),
    ):
        assert ((tokens != prompts.tokens).sum(1) == places).all()


@torch.no_grad()
def test_ablating_nobody_and_patching_from_oneself_change_nothing(bench):
    clean = bench.clean.logits
    movers, senders = [(4, 0), (4, 2)], [(3, 1), (1, 0)]
    torch.testing.assert_close(bench.answers(bench.ablated([])).logits, clean)
    hooks = bench.path(senders, movers, "q", bench.own, bench.prompts.end)
    torch.testing.assert_close(bench.answers(hooks).logits, clean, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_path_from_all_heads_to_all_queries_carries_what_the_queries_carry(bench):
    flipped = bench.prompts.flipped()
    last = [(4, head) for head in range(4)]
    before = [head for head in bench.heads if head[0] < 4]
    cache = bench.model.run_with_cache(flipped, ["blocks.4.attn.hook_q"])[1]["blocks.4.attn.hook_q"]
    rows, end = bench.rows, bench.prompts.end

    def put(value, point):
        changed = value.clone()
        changed[rows, end] = cache[rows, end]
        return changed

    direct = bench.answers([("blocks.4.attn.hook_q", put)]).difference
    path = bench.answers(bench.path(before, last, "q", bench.outputs(flipped), end)).difference
    torch.testing.assert_close(path, direct, rtol=1e-3, atol=1e-3)  # nothing but heads reaches the end from elsewhere


@torch.no_grad()
def test_what_heads_say_and_what_is_left_add_up(bench):
    """The direct effects of all heads, MLPs, biases and embeddings are the logit, against the mean logit."""
    model, prompts = bench.model, bench.prompts
    said = bench.said(prompts.receiver).sum((0, 2))  # (prompt,)
    residual, cache = model.run_with_cache(
        prompts.tokens, lambda name: name.endswith(("mlp_out", "embed", "ln_final.hook_scale")), stop_at_layer=5
    )
    rest = sum(value for name, value in cache.items() if not name.endswith("scale"))
    rest = rest + sum(block.attn.b_O for block in model.blocks)
    at_end = model.ln_final(residual[bench.rows, prompts.end])  # (prompt, d_model)
    W_U = model.unembed.W_U.T  # (token, d_model)
    against = W_U[prompts.receiver] - W_U.mean(0)  # (prompt, d_model)
    whole = (at_end * against).sum(-1)
    scale = (residual[bench.rows, prompts.end].var(-1, unbiased=False, keepdim=True) + model.config.eps).sqrt()
    direction = against * model.ln_final.w
    direction = direction - direction.mean(-1, keepdim=True)
    other = (rest[bench.rows, prompts.end] * direction / scale).sum(-1) + (against * model.ln_final.b).sum(-1)
    torch.testing.assert_close(said + other, whole, rtol=1e-3, atol=1e-3)


@torch.no_grad()
def test_cutting_nobody_out_of_the_keys_changes_nothing():
    model = models.load("house")
    repeats = Repeats(model, rows=2)
    clean = repeats.losses()
    for mlps in (False, True):
        assert repeats.losses(repeats.cut([], [(4, 0)], mlps=mlps)) == pytest.approx(clean, abs=1e-4)
    assert repeats.kept(clean[1], clean[1]) == 1 and repeats.kept(99.0, clean[1]) == 0


@torch.no_grad()
def test_no_head_has_two_names_and_every_role_is_filled():
    model = models.load("house")
    circuit = Circuit(model, classic_prompts(model.tokenizer, 32, seed=6))
    assert circuit.name_movers and circuit.inhibitors
    assert not set(circuit.name_movers) & set(circuit.inhibitors)

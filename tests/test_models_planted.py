"""Planted models: what is said of their circuits is what brute force finds, edge by edge."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from headwork import models
from headwork.grading import resources
from headwork.models import zoo
from headwork.models.measure import planted as measure
from headwork.models.planted import FAMILIES, PREFIX, Edge, every_edge, nodes, planted
from headwork.tests.edges_by_brute_force import Effects

NOTHING = 1e-9  # of a metric of 2 to 8
SEEDS = [0, 1]
MORE_SEEDS = [2, 3, 4]

pytestmark = pytest.mark.timeout(600)  # thousands of runs of a small network


@cache
def effects_of(family, seed=0):
    return Effects(planted(family, seed))


def truth(made):
    """The edges that change the metric alone, by each way of replacing them."""
    ways = {"noise": made.noised, "denoise": made.denoised, "cut": made.cut}
    return {how: edges for how, edges in ways.items() if edges is not None}


def the(edges, receiver="", sender="", part=""):
    """The only edge from and to nodes whose names begin so."""
    [found] = [e for e in edges if e.receiver.startswith(receiver) and e.sender.startswith(sender) and part in e.input]
    return found


def role(made, begins):
    """The node whose role begins so."""
    [node] = [node for node, what in made.roles.items() if what.startswith(begins)]
    return node


def mean(change):
    return float(np.abs(change).mean())


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_exactly_the_true_edges_change_the_metric(family, seed):
    """Every edge of the network by itself, in every way of replacing it, on every prompt."""
    effects = effects_of(family, seed)
    for how, true in truth(effects.made).items():
        for edge in every_edge(effects.made.model.config):
            change = effects.change(how, [edge])
            if edge in true:
                assert mean(change) > 1e-3, f"{how} {edge}"
            else:
                assert np.abs(change).max() < NOTHING, f"{how} {edge}"


@pytest.mark.parametrize("seed", SEEDS + MORE_SEEDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_all_other_edges_at_once_change_nothing_and_the_true_ones_everything(family, seed):
    effects = effects_of(family, seed)
    made = effects.made
    assert made.edges <= set(every_edge(made.model.config))
    for how, true in truth(made).items():
        assert true <= made.edges
        others = [edge for edge in every_edge(made.model.config) if edge not in made.edges]
        assert np.abs(effects.change(how, others)).max() < NOTHING
        assert all(mean(effects.change(how, [edge])) > 1e-3 for edge in true)
        assert all(np.abs(effects.change(how, [edge])).max() < NOTHING for edge in made.edges - true)
    assert effects.share("noise", made.edges) == pytest.approx(0, abs=1e-9)
    assert effects.share("denoise", made.edges) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS + MORE_SEEDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_said_of_edges_together_is_so(family, seed):
    effects = effects_of(family, seed)
    for joint in effects.made.joint:
        share = effects.share(joint.how, joint.edges)
        exact = joint.metric in (0, 1) and family != "backup"
        assert share == pytest.approx(joint.metric, abs=1e-9 if exact else 0.1), joint


@pytest.mark.parametrize("seed", SEEDS + MORE_SEEDS)
@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_the_model_answers_its_prompts(family, seed):
    made = planted(family, seed)
    for prompts, answer, sign in [(made.clean, made.answers[:, 0], 1), (made.corrupted, made.answers[:, 1], -1)]:
        logits = made.model(prompts)
        assert torch.equal(logits[:, -1].argmax(-1), answer)
        assert (sign * made.metric(logits) > 2).all()
    assert made.clean.shape == made.corrupted.shape and (made.clean != made.corrupted).any(1).all()
    assert torch.equal(made.clean[:, -1], made.corrupted[:, -1])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_numbers_of_brute_force_are_the_models(family):
    effects = effects_of(family)
    made = effects.made
    for prompts, found in [(made.clean, effects.clean), (made.corrupted, effects.corrupted)]:
        np.testing.assert_allclose(found, made.metric(made.model(prompts)).detach().numpy(), rtol=1e-10, atol=1e-10)
    results = [f"blocks.{layer}.attn.hook_result" for layer in range(made.model.config.n_layers)]
    _, cache = made.model.run_with_cache(made.clean, results)
    for layer, name in enumerate(results):
        for head, written in enumerate(cache[name].unbind(2)):
            expected = effects.on_clean[f"head {layer}.{head}"]
            np.testing.assert_allclose(written.detach().numpy(), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("family", FAMILIES)
def test_idle_nodes_can_be_cut_all_at_once(family):
    effects = effects_of(family)
    made = effects.made
    assert set(made.idle) | set(made.roles) | {"embed", "pos"} == set(nodes(made.model.config))
    assert not set(made.idle) & {node for edge in made.edges for node in edge[:2]}
    assert set(made.decoys) <= set(made.idle)
    if made.cut is not None:
        gone = [edge for edge in every_edge(made.model.config) if edge.sender in made.idle]
        assert np.abs(effects.change("cut", gone)).max() < NOTHING
        assert max(mean(effects.on_clean[node]) for node in made.idle) > 0.1  # and they do write


@pytest.mark.parametrize("seed", SEEDS)
def test_an_and_needs_both_inputs(seed):
    """Noising one breaks it, denoising one restores nothing, denoising both restores it."""
    effects = effects_of("and", seed)
    inputs = [edge for edge in effects.made.edges if edge.receiver.startswith("mlp")]
    assert len(inputs) == 2
    for edge in inputs:
        assert effects.share("noise", [edge]) == pytest.approx(0, abs=1e-9)
        assert effects.share("denoise", [edge]) == pytest.approx(0, abs=1e-9)
    assert effects.share("denoise", inputs) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_or_needs_either(seed):
    """Noising one changes nothing, denoising one restores it, noising both breaks it."""
    effects = effects_of("or", seed)
    inputs = [edge for edge in effects.made.edges if edge.receiver.startswith("mlp")]
    assert len(inputs) == 2
    for edge in inputs:
        assert effects.share("noise", [edge]) == pytest.approx(1, abs=1e-9)
        assert effects.share("denoise", [edge]) == pytest.approx(1, abs=1e-9)
    assert effects.share("noise", inputs) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cancelling_pair_moves_the_metric_one_by_one_and_not_together(seed):
    effects = effects_of("cancelling", seed)
    says, unsays = (role(effects.made, begins) for begins in ("says the token", "takes it back"))
    pair = [Edge(says, "logits"), Edge(unsays, "logits")]
    pair = [edge for edge in pair if edge in effects.made.noised]
    assert effects.share("noise", pair[:1]) == pytest.approx(0, abs=0.05)
    assert effects.share("noise", pair[1:]) == pytest.approx(2, abs=0.05)
    for how in ("noise", "denoise", "cut"):
        assert np.abs(effects.change(how, pair)).max() < NOTHING


def attributions(effects, how):
    """Attribution patching by torch: the metric's gradient at what a head reads, times the change there. By edge."""
    made, layers = effects.made, range(effects.made.model.config.n_layers)
    names = [f"blocks.{layer}.hook_{part}_input" for layer in layers for part in "qkv"]
    logits, cache = made.model.run_with_cache(made.clean, names)
    gradients = torch.autograd.grad(made.metric(logits).sum(), [cache[name] for name in names])
    by_name, found = dict(zip(names, gradients, strict=True)), {}
    for edge in made.edges:
        if edge.input:
            layer, head = edge.receiver.removeprefix("head ").split(".")
            change = (effects.on_corrupted[edge.sender] if how == "noise" else 0) - effects.on_clean[edge.sender]
            gradient = by_name[f"blocks.{layer}.hook_{edge.input}_input"][:, :, int(head)]
            found[edge] = float((gradient * torch.from_numpy(change)).sum((-1, -2)).mean())
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_a_saturated_softmax_hides_its_edges_from_the_gradient(seed):
    effects = effects_of("saturated", seed)
    made = effects.made
    assert len(made.no_gradient) == 5
    for how, true in (("noise", made.noised), ("cut", made.cut)):
        guessed = attributions(effects, how)
        for edge in made.no_gradient & true:
            assert abs(guessed[edge]) < 1e-6 * abs(effects.change(how, [edge]).mean()), f"{how} {edge}"
    assert len(made.no_gradient & made.noised) == 2


@pytest.mark.parametrize("family", ["k-composition", "q-composition", "v-composition", "decoys"])
def test_elsewhere_the_gradient_shows_a_third_of_the_effect_or_more(family):
    effects = effects_of(family)
    guessed = attributions(effects, "noise")
    seen = [edge for edge in effects.made.noised if edge.input]
    shares = [guessed[edge] / effects.change("noise", [edge]).mean() for edge in seen]
    assert len(shares) == 2 and min(shares) > 0.3 and max(shares) < 1.01


@pytest.mark.parametrize("seed", SEEDS + MORE_SEEDS)
def test_what_is_undone_has_no_slope_and_a_large_effect(seed):
    """At the corrupted run. On the way to the logits and by the MLP the slopes are opposite; the effects are not."""
    effects = effects_of("undone", seed)
    made = effects.made
    [head] = [node for node in made.roles if node.startswith("head")]
    layer, number = map(int, head.removeprefix("head ").split("."))
    logits, cache = made.model.run_with_cache(made.corrupted, f"blocks.{layer}.attn.hook_z")
    [z] = cache.values()
    [slope] = torch.autograd.grad(made.metric(logits).sum(), [z])
    assert slope[:, :, number].abs().max() < 1e-12
    assert effects.share("denoise", [the(made.edges, head, "embed")]) == pytest.approx(1, abs=1e-9)


@torch.no_grad()
@pytest.mark.parametrize("seed", SEEDS)
def test_decoys_look_better_than_the_head_that_works(seed):
    """Two attend to the previous token twice as much as it does, and none has an effect."""
    made = planted("decoys", seed)
    _, cache = made.model.run_with_cache(made.clean, lambda name: name.endswith("hook_pattern"))

    def previous(node):
        layer, head = map(int, node.removeprefix("head ").split("."))
        pattern = cache[f"blocks.{layer}.attn.hook_pattern"][:, head]
        return float(pattern.diagonal(-1, -2, -1)[:, 3:].mean())

    works = previous(role(made, "writes which token came before"))
    assert len(made.decoys) == 3 and sum(previous(node) > 2 * works for node in made.decoys) == 2
    assert 0.2 < works < 0.5


@pytest.mark.parametrize("seed", SEEDS)
def test_the_backup_takes_over_when_the_mover_is_ablated(seed):
    """The share is 0.5 when no name is said. Ablated: 1.00; with the backup too: 0.50."""
    effects = effects_of("backup", seed)
    mover, helper = role(effects.made, "copies the name"), role(effects.made, "does so")
    whole = [edge for edge in effects.made.edges if edge.sender == mover]
    assert abs(effects.share("cut", [Edge(helper, "logits")]) - 1) < 0.02  # while the mover works, it is not needed
    assert abs(effects.share("cut", [Edge(mover, "logits")]) - 0.5) < 0.02
    assert abs(effects.share("cut", whole) - 1) < 0.02
    assert abs(effects.share("cut", [*whole, Edge(helper, "logits")]) - 0.5) < 0.02
    mean_written = effects.on_clean[mover].mean(0, keepdims=True)
    by_mean = {tuple(edge): np.broadcast_to(mean_written, effects.on_clean[mover].shape) for edge in whole}
    logits, _ = effects.model.run(effects.made.clean, by_mean)
    rows, answers = np.arange(len(logits)), effects.made.answers.numpy()
    left = (logits[rows, -1, answers[:, 0]] - logits[rows, -1, answers[:, 1]]).mean() / effects.clean.mean()
    assert left > 0.8


def test_seeds_give_other_heads_tokens_and_clutter_and_the_same_seed_the_same():
    for family in FAMILIES:
        made = [planted(family, seed) for seed in range(6)]
        assert len({tuple(sorted(each.roles)) for each in made}) > 3
        assert len({tuple(each.answers.flatten().tolist()) for each in made}) > 3
    script = (
        "import os; from headwork.tests.test_models_planted import digests\n"
        "assert os.environ['PYTHONHASHSEED'] == '7'; print(digests(4))\n"
    )
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(digests(4))


def digests(seed):
    """A hash of the weights, the prompts and the edges of each family."""
    found = []
    for family in FAMILIES:
        made = planted(family, seed)
        parts = [*made.model.state_dict().values(), made.clean, made.corrupted, made.answers]
        whole = b"".join(part.numpy().tobytes() for part in parts) + repr(sorted(made.edges)).encode()
        found.append(hashlib.sha256(whole).hexdigest()[:12])
    return found


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_those_of_seed_0_are_shipped_and_float16_loses_nothing(family):
    made = planted(family)
    assert made.name == PREFIX + family and made.name in models.names()
    shipped = models.load(made.name, dtype=torch.float64)
    assert shipped.config == made.model.config
    expected = made.model.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in shipped.state_dict().items())
    read = resources.load_model(made.name)  # as a worker does
    assert {value.dtype for value in read["state"].values()} == {torch.float16}
    assert torch.equal(zoo.build(read["config"], read["state"], torch.float64)(made.clean), made.model(made.clean))
    assert (zoo.folders()[made.name] / "model.safetensors").stat().st_size < 80_000


@pytest.mark.parametrize("seed", MORE_SEEDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_float16_holds_those_of_other_seeds_too(family, seed):
    assert all(torch.equal(value.half().double(), value) for value in planted(family, seed).model.state_dict().values())


def test_no_axis_of_the_residual_stream_tells_what_it_is_for():
    """What is one number in plain coordinates, such as the code of a token or a position, is spread over a third."""
    for family in FAMILIES:
        made = planted(family)
        embedded = made.model.embed.W_E[made.answers.flatten()]
        for vectors in (embedded, made.model.pos_embed.W_pos):
            assert ((vectors != 0).double().mean(1) >= 1 / 3).all()


def test_folding_shows_what_the_layer_norms_of_a_planted_model_hide():
    from headwork.models.folding import fold_layer_norm

    made = planted("layer-norm")
    state, _ = fold_layer_norm(made.model.state_dict(), made.model.config)
    assert not any(state[f"blocks.{layer}.attn.b_{part}"].any() for layer in range(3) for part in "QKV")
    assert all(made.model.state_dict()[f"blocks.{layer}.attn.b_Q"].any() for layer in range(3))


def test_the_figures_of_the_card_are_those_of_brute_force():
    card = (zoo.SHIPPED.parent / "cards" / "planted.md").read_text(encoding="utf-8")
    words = {"noise": "noise", "denoise": "denoising", "cut": "a cut"}
    for family in FAMILIES:
        effects = effects_of(family)
        made = effects.made
        alone = [(how, edge) for how, edges in truth(made).items() for edge in edges]
        least = min(abs(effects.change(how, [edge]).mean()) for how, edge in alone)
        counts = ", ".join(f"{len(edges)} by {words[how]}" for how, edges in truth(made).items())
        of_all = f"{len(made.edges)} of {len(list(every_edge(made.model.config)))} edges are the circuit"
        metric = f"{effects.clean.mean():.2f} on clean and {effects.corrupted.mean():.2f} on corrupted prompts"
        row = f"{of_all}; alone are found {counts}, the least of them by {least:.3f}. The metric is {metric}."
        assert f"| {family}, wrong edges | 0 | at most 0 | {row} |" in card


@torch.no_grad()
def test_the_measure_finds_an_edge_that_is_wrong():
    made = planted("k-composition")
    changes = measure.alone(made.model, made, "noise")
    effects = effects_of("k-composition")
    for edge in [*made.edges, *list(every_edge(made.model.config))[::40]]:
        np.testing.assert_allclose(changes[edge].numpy(), effects.change("noise", [edge]), atol=1e-9)
    assert float(measure.together(made.model, made, "cut", made.edges).abs().min()) > 1
    stripped = replace(made, noised=made.noised - {next(iter(made.noised))})
    assert measure.wrong(made.model, made) == 0 and measure.wrong(made.model, stripped) == 1


def test_an_unknown_family_is_said():
    with pytest.raises(ValueError, match="no planted model 'xor': there are k-composition,"):
        planted("xor")

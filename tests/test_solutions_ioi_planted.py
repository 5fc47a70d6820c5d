"""The references of chapter `ioi` on models whose circuits were written by hand: they find what is there, no more."""

import pytest
import torch

from headwork.models.planted import Edge, planted
from headwork.solutions.ioi.gradients import attribution_patch, attribution_patch_qk
from headwork.solutions.ioi.groups import token_or_position
from headwork.solutions.ioi.patching import patch_head_inputs, patch_heads
from headwork.solutions.ioi.paths import path_patch, path_patch_through

CLEAR = 0.05  # of the scale from the corrupted to the clean metric


class Question:
    """A planted model with its prompts, and what a patch does on the scale from 0 (corrupted) to 1 (clean)."""

    def __init__(self, family, seed=0):
        self.made = planted(family, seed)
        self.model = self.made.model.requires_grad_(False)
        self.end = torch.full((len(self.made.clean),), self.made.clean.shape[1] - 1)
        self.denoise = (self.model, self.made.clean, self.made.corrupted, self.end, self.metric)
        self.noise = (self.model, self.made.corrupted, self.made.clean, self.end, self.metric)
        self.ends = [
            float(self.made.metric(self.model(each)).mean()) for each in (self.made.corrupted, self.made.clean)
        ]

    def metric(self, logits):
        rows, (right, wrong) = torch.arange(len(self.end)), self.made.answers.T
        return logits[..., rows, right] - logits[..., rows, wrong]

    def share(self, values):
        low, high = self.ends
        return (values.mean(-1) - low) / (high - low)

    def marked(self, table, starts_at=0.0):
        """The heads whose number in a (layer, head) table is clearly not `starts_at`."""
        return {f"head {layer}.{head}" for layer, head in ((table - starts_at).abs() > CLEAR).nonzero().tolist()}


@pytest.mark.parametrize("family", ["k-composition", "q-composition", "v-composition"])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_heads_with_a_direct_effect_are_those_that_write_the_answer(family, seed):
    asked = Question(family, seed)
    values = path_patch(*asked.denoise, mlps=False)  # senders noised in a run on the clean prompts
    writers = {edge.sender for edge in asked.made.noised if edge.receiver == "logits"}
    assert asked.marked(asked.share(values), 1.0) == writers & set(asked.made.roles)


@pytest.mark.parametrize(("family", "part"), [("k-composition", "k"), ("q-composition", "q"), ("v-composition", "v")])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_paths_through_a_receiver_find_the_head_that_it_reads(family, part, seed):
    asked = Question(family, seed)
    (edge,) = (each for each in asked.made.noised if each.sender.startswith("head") and each.receiver != "logits")
    assert edge.input == part
    layer, head = map(int, edge.receiver.removeprefix("head ").split("."))
    for other in "qkv":
        found = asked.share(path_patch_through(*asked.denoise, receivers=[(layer, head, other)], mlps=False))
        assert asked.marked(found, 1.0) == ({edge.sender} if other == part else set())


@pytest.mark.parametrize(("family", "part"), [("k-composition", "k"), ("q-composition", "q"), ("v-composition", "v")])
def test_the_composing_heads_clean_part_is_enough(family, part):
    asked = Question(family)
    (edge,) = (each for each in asked.made.noised if each.sender.startswith("head") and each.receiver != "logits")
    layer, head = map(int, edge.receiver.removeprefix("head ").split("."))
    for other in "qkv":
        share = float(asked.share(patch_head_inputs(*asked.denoise, other))[layer, head])
        assert share == pytest.approx(1.0 if other == part else 0.0, abs=CLEAR)


def test_denoising_finds_either_input_of_an_or_and_noising_neither():
    asked = Question("or")
    inputs = {edge.sender for edge in asked.made.edges if edge.sender.startswith("head")}
    assert asked.marked(asked.share(patch_heads(*asked.denoise)), 0.0) == inputs
    assert asked.marked(asked.share(patch_heads(*asked.noise)), 1.0) == set()


def test_noising_finds_either_input_of_an_and_and_denoising_neither():
    asked = Question("and")
    inputs = {edge.sender for edge in asked.made.edges if edge.sender.startswith("head")}
    assert asked.marked(asked.share(patch_heads(*asked.denoise)), 0.0) == set()
    assert asked.marked(asked.share(patch_heads(*asked.noise)), 1.0) == inputs


def test_a_saturated_softmax_hides_a_key_from_the_gradient_and_not_from_its_repair():
    asked = Question("saturated")
    (edge,) = (each for each in asked.made.noised if each.input == "k")
    assert edge in asked.made.no_gradient and isinstance(edge, Edge)
    layer, head = map(int, edge.receiver.removeprefix("head ").split("."))
    sender = tuple(map(int, edge.sender.removeprefix("head ").split(".")))
    low, high = asked.ends
    _, heads = attribution_patch(*asked.denoise)
    exact = asked.share(patch_heads(*asked.denoise))
    assert abs(float(heads[sender].mean())) / (high - low) < CLEAR < 0.9 < float(exact[sender])
    _, keys = attribution_patch_qk(*asked.denoise)
    repaired = keys[layer, head].sum(0).mean() / (high - low)  # two keys change: the one it leaves, the one it goes to
    assert float(repaired) > 0.4


def test_a_cancelling_pair_shows_head_by_head_and_not_in_the_sum():
    asked = Question("cancelling")
    values = asked.share(path_patch(*asked.denoise, mlps=False)) - 1
    pair = next(joint.edges for joint in asked.made.joint if len(joint.edges) == 2)
    both = [values[tuple(map(int, edge.sender.removeprefix("head ").split(".")))] for edge in pair]
    assert all(abs(float(each)) > 0.5 for each in both) and abs(float(sum(both))) < CLEAR


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_one_head_tells_the_token_and_the_next_where_it_stands(seed):
    asked = Question("position", seed)
    made = asked.made
    io, s = (each[:, None] for each in made.answers.T)
    names = torch.where(made.clean == io, s, torch.where(made.clean == s, io, made.clean))
    order = torch.where(made.clean == made.corrupted, names, made.clean)
    twins = {"names": names, "order": order, "s2": made.corrupted}
    low, high = asked.ends
    numbers = (node.removeprefix("head ").split(".") for node in made.roles)
    heads = [(int(layer), int(head)) for layer, head in numbers]
    for turns, head in enumerate(heads[:2]):
        found = token_or_position(asked.model, made.clean, twins, asked.end, asked.metric, [head])
        assert found[turns].max() < 0.9 * (low - high) and found[1 - turns].abs().max() < 1e-9

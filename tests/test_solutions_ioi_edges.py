"""Gradients by layer, edges and the pruning of edges: against finite differences and brute force, edge by edge."""

import numpy as np
import pytest
import torch
from torch import nn

from headwork.models import GPT2, Config
from headwork.models.edges import Graph, every_edge, nodes, receivers, table, written
from headwork.models.planted import planted
from headwork.solutions.ioi.edges import acdc, edge_attribution
from headwork.solutions.ioi.gradients import attribution_patch, grad_drop
from headwork.solutions.ioi.patching import patch_heads
from headwork.tests.edges_by_brute_force import ByHand

VOCAB, BATCH, LENGTH = 17, 3, 6
SHAPES = {
    "GPT-2": {},
    "attention only": {"attn_only": True, "layer_norm": False, "biases": False},
}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(3)


def network(**shape):
    made = GPT2(
        Config(
            **{"d_vocab": VOCAB, "n_ctx": 8, "d_model": 8, "n_heads": 2, "d_mlp": 5, "n_layers": 3, "tied": False}
            | shape
        )
    )
    made = made.double().requires_grad_(False)
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.5)
    return made


def prompts():
    clean, corrupted = torch.randint(VOCAB, (2, BATCH, LENGTH))
    directions = torch.randn(BATCH, VOCAB, dtype=torch.float64)
    return clean, corrupted, torch.tensor([5, 3, 4]), lambda logits: (logits.log_softmax(-1) * directions).sum(-1)


def of_planted(family, seed=0):
    made = planted(family, seed)
    model, rows, (right, wrong) = made.model.requires_grad_(False), torch.arange(len(made.clean)), made.answers.T
    end = torch.full((len(rows),), made.clean.shape[1] - 1)
    return made, (
        model,
        made.clean,
        made.corrupted,
        end,
        lambda logits: logits[..., rows, right] - logits[..., rows, wrong],
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_grad_drop_is_the_mean_size_of_slopes_with_a_layer_held_still(shape):
    model, (clean, corrupted, end, metric) = network(**SHAPES[shape]), prompts()
    layers, step = range(model.config.n_layers), 1e-5
    _, donor = model.run_with_cache(clean)
    _, base = model.run_with_cache(corrupted)

    def moved(layer, head, held, by):
        def push(z, point):
            z = z.clone()
            z[:, :, head] += by * (donor[point.name] - base[point.name])[:, :, head]
            return z

        still = [name for name in base if name.startswith(f"blocks.{held}.hook_") and name.endswith("_out")]
        hooks = [(f"blocks.{layer}.attn.hook_z", push), (still, lambda value, point: base[point.name])]
        return metric(model.run_with_hooks(corrupted, hooks)[range(BATCH), end])

    found = grad_drop(model, clean, corrupted, end, metric)
    for layer in layers:
        for head in range(model.config.n_heads):
            slopes = [
                (moved(layer, head, held, step) - moved(layer, head, held, -step)) / (2 * step) for held in layers
            ]
            expected = torch.stack(slopes).abs().sum(0) / (len(layers) - 1)
            torch.testing.assert_close(found[layer, head], expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_head_whose_paths_cancel_is_found_by_grad_drop_and_not_by_attribution(seed):
    made, asked = of_planted("undone", seed)
    [node] = [node for node in made.roles if node.startswith("head")]
    head = tuple(map(int, node.removeprefix("head ").split(".")))
    change = patch_heads(*asked) - asked[-1](asked[0](made.corrupted)[:, -1])
    assert change[head].min() > 4 and attribution_patch(*asked)[1].abs().max() < 1e-9
    found = grad_drop(*asked)
    assert found[head].min() > 3
    found[head] = 0
    assert found.abs().max() < 1e-9


class Noised:
    """A network by numpy, in which edges go a share of the way to what their senders wrote on the corrupted prompts."""

    def __init__(self, model, clean, corrupted, end):
        self.model, self.clean, self.end = ByHand(model), clean, end
        _, self.own = self.model.run(clean, {})
        _, self.other = self.model.run(corrupted, {})

    def logits(self, edges, share=1.0):
        new = {tuple(e): (1 - share) * self.own[e.sender] + share * self.other[e.sender] for e in edges}
        logits, _ = self.model.run(self.clean, new)
        return torch.from_numpy(logits)[torch.arange(len(self.end)), self.end]


@pytest.mark.parametrize("shape", SHAPES)
def test_edge_attribution_is_the_slope_of_every_edge_by_itself(shape):
    model, (clean, corrupted, end, metric) = network(activation="relu", **SHAPES[shape]), prompts()
    by_hand, step = Noised(model, clean, corrupted, end), 1e-6
    found = edge_attribution(model, clean, corrupted, end, metric)
    edges = list(every_edge(model.config))
    assert set(found) == set(edges)
    for edge in edges[::3]:
        up, down = (metric(by_hand.logits([edge], share)) for share in (step, -step))
        torch.testing.assert_close(found[edge], (up - down) / (2 * step), rtol=1e-5, atol=1e-7)


def test_on_a_linear_model_it_is_what_noising_each_edge_changes():
    """No softmax that depends on the prompt, no LayerNorm, no MLP, and a metric that is linear in the logits."""
    model = network(**SHAPES["attention only"])
    for block in model.blocks:
        block.attn.W_Q.zero_()
    clean, corrupted, end, _ = prompts()
    directions = torch.randn(BATCH, VOCAB, dtype=torch.float64)
    by_hand = Noised(model, clean, corrupted, end)
    before = (by_hand.logits([]) * directions).sum(-1)
    found = edge_attribution(model, clean, corrupted, end, lambda logits: (logits * directions).sum(-1))
    for edge in every_edge(model.config):
        exact = (by_hand.logits([edge]) * directions).sum(-1) - before
        torch.testing.assert_close(found[edge], exact, rtol=1e-10, atol=1e-10)
    assert sum(each.abs().max() > 0.1 for each in found.values()) > 10


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cut", [False, True])
def test_a_graph_with_edges_left_out_is_brute_force(shape, cut):
    model, (clean, corrupted, end, _) = network(activation="relu", **SHAPES[shape]), prompts()
    by_hand, edges = Noised(model, clean, corrupted, end), list(every_edge(model.config))
    if cut:
        by_hand.other = {node: 0 * value for node, value in by_hand.other.items()}
    graph = Graph(model, clean, None if cut else written(model, corrupted))
    some = [
        [edges[k] for k in np.random.default_rng(n).choice(len(edges), size=n, replace=False)] for n in (0, 1, 9, 40)
    ]
    found = graph.run(torch.stack([graph.edges & ~table(model.config, each) for each in some]))
    for each, logits in zip(some, found, strict=True):
        torch.testing.assert_close(logits[range(BATCH), end], by_hand.logits(each), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("threshold", [0.0005, 0.005])
def test_acdc_keeps_what_a_greedy_search_by_brute_force_keeps(shape, threshold):
    """Edge by edge in numpy, from the lists of names; the loss is the divergence from the whole network's answers."""
    model = network(activation="relu", n_layers=2, **SHAPES[shape])
    clean, corrupted, end, _ = prompts()
    by_hand = Noised(model, clean, corrupted, end)
    whole = by_hand.logits([]).log_softmax(-1)

    def loss(logits):
        return (whole.exp() * (whole - logits.log_softmax(-1))).sum(-1).mean(-1)

    gone = []
    for receiver, part in reversed(receivers(model.config)):
        for sender in reversed(nodes(model.config)):
            edge = next((e for e in every_edge(model.config) if e == (sender, receiver, part)), None)
            if edge and loss(by_hand.logits([*gone, edge])) - loss(by_hand.logits(gone)) < threshold:
                gone.append(edge)
    graph = Graph(model, clean, written(model, corrupted))
    run = lambda kept: loss(graph.run(kept.flatten(0, -3))[:, range(BATCH), end]).view(kept.shape[:-2])  # noqa: E731
    kept = acdc(run, graph.edges, threshold)
    assert torch.equal(kept, graph.edges & ~table(model.config, gone))
    assert 0 < kept.sum() < graph.edges.sum()


def test_acdc_finds_the_edges_of_a_planted_circuit_that_carry_the_answer():
    """But not the head that works against it: without its edges the loss falls."""
    made, (model, clean, corrupted, _, _) = of_planted("cancelling")
    graph = Graph(model, clean[:2], written(model, corrupted[:2]))
    right, wrong = made.answers[:2].T

    def run(kept):
        logits = graph.run(kept.flatten(0, -3))[:, :, -1]
        return (logits[:, range(2), wrong] - logits[:, range(2), right]).mean(-1).view(kept.shape[:-2])

    against = {node for node, role in made.roles.items() if role.startswith("takes it back")}
    expected = {edge for edge in made.noised if not against & set(edge)}
    assert torch.equal(acdc(run, graph.edges, 0.5), table(model.config, expected))


def test_the_order_decides_which_of_two_that_stand_in_for_each_other_is_kept():
    def run(kept):  # as in the chapter
        a, b, c = kept[..., 0, :].double().unbind(-1)
        return 1.1 - torch.maximum(a, b) - 0.1 * c

    edges = torch.ones(1, 3, dtype=torch.bool)
    assert acdc(run, edges, 0.2).tolist() == [[True, False, False]]
    assert acdc(run, edges, 0.05).tolist() == [[True, False, True]]

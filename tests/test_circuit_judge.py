"""The judge of circuits: its experiments against whole forward passes, its rules on made-up networks, and gamed."""

import json
from dataclasses import replace

import pytest
import torch

from headwork.checkers.ioi.judge import court, references, rules, search
from headwork.checkers.ioi.judge.bench import ABLATIONS, METRICS, Bench
from headwork.checkers.ioi.judge.circuit import PLACES, Circuit, all_nodes
from headwork.checkers.ioi.judge.data import DONORS, draw
from headwork.checkers.ioi.judge.score import Judge, Size
from headwork.models import load
from headwork.models.data.ioi import HELD_OUT_NAMES, NAMES

SMALL = Size(each=1, sets=8, own_sets=6, random=6, resamples=60)


@pytest.fixture(scope="module")
def house():
    return load("house").requires_grad_(False)


@pytest.fixture(scope="module")
def judge(house):
    return Judge(Bench(house, draw(house.tokenizer, 1, 11)), 11, SMALL)


@pytest.fixture(scope="module")
def ours():
    return references.reference("house").nodes


def scored(judge, nodes, reference, roles=()):
    roles = {f"role {index}": frozenset(role) for index, role in enumerate(roles)}
    return judge.score(Circuit("house", frozenset(nodes), roles), frozenset(reference))


def ceiling(judge, nodes, reference):
    """The score if every member had earned its place."""
    mine, other = (judge.measure(frozenset(each), [], with_members=False).parts for each in (nodes, reference))
    return float(rules.score({**mine, "Mn": torch.ones_like(mine["F"])}, other)[0])


# ---- the experiments


def test_the_reference_was_found_on_the_weights_that_are_shipped():
    assert references.known("house")["sha256"] == references.fingerprint("house"), "run `headwork circuit find house`"


def test_prompts_are_of_held_out_names_and_alike_for_a_seed_alone(house):
    data, again, other = (draw(house.tokenizer, 2, seed) for seed in (3, 3, 4))
    assert torch.equal(data.prompts.tokens, again.prompts.tokens) and torch.equal(data.twins, again.twins)
    assert not torch.equal(data.prompts.tokens, other.prompts.tokens)
    names = {house.tokenizer.decode([token]).strip() for token in data.prompts.io.tolist() + data.prompts.s.tolist()}
    assert names <= set(HELD_OUT_NAMES) and not names & set(NAMES)
    assert (data.stratum[data.donors] == data.stratum).all() and len(data.donors) == DONORS


def by_hooks(model, data, kept, ablation):
    """The metrics by whole forward passes with hooks, one set of nodes."""
    names = [f"blocks.{layer}.attn.hook_z" for layer in range(model.config.n_layers)]
    caches = [model.run_with_cache(tokens, names)[1] for tokens in data.twins]
    keeps = kept.reshape(model.config.n_layers, model.config.n_heads, len(PLACES))

    def hook(z, point):
        layer, out = int(point.name.split(".")[1]), z.clone()
        for row in range(len(data)):
            if ablation == 0:
                same = (data.stratum == data.stratum[row]).nonzero()[:, 0]
                donor = torch.cat([cache[point.name][same] for cache in caches]).mean(0)
            else:
                twin = data.donor_twins[ablation - 1, row]
                donor = caches[twin][point.name][data.donors[ablation - 1, row]]
            gone = ~keeps[layer][:, data.place[row]].T  # (position, head)
            out[row][gone] = donor[gone]
        return out

    logits = model.run_with_hooks(data.prompts.tokens, [(names, hook)])
    rows = torch.arange(len(data))
    last, p = logits[rows, data.prompts.positions["END"]], data.prompts
    io = last[rows, p.io]
    return torch.stack([io - last[rows, p.s], io - last.gather(1, p.absent).mean(1)], -1)


def test_answers_are_those_of_whole_forward_passes(house):
    data = draw(house.tokenizer, 1, 5)
    bench = Bench(house, data)
    source = torch.Generator().manual_seed(0)
    sets = torch.rand(4, len(bench.nodes), generator=source) < torch.tensor([[0.2], [0.7], [0.5], [0.5]])
    sets[2:] &= torch.tensor([node[2] != "rest" for node in bench.nodes])  # these take the shorter way
    found = bench.answers(sets, range(ABLATIONS))
    for index, ablation in [(0, 0), (1, 2), (2, 0), (3, 1)]:
        expected = by_hooks(house, data, sets[index], ablation)
        assert (found[index, ablation] - expected).abs().max() < 1e-4


def test_all_nodes_are_the_model_and_none_knows_no_name(house, judge):
    data = judge.bench.data
    logits = house(data.prompts.tokens)
    rows = torch.arange(len(data))
    last = logits[rows, data.prompts.positions["END"]]
    difference = last[rows, data.prompts.io] - last[rows, data.prompts.s]
    assert torch.allclose(judge.whole[:, 0], difference, atol=1e-4)
    assert (judge.none[0].mean(0).abs() < 0.3 * judge.whole.mean(0)).all()


# ---- the rules, on answers made up


def F(circuit, whole=(4.0, 4.0), none=(0.0, 0.0)):
    circuit, whole, none = (torch.tensor(each)[:, None] for each in (circuit, whole, none))
    return float(rules.faithfulness(circuit[None], whole, none[None], torch.ones(1, 2))[0])


def test_prompts_cannot_cancel_and_more_is_no_better():
    assert F((4.0, 4.0)) == 1 and F((0.0, 0.0)) == 0
    assert F((8.0, 0.0)) == 0  # the usual ratio is 100 %
    assert F((5.6, 5.6)) == pytest.approx(F((2.4, 2.4)))  # 140 % is as far off as 60 %


def test_f_is_the_worst_of_metrics_and_ablations():
    whole, none = torch.full((5, 2), 4.0), torch.zeros(4, 5, 2)
    for ablation, metric in [(0, 0), (0, 1), (2, 1)]:
        answers = whole.expand(4, 5, 2).clone()
        answers[ablation, :, metric] = 1.0
        share = 0.75 if ablation == 0 else 0.25  # one donor of three is off
        assert rules.faithfulness(answers, whole, none, torch.ones(1, 5))[0] == pytest.approx(1 - share)


def test_a_member_that_does_nothing_is_not_earned_by_the_best_of_many_tries():
    source = torch.Generator().manual_seed(0)
    effects = 0.3 * torch.randn(40, 30, 48, 2, generator=source)  # noise, thirty K to choose from
    effects[0, 7] += 0.5
    effects[1, 3, :, 1] -= 0.5
    scale = torch.full((48, 2), 5.0)
    weight = torch.multinomial(torch.ones(200, 24), 24, replacement=True, generator=source)
    resamples = torch.zeros(200, 24).scatter_add_(1, weight, torch.ones(200, 24))
    good, best, share = rules.earned(effects, scale, resamples)
    assert good[0] and good[1] and good[2:].sum() <= 3
    assert best[0] == 7 and best[1] == 3 and share[1] < 0 < share[0]


def test_lift_is_nothing_where_chance_does_as_well_and_gains_nothing_by_harm():
    def lift(*pair):
        return float(rules.lift(*(torch.tensor([each]) for each in pair)))

    assert lift(1.0, 1.0) == 0 and lift(0.9, 0.0) == pytest.approx(0.9)
    assert lift(0.9, -3.0) == pytest.approx(0.9) and lift(0.9, 0.8) == pytest.approx(0.5)


# ---- gaming, on the house model


def test_the_reference_scores_all(judge, ours):
    found = scored(judge, ours, ours)
    assert found.value == 100 and found.on_the_board
    assert found.mine.value("F") > 0.8 and found.mine.value("I") > 0.85 and found.mine.random < 0.2


def test_the_whole_model_scores_nothing_and_nearly_all_of_it_little(judge, ours, monkeypatch):
    monkeypatch.setattr("headwork.checkers.ioi.judge.score.TRIES", 0)
    nodes = all_nodes(5, 4)
    whole = scored(judge, nodes, ours)
    assert whole.value == 0 and whole.mine.value("F") == 1 and whole.mine.value("lift") == 0
    nearly = scored(judge, [node for node in nodes if node[2] != "rest"], ours)
    assert nearly.value < 50 and nearly.weakest == "Mn"


def test_all_of_one_layer_scores_little(judge, ours):
    for layer in range(5):
        assert ceiling(judge, [node for node in all_nodes(5, 4) if node[0] == layer], ours) < 30


def test_one_strong_head_scores_nothing_whatever_the_usual_ratio_says(house, judge, ours):
    """Wang et al.'s ratio gives much to a head that says both names where the rest of the model is as it is."""
    bench = judge.bench
    single = torch.eye(len(bench.nodes), dtype=torch.bool)
    usual = [rules.signed_ratio(each, judge.whole, judge.none[:1]).max() for each in bench.answers(single)]
    best = max(range(len(usual)), key=usual.__getitem__)
    assert scored(judge, [bench.nodes[best]], ours).value < 20


def test_more_than_the_model_is_no_better(judge, ours):
    """A circuit above 100 % by the usual ratio has a lower F than one at 100 %."""
    bench, best = judge.bench, (0.0, 1.0)
    base = bench.mask(ours)
    for index in range(len(bench.nodes)):
        trial = base.clone()
        trial[index] = ~trial[index]
        answers = bench.answers(trial[None])[0]
        ratio = float(rules.signed_ratio(answers, judge.whole, judge.none[:1])[0])
        faithful = float(rules.faithfulness(answers, judge.whole, judge.none[:1], torch.ones(1, len(bench.data)))[0])
        best = max(best, (ratio, faithful))
    assert best[1] < 1 - abs(best[0] - 1) + 0.05


def test_idle_members_cost_their_share(judge, ours):
    idle = [node for node in all_nodes(5, 4) if node[2] == "IO" and node not in ours][: len(ours)]
    found = scored(judge, [*ours, *idle], ours)
    assert found.value < 75 and found.weakest == "Mn"
    assert sum(not each.earned for each in found.mine.members if each.node in idle) >= 0.7 * len(idle)


def test_each_member_that_is_left_out_costs(judge, ours):
    for node in ours:
        assert ceiling(judge, ours - {node}, ours) < 99


def test_the_worst_k_grows_by_the_member_with_which_c_is_largest(house, judge, ours):
    some = sorted(ours)[:6]
    asked = Judge(judge.bench, judge.seed, replace(SMALL, greedy=2))
    nodes, c = asked.measure(frozenset(some), [], with_members=False).greedy

    def of(*K):
        kept, sets = asked.bench.mask(some), asked.bench.mask(K)
        both = asked.bench.answers(torch.stack([kept & ~sets, ~sets]))[:, 0]
        far = (asked.none[0] - asked.whole).abs().sum(0)
        return float(((both[0] - both[1]).abs().sum(0) / far).max())

    first = max(some, key=of)
    second = max((node for node in some if node != first), key=lambda node: of(first, node))
    grown = of(first, second) > of(first)
    assert set(nodes) == ({first, second} if grown else {first}) and c == pytest.approx(of(*nodes), rel=1e-4)
    assert judge.measure(frozenset(some), [], with_members=False).greedy == ((), 0.0)


def test_the_empty_circuit_scores_nothing(judge, ours):
    assert scored(judge, [], ours).value == 0


def with_a_cancelling_pair(house, ours):
    """House with two heads of layer 4's copies in idle heads: one says the name, the other takes it back."""
    model = load("house").requires_grad_(False)
    last = max(layer for layer, _, _ in ours)
    source = max((node for node in ours if node[0] == last), key=lambda node: node[1])[1]
    used = {node[:2] for node in ours}
    layer, idle = next(
        (layer, free)
        for layer in range(last, -1, -1)
        if len(free := [head for head in range(4) if (layer, head) not in used]) >= 2
    )
    here, there = model.blocks[layer].attn, model.blocks[last].attn
    for head, sign in zip(idle[:2], (1.0, -1.0), strict=True):
        for name in ("W_Q", "W_K", "W_V", "b_Q", "b_K", "b_V"):
            getattr(here, name).data[head] = getattr(there, name).data[source]
        here.W_O.data[head] = 8 * sign * there.W_O.data[source]
    return model, frozenset((layer, head, "END") for head in idle[:2])


def test_a_cancelling_pair_is_earned_when_in_and_missed_when_out(house, ours):
    model, pair = with_a_cancelling_pair(house, ours)
    bench = Bench(model, draw(house.tokenizer, 2, 4))
    size = Size(each=2, sets=30, own_sets=6, random=4, resamples=60)
    judge = Judge(bench, 4, size)
    inside, outside = scored(judge, ours | pair, ours | pair), scored(judge, ours, ours | pair)
    assert {each.node: each.earned for each in inside.mine.members if each.node in pair} == dict.fromkeys(pair, True)
    assert outside.mine.value("F") == pytest.approx(inside.mine.value("F"), abs=0.15)
    assert outside.mine.value("I") < inside.mine.value("I")
    assert outside.value < 100


# ---- edges


def test_an_edge_is_patched_alone_and_told_beside_the_score(house, judge, ours):
    from headwork.checkers.ioi.judge.circuit import Edge
    from headwork.checkers.ioi.judge.edges import tried

    bench = judge.bench
    sender = next(node for node in sorted(ours) if node[2] == "S2")
    edges = tuple(Edge(sender, node, "k") for node in sorted(ours) if node[0] > sender[0] and node[2] == "S2")
    edges += tuple(Edge(node, (4, 0, "END"), "q") for node in sorted(ours) if node[0] < 4)
    found = tried(bench, edges, judge.whole, judge.none[0], judge.weight)
    for each in found:
        assert each.effect == pytest.approx(edge_by_hooks(house, bench, judge, each.edge), abs=1e-4)
    assert any(each.confirmed for each in found) and not all(each.confirmed for each in found)


def edge_by_hooks(house, bench, judge, edge):
    """The same by two runs with hooks: the sender ablated with every other head frozen, then the receiver's input."""
    tokens, place = bench.data.prompts.tokens, bench.data.place
    names = [name for name in house.hook_points if name.endswith("hook_z")]
    clean = house.run_with_cache(tokens, names)[1]
    (layer, head, at), (to, listener, there) = edge.sender, edge.receiver
    mean = bench.ground(0).z[layer]

    def freeze(z, point):
        z = clean[point.name].clone()
        if point.name == f"blocks.{layer}.attn.hook_z":
            where = (place == PLACES.index(at)).nonzero().T
            z[where[0], where[1], head] = mean[where[0], where[1], head]
        return z

    name = f"blocks.{to}.attn.hook_{edge.into}"
    with house.hooks([(names, freeze)]):
        heard = house.run_with_cache(tokens, [name])[1][name]

    def put(value, point):
        value, where = value.clone(), (place == PLACES.index(there)).nonzero().T
        value[where[0], where[1], listener] = heard[where[0], where[1], listener]
        return value

    logits = house.run_with_hooks(tokens, [(name, put)])
    rows, prompts = torch.arange(len(tokens)), bench.data.prompts
    last = logits[rows, prompts.positions["END"]]
    io = last[rows, prompts.io]
    metrics = torch.stack([io - last[rows, prompts.s], io - last.gather(1, prompts.absent).mean(1)], -1)
    shares = ((metrics - judge.whole) / (judge.whole - judge.none[0]).mean(0)).mean(0)
    return float(shares[shares.abs().argmax()])


# ---- the rest


def test_a_judgement_that_was_stopped_goes_on(house, ours, tmp_path):
    class Enough(Exception):
        pass

    told = []

    def stop(count):
        told.append(count)
        if sum(told) > 300:
            raise Enough

    circuit = Circuit("house", ours)
    size = Size(each=1, sets=4, own_sets=4, random=4, resamples=20)
    whole, again = [], []
    first = court.judge(circuit, seed=2, size=size, told=whole.append, store=tmp_path)
    second = court.judge(circuit, seed=2, size=size, told=again.append, store=tmp_path)
    assert sum(whole) > 20 and sum(again) == 0
    assert json.dumps(first.as_json()) == json.dumps(second.as_json())
    for file in tmp_path.glob("*.safetensors"):
        file.write_bytes(b"damaged")
    assert court.judge(circuit, seed=2, size=size, store=tmp_path).as_json() == first.as_json()


def test_elimination_finds_the_nodes_of_a_made_up_network():
    """Three nodes carry everything, one of them only together with another."""

    class Game:
        nodes = data = range(9)

        def answers(self, sets, ways):
            kept = sets.float()
            value = 2 * kept[:, 1] + 4 * kept[:, 4] * kept[:, 7] + 0.02 * kept[:, 2]
            return value[:, None, None, None].expand(-1, len(ways), 9, len(METRICS))

    kept = search.eliminate(Game(), 0.9)
    assert kept.nonzero()[:, 0].tolist() == [1, 4, 7]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same_numbers(house, ours):
    size = Size(each=1, sets=4, own_sets=4, random=4, resamples=20)
    one, other = (court.judge(Circuit("house", ours), seed=3, size=size, device=each) for each in ("cpu", "cuda"))
    for part in ("F", "I", "lift", "Mn"):
        assert one.mine.value(part) == pytest.approx(other.mine.value(part), abs=1e-3)

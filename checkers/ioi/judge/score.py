"""A circuit's score: what it keeps, what it leaves out, what each member adds, beside the reference and random ones."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.ioi.judge import rules
from headwork.checkers.ioi.judge.bench import ABLATIONS, METRICS, Bench
from headwork.checkers.ioi.judge.circuit import Circuit, Node
from headwork.checkers.ioi.judge.edges import Tried, tried

BAR = 80  # points from which a circuit counts as found
PARTNERS, TRIES = 24, 360  # at most so many single K for a member, those at its own place first; and so many in all
DEAR = 4  # times what another set costs, one with nodes outside the named places does: they get so many fewer tries
FIRST, THEN = 24, 8  # at most so many members are tried for the worst K in the first step, and in each that follows
EARNED, CLOSE_F, CLOSE_I = 0.01, 0.02, 0.05


@dataclass(frozen=True)
class Size:
    """How much is measured.

    `each` prompts of each template in each order; sets K; random circuits; resamples; steps to the worst K.
    """

    each: int = 4
    sets: int = 40
    own_sets: int = 20
    random: int = 30
    resamples: int = 300
    greedy: int = 0


FULL = Size(greedy=3)
QUICK = Size(each=2, sets=12, own_sets=8, random=10, resamples=100)  # for a finding, which is judged many times


@dataclass(frozen=True)
class Member:
    """What one node of the circuit adds, and where that shows: without which others, and in which metric's share."""

    node: Node
    effect: float
    without: tuple[Node, ...]
    earned: bool


@dataclass(frozen=True)
class Measured:
    """What was measured of one set of nodes. `parts`: F, I, Mn, lift, (1 + resample,), the plain value first."""

    size: int
    parts: dict[str, Tensor]
    signed: dict[str, float]  # the usual ratio of means, for each metric
    random: float  # mean F of random circuits of the size
    members: tuple[Member, ...]
    worst: float  # the largest c(K) of the random ones
    greedy: tuple[tuple[Node, ...], float] = ((), 0.0)  # the K that was searched for, and its c: told, not scored

    def value(self, part: str) -> float:
        return float(self.parts[part][0])

    def interval(self, part: str) -> tuple[float, float]:
        return interval(self.parts[part])


@dataclass(frozen=True)
class Score:
    """A circuit beside the reference."""

    circuit: Circuit
    mine: Measured
    reference: Measured
    points: Tensor  # (1 + resample,)
    prompts: int
    seed: int
    edges: tuple[Tried, ...] = ()  # told beside the score, and no part of it

    @property
    def value(self) -> float:
        return float(self.points[0])

    @property
    def weakest(self) -> str:
        """The part that the score is."""
        mine, other = self.mine, self.reference
        shares = {part: mine.value(part) / max(other.value(part), 1e-6) for part in ("F", "I", "lift")}
        return min([*shares, "Mn"], key=lambda part: shares.get(part, mine.value("Mn")))

    @property
    def on_the_board(self) -> bool:
        """Whether it may stand on the leaderboard, where the smallest leads."""
        mine, other = self.mine, self.reference
        faithful = mine.value("F") >= other.value("F") - CLOSE_F
        return faithful and mine.value("I") >= other.value("I") - CLOSE_I and mine.value("Mn") >= 1

    def as_json(self) -> dict[str, Any]:
        """Plain numbers under the names that the pages and the command line print."""
        low, high = interval(self.points)
        return {
            "format": "headwork.circuit_score/1",
            "model": self.circuit.model,
            "seed": self.seed,
            "prompts": self.prompts,
            "score": round(float(self.points[0]), 2),
            "interval": [round(low, 2), round(high, 2)],
            "on_the_board": self.on_the_board,
            "circuit": _plain(self.mine),
            "edges": [
                {"edge": str(each.edge), "effect": round(each.effect, 4), "confirmed": each.confirmed}
                for each in self.edges
            ],
            "reference": {key: value for key, value in _plain(self.reference).items() if key != "members"},
        }


def interval(values: Tensor) -> tuple[float, float]:
    """The middle 95 % of the resamples."""
    return float(values[1:].quantile(0.025)), float(values[1:].quantile(0.975))


def _plain(found: Measured) -> dict[str, Any]:
    parts = {
        part: {"value": round(found.value(part), 4), "interval": [round(end, 4) for end in found.interval(part)]}
        for part in found.parts
    }
    members = [
        {
            "node": list(each.node),
            "effect": round(each.effect, 4),
            "without": [list(node) for node in each.without],
            "earned": each.earned,
        }
        for each in found.members
    ]
    return {
        "size": found.size,
        **parts,
        "random_F": round(found.random, 4),
        "usual_ratio": {name: round(value, 4) for name, value in found.signed.items()},
        "worst_c": round(found.worst, 4),
        "greedy": {"nodes": [list(node) for node in found.greedy[0]], "c": round(found.greedy[1], 4)},
        "members": members,
    }


class Judge:
    """Measures circuits on one bench. What the same sets answered once is not asked again."""

    def __init__(self, bench: Bench, seed: int, size: Size = FULL):
        self.bench, self.seed, self.size = bench, seed, size
        count, nodes = len(bench.data), len(bench.nodes)
        source = torch.Generator().manual_seed(seed + 1)
        drawn = torch.randint(count, (size.resamples, count), generator=source)
        counts = torch.zeros(size.resamples, count).scatter_add_(1, drawn, torch.ones_like(drawn, dtype=torch.float))
        self.weight = torch.cat([torch.ones(1, count), counts])  # (1 + resample, prompt)
        self.out_of_all = _some_of(torch.ones(nodes, dtype=torch.bool), size.sets, source)
        self.shuffles = torch.rand(size.random, nodes, generator=source).argsort(1)
        ends = bench.answers(torch.stack([torch.ones(nodes), torch.zeros(nodes)]).bool(), range(ABLATIONS))
        self.whole, self.none = ends[0, 0], ends[1]  # (prompt, metric), (ablation, prompt, metric)

    def score(self, circuit: Circuit, reference: frozenset[Node]) -> Score:
        """The circuit beside the reference's nodes."""
        roles = list(circuit.roles.values())
        mine, other = self.measure(circuit.nodes, roles), self.measure(reference, [], with_members=False)
        points = rules.score(mine.parts, other.parts)
        edges = tried(self.bench, circuit.edges, self.whole, self.none[0], self.weight)
        return Score(circuit, mine, other, points, len(self.bench.data), self.seed, edges)

    def measure(self, nodes: frozenset[Node], roles: list[frozenset[Node]], with_members: bool = True) -> Measured:
        """All parts of a set of nodes. Mn, and the members, only when asked for."""
        kept = self.bench.mask(nodes)
        answers = self.bench.answers(kept[None], range(ABLATIONS))[0]
        faithful = rules.faithfulness(answers, self.whole, self.none, self.weight)
        lacking = self._lacking(kept)  # (1 + resample, set)
        by_chance, random = self._random(len(nodes)), faithful
        if len(nodes):
            random = rules.faithfulness(answers[:1], self.whole, self.none[:1], self.weight)
        parts = {"F": faithful, "I": 1 - lacking.mean(1), "lift": rules.lift(random, by_chance)}
        members: tuple[Member, ...] = ()
        if with_members:
            members = self._members(kept, roles)
            share = sum(each.earned for each in members) / len(members) if members else 0.0
            parts["Mn"] = torch.full_like(faithful, share)
        ratio = rules.signed_ratio(answers, self.whole, self.none)
        signed = dict(zip(METRICS, ratio.tolist(), strict=True))
        worst, greedy = float(lacking[0].max()), self._greedy(kept)
        return Measured(len(nodes), parts, signed, float(by_chance[0]), members, worst, greedy)

    def _lacking(self, kept: Tensor) -> Tensor:
        """c(K) for the random K out of all nodes, and for some out of the circuit's: (1 + resample, set)."""
        own = _some_of(kept, self.size.own_sets, torch.Generator().manual_seed(self.seed + 2))
        return self._parted(kept, torch.cat([self.out_of_all, own]))

    def _parted(self, kept: Tensor, sets: Tensor) -> Tensor:
        """c(K) of these K: (1 + resample, set)."""
        without = self.bench.answers(kept & ~sets)[:, 0]
        whole_without = self.bench.answers(~sets)[:, 0]
        return rules.incompleteness(without, whole_without, self.whole, self.none[0], self.weight)

    def _greedy(self, kept: Tensor) -> tuple[tuple[Node, ...], float]:
        """The K that grows, as long as c(K) does, by the member with which it is largest; and its c.

        The first step tries all members, or FIRST of a large circuit; each that follows the THEN that parted the two
        most by themselves. No more can be tried in a few seconds.
        """
        members = kept.nonzero()[:, 0]
        order = torch.randperm(len(members), generator=torch.Generator().manual_seed(self.seed + 3))
        tried = members[order][:FIRST].tolist()
        K, c = torch.zeros_like(kept), 0.0
        for step in range(self.size.greedy):
            tried = [member for member in tried if not K[member]]
            if not tried:
                break
            sets = K.repeat(len(tried), 1)
            sets[range(len(tried)), tried] = True
            found = self._parted(kept, sets)[0]  # (set,)
            best = int(found.argmax())
            if found[best] <= c:
                break
            K, c = sets[best], float(found[best])
            if step == 0:
                tried = [tried[index] for index in found.argsort(descending=True)[: THEN + 1].tolist()]
        return _nodes(self.bench, tuple(K.nonzero()[:, 0].tolist())), c

    def _random(self, count: int) -> Tensor:
        """The mean F of random circuits of so many nodes, with means in place of what is ablated: (1 + resample,)."""
        sets = self.shuffles < count  # (circuit, node): so many of each row are
        answers = self.bench.answers(sets)
        found = [rules.faithfulness(each, self.whole, self.none[:1], self.weight) for each in answers]
        return torch.stack(found).mean(0)

    def _members(self, kept: Tensor, roles: list[frozenset[Node]]) -> tuple[Member, ...]:
        """What each member adds: alone first; those that add nothing alone, without each other member in turn.

        The more members are unproved, the fewer others each is tried without: a circuit that names nearly everything
        is judged in the same time, and by that alone loses little, since most of its members add nothing anyway.
        """
        bench, members = self.bench, kept.nonzero()[:, 0].tolist()
        if not members:
            return ()
        found = self._tried(kept, {member: [()] for member in members})
        alone = {bench.number[each.node]: abs(each.effect) for each in found}
        unproved = [bench.number[each.node] for each in found if not each.earned]
        if not unproved:
            return found
        mates = [sorted(bench.number[node] for node in role) for role in roles]
        dear = DEAR if any(bench.nodes[member][2] == "rest" for member in members) else 1
        partners = min(PARTNERS, TRIES // (dear * len(unproved)))
        tries: dict[int, list[tuple[int, ...]]] = {}
        for member in unproved:
            place = bench.nodes[member][2]
            others = [other for other in members if other != member]
            others.sort(key=lambda other: (bench.nodes[other][2] != place, -alone[other]))
            groups = [tuple(mate for mate in role if mate != member) for role in mates if member in role]
            tries[member] = [(), *((other,) for other in others[:partners]), *(group for group in groups if group)]
        again = {bench.number[each.node]: each for each in self._tried(kept, tries)}
        return tuple(again.get(bench.number[each.node], each) for each in found)

    def _tried(self, kept: Tensor, tries: dict[int, list[tuple[int, ...]]]) -> tuple[Member, ...]:
        """What these members add without each of the K that are to be tried."""
        bench = self.bench
        pairs = [(member, K) for member, sets in tries.items() for K in sets]
        with_it = torch.stack([_less(kept, K) for _, K in pairs])
        without_it = torch.stack([_less(kept, (member, *K)) for member, K in pairs])
        effect = (bench.answers(with_it) - bench.answers(without_it))[:, 0]  # (pair, prompt, metric)
        most = max(map(len, tries.values()))
        effects = torch.full((len(tries), most, *effect.shape[1:]), float("nan"))
        at = 0
        for row, sets in enumerate(tries.values()):
            effects[row, : len(sets)] = effect[at : at + len(sets)]
            at += len(sets)
        good, best, share = rules.earned(effects, self.whole - self.none[0], self.weight[1:, 1::2], EARNED)
        return tuple(
            Member(
                bench.nodes[member], float(share[row]), _nodes(bench, tries[member][int(best[row])]), bool(good[row])
            )
            for row, member in enumerate(tries)
        )


def _nodes(bench: Bench, numbers: tuple[int, ...]) -> tuple[Node, ...]:
    return tuple(bench.nodes[number] for number in numbers)


def _some_of(members: Tensor, count: int, source: torch.Generator) -> Tensor:
    """Random subsets of a set: each takes its own share of it, up to one half, and at least one node."""
    where = members.nonzero()[:, 0]
    found = torch.zeros(count, len(members), dtype=torch.bool)
    if len(where):
        share = torch.rand(count, 1, generator=source) / 2
        chance = torch.rand(count, len(where), generator=source)
        found[:, where] = (chance < share) | (chance == chance.amin(1, keepdim=True))
    return found


def _less(kept: Tensor, gone: tuple[int, ...]) -> Tensor:
    left = kept.clone()
    left[list(gone)] = False
    return left

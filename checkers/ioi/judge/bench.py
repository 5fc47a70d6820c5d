"""What a model answers when only some of its nodes work: many sets of nodes at once, on one core or on a GPU.

Exact, and cheaper than whole forward passes. What a position computes depends on the nodes there and on earlier
positions alone. Up to the first name, and at all places where no node is kept, everything is as when none is kept;
so only the other positions are run. Sets that keep the same nodes of the first layers are one set up to there: what a
layer's heads find depends on the layers below alone. The last layer is run at the prompts' ends.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.ioi.judge.circuit import PLACES, Node, all_nodes
from headwork.checkers.ioi.judge.data import DONORS, Data
from headwork.models.gpt2 import GPT2
from headwork.solutions.ioi.engine import Engine, Trace, mix

MEAN, ABLATIONS = 0, 1 + DONORS  # an ablation is numbered: the mean, then each donor
METRICS = ("logit difference", "IO against absent names")
ROWS = 768  # prompts in one run on a CPU; a GPU takes more
REST = PLACES.index("rest")

Told = Callable[[int], None]  # how many sets have been run since the last time


@dataclass
class Ground:
    """One ablation: what ablated heads write, and the run in which all of them are."""

    z: list[Tensor]  # (prompt, position, head, d_head) a layer
    trace: Trace  # pre, k and v


class Bench:
    """A model on prompts. Sets of nodes are booleans (set, node), True for what is kept, in the order of `nodes`.

    Values are kept: a set that was run with an ablation before is not run again.
    """

    def __init__(self, model: GPT2, data: Data, told: Told = lambda count: None):
        self.device = next(model.parameters()).device
        self.model, self.data, self.told = model, data, told
        self.nodes = all_nodes(model.config.n_layers, model.config.n_heads)
        self.number = {node: index for index, node in enumerate(self.nodes)}
        self.end = data.prompts.positions["END"].to(self.device)
        self.engine = Engine(model, self.end)
        self.place = data.place[:, : self.engine.length].to(self.device)
        self.named = self._positions(range(REST))
        first = int(torch.minimum(data.prompts.positions["IO"], data.prompts.positions["S1"]).min())
        self.all = torch.arange(first, self.engine.length, device=self.device).expand(len(data), -1)
        self.values: dict[tuple[int, bytes], Tensor] = {}  # (prompt, metric) by ablation and set
        self.grounds: dict[int, Ground] = {}
        self.rows = ROWS if self.device.type == "cpu" else 32 * ROWS
        self._names()

    def mask(self, nodes: Iterable[Node]) -> Tensor:
        """The set of these nodes, (node,)."""
        found = torch.zeros(len(self.nodes), dtype=torch.bool)
        found[[self.number[node] for node in nodes]] = True
        return found

    @torch.no_grad()
    def answers(self, kept: Tensor, ablations: Iterable[int] = (MEAN,)) -> Tensor:
        """The metrics with these sets kept and all else ablated: (set, ablation, prompt, metric), on the CPU."""
        ablations = list(ablations)
        keys = [mask.numpy().tobytes() for mask in kept]
        for ablation in ablations:
            new = {key: index for index, key in enumerate(keys) if (ablation, key) not in self.values}
            chosen = kept[list(new.values())]
            quiet = ~chosen.unflatten(1, (-1, len(PLACES)))[..., REST].any(1)  # no node outside the named places
            for group in (quiet, ~quiet):
                alike = sorted(group.nonzero()[:, 0].tolist(), key=lambda index: chosen[index].tolist())  # run together
                for some in chosen[alike].split(max(1, self.rows // len(self.data))) if alike else ():
                    found = self._run(some.to(self.device), ablation).float().cpu()
                    for mask, value in zip(some, found, strict=True):
                        self.values[ablation, mask.numpy().tobytes()] = value
                    self.told(len(some))
        return torch.stack([torch.stack([self.values[ablation, key] for ablation in ablations]) for key in keys])

    def ground(self, ablation: int) -> Ground:
        """What ablated heads write, once for each prompt."""
        if not self.grounds:
            self._make_grounds()
        return self.grounds[ablation]

    @torch.no_grad()
    def _make_grounds(self) -> None:
        data, device = self.data, self.device
        twins = [self.engine.run(each.to(device))[0].z for each in data.twins]
        stratum = data.stratum.to(device)
        _, stratum = stratum.unique(return_inverse=True)
        count = torch.bincount(stratum).float() * len(twins)
        means = []
        for layer in self.engine.layers:
            total = sum(each[layer] for each in twins)
            assert isinstance(total, Tensor)
            mean = total.new_zeros(len(count), *total.shape[1:]).index_add_(0, stratum, total)
            means.append((mean / count[:, None, None, None])[stratum])
        self.grounds[MEAN] = self._ground(means)
        for donor in range(DONORS):
            prompt, twin = data.donors[donor].to(device), data.donor_twins[donor].to(device)
            drawn = [torch.stack([each[layer] for each in twins])[twin, prompt] for layer in self.engine.layers]
            self.grounds[MEAN + 1 + donor] = self._ground(drawn)

    def _ground(self, z: list[Tensor]) -> Ground:
        stream, trace = self.engine.embed(self.data.prompts.tokens[:, : self.engine.length].to(self.device)), Trace()
        for layer in self.engine.layers:
            _, k, v = self.engine.qkv(layer, stream)
            trace.pre.append(stream)
            trace.k.append(k)
            trace.v.append(v)
            middle = stream + self.engine.write(layer, z[layer])
            stream = middle + self.engine.mlp(layer, middle)
        return Ground(z, trace)

    def _run(self, kept: Tensor, ablation: int) -> Tensor:
        """(set, prompt, metric). Either no set keeps a node outside the named places, or all positions are run."""
        engine, ground = self.engine, self.ground(ablation)
        layers = kept.unflatten(1, (len(engine.layers), -1, len(PLACES)))  # (set, layer, head, place)
        at = self.all if layers[..., REST].any() else self.named  # (prompt, position)
        place = self.place.gather(1, at)
        stream = self._at(ground.trace.pre[0], at)[None]  # (beginning, prompt, position, d_model)
        begins = torch.zeros(len(kept), dtype=torch.long, device=at.device)  # which beginning is each set's
        for layer in engine.layers:
            q, k, v = engine.qkv(layer, stream)
            k, v = (self._among(new, old[layer], at) for new, old in ((k, ground.trace.k), (v, ground.trace.v)))
            queries = at
            if layer == engine.layers[-1]:
                is_end = (at == self.end[:, None]).int().argmax(1)  # (prompt,)
                rows = torch.arange(len(at), device=at.device)
                stream, q = stream[:, rows, is_end, None], q[:, rows, is_end, None]
                queries, place = self.end[:, None], place[rows, is_end, None]
            mixed = mix(q, k, v, queries)
            _, next_begins = layers[:, : layer + 1].flatten(1).unique(dim=0, return_inverse=True)
            first = self._first(next_begins)  # (beginning,): a set that has it
            begins, parent = next_begins, begins[first]
            works = layers[first, layer][..., place].movedim(1, -1)  # (beginning, prompt, position, head)
            z = torch.where(works[..., None], mixed[parent], self._at(ground.z[layer], queries))
            middle = stream[parent] + engine.write(layer, z)
            stream = middle + engine.mlp(layer, middle)
        return self.metrics(stream[:, :, 0])[begins]

    def metrics(self, stream: Tensor) -> Tensor:
        """The two metrics of streams at the ends: (set, prompt, d_model) to (set, prompt, metric)."""
        normed = self.engine._norm(self.model.ln_final, stream)
        logits = normed @ self.directions + self.offsets  # (set, prompt, name)
        io, s = (logits.gather(-1, which.expand(*logits.shape[:-1], 1))[..., 0] for which in (self.io, self.s))
        return torch.stack([io - s, io - (logits * self.absent).sum(-1) / self.absent.sum(-1)], -1)

    def _names(self) -> None:
        """Directions of the names alone: nothing reads the other logits."""
        prompts, unembed = self.data.prompts, self.model.unembed
        names = torch.cat([prompts.io, prompts.s, prompts.absent.flatten()]).unique()
        column: Any = {int(name): index for index, name in enumerate(names)}
        weight: Any = unembed.W_U
        bias: Any = unembed.b_U
        self.directions = weight.detach()[:, names.to(self.device)]
        self.offsets = bias.detach()[names.to(self.device)]
        self.io, self.s = (
            torch.tensor([column[int(name)] for name in which], device=self.device)[:, None]
            for which in (prompts.io, prompts.s)
        )
        absent = (prompts.absent[:, :, None] == names).any(1)  # (prompt, name)
        self.absent = absent.to(self.device, self.directions.dtype)

    def _positions(self, places: Iterable[int]) -> Tensor:
        """Where these places stand in each prompt, in reading order: (prompt, position)."""
        wanted = torch.isin(self.place, torch.tensor(list(places), device=self.device))
        return wanted.nonzero()[:, 1].reshape(len(wanted), -1)

    @staticmethod
    def _first(numbers: Tensor) -> Tensor:
        """Where each of the numbers from 0 on stands for the first time."""
        order = numbers.argsort(stable=True)
        return order[torch.searchsorted(numbers[order], torch.arange(int(numbers.max()) + 1, device=order.device))]

    @staticmethod
    def _at(value: Tensor, at: Tensor) -> Tensor:
        """(prompt, position, ...) at some positions of each prompt."""
        return value[torch.arange(len(at), device=at.device)[:, None], at]

    @staticmethod
    def _among(new: Tensor, old: Tensor, at: Tensor) -> Tensor:
        """Keys or values that were made anew, (set, prompt, position, head, d_head), among those of all positions."""
        found = old.expand(len(new), *old.shape).clone()
        found[:, torch.arange(len(at), device=at.device)[:, None], at] = new
        return found

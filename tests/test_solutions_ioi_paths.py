"""Path patching against an interpreter of the computation graph: nodes, edges, and a value for each way to reach one.

The interpreter has its own arithmetic, from the weights up, one prompt and one sender at a time. It knows nothing of
layers that are skipped or batched.
"""

import math

import pytest
import torch
from torch import nn

from headwork.models import GPT2, Config
from headwork.solutions.ioi.paths import path_patch, path_patch_by_hand, path_patch_through

VOCAB, BATCH, LENGTH = 19, 3, 7
SHAPES = {
    "GPT-2": {},
    "attention only": {"attn_only": True, "layer_norm": False, "biases": False, "tied": False},
    "one layer, relu": {"n_layers": 1, "activation": "relu"},
}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(8)


@pytest.fixture(params=SHAPES)
def model(request):
    shape = {"d_vocab": VOCAB, "n_ctx": 9, "d_model": 8, "n_heads": 2, "d_mlp": 11, "n_layers": 3}
    made = GPT2(Config(**shape | SHAPES[request.param])).double().requires_grad_(False)
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.5)
    return made


class Graph:
    """The network as a graph. Nodes: ("embed",), ("head", layer, head), ("mlp", layer) and ("logits",).

    Each reads the sum of what the nodes before it wrote, and the b_O of the layers before. `values(edge)` evaluates the
    graph where `edge(parent, node, part)` says which value of a parent the node receives.
    """

    def __init__(self, model, tokens):
        self.model, self.tokens = model, tokens
        config = model.config
        self.order: list[tuple] = [("embed",)]
        for layer in range(config.n_layers):
            self.order += [("head", layer, head) for head in range(config.n_heads)]
            self.order += [] if config.attn_only else [("mlp", layer)]
        self.order.append(("logits",))

    def parents(self, node):
        """Heads of a layer do not read each other; its MLP reads them."""
        before = self.order[: self.order.index(node)]
        return [each for each in before if not (node[0] == "head" and each[0] == "head" and each[1] == node[1])]

    def biases(self, node):
        """The b_O that stand in the stream which the node reads."""
        layers = {"embed": 0, "head": node[1:2], "mlp": node[1:2], "logits": 0}[node[0]]
        count = {"head": lambda: layers[0], "mlp": lambda: layers[0] + 1}.get(
            node[0], lambda: self.model.config.n_layers
        )()
        return sum((self.model.blocks[layer].attn.b_O for layer in range(count)), torch.zeros(()).double())

    def compute(self, node, received):
        """The node's value. received(part): the sum of what its parents sent for that part of it."""
        kind, *place = node
        if kind == "embed":
            return torch.stack(
                [self.model.embed.W_E[t] + self.model.pos_embed.W_pos[i] for i, t in enumerate(self.tokens)]
            )
        if kind == "logits":
            return self.norm(self.model.ln_final, received("all")) @ self.model.unembed.W_U + self.model.unembed.b_U
        block = self.model.blocks[place[0]]
        if kind == "mlp":
            hidden = self.norm(block.ln2, received("all")) @ block.mlp.W_in + block.mlp.b_in
            bent = hidden.clamp(min=0) if self.model.config.activation == "relu" else self.gelu(hidden)
            return bent @ block.mlp.W_out + block.mlp.b_out
        head, attn = place[1], block.attn
        q, k, v = (
            self.norm(block.ln1, received(part)) @ getattr(attn, f"W_{part.upper()}")[head]
            + getattr(attn, f"b_{part.upper()}")[head]
            for part in "qkv"
        )
        rows = []
        for query in range(len(q)):
            scores = torch.stack([q[query] @ k[key] for key in range(query + 1)]) / math.sqrt(q.shape[-1])
            weights = scores.exp() / scores.exp().sum()
            rows.append(sum(weights[key] * v[key] for key in range(query + 1)))
        return torch.stack(rows) @ attn.W_O[head]

    def norm(self, norm, stream):
        if isinstance(norm, nn.Identity):
            return stream
        centred = stream - stream.mean(-1, keepdim=True)
        return centred / ((centred**2).mean(-1, keepdim=True) + norm.eps).sqrt() * norm.w + norm.b

    @staticmethod
    def gelu(x):
        return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))

    def values(self, edge=None, fixed=None):
        """Every node's value; `fixed` gives some beforehand, `edge(parent, node, part)` what a parent sends."""
        found = dict(fixed or {})
        for node in self.order:
            if node in found:
                continue

            def received(part, node=node):
                sent = [edge(p, node, part) if edge else None for p in self.parents(node)]
                pairs = zip(self.parents(node), sent, strict=True)
                return sum(found[p] if s is None else s for p, s in pairs) + self.biases(node)

            found[node] = self.compute(node, received)
        return found


def directly(graph, clean, corrupted, sender, mlps):
    """What each node sends when the sender's direct paths alone carry its change: all other heads are frozen."""
    frozen = {node: value for node, value in clean.items() if node[0] in ("embed", "head") or not mlps}
    frozen.pop(("logits",), None)
    return graph.values(fixed=frozen | {sender: corrupted[sender]})


def by_definition(model, clean, corrupted, end, metric, mlps, receivers=None):
    """The metric for every sender: (layer, head, batch)."""
    rows = []
    for prompt in range(BATCH):
        graph, other = Graph(model, clean[prompt]), Graph(model, corrupted[prompt])
        runs = graph.values(), other.values()
        for layer in range(model.config.n_layers):
            for head in range(model.config.n_heads):
                direct = directly(graph, *runs, ("head", layer, head), mlps)
                if receivers is not None:

                    def edge(parent, node, part, direct=direct):
                        return direct[parent] if node[0] == "head" and (*node[1:], part) in receivers else None

                    direct = graph.values(edge)
                rows.append(direct[("logits",)][end[prompt]])
    logits = torch.stack(rows).unflatten(0, (BATCH, -1)).transpose(0, 1)  # (sender, batch, vocab)
    return metric(logits).unflatten(0, (model.config.n_layers, -1))


def question():
    clean = torch.randint(VOCAB, (BATCH, LENGTH))
    corrupted = clean.clone()
    corrupted[:, 1] = (clean[:, 1] + torch.randint(1, VOCAB, (BATCH,))) % VOCAB
    corrupted[1:, 3] = torch.randint(VOCAB, (BATCH - 1,))
    directions = torch.randn(BATCH, VOCAB, dtype=torch.float64)
    return clean, corrupted, torch.tensor([6, 4, 5]), lambda logits: (logits.log_softmax(-1) * directions).sum(-1)


def test_the_interpreter_computes_the_network(model):
    clean, *_ = question()
    for tokens in clean:
        torch.testing.assert_close(Graph(model, tokens).values()[("logits",)], model(tokens[None])[0])


@pytest.mark.parametrize("mlps", [True, False])
def test_direct_paths_to_the_logits_are_those_of_the_graph(model, mlps):
    asked = question()
    torch.testing.assert_close(
        path_patch(model, *asked, mlps), by_definition(model, *asked, mlps), rtol=1e-10, atol=1e-10
    )


@pytest.mark.parametrize("mlps", [True, False])
@pytest.mark.parametrize(
    "receivers",
    [
        [(2, 1, "q")],
        [(1, 0, "k"), (1, 1, "v")],
        [(2, 0, "v"), (1, 1, "q"), (2, 0, "k")],
        [(0, 1, "q")],
        [(1, 0, "q"), (2, 1, "k")],
    ],
)
def test_paths_through_receivers_are_those_of_the_graph(model, mlps, receivers):
    if model.config.n_layers == 1:
        receivers = [(0, head, part) for _, head, part in receivers]
    asked = question()
    found = path_patch_through(model, *asked, receivers, mlps)
    expected = by_definition(model, *asked, mlps, receivers)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_the_two_conventions_differ_only_by_the_mlps(model):
    asked = question()
    found, frozen = path_patch(model, *asked, True), path_patch(model, *asked, False)
    assert torch.equal(found, frozen) == model.config.attn_only


def test_three_nodes_patched_by_hand():
    found = path_patch_by_hand(
        lambda x: 2 * x, lambda x, a: x * a, lambda x, a, b: x + 10 * a + 100 * b, *torch.tensor([3.0, 5.0])
    )
    clean = 3 + 10 * 6 + 100 * 18
    assert [float(each) for each in found] == [3 + 100 + 100 * 30, clean + 40, clean + 100 * 12]

"""A model on the drawing board: weights written in plain coordinates, then turned so that no axis tells what it is for.

In plain coordinates the residual stream is a row of spaces of 8 numbers each. A symbol s of 16 has the code e_s, or
-e_(s-8) from 8 on, so that 8 numbers hold 16 symbols, and codes of symbols that are not 8 apart are orthogonal.
Positions are coded alike; a shift of the position is then a linear map. Every number is a multiple of a power of 2 and
small, and so are the rotations: float16 holds the weights exactly.
"""

from collections.abc import Sequence
from random import Random

import torch
from torch import Tensor

from headwork.models.config import Config
from headwork.models.gpt2 import GPT2

CODE = 8  # the numbers of a code, and the width of a head
SYMBOLS = 16
FILLERS = 4  # tokens that are no symbol
LENGTH = 16  # the most positions
LAYERS = 3
SPACES = ("token", "position", "first", "second", "answer", "clutter")
WIDTH = CODE * len(SPACES)
MEANS = [WIDTH - 3, WIDTH - 2, WIDTH - 1]  # in `clutter`: the only coordinates that the stream's mean depends on
SHARP = 12.0  # a query times its key, before the division by the root of 8: it gets 70 times an unmatched one's weight
LOUD = 4.0  # the logit of a code in the space `answer`


def code(symbol: int) -> Tensor:
    """(8,); of any whole number, modulo 16."""
    row = torch.zeros(CODE, dtype=torch.float64)
    row[symbol % CODE] = 1 if symbol % SYMBOLS < CODE else -1
    return row


def shifted(back: int) -> Tensor:
    """The map from the code of a position to that of the position so far back, (8, 8)."""
    return torch.stack([code(place - back) for place in range(CODE)])


def same() -> Tensor:
    return torch.eye(CODE, dtype=torch.float64)


class Plan:
    """The weights of one model. What nobody plants is clutter: random heads and MLPs that write where no planted part
    reads, so that their edges change logits of fillers and nothing else.

    With LayerNorm every edge into a node scales the others. There the stream has mean 0 and, at each position, a length
    that is the same for the clean and the corrupted prompt, whichever edges are replaced: each space has one writer
    that writes codes, and clutter depends on positions alone.
    """

    def __init__(self, seed: str, *, gates: bool = False, biases: bool = False, layer_norm: bool = False):
        self.random = Random(seed)
        self.config = Config(
            d_vocab=SYMBOLS + FILLERS,
            n_ctx=LENGTH,
            d_model=WIDTH,
            n_heads=WIDTH // CODE,
            d_mlp=CODE if gates else 0,
            n_layers=LAYERS,
            activation="relu",
            attn_only=not gates,
            layer_norm=layer_norm,
            biases=biases or gates or layer_norm,
            tied=False,
        )
        vocabulary = self.random.sample(range(self.config.d_vocab), self.config.d_vocab)
        self.tokens, self.fillers = vocabulary[:SYMBOLS], vocabulary[SYMBOLS:]  # of each symbol, and of none
        model = GPT2(self.config).double()
        self.weights = {name: torch.zeros_like(value) for name, value in model.state_dict().items()}
        self.free = [(layer, head) for layer in range(LAYERS) for head in range(self.config.n_heads)]
        self.idle_mlps = list(range(LAYERS)) if gates else []
        self._embeddings()

    def _embeddings(self) -> None:
        """Symbols and positions in their spaces, a logit for each code in `answer`, and clutter."""
        W_E, W_pos, W_U = (self.weights[name] for name in ("embed.W_E", "pos_embed.W_pos", "unembed.W_U"))
        W_pos[:, space("clutter")] = self.noise(LENGTH, CODE)
        if self.config.layer_norm:
            W_pos[:, MEANS] = 0
        else:
            W_E[:, space("clutter")] = self.noise(self.config.d_vocab, CODE)
        for symbol, token in enumerate(self.tokens):
            W_E[token, space("token")] = code(symbol)
            W_U[space("answer"), token] = LOUD * code(symbol)
        for place in range(LENGTH):
            W_pos[place, space("position")] = code(place)
        W_U[:, self.fillers] = self.noise(WIDTH, FILLERS) / 8

    def noise(self, *shape: int) -> Tensor:
        """Quarters from -3/4 to 3/4."""
        count = torch.Size(shape).numel()
        return torch.tensor(self.random.choices(range(-3, 4), k=count), dtype=torch.float64).view(shape) / 4

    def place(self, *layers: int) -> list[tuple[int, int]]:
        """A head, drawn from those that are free, in each of these layers."""
        drawn = []
        for layer in layers:
            drawn.append(self.random.choice([free for free in self.free if free[0] == layer]))
            self.free.remove(drawn[-1])
        return drawn

    def layers(self, count: int) -> list[int]:
        """So many layers, drawn, in order."""
        return sorted(self.random.sample(range(self.config.n_layers), count))

    def head(self, at: tuple[int, int], q: Tensor, k: Tensor, v: Tensor, o: Tensor) -> str:
        """Plants a head: q, k and v (d_model, 8), o (8, d_model), in plain coordinates. Returns its name as a node."""
        layer, head = at
        for name, weight in zip(("W_Q", "W_K", "W_V", "W_O"), (q, k, v, o), strict=True):
            self.weights[f"blocks.{layer}.attn.{name}"][head] = weight
        return f"head {layer}.{head}"

    def copier(self, at: tuple[int, int], back: int, to: str, *, sharp: float = SHARP, gain: float = 1) -> str:
        """Plants a head that attends so far back and writes the token's code there to a space."""
        q, k = reads("position", sharp / 4 * shifted(back)), reads("position", 4 * same())
        return self.head(at, q, k, reads("token", same()), writes(to, gain * same()))

    def clutter(self) -> None:
        """Fills what is free, and lets planted heads write clutter as well."""
        if self.config.layer_norm:
            return self._clutter_of_positions()
        for layer in range(self.config.n_layers):
            block = f"blocks.{layer}.attn"
            for head in range(self.config.n_heads):
                self.weights[f"{block}.W_O"][head][:, space("clutter")] += self.noise(CODE, CODE) / 2
        for layer, head in self.free:
            for name in ("W_Q", "W_K", "W_V"):
                self.weights[f"blocks.{layer}.attn.{name}"][head] = self.noise(WIDTH, CODE) / 2
        for layer in self.idle_mlps:
            block = f"blocks.{layer}.mlp"
            self.weights[f"{block}.W_in"] = self.noise(WIDTH, CODE)
            self.weights[f"{block}.W_out"][:, space("clutter")] = self.noise(CODE, CODE) / 4
        self.free, self.idle_mlps = [], []

    def _clutter_of_positions(self) -> None:
        for layer, head in self.free:
            o = writes("clutter", self.noise(CODE, CODE) / 16)
            o[:, MEANS] = 0
            q, k, v = (reads("position", self.noise(CODE, CODE)) for _ in "qkv")
            self.head((layer, head), q, k, v, o)
        self.free = []

    def build(self) -> GPT2:
        """The model, its residual stream and the inside of every head turned by rotations of the seed's."""
        turn = turned(self.random, WIDTH, 16, first=MEANS)
        state = {name: _turn(name, weight, turn) for name, weight in self.weights.items()}
        for layer in range(self.config.n_layers):
            for head in range(self.config.n_heads):
                for pair in ("QK", "VO"):
                    inside = turned(self.random, CODE, 4)
                    for part in pair:
                        W = state[f"blocks.{layer}.attn.W_{part}"][head]
                        W.copy_(inside.T @ W if part == "O" else W @ inside)
                        bias = state.get(f"blocks.{layer}.attn.b_{part}")
                        if bias is not None and part != "O":
                            bias[head] = bias[head] @ inside
        if self.config.layer_norm:
            self._hide_in_norms(state)
        model = GPT2(self.config).double().eval()
        model.load_state_dict(state)
        return model

    def _hide_in_norms(self, state: dict[str, Tensor]) -> None:
        """Gives the LayerNorms scales and shifts, and to what reads them the opposite: folded, they are gone."""
        for norm in [name.removesuffix(".w") for name in state if name.endswith(".w")]:
            w = torch.tensor(self.random.choices((0.5, 1.0, 2.0), k=WIDTH), dtype=torch.float64)
            b = self.noise(WIDTH)
            state[f"{norm}.w"], state[f"{norm}.b"] = w, b
            block = norm.removesuffix(".ln1")
            parts = ["unembed.W_U"] if norm == "ln_final" else [f"{block}.attn.W_{part}" for part in "QKV"]
            for part in parts:
                state[part] = state[part] / w[:, None]
                state[part.replace("W_", "b_")] -= b @ state[part]


def space(name: str) -> slice:
    start = CODE * SPACES.index(name)
    return slice(start, start + CODE)


def reads(name: str, matrix: Tensor) -> Tensor:
    """A map that reads one space of the stream, (d_model, out), from one that reads 8 numbers, (8, out)."""
    whole = torch.zeros(WIDTH, matrix.shape[1], dtype=torch.float64)
    whole[space(name)] = matrix
    return whole


def writes(name: str, matrix: Tensor) -> Tensor:
    """A map that writes to one space of the stream, (in, d_model), from one that gives 8 numbers, (in, 8)."""
    return reads(name, matrix.T).T


def turned(random: Random, size: int, block: int, first: Sequence[int] = ()) -> Tensor:
    """An orthogonal matrix of powers of 2, (size, size): Hadamard blocks between permutations, and signs.

    All its rows have the sum 0 but one a block; if `first` is given, these are those.
    """
    hadamard = torch.ones(1, 1, dtype=torch.float64)
    while len(hadamard) < block:
        hadamard = torch.kron(torch.tensor([[1, 1], [1, -1]], dtype=torch.float64), hadamard)
    whole = torch.block_diag(*[hadamard / block**0.5] * (size // block))
    order = random.sample([row for row in range(size) if row % block or not first], size - len(first))
    rows = iter(order)
    order = [block * list(first).index(place) if place in first else next(rows) for place in range(size)]
    signs = torch.tensor(random.choices((-1, 1), k=size), dtype=torch.float64)
    return signs[:, None] * whole[order][:, random.sample(range(size), size)]


def _turn(name: str, weight: Tensor, turn: Tensor) -> Tensor:
    """A weight for a stream that was multiplied by `turn`."""
    kind = name.rpartition(".")[2]  # LayerNorms are given theirs later
    if kind in ("W_Q", "W_K", "W_V", "W_in", "W_U"):
        return turn.T @ weight
    if kind in ("W_E", "W_pos", "W_O", "W_out", "b_O", "b_out"):
        return weight @ turn
    return weight.clone()


def pick(random: Random, count: int, avoid: Sequence[int] = ()) -> list[int]:
    """Symbols whose codes are orthogonal to each other and to those of `avoid`."""
    free = [place for place in range(CODE) if place not in {symbol % CODE for symbol in avoid}]
    return [place + CODE * random.randrange(2) for place in random.sample(free, count)]

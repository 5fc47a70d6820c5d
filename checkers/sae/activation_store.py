"""`sae.activation_store`: activations of a network as a stream of batches, shuffled, in bounded memory, resumable."""

from collections.abc import Iterator
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.checks import claim, equal, same, satisfies
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case
from headwork.models.config import Config
from headwork.models.gpt2 import GPT2

ask = Exercise("ActivationStore", seconds=20)

CONFIG = Config(d_vocab=800, n_ctx=12, d_model=6, n_heads=2, d_mlp=5, n_layers=2)
GENERATOR = 20_000  # bytes that a generator's state, numbers and names may need


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    with torch.device("meta"):
        shapes = {name: tuple(each.shape) for name, each in GPT2(CONFIG).state_dict().items()}
    for name, hook, readings, (texts, length), batch, capacity, stop, padded in [
        ("the residual stream", "blocks.0.hook_resid_post", 16, (8, 6), 16, 300, 5, False),
        ("texts with padding, a small batch", "blocks.1.hook_mlp_out", 9, (5, 7), 7, 80, 12, True),
        ("heads side by side", "blocks.1.attn.hook_z", 6, (3, 7), 10, 40, 3, True),
        ("a batch that the corpus does not fill", "blocks.0.hook_resid_pre", 2, (2, 5), 50, 200, 0, True),
        ("readings larger than the capacity", "blocks.0.hook_resid_mid", 3, (9, 10), 20, 30, 3, False),
    ]:
        state = {each: rng.normal(shape, spread=0.7) for each, shape in shapes.items()}
        drawn = rng.permutation(CONFIG.d_vocab)[: readings * texts * length]  # no token twice: no two are alike
        tokens = list(drawn.reshape(readings, texts, length))
        counts = [torch.ones(texts, length, dtype=torch.bool) for _ in range(readings)]
        for each in counts:
            each[:, 0] = False
            if padded:
                each[0, length - 2 :] = False
        yield Case(
            name,
            model={"config": asdict(CONFIG), "state": state},
            hook=hook,
            tokens=tokens,
            counts=counts,
            batch=batch,
            capacity=capacity,
            stop=stop,
            seed=rng.seed(),
        )


@lru_cache(maxsize=32)
def _expected(key: int, case: Case) -> tuple[Tensor, Tensor]:
    """Every activation of the corpus, (activation, d_model), and which text it is from."""
    model = GPT2(CONFIG).double()
    model.load_state_dict({name: each.double() for name, each in case.model["state"].items()})
    found, which = [], []
    with torch.no_grad():
        for number, (tokens, counts) in enumerate(zip(case.tokens, case.counts, strict=True)):
            _, cache = model.run_with_cache(tokens, case.hook)
            found.append(cache[case.hook].flatten(2)[counts])
            text = torch.arange(len(tokens))[:, None].expand(tokens.shape) + 1000 * number
            which.append(text[counts])
    return torch.cat(found), torch.cat(which)


def _placed(value: Any, case: Case) -> tuple[Tensor | None, str]:
    """Which activation of the corpus each given one is, in the order given; or what is wrong."""
    expected, _ = _expected(id(case), case)
    if not value or not all(isinstance(each, Tensor) and each.dim() == 2 for each in value):
        return None, "no batches come."
    if any(each.shape[1] != expected.shape[1] for each in value):
        shape = tuple(value[0].shape)
        return None, f"a batch has shape {shape}: {case.hook} has {expected.shape[1]} numbers a position."
    given = torch.cat([each.double() for each in value])
    distance, place = torch.cdist(given, expected, compute_mode="donot_use_mm_for_euclid_dist").min(1)
    strange = int((distance > 1e-4).sum())
    if strange:
        return None, f"of {len(given)} activations given {strange} are not among those of the corpus that count."
    return place, ""


def _each_once(value: Any, case: Case) -> str:
    place, flaw = _placed(value, case)
    if place is None:
        return flaw
    expected = len(_expected(id(case), case)[0])
    times = torch.bincount(place, minlength=expected)
    missing, twice = int((times == 0).sum()), int((times > 1).sum())
    if missing or twice:
        return f"of {expected} activations {missing} never come, and {twice} come more than once."
    sizes = [len(each) for each in value]
    if any(size != case.batch for size in sizes[:-1]) or not 0 < sizes[-1] <= case.batch:
        return f"the batches have the sizes {_few(sizes)}: all but the last have to have {case.batch}."
    return ""


def _mixed(value: Any, case: Case) -> str:
    """How often neighbours are of one text: in a right answer at most as often as by chance among half the capacity."""
    place, flaw = _placed(value, case)
    if place is None:
        return flaw
    text = _expected(id(case), case)[1][place]
    same_text = int((text[1:] == text[:-1]).sum())
    size = int(case.counts[0].sum(1).max())
    chance = len(text) * (size - 1) / (case.capacity / 2)  # a Poisson number this far above comes once in 10^9
    bound = chance + 7 * chance**0.5 + 12
    if same_text > bound:
        return f"of {len(text) - 1} neighbours {same_text} are from the same text: shuffle over all that is held."
    return ""


def _few(sizes: list[int]) -> str:
    return ", ".join(map(str, sizes[:6])) + (", …" if len(sizes) > 6 else "")


def _largest(case: Case) -> int:
    return max(int(each.sum()) for each in case.counts)


def _ahead(value: Any, case: Case) -> str:
    most = case.capacity + _largest(case)
    if value > most:
        return f"{value} activations are read ahead: at most the capacity and one reading, {most}."
    return ""


def _held(value: Any, case: Case) -> str:
    if value is not None and 2 * value < case.capacity:
        return f"a batch is drawn from {value} activations: from at least half of the capacity, {case.capacity}."
    return ""


def _state(value: Any, case: Case) -> str:
    most = (case.capacity + _largest(case)) * CONFIG.d_model * 8 + GENERATOR
    return f"the state has {value[0]} bytes: at most {most} are needed." if value[0] > most else ""


def _in_order(value: Any, case: Case) -> str:
    readings = list(range(len(case.tokens)))
    asked = [index for index in value if index < len(readings)]
    if asked != readings:
        return f"the readings {_few(asked)} were asked for: each is read once, from 0 onwards."
    return ""


def _not_again(value: Any, case: Case) -> str:
    return f"after loading, the readings {_few(value)} are read a second time." if value else ""


ask.checks(
    claim("given", _each_once, title="gives out each activation that counts once, in batches", weight=3),
    claim("in which order", _mixed, title="mixes the texts", weight=2),
    satisfies("ahead", _ahead, title="holds no more than its capacity and one reading", weight=2),
    satisfies("held", _held, title="draws each batch from at least half of its capacity"),
    satisfies("asked", _in_order, title="reads the corpus once, in order"),
    same("again", as_="batches", title="the same seed gives the same batches"),
    equal("other seed is other", title="another seed gives others"),
    equal("draws from elsewhere", title="draws from its own generator alone"),
    equal("gradient", title="activations carry no graph"),
    same("resumed", as_="batches", title="a store that is loaded goes on with the same batches", weight=2),
    satisfies("asked again", _not_again, title="and reads nothing a second time"),
    equal("state changed", title="a state stays as it is while the store goes on"),
    satisfies("state", _state, title="a state is no larger than what is held"),
)

SHUFFLE = "            self.held = held[torch.randperm(len(held), generator=self.generator).to(held.device)]\n"
CUT = "given, self.held = self.held[: self.batch], self.held[self.batch :]"
WHEN = "if not self.ended and count < self.batch + self.capacity // 2:"
STATE = 'return {"held": held, "next": self.next, "ended": self.ended, "generator": self.generator.get_state()}'
KEEP = "parts.append(cache[self.hook].flatten(2)[counts])"
FEW = "Batches are drawn from few activations: read until the store is full, and read on at half of its capacity."

ask.mistakes(
    edit(SHUFFLE, "            self.held = held\n", "Nothing is shuffled: a batch holds neighbours of one text."),
    edit(
        "self.held = held[torch.randperm(len(held), generator=self.generator).to(held.device)]",
        "self.held = held[torch.randperm(len(held)).to(held.device)]",
        "The order is drawn from PyTorch's global generator: draw it from one of your own, made with the seed.",
    ),
    edit(
        "torch.Generator().manual_seed(seed)",
        "torch.Generator().manual_seed(0)",
        "The seed is not used: another seed has to give another order.",
    ),
    edit(
        "while count < self.capacity and not self.ended:",
        "while not self.ended:",
        "The whole corpus is read at once: stop reading when as much is held as may be.",
    ),
    edit(
        "while count < self.capacity and not self.ended:",
        "while count < self.batch and not self.ended:",
        FEW,
    ),
    edit(KEEP, "parts.append(cache[self.hook].flatten(2).flatten(0, 1))", "Positions that do not count are kept."),
    edit(
        KEEP,
        "parts.append(cache[self.hook].flatten(2)[:, 1:].flatten(0, 1))",
        "The first position alone is left out, and padding is kept: keep what `counts` says.",
    ),
    edit(
        KEEP,
        "parts.append(cache[self.hook].flatten(2)[counts].flip(-1))",
        "The coordinates are in another order than in the activation.",
    ),
    edit(
        "        if self.held is None or not len(self.held):\n            raise StopIteration\n",
        "        if self.held is None or len(self.held) < self.batch:\n            raise StopIteration\n",
        "The last activations are dropped, since they fill no batch: give out a smaller one.",
    ),
    edit(CUT, "given = self.held[: self.batch]", "What is given out stays in the store, and is given out again."),
    edit(
        "parts = [] if self.held is None else [self.held]",
        "parts = list[Tensor]()",
        "What was still held is thrown away when new activations are read.",
    ),
    edit(
        WHEN,
        "if not self.ended and count < self.batch:",
        FEW,
    ),
    edit(WHEN, "if self.held is None:", "The store is filled once and never again: read on when little is left."),
    edit(
        STATE,
        STATE.replace("self.generator.get_state()", "torch.Generator().manual_seed(0).get_state()"),
        "The generator's state is not kept, so what is read after loading is shuffled in another order.",
    ),
    edit(
        STATE,
        STATE.replace('"next": self.next', '"next": 0'),
        "Where the reading stands is not kept, so a loaded store begins with the corpus anew.",
    ),
    edit(
        STATE,
        STATE.replace('"held": held', '"held": None'),
        "What was held is not kept, so a loaded store leaves it out.",
    ),
    edit("                self.next += 1\n", "", "The same reading is asked for again and again: count on."),
    edit(
        "    @torch.no_grad()\n    def __next__",
        "    def __next__",
        "Activations keep the network's graph, and with it all memory: use torch.no_grad().",
    ),
)

SOONER = "When to read on is free, as long as each batch is drawn from at least half of the capacity."
AGAIN = "After the last reading it asks once more, and is told None once more."

ask.survives(WHEN, WHEN.replace("<", "<="), SOONER)
ask.survives(WHEN, WHEN.replace("self.batch + ", ""), SOONER)
ask.survives(WHEN, WHEN.replace("// 2", "// 1"), SOONER)
ask.survives(
    "while count < self.capacity and (not self.ended):",
    "while count <= self.capacity and (not self.ended):",
    "One reading more than the capacity may be held.",
)
ask.survives("self.ended = True", "", AGAIN)
ask.survives("self.ended = True", "self.ended = False", AGAIN)
ask.survives(
    "count += len(parts[-1])",
    "count += len(parts[-0])",
    "It counts too much, and so reads less at a time and more often: how much is free above half the capacity.",
)

"""What `house` is measured by: its English, induction, IOI, and a circuit that goes through queries."""

from collections.abc import Iterator

from headwork.models.gpt2 import GPT2
from headwork.models.measure.experiments import report
from headwork.models.measure.experiments.bench import named
from headwork.models.measure.experiments.circuit import Circuit, copying
from headwork.models.measure.experiments.prompts import classic_prompts
from headwork.models.measure.measure import Measure, at_least, at_most, figure


def measure(model: GPT2) -> Iterator[Measure]:
    assert model.tokenizer is not None
    yield from report.english(model)
    yield from report.induction(model)
    yield from report.ioi(model)
    circuit = Circuit(model, classic_prompts(model.tokenizer, 96, seed=0))
    yield from report.answers(circuit)
    yield from name_movers(circuit)
    yield from inhibition(circuit)
    yield from duplicates(circuit)


def name_movers(circuit: Circuit) -> Iterator[Measure]:
    """Who says the name, where they look, and what is left without them."""
    movers, prompts = circuit.name_movers, circuit.prompts
    here = f"Heads {named(movers)}, together."
    yield at_least(
        "name movers' copying score", copying(circuit.model, movers), 0.9, unit="%", digits=0,
        sentence="Names that are among the five likeliest tokens when one of these heads alone has read them.",
    )  # fmt: skip
    yield figure("name movers look at IO", circuit.mover_attention(prompts.io), sentence=here)
    yield figure("name movers look at S1", circuit.mover_attention(prompts.s1), sentence=here)
    yield figure(
        "name movers look at S1, S1 replaced", circuit.mover_attention(prompts.s1, tokens=prompts.without_s1()),
        sentence="At the newcomer who stands there.",
    )  # fmt: skip
    without = circuit.ablated(movers)
    yield at_most("probability of IO, name movers ablated", float(without.p_io.mean()), 0.1, sentence=here)
    yield figure("logit difference, name movers ablated", float(without.difference.mean()))


def inhibition(circuit: Circuit) -> Iterator[Measure]:
    """The heads that read S2, and what goes from them to the name movers' queries."""
    heads, prompts = circuit.inhibitors, circuit.prompts
    looks = circuit.looks(prompts.end, prompts.s2)
    strongest = max((float(looks[head]) for head in heads), default=0.0)
    yield at_least("S-inhibition heads look at S2", strongest, 0.25, sentence=f"The most of heads {named(heads)}.")
    yield from report.queries(circuit, bar=0.5)
    hooks = circuit.query_path(heads)
    yield figure("name movers look at IO, path changed", circuit.mover_attention(prompts.io, hooks))
    yield figure("name movers look at S1, path changed", circuit.mover_attention(prompts.s1, hooks))
    yield figure("logit difference, S-inhibition heads ablated", report.difference(circuit, heads))
    direct = sum(float(circuit.says_s[head]) for head in heads)
    yield figure(
        "S-inhibition heads on the logit of S", direct,
        sentence="What they add to it directly, past the name movers.",
    )  # fmt: skip


def duplicates(circuit: Circuit) -> Iterator[Measure]:
    """The heads that notice, at S2, that S has been there before."""
    heads, prompts = circuit.duplicates, circuit.prompts
    for key, where in ((prompts.s1, "S1"), (prompts.s1 + 1, "the token after S1")):
        looks = circuit.looks(prompts.s2, key)
        best = max(circuit.bench.heads, key=lambda head: float(looks[head]))
        yield figure(
            f"from S2 to {where}", float(looks[best]),
            sentence=f"The attention of head {named([best])}, the strongest there.",
        )  # fmt: skip
    without = circuit.ablated(heads)
    yield figure(
        "logit difference, duplicate-token heads ablated", float(without.difference.mean()),
        sentence=f"Heads {named(heads)}: they look from S2 at S1 or the token after it, and not when S1 is replaced.",
    )  # fmt: skip
    yield figure("IO above S, duplicate-token heads ablated", float(without.above.mean()), unit="%", digits=0)
    if heads and circuit.inhibitors:
        yield figure(
            "logit difference, keys at S2 misled", float(circuit.key_path(heads).difference.mean()),
            sentence="When they tell the S-inhibition heads' keys what they would without S1, and nobody else.",
        )  # fmt: skip

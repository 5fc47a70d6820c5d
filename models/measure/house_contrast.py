"""What `house-contrast` is measured by: it answers as `house` does, by heads that subtract the subject."""

from collections.abc import Iterator

from torch import Tensor

from headwork.models.gpt2 import GPT2
from headwork.models.measure.experiments import report
from headwork.models.measure.experiments.bench import Answers, Head, named
from headwork.models.measure.experiments.circuit import Circuit, copying
from headwork.models.measure.experiments.prompts import classic_prompts
from headwork.models.measure.measure import Measure, at_least, at_most, figure


def measure(model: GPT2) -> Iterator[Measure]:
    assert model.tokenizer is not None
    yield from report.english(model)
    yield from report.induction(model)
    yield from report.ioi(model, above=0.99)
    circuit = Circuit(model, classic_prompts(model.tokenizer, 96, seed=0))
    yield from report.answers(circuit)
    yield from copiers(circuit)
    yield from subtraction(circuit)
    yield from report.queries(circuit)


def copiers(circuit: Circuit) -> Iterator[Measure]:
    """Heads that say every name that is there, whoever gives."""
    heads = circuit.sayers
    here = f"Heads {named(heads)}, together."
    bench, prompts = circuit.bench, circuit.prompts
    clean = bench.clean

    def silenced(some: list[Head], place: Tensor) -> Answers:
        return bench.answers(bench.replacing(some, bench.means, place))

    yield figure(
        "copiers' copying score", copying(circuit.model, heads), unit="%", digits=0,
        sentence="Names that are among the five likeliest tokens when one of these heads alone has read them.",
    )  # fmt: skip
    yield figure("copiers on the logit of IO", _sum(circuit.says_io, heads), sentence=here)
    yield figure("copiers on the logit of S", _sum(circuit.says_s, heads), sentence="As much.")
    without = silenced(heads, prompts.end)
    yield at_most("probability of IO, copiers ablated at the end", float(without.p_io.mean()), 0.2, sentence=here)
    yield figure(
        "logit difference gained, copiers ablated at the end", float((without.difference - clean.difference).mean()),
        sentence="All of them: the name is hardly said, and leads as before.",
    )  # fmt: skip
    singly = [float((silenced([head], prompts.end).difference - clean.difference).mean()) for head in heads]
    yield at_least(
        "logit difference gained, one copier ablated at the end", min(singly, default=float("nan")), 0.0,
        sentence="The least of them: without a head that says the name, it leads by more.",
    )  # fmt: skip
    yield figure(
        "logit difference, copiers ablated at S2", float(silenced(heads, prompts.s2).difference.mean()),
        sentence="Their other job: what they write at S2 is read by heads that look there.",
    )  # fmt: skip


def subtraction(circuit: Circuit) -> Iterator[Measure]:
    """Heads that look at S2 and say: not this one."""
    heads = [head for head in circuit.readers if circuit.says_s[head] < 0]
    here = f"Heads {named(heads)}, together."
    clean, without = circuit.bench.clean, circuit.ablated(heads)
    yield figure(
        "subtractors' negative copying score", copying(circuit.model, heads, sign=-1), unit="%", digits=0,
        sentence="Names that are among the five least likely tokens when one of these heads alone has read them.",
    )  # fmt: skip
    yield at_most("subtractors on the logit of S", _sum(circuit.says_s, heads), -3.0, sentence=here)
    yield figure("subtractors on the logit of IO", _sum(circuit.says_io, heads), sentence=here)
    lost = float((clean.difference - without.difference).mean() / clean.difference.mean())
    yield figure("logit difference lost, subtractors ablated", lost, unit="%", digits=0, sentence=here)


def _sum(said: Tensor, heads: list[Head]) -> float:
    return sum(float(said[head]) for head in heads)

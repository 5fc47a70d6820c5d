"""The figures that `house` and `house-contrast` are both measured by."""

from collections.abc import Iterator

import torch

from headwork.models.data.english import words
from headwork.models.gpt2 import GPT2
from headwork.models.measure.experiments import behaviour
from headwork.models.measure.experiments.bench import Head, named
from headwork.models.measure.experiments.circuit import Circuit
from headwork.models.measure.experiments.induction import Repeats, match_matrix
from headwork.models.measure.measure import Measure, at_least, at_most, below, figure

PROMPTS = 2400  # a cell of the table of names and sentences: a hundredth is told from two
INDUCES = 0.3  # attention to the token after an earlier copy, from which a head is an induction head


def english(model: GPT2) -> Iterator[Measure]:
    """Size and plain text."""
    megabytes = 2 * sum(parameter.numel() for parameter in model.parameters()) / 1e6
    yield at_most("size", megabytes, 3, unit="MB", sentence="Its weights in float16.")
    yield at_most(
        "loss on new texts", behaviour.text_loss(model, 200), 2.6, unit="nats",
        sentence="A token's mean loss on texts of the mixture that it was not trained on; a uniform guess has 7.49.",
    )  # fmt: skip
    texts = behaviour.own_texts(model, 40)
    yield at_least(
        "sentences that the grammar has", behaviour.in_grammar(texts), 0.9, unit="%", digits=0,
        sentence="Of the sentences it writes from nothing at temperature 1, those that its teacher could have written.",
    )  # fmt: skip


def induction(model: GPT2) -> Iterator[Measure]:
    """The second copy of random tokens, and by which heads."""
    repeats = Repeats(model)
    scores, (first, second) = repeats.scores(), repeats.losses()
    heads = model.config.n_heads
    previous: Head = divmod(int(scores.previous.argmax()), heads)
    inducers = [divmod(index, heads) for index in (scores.induction.flatten() > INDUCES).nonzero().flatten().tolist()]
    yield figure(
        "random tokens, first copy", first, unit="nats",
        sentence="The loss on 40 random tokens: above a guess, since it expects sentences.",
    )  # fmt: skip
    yield below("random tokens, second copy", second, 0.5, unit="nats", sentence="The loss when the same 40 follow.")
    yield at_least(
        "previous-token head", float(scores.previous.max()), 0.5,
        sentence=f"The attention of head {named([previous])} to the token before, on random tokens.",
    )  # fmt: skip
    yield at_least(
        "induction head", float(scores.induction.max()), 0.5,
        sentence="The attention of the best induction head to the token after an earlier copy. "
        f"Above {INDUCES} have: {named(inducers)}.",
    )  # fmt: skip
    below_them = [head for head in inducers if head[0] > previous[0]]
    for mlps, way in ((False, "directly"), (True, "directly and by way of MLPs")):
        left = repeats.kept(repeats.losses(repeats.cut([previous], below_them, mlps=mlps))[1], second)
        name = f"left of the benefit, edge cut {way}"
        sentence = f"What a second copy saves with the edge from {named([previous])} to the induction heads' keys cut."
        if mlps:
            yield at_most(name, left, 0.1, unit="%", digits=0, sentence=sentence)
        else:
            yield figure(name, left, unit="%", digits=0, sentence=sentence)
    best: Head = divmod(int(scores.induction.argmax()), heads)
    vocabulary = _vocabulary(model)
    for effective in (False, True):
        name = f"match matrix, {'effective' if effective else 'raw'} embeddings"
        matrix = match_matrix(model, previous, best, vocabulary, effective=effective)
        share = float((matrix.argmax(1) == torch.arange(len(matrix))).float().mean())
        sentence = f"Words whose query in head {named([best])} likes the key after themselves best, of {len(matrix)}."
        if effective:
            yield at_least(name, share, 0.8, unit="%", digits=0, sentence=sentence)
        else:
            yield figure(name, share, unit="%", digits=0, sentence=sentence)


def _vocabulary(model: GPT2) -> torch.Tensor:
    """The tokens of names, places, things, colours and so on."""
    assert model.tokenizer is not None
    lists = ("place", "object", "animal", "colour", "food", "job")
    spoken = words.NAMES + [word for name in lists for word in words.GRAMMAR[name]]
    return torch.tensor(list(dict.fromkeys(model.tokenizer.single_token(f" {word}") for word in spoken)))


def ioi(model: GPT2, above: float = 0.99) -> Iterator[Measure]:
    """The behaviour: four cells of names and sentences, and rosters. above: the bar for IO above S."""
    for cell in behaviour.CELLS:
        found = behaviour.ioi(model, cell, PROMPTS)
        yield at_least(
            f"IO above S: {cell}", found.above, above, unit="%", digits=1,
            sentence=f"The mean logit difference is {found.difference:.1f}.",
        )  # fmt: skip
        yield at_least(
            f"IO on top: {cell}", found.top, 0.8, unit="%", digits=1,
            sentence=f"Its mean probability is {found.probability:.2f}.",
        )  # fmt: skip
    for kind, who in (("nobody", "somebody else"), ("giver", "one of the two"), ("givers", "both")):
        found = behaviour.rosters(model, kind, PROMPTS)
        yield figure(
            f"rosters, {who} gives", found.above, unit="%", digits=0,
            sentence="Of three people two are mentioned twice: the third is above both. "
            f"Its mean probability is {found.probability:.2f}.",
        )  # fmt: skip


def answers(circuit: Circuit) -> Iterator[Measure]:
    """What the circuit's prompts are answered, and without S1."""
    clean, prompts = circuit.bench.clean, circuit.prompts
    yield figure("logit difference", float(clean.difference.mean()), sentence="IO minus S.")
    yield figure(
        "IO against absent names", float(clean.against_absent.mean()),
        sentence="The logit of IO minus the mean one of four names that are not there.",
    )  # fmt: skip
    yield figure("probability of IO", float(clean.p_io.mean()))
    other = circuit.bench.answers(tokens=prompts.without_s1())
    yield figure("logit difference, S1 replaced", float(other.difference.mean()), sentence="Somebody else in S1.")
    yield at_most(
        "probability of IO, S1 replaced", float(other.p_io.mean()), 0.6, sentence="The newcomer has the rest."
    )


def difference(circuit: Circuit, heads: list[Head]) -> float:
    return float(circuit.ablated(heads).difference.mean())


def queries(circuit: Circuit, bar: float | None = None) -> Iterator[Measure]:
    """What goes from heads that read S2 to the queries of those that look at IO."""
    share = circuit.share(circuit.moved) if circuit.name_movers and circuit.inhibitors else 0.0
    sentence = (
        "The share of the difference between this giver and the other one that is made by changing the path from heads "
        f"that read S2 ({named(circuit.inhibitors)}) to the name movers' queries ({named(circuit.name_movers)}) alone."
    )
    if bar is None:
        yield figure("through the queries", share, unit="%", digits=0, sentence=sentence)
    else:
        yield at_least("through the queries", share, bar, unit="%", digits=0, sentence=sentence)

"""Names the mistake behind a wrong answer: one that does the same as the learner's code on every case."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from time import thread_time

from headwork.checkers.exercise import Edit, Exercise, Mistake
from headwork.grading.agree import Suspect
from headwork.grading.expect import observe_mistake, reference_source
from headwork.grading.judge import Known
from headwork.grading.plan import Observation

MOST_PAIRS = 171  # those of nineteen edits
PATIENCE = 15.0  # seconds of computing


@dataclass(frozen=True)
class Variant:
    """One wrong answer that is known: its source, and what its author needs to hear."""

    source: str
    sentences: tuple[str, ...]


def variants(exercise: Exercise) -> Iterator[Variant]:
    """The exercise's mistakes, then pairs of its edits that can be made together, those of early mistakes first.

    Pairs grow with the square of the edits, and a learner waits for all of them to be tried: MOST_PAIRS at most.
    """
    source = reference_source(exercise)
    for mistake in exercise.list_of_mistakes:
        yield Variant(wrong_source(source, mistake), (mistake.sentence,))
    edits = [mistake for mistake in exercise.list_of_mistakes if isinstance(mistake, Edit)]
    places = sorted(combinations(range(len(edits)), 2), key=sum)[:MOST_PAIRS]
    for one, other in ((edits[first], edits[second]) for first, second in places):
        try:
            both = other.apply(one.apply(source))
        except ValueError:
            continue  # they change the same place
        yield Variant(both, (one.sentence, other.sentence))


def wrong_source(source: str, mistake: Mistake) -> str:
    """The source of a mistake made of the reference's `source`."""
    return mistake.apply(source) if isinstance(mistake, Edit) else mistake.source


def name_mistake(exercise: Exercise, known: Known, seen: list[Observation], seed: int, device: str) -> tuple[str, ...]:
    """The sentences of the first variant that agrees with the learner in every run; empty when none does.

    A learner waits for it: pairs are tried for as long as all that was tried has computed for less than PATIENCE.
    """

    def observe(source: str, run: int) -> Observation:
        return observe_mistake(exercise.id, source, seed, device, run)

    suspect, start = Suspect(exercise.list_of_checks, known, seen), thread_time()
    for variant in variants(exercise) if suspect.tells else ():
        if len(variant.sentences) > 1 and thread_time() - start > PATIENCE:
            break
        if suspect.agrees(partial(observe, variant.source)):
            return variant.sentences
    return ()

"""What chapter `induction` says of the house model, measured again on its weights: `python benchmarks/house.py`.

Finds the previous-token head and both findings by the judge's own experiments, writes them where they are named, writes
the chapter's printed blocks anew and runs `headwork build`. The claims in the prose are tests: those that fail name the
sentences to change.
"""

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import torch

from headwork.checkers.induction.judge import claims
from headwork.checkers.induction.judge.data import repeats
from headwork.checkers.induction.judge.experiments import losses_keeping
from headwork.checkers.induction.judge.rules import BAR, PRESENT
from headwork.solutions.induction.patterns import pattern_scores

ROOT = Path(__file__).parents[1]
FINDINGS = ROOT / "solutions/induction/findings.py"
CLAIMS = ROOT / "checkers/induction/judge/claims.py"
ALTERNATIVES = ROOT / "checkers/induction/alternatives"
SEEDS = range(3)
SPARE = 2  # heads that the exhaustive search may choose from, beyond those of the smallest set of the greedy one

Head = tuple[int, int]


def named(head: int) -> Head:
    return divmod(head, claims.model().config.n_heads)


def previous_token_head() -> Head:
    """The head that attends most to the token before, on texts in which nothing repeats."""
    texts = claims.texts(0)["texts that repeat"]
    _, cache = claims.model().run_with_cache(texts.unrepeated, lambda name: name.endswith("hook_pattern"))
    return named(int(pattern_scores(torch.stack(list(cache.values())))["previous"].argmax()))


def induction_heads() -> list[Head]:
    worths = torch.stack([claims.worths(seed) for seed in SEEDS]).mean(0)
    return [named(head) for head, share in enumerate((worths / worths.sum()).tolist()) if share >= PRESENT]


def keeps(heads: frozenset[int]) -> bool:
    return all(share >= BAR for seed in SEEDS for _, _, share, _ in claims.kept(seed, heads))


def smallest_sets() -> list[list[Head]]:
    """All sets of the smallest size that was found, by taking heads away one at a time, then by trying all subsets."""
    model = claims.model()
    everything = model.config.n_layers * model.config.n_heads
    few = repeats(8, claims.LENGTH, model.config.d_vocab, torch.Generator().manual_seed(5))
    nested = [frozenset(range(everything))]
    while len(nested[-1]) > 1:
        rest = [nested[-1] - {head} for head in nested[-1]]
        masks = torch.zeros(len(rest), everything, dtype=torch.bool)
        for row, heads in enumerate(rest):
            masks[row, list(heads)] = True
        nested.append(rest[int(losses_keeping(model, few, masks, "resample").mean(1).argmin())])
    enough = next(heads for heads in reversed(nested) if keeps(heads))
    pool = next(heads for heads in nested if len(heads) <= len(enough) + SPARE)
    for size in range(1, len(enough) + 1):
        found = [heads for heads in itertools.combinations(sorted(pool), size) if keeps(frozenset(heads))]
        if found:
            return [[named(head) for head in heads] for heads in found]
    raise AssertionError("a set that keeps it keeps it no longer")


def main() -> int:
    previous, heads, sets = previous_token_head(), induction_heads(), smallest_sets()
    print(f"previous-token head {previous}; induction heads {heads}; smallest sets {sets}")
    text = FINDINGS.read_text(encoding="utf-8")
    for name, found in (("INDUCTION_HEADS", heads), ("SMALLEST_SET", sets[0])):
        text = re.sub(rf"(?m)^({name}: .* = ).*$", rf"\g<1>{found}", text)
    FINDINGS.write_text(text, encoding="utf-8")
    text = CLAIMS.read_text(encoding="utf-8")
    CLAIMS.write_text(re.sub(r"(?m)^PREVIOUS = \(.*?\)", f"PREVIOUS = {previous}", text), encoding="utf-8")
    turned, other = (tuple(map(list, reversed(each))) for each in (heads, sets[-1]))
    (ALTERNATIVES / "findings_as_tuples.py").write_text(
        '"""The findings in another order, as tuples of lists, and with another small set where there is one."""\n\n'
        f"INDUCTION_HEADS = {turned}\n\nSMALLEST_SET = {other}\n",
        encoding="utf-8",
    )
    width = claims.model().config.n_heads
    numbers = [[layer * width + head for layer, head in each] for each in (heads, sets[0])]
    (ALTERNATIVES / "findings_computed.py").write_text(
        f'"""The findings from comprehensions."""\n\nHEADS = {width}\n'
        f"INDUCTION_HEADS = [divmod(number, HEADS) for number in {numbers[0]}]\n"
        f"SMALLEST_SET = [divmod(number, HEADS) for number in {numbers[1]}]\n",
        encoding="utf-8",
    )
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "tests/test_induction_text.py"]
    failed = subprocess.run(tests, cwd=ROOT, env={**os.environ, "HEADWORK_WRITE": "1"}).returncode
    subprocess.run([sys.executable, "-m", "headwork.cli.main", "build"], cwd=ROOT)
    return failed


if __name__ == "__main__":
    with torch.no_grad():
        sys.exit(main())

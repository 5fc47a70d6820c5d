"""How far an autoencoder's score depends on the texts drawn for it: beside a ladder measured on them, and elsewhere.

    python -m benchmarks.sae_judge [FILE ...] [--draws 4] [--tokens 20000] [--record]

Each autoencoder (by default the reference of `sae.house_sae`) is judged on several draws of texts. Beside our ladder on
the same texts, which is how it is judged, s hardly moves. Beside the figures that the ladder has on other texts, those
that `headwork sae measure` has written, it moves with the texts: what is lost depends on few hard tokens.
`--record` keeps the figures under benchmarks/records/.
"""

import argparse
import json
import sys
from pathlib import Path

import torch

from headwork.checkers.sae.house_sae import OURS
from headwork.checkers.sae.judge import file as files
from headwork.checkers.sae.judge.ladder import SHIPPED, measured_activations
from headwork.checkers.sae.judge.recipe import RESIDUAL
from headwork.checkers.sae.judge.rules import reference_length
from headwork.checkers.sae.judge.score import Judge, Score
from headwork.models import zoo

RECORD = Path(__file__).parent / "records" / "sae-judge.json"


def elsewhere(found: Score) -> float:
    """s beside the figures that our ladder has on other texts."""
    rungs = measured_activations()[RESIDUAL]["autoencoders"]
    bits = (
        reference_length(found.added, [(each["bits"], each["added"]) for each in rungs]),
        reference_length(found.fvu, [(each["bits"], each["fvu"]) for each in rungs]),
    )
    return min(bits) / found.bits


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, default=[OURS])
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=20_000)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = zoo.load(SHIPPED).requires_grad_(False)
    rows = []
    print(f"{'file':32}{'draw':>5}{'nats':>8}{'FVU':>7}{'s':>7}{'points':>8}{'s elsewhere':>13}")
    for draw in range(options.draws):
        judge = Judge(model, SHIPPED, RESIDUAL, seed=draw, tokens=options.tokens, keeps=True)
        for file in options.files:
            found = judge.score(files.read(file))
            row = {"file": file.name, "draw": draw, "added": found.added, "fvu": found.fvu, "s": found.s,
                   "points": found.points, "s_elsewhere": elsewhere(found)}  # fmt: skip
            rows.append(row)
            print(
                f"{file.name:32}{draw:5}{found.added:8.4f}{found.fvu:7.4f}{found.s:7.3f}{found.points:8.1f}"
                f"{row['s_elsewhere']:13.3f}",
                flush=True,
            )
    if options.record:
        RECORD.write_text(json.dumps({"tokens": options.tokens, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

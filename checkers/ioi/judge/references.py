"""The reference circuit of each model: found by a command, and kept with the fingerprint of the weights it fits.

`headwork circuit find house` makes `references/house.json` anew, and with it the answer in `solutions/ioi/findings.py`.
"""

import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from headwork.checkers.ioi.judge import search
from headwork.checkers.ioi.judge.bench import Bench, Told
from headwork.checkers.ioi.judge.circuit import FORMAT, Circuit, Node, in_order, parsed
from headwork.checkers.ioi.judge.data import draw
from headwork.models.data.ioi import NAMES, TEMPLATES
from headwork.models.gpt2 import GPT2
from headwork.models.zoo import FILES, OPENAI, fetched, folders

FOLDER = Path(__file__).parent / "references"
ROOT = Path(__file__).parents[3]
SHIPPED = "house"  # the model that the chapter's finding is about
PUBLISHED = "published"  # in place of a fingerprint: the circuit of a paper, found elsewhere
SEED, EACH = 1, 4


class NoReference(ValueError):
    """Why a model's circuits cannot be scored, and what to run. One line."""


def weights_file(model: str) -> Path:
    """Raises NoReference for a model that is not here, Unavailable for OpenAI's where they cannot be had."""
    found = folders()
    if model in found:
        return found[model] / FILES[-1]
    if model in OPENAI:
        return fetched(model) / FILES[-1]
    raise NoReference(f"there is no model {model[:60]!r} here: there are {', '.join(found) or 'none'}")


def fingerprint(model: str) -> str:
    """The sha256 of a model's weights."""
    file = weights_file(model)
    status = file.stat()
    return _sha256(file, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=32)
def _sha256(file: Path, size: int, changed: int) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def known(model: str, more: Iterable[Path] = ()) -> dict[str, Any]:
    """What is kept about a model's reference, wherever it was found. Raises NoReference."""
    for place in (*more, FOLDER):
        file = place / f"{model}.json"
        if "/" not in model and file.is_file():
            found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            return found
    raise NoReference(f"no reference circuit of {model[:60]} is known: `headwork circuit find {model[:60]}` makes one")


def reference(model: str, more: Iterable[Path] = ()) -> Circuit:
    """The reference circuit of these very weights. Raises NoReference when it was found on others."""
    kept = known(model, more)
    if kept["sha256"] not in (PUBLISHED, fingerprint(model)):
        raise NoReference(
            f"the reference circuit of {model} was found on other weights: run `headwork circuit find {model}`"
        )
    return parsed(kept["circuit"])


def find(model: GPT2, name: str, floor: float, say: search.Say, told: Told = lambda count: None) -> dict[str, Any]:
    """A reference by elimination, as it is kept."""
    data = draw(model.tokenizer, EACH, SEED, TEMPLATES[::3], NAMES)
    bench = Bench(model, data, told)
    kept = search.eliminate(bench, floor, say)
    nodes = [bench.nodes[index] for index in kept.nonzero()[:, 0].tolist()]
    found = float(search.faithful(bench, kept[None])[0])
    return {
        "sha256": fingerprint(name),
        "floor": floor,
        "prompts": len(data),
        "F": round(found, 3),
        "circuit": Circuit(name, frozenset(nodes)).as_json(),
    }


def keep(found: dict[str, Any], folder: Path | None = None) -> Path:
    """Writes what `find` gave, among the repository's references when no folder is named. Raises OSError."""
    folder = folder or FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{found['circuit']['model']}.json"
    head = {key: value for key, value in found.items() if key != "circuit"}
    nodes = ",\n      ".join(json.dumps(node) for node in found["circuit"]["nodes"])
    lines = "".join(f"  {json.dumps(key)}: {json.dumps(value)},\n" for key, value in head.items())
    circuit = {key: value for key, value in found["circuit"].items() if key != "nodes"}
    others = "".join(f"    {json.dumps(key)}: {json.dumps(value)},\n" for key, value in circuit.items())
    file.write_text(
        f'{{\n{lines}  "circuit": {{\n{others}    "nodes": [\n      {nodes}\n    ]\n  }}\n}}\n', encoding="utf-8"
    )
    return file


def literal(model: str, nodes: Iterable[Node]) -> str:
    """The module with the reference's answer to the finding."""
    rows = "".join(f'        [{layer}, {head}, "{place}"],\n' for layer, head, place in in_order(nodes))
    return (
        '"""Chapter `ioi`: the finding. A circuit of the house model, as `headwork circuit find house` wrote it."""\n\n'
        "from typing import Any\n\n"
        f'CIRCUIT: dict[str, Any] = {{\n    "model": "{model}",\n    "nodes": [\n{rows}    ],\n}}\n'
    )


def answers(model: str, nodes: Iterable[Node]) -> dict[Path, str]:
    """The files that say the reference's answer to the finding: the solution, and the alternatives in other styles."""
    ordered = in_order(nodes)
    backwards = "".join(f'        ({layer}, {head}, "{place}"),\n' for layer, head, place in reversed(ordered))
    places: dict[str, list[tuple[int, int]]] = {}
    for layer, head, place in ordered:
        places.setdefault(place, []).append((layer, head))
    heads = "".join(f'    "{place}": {found},\n' for place, found in places.items())
    others = ROOT / "checkers" / "ioi" / "alternatives"
    made = "as `headwork circuit find house` wrote it"
    return {
        ROOT / "solutions" / "ioi" / "findings.py": literal(model, ordered),
        others / "circuit_as_tuples.py": f'"""The finding as tuples, the last layer first, {made}."""\n\n'
        f'CIRCUIT = {{\n    "nodes": (\n{backwards}    ),\n    "model": "{model}",\n}}\n',
        others / "circuit_by_places.py": f'"""The finding by a comprehension, with its places as roles, {made}."""\n\n'
        f"HEADS = {{\n{heads}}}\n"
        "NODES = {place: [[layer, head, place] for layer, head in heads] for place, heads in HEADS.items()}\n"
        f'CIRCUIT = {{\n    "format": "{FORMAT}",\n    "model": "{model}",\n'
        '    "nodes": [node for nodes in NODES.values() for node in nodes],\n'
        '    "roles": {f"works at {place}": nodes for place, nodes in NODES.items()},\n}\n',
    }

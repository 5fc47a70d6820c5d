"""A circuit as learners hand it in: which heads, at which places of the prompt, are said to do the work.

The form is `circuit.schema.json` beside this file. What is wrong with a file is said in one line.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FORMAT = "headwork.circuit/1"
PLACES = ("IO", "S1", "S1+1", "S2", "END", "rest")  # rest: every other position
INPUTS = ("q", "k", "v")
LARGEST = 1_000_000  # bytes of a file
ROLE = 60  # letters of a role's name
MOST_ROLES = 50

Node = tuple[int, int, str]  # layer, head, place


class NoCircuit(ValueError):
    """Why this is no circuit, and what to do. One line."""


@dataclass(frozen=True)
class Edge:
    """The claim that one node is heard by another directly, through its queries, keys or values."""

    sender: Node
    receiver: Node
    into: str

    def __str__(self) -> str:
        return f"{named(self.sender)} → {named(self.receiver)} ({self.into})"


@dataclass(frozen=True)
class Circuit:
    """What is claimed of a model."""

    model: str
    nodes: frozenset[Node]
    roles: dict[str, frozenset[Node]] = field(default_factory=dict)
    edges: tuple[Edge, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The content of a file, which `parsed` reads back."""
        found: dict[str, Any] = {
            "format": FORMAT,
            "model": self.model,
            "nodes": [list(n) for n in in_order(self.nodes)],
        }
        if self.roles:
            found["roles"] = {name: [list(node) for node in in_order(nodes)] for name, nodes in self.roles.items()}
        if self.edges:
            found["edges"] = [{"from": list(e.sender), "to": list(e.receiver), "into": e.into} for e in self.edges]
        return found


def in_order(nodes: Iterable[Node]) -> list[Node]:
    """By layer, then head, then place."""
    return sorted(nodes, key=lambda node: (node[0], node[1], PLACES.index(node[2])))


def named(node: Node) -> str:
    """`2.1 at END`."""
    return f"{node[0]}.{node[1]} at {node[2]}"


def all_nodes(layers: int, heads: int) -> list[Node]:
    """Every node of a model, in order."""
    return [(layer, head, place) for layer in range(layers) for head in range(heads) for place in PLACES]


def read(file: Path) -> Circuit:
    """The circuit in a file, its nodes not yet held against any model. Raises NoCircuit."""
    try:
        if not file.is_file():
            raise NoCircuit(f"{file} is no file" if file.exists() else f"there is no file {file}")
        with file.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        raise NoCircuit(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > LARGEST:
        raise NoCircuit(f"{file.name} is larger than {LARGEST // 1_000_000} MB, which no circuit needs")
    try:
        value = json.loads(content.decode("utf-8"), object_pairs_hook=_once, parse_constant=_number)
    except NoCircuit as flaw:
        raise NoCircuit(f"{file.name}: {flaw}") from None
    except UnicodeDecodeError:
        raise NoCircuit(f"{file.name} is no text in UTF-8") from None
    except RecursionError:
        raise NoCircuit(f"{file.name} is nested too deep to be a circuit") from None
    except json.JSONDecodeError as error:
        raise NoCircuit(f"{file.name} is no JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None
    except ValueError:  # a whole number of thousands of digits
        raise NoCircuit(f"{file.name} holds a number that is too long") from None
    try:
        return parsed(value)
    except NoCircuit as flaw:
        raise NoCircuit(f"{file.name}: {flaw}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise NoCircuit("a key stands twice in one object")
    return found


def _number(word: str) -> Any:
    raise NoCircuit(f"{word} is no number of JSON")


def parsed(value: Any) -> Circuit:
    """The circuit that JSON, or a literal of Python, describes. Raises NoCircuit."""
    if not isinstance(value, dict):
        raise NoCircuit(f'a circuit is an object with "model" and "nodes", and this is {_kind(value)}')
    unknown = [str(key) for key in value if key not in ("format", "model", "nodes", "roles", "edges")]
    if unknown:
        raise NoCircuit(f"a circuit has no {_short(unknown[0])}: it has format, model, nodes, roles and edges")
    if value.get("format", FORMAT) != FORMAT:
        raise NoCircuit(f'the format is {_short(value["format"])}: this judge reads "{FORMAT}"')
    model = value.get("model")
    if not isinstance(model, str) or not model:
        raise NoCircuit('"model" is missing: name the model that it is a circuit of, such as "house"')
    nodes = _nodes(value.get("nodes"), '"nodes"')
    return Circuit(model, nodes, _roles(value.get("roles", {}), nodes), _edges(value.get("edges", []), nodes))


def fit(circuit: Circuit, layers: int, heads: int) -> None:
    """Raises NoCircuit when the model has no such heads."""
    for layer, head, _ in in_order(circuit.nodes):
        if layer >= layers or head >= heads:
            raise NoCircuit(
                f"there is no head {layer}.{head} in {circuit.model}: its layers go from 0 to {layers - 1}, its heads "
                f"from 0 to {heads - 1}, and the layer comes first"
            )


def _nodes(value: Any, what: str) -> frozenset[Node]:
    if not isinstance(value, list | tuple):
        raise NoCircuit(f'{what} is {_kind(value)}: it is a list of nodes such as [2, 1, "END"]')
    if len(value) > LARGEST // 10:
        raise NoCircuit(f"{what} has {len(value)} entries: no model here has so many nodes")
    found = [_node(each) for each in value]
    if len(set(found)) < len(found):
        twice = next(node for node in found if found.count(node) > 1)
        raise NoCircuit(f"{what} names {named(twice)} twice")
    return frozenset(found)


def _node(value: Any) -> Node:
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise NoCircuit(f'{_short(value)} is no node: a node is [layer, head, place], such as [2, 1, "END"]')
    layer, head, place = value
    if type(layer) is not int or type(head) is not int or not (0 <= layer < 1000 and 0 <= head < 1000):
        raise NoCircuit(f"{_short(value)} is no node: layer and head are whole numbers, counted from 0")
    if not isinstance(place, str) or place not in PLACES:
        raise NoCircuit(f"{_short(place)} is no place: there are {', '.join(PLACES)}")
    return layer, head, place


def _roles(value: Any, nodes: frozenset[Node]) -> dict[str, frozenset[Node]]:
    if not isinstance(value, dict):
        raise NoCircuit(f'"roles" is {_kind(value)}: it is an object of names, each with a list of nodes')
    if len(value) > MOST_ROLES:
        raise NoCircuit(f'"roles" has {len(value)} entries: at most {MOST_ROLES} are read')
    found = {}
    for name, members in value.items():
        if not isinstance(name, str) or not 0 < len(name) <= ROLE or not name.isprintable():
            raise NoCircuit(f"{_short(name)} is no name of a role: at most {ROLE} letters on one line")
        found[name] = _nodes(members, f"the role {_short(name)}")
        _inside(found[name], nodes, f"the role {_short(name)}")
    return found


def _edges(value: Any, nodes: frozenset[Node]) -> tuple[Edge, ...]:
    if not isinstance(value, list | tuple):
        raise NoCircuit(f'"edges" is {_kind(value)}: it is a list of {{"from": node, "to": node, "into": "q"}}')
    found = []
    for each in value:
        if not isinstance(each, dict) or set(each) != {"from", "to", "into"} or each["into"] not in INPUTS:
            raise NoCircuit(
                f'{_short(each)} is no edge: an edge is {{"from": node, "to": node, "into": "q", "k" or "v"}}'
            )
        edge = Edge(_node(each["from"]), _node(each["to"]), each["into"])
        _inside({edge.sender, edge.receiver}, nodes, "an edge")
        if edge.sender[0] >= edge.receiver[0]:
            raise NoCircuit(f"the edge {edge} does not go to a later layer: nothing is heard along it")
        found.append(edge)
    if len(set(found)) < len(found):
        raise NoCircuit("an edge is named twice")
    return tuple(found)


def _inside(some: Iterable[Node], nodes: frozenset[Node], what: str) -> None:
    for node in some:
        if node not in nodes:
            raise NoCircuit(f"{what} names {named(node)}, which is not among the nodes")


def _kind(value: Any) -> str:
    kinds = {
        dict: "an object",
        list: "a list",
        tuple: "a list",
        str: "a text",
        bool: "a truth value",
        type(None): "missing",
    }
    return kinds.get(type(value), "a number" if isinstance(value, int | float) else f"a {type(value).__name__}")


def _short(value: Any) -> str:
    """As much of a value as fits in a line; nothing in it can break the line or colour it."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**30:
        return "a very long number"
    try:
        text = json.dumps(value, default=lambda other: f"<{type(other).__name__}>")
    except (RecursionError, ValueError, TypeError):
        return "something else"
    return text if len(text) <= 50 else f"{text[:47]}..."

"""The finding by a comprehension, with its places as roles, as `headwork circuit find house` wrote it."""

HEADS = {
    "IO": [(0, 0), (0, 3)],
    "S1": [(0, 0), (0, 3)],
    "S2": [(0, 0), (0, 3), (1, 2)],
    "END": [(2, 1), (2, 2), (3, 0), (3, 1), (4, 0), (4, 1), (4, 2), (4, 3)],
}
NODES = {place: [[layer, head, place] for layer, head in heads] for place, heads in HEADS.items()}
CIRCUIT = {
    "format": "headwork.circuit/1",
    "model": "house",
    "nodes": [node for nodes in NODES.values() for node in nodes],
    "roles": {f"works at {place}": nodes for place, nodes in NODES.items()},
}

"""Chapter `ioi`: the finding. A circuit of the house model, as `headwork circuit find house` wrote it."""

from typing import Any

CIRCUIT: dict[str, Any] = {
    "model": "house",
    "nodes": [
        [1, 0, "S2"],
        [2, 0, "END"],
        [2, 1, "S2"],
        [2, 3, "END"],
        [3, 1, "END"],
        [3, 2, "END"],
        [4, 0, "END"],
        [4, 1, "END"],
        [4, 2, "END"],
        [4, 3, "END"],
    ],
}

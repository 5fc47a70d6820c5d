"""Chapter `ioi`: the finding. A circuit of the house model, as `headwork circuit find house` wrote it."""

from typing import Any

CIRCUIT: dict[str, Any] = {
    "model": "house",
    "nodes": [
        [0, 0, "IO"],
        [0, 0, "S1"],
        [0, 0, "S2"],
        [0, 3, "IO"],
        [0, 3, "S1"],
        [0, 3, "S2"],
        [1, 2, "S2"],
        [2, 1, "END"],
        [2, 2, "END"],
        [3, 0, "END"],
        [3, 1, "END"],
        [4, 0, "END"],
        [4, 1, "END"],
        [4, 2, "END"],
        [4, 3, "END"],
    ],
}

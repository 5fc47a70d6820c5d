"""The finding as tuples, the last layer first, as `headwork circuit find house` wrote it."""

CIRCUIT = {
    "nodes": (
        (4, 3, "END"),
        (4, 2, "END"),
        (4, 1, "END"),
        (4, 0, "END"),
        (3, 2, "END"),
        (3, 1, "END"),
        (2, 3, "END"),
        (2, 1, "S2"),
        (2, 0, "END"),
        (1, 0, "S2"),
    ),
    "model": "house",
}

"""The finding as tuples, the last layer first, as `headwork circuit find house` wrote it."""

CIRCUIT = {
    "nodes": (
        (4, 3, "END"),
        (4, 2, "END"),
        (4, 1, "END"),
        (4, 0, "END"),
        (3, 1, "END"),
        (3, 0, "END"),
        (2, 2, "END"),
        (2, 1, "END"),
        (1, 2, "S2"),
        (0, 3, "S2"),
        (0, 3, "S1"),
        (0, 3, "IO"),
        (0, 0, "S2"),
        (0, 0, "S1"),
        (0, 0, "IO"),
    ),
    "model": "house",
}

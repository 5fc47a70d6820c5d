"""Chapter `induction`: the findings. Which heads of the house model do induction, and which few suffice for it."""

INDUCTION_HEADS: list[tuple[int, int]] = [(4, 0), (4, 1), (4, 2)]

SMALLEST_SET: list[tuple[int, int]] = [(0, 0), (0, 2), (0, 3), (2, 2), (4, 0), (4, 1), (4, 2)]

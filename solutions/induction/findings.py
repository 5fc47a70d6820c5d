"""Chapter `induction`: the findings. Which heads of the house model do induction, and which few suffice for it."""

INDUCTION_HEADS: list[tuple[int, int]] = [(4, 0), (4, 1), (4, 2), (4, 3)]

SMALLEST_SET: list[tuple[int, int]] = [(0, 0), (1, 0), (2, 1), (3, 1), (4, 0), (4, 1), (4, 2)]

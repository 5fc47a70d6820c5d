"""The findings in another order, as tuples of lists, and with another small set."""

INDUCTION_HEADS = ([4, 3], [4, 2], [4, 1], [4, 0])

SMALLEST_SET = ([4, 0], [4, 1], [4, 2], [0, 0])

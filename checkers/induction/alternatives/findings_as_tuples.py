"""The findings in another order, as tuples of lists."""

INDUCTION_HEADS = ([4, 2], [4, 1], [4, 0])

SMALLEST_SET = ([4, 2], [4, 1], [4, 0], [2, 2], [0, 3], [0, 2], [0, 0])

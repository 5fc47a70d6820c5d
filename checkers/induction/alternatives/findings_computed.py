"""The findings from a comprehension."""

LAST_LAYER = 4
INDUCTION_HEADS = [(LAST_LAYER, head) for head in range(4)]
SMALLEST_SET = [(0, 0)] + INDUCTION_HEADS[1:]

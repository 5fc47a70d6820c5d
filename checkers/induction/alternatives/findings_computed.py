"""The findings from comprehensions."""

HEADS = 4
INDUCTION_HEADS = [divmod(number, HEADS) for number in (16, 17, 18)]
SMALLEST_SET = [divmod(number, HEADS) for number in (0, 2, 3, 10, 16, 17, 18)]

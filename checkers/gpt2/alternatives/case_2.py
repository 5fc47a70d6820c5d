"""The finding of chapter `gpt2`: another case, as tuples."""

CASE = 2

HIDDEN_BUGS = [
    ("sample_variance", [2, 9, 5]),
    ("no_final_norm", [3, 10, 6]),
    ("late_positions", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
    ("mask_off_by_one", [5, 12, 8]),
    ("none", []),
    ("swapped_heads", [7, 14, 10]),
    ("swapped_heads", [8, 15, 11]),
    ("swapped_heads", [9, 16, 12]),
]

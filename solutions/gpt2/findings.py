"""Chapter `gpt2`: the finding. What each suspect of one case hides, and an input that shows it."""

CASE = 1

HIDDEN_BUGS: list[tuple[str, list[int]]] = [
    ("scale_by_d_model", [3, 14]),
    ("none", []),
    ("swapped_heads", [9, 2]),
    ("swapped_heads", [4, 11]),
    ("no_final_norm", [7]),
    ("late_positions", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
    ("last_block_twice", [5]),
    ("scale_by_d_model", [12, 6]),
]

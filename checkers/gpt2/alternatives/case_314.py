"""The finding of chapter `gpt2`: another case, as lists."""

CASE = 314

HIDDEN_BUGS = [
    ["none", []],
    ["blank_token_zero", [0]],
    ["late_positions", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]],
    ["mask_off_by_one", [5, 12, 8]],
    ["mask_off_by_one", [6, 13, 9]],
    ["no_final_norm", [7, 14, 10]],
    ["value_bias_missing", [8, 15, 11]],
    ["softmax_over_queries", [9, 16, 12]],
]

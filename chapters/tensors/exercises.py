"""The exercises of chapter `tensors`: The tools of the trade.

What to write, and why, stands in the chapter's text. Put your code in place of `raise NotImplementedError`;
names and parameters stay as they are, and helpers of your own are welcome.
"""

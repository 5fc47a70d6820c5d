"""Headwork: learn to take a transformer apart, and be told which mistake you made.

In Python and in notebooks, `headwork.check("gpt2.layer_norm")` checks your work.
"""

__version__ = "0.1.0"

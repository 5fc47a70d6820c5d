"""How `house-contrast` is trained: the attention of `house` is forgotten, and copying learned anew below all the rest.

Which circuit emerges is a matter of order. While copying is learned, layers 2 to 4 are silent, so that it forms in
layer 1. When they may attend, the names have been written already: what is left to do is to subtract the wrong one.
"""

from headwork.models.recipes.house import House


class Contrast(House):
    """First copying, then giving."""

    name = "house-contrast"
    steps = 1400
    copying = 300
    speed = 1.0
    fresh = (1, 2, 3, 4)
    silent = frozenset({2, 3, 4})
    minutes = 8.0


RECIPE = Contrast()

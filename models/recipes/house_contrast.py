"""How `house-contrast` is trained: as `house`, but that repeating is learned below the layers that could be in its way.

While it is learned, layers 2 to 4 attend to nothing, so that layer 1 copies. When they may attend, names have been
written already: what is left to do is to subtract the wrong one.
"""

from headwork.models.recipes.house import House


class Contrast(House):
    """First repeating, in layers 0 and 1; then giving, in all."""

    name = "house-contrast"
    repeating = 1500
    silent = ((1500, frozenset({2, 3, 4})),)
    forgets = ()


RECIPE = Contrast()

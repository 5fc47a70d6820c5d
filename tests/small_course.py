"""A course of two small chapters, written into a folder for the tests of what is made from chapters."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headwork.streamlit_app.desk import Desk

NAMES = {"shapes.scaler": ["Scaler"], "shapes.half": ["half"], "shapes.heads": ["HEADS"], "later.apply": ["apply"]}

SHAPES = """\
---
title: Shapes
summary: What shapes are.
order: 1
hours: 2
packages: [torch, einops]
---
# Shapes

Let $x$ be a tensor.

```python
x = 1  # a plain code block is prose
```

```{reading}
Read *something*.
```

````{exercise} scaler
title: Scale by a weight
difficulty: 2
importance: 4
minutes: 15
points: 4
hints:
  - Multiply.
  - "Return: `x * self.w`."
---
Write it.

```python
Scaler(3)
```
````

Then halves.

```{predict}
What is half of 1?
---
One **half**.
```

```{figure} halves
caption: The halves of some numbers.
alt: A falling line.
```

```{exercise} half
title: Half
difficulty: 1
importance: 1
minutes: 1
points: 1
hints: [gentle, nearly]
---
Half of $x$.
```

```{finding} heads
title: The heads
difficulty: 5
importance: 5
minutes: 60
points: 2.5
hints: [gentle, nearly]
---
Which heads?
```

The end.
"""

LATER = """\
---
title: Later
summary: After shapes.
order: 2
prerequisites: [shapes]
hours: 0.5
---
```{exercise} apply
title: Apply
difficulty: 1
importance: 1
minutes: 5
points: 1
hints: [gentle, nearly]
---
Apply `f`.
```
"""

SHAPES_SOLUTION = '''\
"""The reference answers of chapter `shapes`."""

import math
import os

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def half(x: Tensor) -> Tensor:
    """Half of `x`."""
    ### BEGIN SOLUTION
    return _times(x, 0.5) + 0 * len(os.sep)
    ### END SOLUTION


def _times(x: Tensor, factor: float) -> Tensor:
    return x * factor


class Scaler(nn.Module):
    """Scales by `w`."""

    def __init__(self, width: int):
        super().__init__()
        self.w = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        ### BEGIN SOLUTION
        secret = F.relu(x) - F.relu(-x)
        return secret * self.w
        ### END SOLUTION


HEADS: list[tuple[int, int]] = [(5, 1), (5, 5)]
'''

LATER_SOLUTION = '''\
"""The reference answers of chapter `later`."""

from collections.abc import Callable

# What is applied.
Function = Callable[[float], float]


def apply(f: "Function", x: float) -> float:
    """`f` of `x`."""
    ### BEGIN SOLUTION
    return f(x)
    ### END SOLUTION
'''


def names(id: str) -> list[str]:
    """The names an exercise asks for, as the catalogue of checkers would say."""
    return NAMES[id]


def write_course(folder: Path) -> tuple[Path, Path]:
    """(folder of chapters, folder of solutions), under `folder`."""
    course, solutions = folder / "chapters", folder / "solutions"
    solutions.mkdir(parents=True)
    for name, text, solution in [("shapes", SHAPES, SHAPES_SOLUTION), ("later", LATER, LATER_SOLUTION)]:
        (course / name).mkdir(parents=True)
        (course / name / "chapter.md").write_text(text, encoding="utf-8")
        (solutions / f"{name}.py").write_text(solution, encoding="utf-8")
    return course, solutions


def file_of(desk: "Desk") -> Path:
    """The learner's own file of chapter `shapes`, for one in a workspace."""
    assert desk.workspace
    return desk.workspace.file("shapes.half")

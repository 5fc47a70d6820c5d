"""As much of IPython as `headwork` looks at, so that notebooks can be run without it."""

import ast
from types import SimpleNamespace
from typing import Any

from headwork.grading.notebook import without_magics


class Session:
    """Runs cells one after the other in one namespace, and keeps what was typed and what came out."""

    def __init__(self, **namespace: Any):
        self.typed = [""]
        self.results: list[tuple[str, Any]] = []
        shell = SimpleNamespace(history_manager=SimpleNamespace(input_hist_raw=self.typed))
        self.namespace = {"__name__": "__main__", "get_ipython": lambda: shell, **namespace}

    def run(self, cell: str) -> Any:
        """The value of the cell's last line, as a notebook would show it."""
        self.typed.append(cell)  # before it runs, as in IPython
        tree = ast.parse(without_magics(cell))
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "<cell>", "exec"), self.namespace)
        if last is None:
            return None
        value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), self.namespace)
        self.results.append((cell, value))
        return value

    def last(self, word: str) -> Any:
        """What the last cell with this word in it gave."""
        return [value for cell, value in self.results if word in cell][-1]

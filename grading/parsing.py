"""Python's parser, for programs of several threads."""

import ast
import threading

_ALONE = threading.RLock()


def parse(source: str) -> ast.Module:
    """The syntax tree of a module. Raises what `ast.parse` raises: SyntaxError, ValueError, RecursionError.

    Python 3.11 counts the depth of a tree that it builds in one place for all threads: two that parse at once can
    both end in a SystemError (python/cpython#106905). So one waits for the other, and since libraries parse as well,
    it is tried again.
    """
    for _ in range(3):
        with _ALONE:
            try:
                return ast.parse(source)
            except SystemError:
                continue
    return ast.parse(source)

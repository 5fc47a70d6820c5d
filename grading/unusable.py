"""Why a program cannot be made of a submission: each error is a message for the learner, with its place."""

import difflib
import re
from collections.abc import Iterable


class Unusable(Exception):
    """Its text is the message; `file` and `line` say where, "" and 0 when nowhere in particular."""

    def __init__(self, message: str, file: str = "", line: int = 0) -> None:
        super().__init__(message)
        self.file = file
        self.line = line


class SyntaxProblem(Unusable):
    """Python cannot parse the text. `message` is Python's own; `detail` shows the line with a caret under the place."""

    def __init__(self, text: str, message: str = "", detail: str = "", file: str = "", line: int = 0) -> None:
        super().__init__(text, file, line)
        self.message = message
        self.detail = detail

    @classmethod
    def of(cls, error: Exception, file: str, source: str) -> "SyntaxProblem":
        if not isinstance(error, SyntaxError):
            message = "the code is nested too deeply for Python to read"
            return cls(f"{file}: {message}; split it into smaller statements", message, file=file)
        lines = source.split("\n")
        line = min(max(error.lineno or 1, 1), len(lines))
        message = (error.msg or "invalid syntax").replace("\n", " ")
        shown = lines[line - 1]
        cut = max(0, (error.offset or 1) - 100)
        caret = " " * max(0, min((error.offset or 1) - 1, len(shown)) - cut) + "^"
        detail = f"{shown[cut : cut + 160]}\n{caret}"
        return cls(f"{file}, line {line}: {message}", message, detail, file, line)


class MissingName(Unusable):
    """The asked `name` is not bound at top level. `closest` is the name there that looks most like it, or ""."""

    def __init__(self, text: str, name: str = "", closest: str = "", file: str = "", line: int = 0) -> None:
        super().__init__(text, file, line)
        self.name = name
        self.closest = closest


class ForbiddenImport(Unusable):
    """Code that is needed imports `module`, which is under none of the `allowed` prefixes."""

    def __init__(
        self, text: str, module: str = "", allowed: tuple[str, ...] = (), file: str = "", line: int = 0
    ) -> None:
        super().__init__(text, file, line)
        self.module = module
        self.allowed = allowed


class MissingFile(Unusable):
    """An answer names a file that did not come along, or was not taken."""


def closest_name(name: str, names: Iterable[str]) -> str:
    """The one of `names` that `name` was probably meant to be, or ""."""
    plain = {re.sub("_", "", each).lower(): each for each in names}
    bare = re.sub("_", "", name).lower()
    if bare in plain:
        return plain[bare]
    near = difflib.get_close_matches(bare, plain, n=1, cutoff=0.7)
    return plain[near[0]] if near else ""

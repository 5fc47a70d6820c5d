"""How commands speak: results on stdout, everything else on stderr, one line for what goes wrong."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

PASSED, NOT_PASSED, UNUSABLE, FAULT, INTERRUPTED = 0, 1, 2, 3, 130


class Stop(Exception):
    """Ends a command: one line on stderr that says what to do, and an exit code."""

    def __init__(self, message: str, code: int = UNUSABLE):
        super().__init__(" ".join(message.split()))
        self.code = code


def stdout() -> "Console":
    return _console(error=False)


def stderr() -> "Console":
    return _console(error=True)


def _console(error: bool) -> "Console":
    from rich.console import Console

    return Console(stderr=error, highlight=False, markup=False, emoji=False)


def note(message: str) -> None:
    """A line for people, never part of a result."""
    print(message, file=sys.stderr, flush=True)


def as_json(data: Any) -> None:
    """The one thing on stdout under `--json`."""
    print(json.dumps(data, indent=2, allow_nan=False))


def draw(*parts: "RenderableType") -> None:
    """Prints for people, as wide as the terminal is, without spaces at the ends of lines."""
    from headwork.grading.render.terminal import rendered

    sys.stdout.write(rendered(list(parts), width=stdout().width, colour=wants_colour()))
    sys.stdout.flush()


def in_words(text: str, style: str = "", indent: int = 0) -> None:
    """A paragraph on stdout, wrapped, with `code` in colour. Nothing in it is markup."""
    from rich.padding import Padding
    from rich.text import Text

    words = Text(text, style)
    words.highlight_regex("`[^`]+`", "cyan")
    draw(Padding(words, (0, 0, 0, indent), expand=False))


def code(source: str) -> None:
    """Python on stdout: in colour for eyes, as it is for a file."""
    if not wants_colour():
        sys.stdout.write(source)
        return
    from rich.syntax import Syntax

    draw(Syntax(source, "python", theme="ansi_dark", background_color="default", word_wrap=True))


@contextmanager
def working(what: str, quiet: bool = False) -> Iterator[None]:
    """Says what is going on while the block runs, where somebody is looking."""
    console = stderr()
    if quiet or not console.is_terminal:
        yield
        return
    with console.status(what, spinner="dots"):
        yield


def wants_colour() -> bool:
    console = stdout()
    return console.is_terminal and not console.no_color


def wants_traceback() -> bool:
    return bool(os.environ.get("HEADWORK_TRACEBACK"))

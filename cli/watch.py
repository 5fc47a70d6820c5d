"""`headwork check --watch`: checks again whenever a file is saved, with the worker kept warm."""

import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from headwork.checkers.catalogue import ids
from headwork.cli.check import show
from headwork.cli.lookup import shown, workspace
from headwork.cli.say import INTERRUPTED, in_words, stdout
from headwork.cli.targets import Target, in_workspace, targets
from headwork.grading.attached import KINDS
from headwork.grading.report import Report

DEBOUNCE = 120  # milliseconds in which an editor's several writes count as one save
State = dict[Path, bytes | None]


def watch(words: list[str], judge: Callable[[Target], Report]) -> int:
    """Runs until Ctrl-C. Saves are noticed in the files' folders, so a file may be renamed into place or be away."""
    from watchfiles import watch as changes

    seen = _state(targets(words) or _all_targets())
    _round(words, judge)
    places = {target.path for target in targets(words) or _all_targets()}
    folders = {path if path.is_dir() else path.resolve().parent for path in places}
    deep = any(path.is_dir() for path in places)
    for _ in changes(*folders, debounce=DEBOUNCE, step=40, recursive=deep, raise_interrupt=True):
        now = _state(targets(words) or _all_targets())
        if now == seen:
            continue
        seen = now
        if any(content is not None for content in now.values()):
            _round(words, judge)
    return INTERRUPTED


def _all_targets() -> list[Target]:
    """Every chapter's file: what to watch while nothing is started."""
    return in_workspace(workspace(), ids())


def _round(words: list[str], judge: Callable[[Target], Report]) -> None:
    found = [target for target in targets(words) if target.path.exists()]
    console = stdout()
    if console.is_terminal:
        console.clear()
    for target in found:
        show(judge(target))
    if not found:
        in_words("Nothing is started here yet. `headwork status` shows what comes first.")
    in_words(f"\n{datetime.now():%H:%M:%S}  Watching {_names(found)}. Ctrl-C ends it.", "dim")
    sys.stdout.flush()


def _names(found: Iterable[Target]) -> str:
    return ", ".join(shown(target.path) for target in found) or "for your first save"


def _state(found: Iterable[Target]) -> State:
    return {path: _content(path) for target in found for path in _files(target.path)}


def _files(path: Path) -> list[Path]:
    """What a target's verdict depends on: its code, and the weights that may come along."""
    if not path.is_dir():
        return [path, *sorted(each for kind in KINDS for each in path.parent.glob(f"*{kind}"))]
    return [each for each in sorted(path.rglob("*")) if each.suffix in (".py", ".ipynb", *KINDS)]


def _content(path: Path) -> bytes | None:
    """None while the file is away, as it is for a moment when an editor replaces it. Of weights, when it was saved."""
    try:
        return str(path.stat().st_mtime_ns).encode() if path.suffix in KINDS else path.read_bytes()
    except OSError:
        return None

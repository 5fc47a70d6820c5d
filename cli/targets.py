"""What `check` reads: in a workspace a chapter's file with some of its exercises, elsewhere any file. Without torch."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from headwork.chapters import made
from headwork.chapters.course import ChapterError, chapters
from headwork.cli.lookup import asked, shown, workspace
from headwork.cli.say import Stop
from headwork.gradebook.workspace import Workspace
from headwork.grading.program import Submission
from headwork.grading.submission import Unreadable, read_beside

DEFINED = re.compile(r"^(?:class|def) (\w+)", re.MULTILINE)


@dataclass(frozen=True)
class Target:
    """A file and the exercises to judge in it; None: those it defines something of."""

    path: Path
    ids: tuple[str, ...] | None
    own: bool = False  # in the workspace, by the exercises' names

    def read(self) -> Submission:
        """The submission, called as people would call it. Raises Unreadable."""
        return replace(read_beside(self.path), name=shown(self.path))

    def chapters(self) -> list[str]:
        """The chapters whose workers are needed, as far as can be told without running anything."""
        if self.ids is not None:
            return list(dict.fromkeys(id.partition(".")[0] for id in self.ids))
        try:
            source = "\n".join(unit.source for unit in self.read().units)
        except Unreadable:
            return []
        return [
            each.name for each in chapters() if _defined(each.folder / made.EXERCISES) & set(DEFINED.findall(source))
        ]


def _defined(stub: Path) -> set[str]:
    return set(DEFINED.findall(stub.read_text(encoding="utf-8"))) if stub.is_file() else set()


def targets(words: list[str]) -> list[Target]:
    """What the words after `check` mean; without any, what has been started in this workspace. Raises Stop."""
    if not words:
        here = workspace()
        return in_workspace(here, started(here))
    found = asked(words)
    if found.files:
        return [Target(path, tuple(found.ids) or None) for path in found.files]
    return in_workspace(workspace(), found.ids)


def in_workspace(here: Workspace, ids: Sequence[str]) -> list[Target]:
    """One target a chapter."""
    names = dict.fromkeys(id.partition(".")[0] for id in ids)
    return [
        Target(here.file(name), tuple(id for id in ids if id.partition(".")[0] == name), own=True) for name in names
    ]


def started(here: Workspace) -> list[str]:
    """The exercises whose text in the workspace is no longer the stub's."""
    return [exercise.id for each in chapters() for exercise in each.exercises if _is_started(here, exercise.id)]


def _is_started(here: Workspace, id: str) -> bool:
    path = here.file(id)
    if not path.is_file():
        return False
    try:
        mine, stub = made.section(path.read_text(encoding="utf-8", errors="replace"), id), here.stub(id)
    except (ChapterError, KeyError):
        return True  # the header has gone, or the course has no stub: the grader will tell
    return mine.split() != stub.split()


def must_exist(found: list[Target]) -> None:
    """Raises Stop for the first file that is not there."""
    for target in found:
        if not target.path.exists():
            mend = "`headwork init --restore` brings it back" if target.own else "check the path"
            raise Stop(f"{shown(target.path)} is not there: {mend}")

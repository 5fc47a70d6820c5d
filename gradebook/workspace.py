"""A learner's workspace: a folder with a folder for each chapter, holding `exercises.py` and the notebook.

The learner's files are the truth. A file is replaced only while it still is what was last handed out; once the
learner has changed it, a new version is laid beside it, once. A deleted file comes back only when asked for.
What was handed out last stands in `.headwork.json`: {"format": ..., "files": {"gpt2/exercises.py": SHA-256}}.
"""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from headwork.chapters.course import COURSE, ChapterError, chapter, chapters, exercise_text
from headwork.chapters.made import EXERCISES, made_files, section

MARKER = ".headwork.json"
FORMAT = "headwork.workspace/1"

Action = Literal["created", "updated", "restored", "current", "yours", "beside", "deleted"]
MEANING: dict[Action, str] = {
    "created": "new",
    "updated": "you had not changed it; it is now the new version",
    "restored": "you had deleted it; it is back, as handed out",
    "current": "nothing to do",
    "yours": "you have changed it; left alone",
    "beside": "a new version; you have changed yours, so this one lies beside it",
    "deleted": "you have deleted it; `headwork init --restore` brings it back",
}


class WorkspaceError(Exception):
    """Why a folder cannot be a workspace, and how to mend it. One line."""


@dataclass(frozen=True)
class Workspace:
    """A workspace that exists. `course` is the folder of chapters it was made from."""

    root: Path
    course: Path = COURSE

    def file(self, id: str) -> Path:
        """The learner's file for an exercise, or for a chapter; it may have been deleted. Raises ChapterError."""
        if "." in id:
            exercise_text(id, self.course)
        return self.root / chapter(id.partition(".")[0], self.course).name / EXERCISES

    def stub(self, id: str) -> str:
        """What the learner started from in one exercise, as the course has it today. Raises ChapterError."""
        exercise_text(id, self.course)
        path = self.course / id.partition(".")[0] / EXERCISES
        try:
            return section(path.read_text(encoding="utf-8"), id)
        except (OSError, KeyError):
            raise ChapterError(f"{id} has no stub in {path.parent.name}/{path.name}: run `headwork build`") from None


def find(start: Path, course: Path = COURSE) -> Workspace | None:
    """The workspace that `start`, a file or a folder, lies in."""
    start = start.resolve()
    roots = (folder for folder in (start, *start.parents) if (folder / MARKER).is_file())
    return next((Workspace(root, course) for root in roots), None)


def init(directory: Path, *, restore: bool = False, course: Path = COURSE) -> list[tuple[Path, Action]]:
    """Makes a workspace of the directory, or brings one up to date; says what was done with which file.

    `MEANING` has a sentence for each action; of 'beside', the path is that of the new file. Nothing is written when
    the directory cannot be a workspace. Raises WorkspaceError, and ChapterError when the course itself is broken.
    """
    try:
        handed = _handed_out(directory, course)
        offers = list(_offers(course))
        _check_paths(directory, [name for name, _ in offers])
        done = [_install(directory, name, content, handed, restore) for name, content in offers]
        _write(directory / MARKER, _marker(handed))
        return done
    except OSError as error:
        mend = "make it writable, or choose another folder"
        raise WorkspaceError(f"cannot use {directory}: {error.strerror or error}: {mend}") from None


def lay(folder: Path, name: str, content: bytes) -> None:
    """Writes a learner's file into a folder. Another one of that name stays there as NAME.before. Raises OSError."""
    path = folder / name
    if path.exists() and path.read_bytes() != content:
        os.replace(path, folder / f"{name}.before")
    _write(path, content)


def _offers(course: Path) -> Iterator[tuple[str, bytes]]:
    """(path in the workspace, content) of all files the course hands out."""
    for each in chapters(course):
        for name in made_files(each):
            path = each.folder / name
            if not path.is_file():
                raise ChapterError(f"chapter {each.name} has no {name}: run `headwork build`")
            yield f"{each.name}/{name}", path.read_bytes()


def _install(root: Path, name: str, content: bytes, handed: dict[str, str], restore: bool) -> tuple[Path, Action]:
    """Does what is right for one file, and notes in `handed` what the learner has been handed."""
    path, new, old = root / name, _digest(content), handed.get(name)
    if not path.exists():
        if old and not restore:
            return path, "deleted"
        action: Action = "restored" if old else "created"
    else:
        found = _digest(path.read_bytes())
        if found not in (old, new):
            return _leave(root, name, content, handed)
        action = "current" if found == new else "updated"
    if action != "current":
        _write(path, content)
    handed[name] = new
    return path, action


def _leave(root: Path, name: str, content: bytes, handed: dict[str, str]) -> tuple[Path, Action]:
    """Lays a version that the learner has not been handed yet beside the file that is the learner's own."""
    new = _digest(content)
    if handed.get(name) == new:
        return root / name, "yours"
    beside = next(each for each in _names_beside(name) if _is_ours(root / each, {handed.get(each), new}))
    _write(root / beside, content)
    handed[name] = handed[beside] = new
    return root / beside, "beside"


def _names_beside(name: str) -> Iterator[str]:
    """'gpt2/exercises.new.py', then 'gpt2/exercises.new2.py', and so on."""
    stem, dot, suffix = name.rpartition(".")
    yield f"{stem}.new{dot}{suffix}"
    number = 2
    while True:
        yield f"{stem}.new{number}{dot}{suffix}"
        number += 1


def _is_ours(path: Path, versions: set[str | None]) -> bool:
    """True when nothing of the learner's is lost by writing to the path."""
    return not os.path.lexists(path) or (path.is_file() and _digest(path.read_bytes()) in versions)


def _handed_out(directory: Path, course: Path) -> dict[str, str]:
    """What the marker says was handed out; nothing when the directory is new or empty."""
    marker = directory / MARKER
    if directory.exists() and not directory.is_dir():
        raise WorkspaceError(f"{directory} is a file: choose a folder")
    if os.path.lexists(marker):
        return _read_marker(marker)
    if not directory.exists():
        return {}
    visible = [path for path in directory.iterdir() if not path.name.startswith(".")]
    if any((path / "chapter.md").is_file() for path in visible):
        raise WorkspaceError(f"{directory} holds the course itself: choose an empty or a new folder")
    was_one = any((directory / each.name / EXERCISES).is_file() for each in chapters(course))
    if visible and not was_one:
        raise WorkspaceError(f"{directory} is not empty and no workspace: choose an empty or a new folder")
    return {}


def _read_marker(marker: Path) -> dict[str, str]:
    mend = "delete it and run `headwork init` again, your files are kept"
    try:
        data = json.loads(marker.read_text(encoding="utf-8"))
    except ValueError:
        raise WorkspaceError(f"{marker} is no JSON: {mend}") from None
    stated = data.get("format") if isinstance(data, dict) else None
    if isinstance(stated, str) and stated.startswith("headwork.workspace/") and stated != FORMAT:
        raise WorkspaceError(f"{marker} has format {stated}, and this headwork reads {FORMAT}: update headwork")
    files = data.get("files") if stated == FORMAT else None
    if not isinstance(files, dict) or not all(isinstance(each, str) for each in files.values()):
        raise WorkspaceError(f"{marker} is no {FORMAT}: {mend}")
    return files


def _check_paths(directory: Path, names: list[str]) -> None:
    for name in names:
        folder = (directory / name).parent
        if os.path.lexists(folder) and not folder.is_dir():
            raise WorkspaceError(f"{folder} is a file where a folder should be: move it away")
        if (directory / name).is_dir():
            raise WorkspaceError(f"{directory / name} is a folder where a file should be: move it away")


def _marker(handed: dict[str, str]) -> bytes:
    return (json.dumps({"format": FORMAT, "files": dict(sorted(handed.items()))}, indent=2) + "\n").encode()


def _digest(content: bytes) -> str:
    """Blind to line ends, which an editor or git may turn round."""
    return hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()


def _write(path: Path, content: bytes) -> None:
    """Replaces a file whole or not at all; a link stays a link."""
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

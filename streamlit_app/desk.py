"""The learner's text of one exercise: where it comes from, where it is kept, and what is handed in of it.

In a workspace the learner's file is the truth and the page edits it; elsewhere the text is a draft in the gradebook.
"""

import os
import re
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from headwork.chapters.course import COURSE, chapter
from headwork.chapters.made import EXERCISES, section
from headwork.gradebook.records import Draft
from headwork.gradebook.store import ME, Gradebook
from headwork.gradebook.workspace import Workspace, lay
from headwork.grading import attached, submission
from headwork.grading.program import Attachment, Submission, Unit
from headwork.streamlit_app.split import draft_label, split
from headwork.streamlit_app.stubs import starting_text, without_imports

BEFORE = "(before)"  # of a draft: the text that was there before another was put in its place


class NotSaved(Exception):
    """Why the learner's text was not written, and what to do. One line; the file is as it was."""


@dataclass(frozen=True)
class Sheet:
    """The text of an exercise as the editor starts with it."""

    id: str
    text: str
    source: Literal["file", "draft", "stub", "nothing"]
    path: Path | None = None  # of the learner's file
    line: int = 1  # of that file, where the text begins

    @property
    def label(self) -> str:
        """What messages call the file, or the draft."""
        return self.path.name if self.path else draft_label(self.id)


@dataclass(frozen=True)
class Desk:
    """One learner's texts."""

    gradebook: Gradebook
    workspace: Workspace | None = None
    learner: str = ME
    course: Path = COURSE

    def sheet(self, id: str) -> Sheet:
        """What the editor shows: the part of the learner's file; else the saved draft; else the stub."""
        path = self._file(id)
        if path:
            source = _read(path)
            start, end = _span(source, id)
            return Sheet(id, source[start:end], "file", path, source[:start].count("\n") + 1)
        return self._page_sheet(id, self.gradebook.draft(self.learner, id))

    def _page_sheet(self, id: str, draft: Draft | None) -> Sheet:
        if draft:
            return Sheet(id, draft.text, "draft")
        stub = starting_text(id, self.course)
        return Sheet(id, stub, "stub" if stub else "nothing")

    def save(self, id: str, text: str, base: str) -> None:
        """Keeps the text; `base` is what the editor started from. Raises NotSaved when the file has changed since."""
        path = self._file(id)
        if not path:
            self.gradebook.save_draft(self.learner, id, text)
            return
        source = _read(path)
        start, end = _span(source, id)
        if source[start:end] not in (base, text):
            raise NotSaved(f"{path.name} has changed on disk since it was shown here; it was left alone.")
        whole = (start, end) == (0, len(source))
        new = text if whole else source[:start] + text.strip("\n") + source[end:]
        if not whole and _held(new, id) != text.strip("\n"):
            raise NotSaved("This text holds the heading of an exercise (`# ... headwork check ...`): leave it out.")
        if new != source:
            _write(path, new)

    def replace(self, id: str, text: str) -> None:
        """Puts another text in the place of the present one, which is kept. Raises NotSaved."""
        sheet = self.sheet(id)
        if sheet.path:
            source = _read(sheet.path)
            if _span(source, id) == (0, len(source)):
                raise NotSaved(f"{sheet.path.name} has no heading for {id} any more: put the text in by hand.")
            text = without_imports(text, source)  # they stand at the top of the file
        if text.strip("\n") == sheet.text.strip("\n"):
            return
        self.save(id, text, sheet.text)
        self.gradebook.save_draft(self.learner, f"{id} {BEFORE}", sheet.text)

    def before(self, id: str) -> str | None:
        """The text that another took the place of, last time."""
        draft = self.gradebook.draft(self.learner, f"{id} {BEFORE}")
        return draft.text if draft else None

    def file(self, name: str) -> str | None:
        """A chapter's whole file in the workspace; None where there is none. Raises NotSaved."""
        path = self._file(name)
        return _read(path) if path else None

    def texts(self, name: str) -> dict[str, str]:
        """The text of every exercise of a chapter. Raises NotSaved."""
        return {each.id: self.sheet(each.id).text for each in chapter(name, self.course).exercises}

    def handed_out(self, id: str) -> str:
        """What the exercise starts from."""
        return starting_text(id, self.course)

    def attempted(self, id: str, work: Submission) -> str:
        """The text of one exercise in what was handed in; all of it where no such part can be told."""
        text = split(work, [each.id for each in chapter(id.partition(".")[0], self.course).exercises], self.course)
        return text.texts.get(id) or "\n\n".join(unit.source for unit in work.units)

    def submission(self, id: str, text: str) -> Submission:
        """What Check hands in. Outside a workspace the drafts of the chapter's other exercises come along.

        Raises grading.submission.Unreadable.
        """
        path = self._file(id)
        if path:
            return submission.read_beside(path)
        name = id.partition(".")[0]
        return self._draft(name, (*self._sheets(name, without=id), _unit(id, text)))

    def work(self, name: str) -> Submission:
        """All that the learner has of a chapter: the file, or drafts and stubs. Raises submission.Unreadable."""
        folder = self._folder(name)
        return submission.read_beside(folder / EXERCISES) if folder else self._draft(name, self._sheets(name))

    def sizes_beside(self, name: str) -> dict[str, int]:
        """The files of weights that lie beside the learner's text of a chapter, and how many bytes each has."""
        folder = self._folder(name)
        return submission.sizes_beside(folder) if folder else self.gradebook.sizes_beside(self.learner, name)

    def lay_beside(self, name: str, file: Attachment) -> None:
        """Lays a file beside the text of a chapter; one of that name that was there stays under another name.

        Raises NotSaved.
        """
        folder = self._folder(name)
        if not folder:
            self.gradebook.lay_beside(self.learner, name, file.name, file.data)
            return
        try:
            lay(folder, file.name, file.data)
        except OSError as error:
            raise NotSaved(f"{file.name} cannot be written ({error.strerror}).") from None

    def _draft(self, name: str, units: tuple[Unit, ...]) -> Submission:
        return Submission("draft", units, attached.named(self.gradebook.beside(self.learner, name), units))

    def _folder(self, name: str) -> Path | None:
        exercises = chapter(name, self.course).exercises
        path = self._file(exercises[0].id) if exercises else None
        return path.parent if path else None

    def _sheets(self, name: str, without: str = "") -> tuple[Unit, ...]:
        drafts = self.gradebook.drafts(self.learner)
        ids = [each.id for each in chapter(name, self.course).exercises if each.id != without]
        units = (_unit(id, self._page_sheet(id, drafts.get(id)).text) for id in ids)
        return tuple(unit for unit in units if unit.source.strip())

    def _file(self, id: str) -> Path | None:
        path = self.workspace.file(id) if self.workspace else None
        return path if path and path.is_file() else None


def put_in(source: str, id: str, text: str) -> str:
    """The source of an `exercises.py` with another text under the exercise's heading; as it is where that has gone."""
    start, end = _span(source, id)
    return source if (start, end) == (0, len(source)) else source[:start] + text.strip("\n") + source[end:]


def _unit(id: str, text: str) -> Unit:
    return submission.read_text(draft_label(id), text).units[0]


def _span(source: str, id: str) -> tuple[int, int]:
    """Where the exercise's part stands in a learner's file; the whole file where its heading has gone."""
    heading = re.search(rf"^# (?:.* )?headwork check {re.escape(id)}\n+", source, re.MULTILINE)
    held = _held(source, id)
    if not heading or held is None or not source.startswith(held, heading.end()):
        return 0, len(source)
    return heading.end(), heading.end() + len(held)


def _held(source: str, id: str) -> str | None:
    try:
        return section(source, id).strip("\n")
    except KeyError:
        return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise NotSaved(f"{path.name} is not UTF-8: save it as UTF-8 in your editor, then reload this page.") from None
    except OSError as error:
        raise NotSaved(f"{path.name} cannot be read ({error.strerror}).") from None


def _write(path: Path, text: str) -> None:
    """Replaces a file whole or not at all, with the line ends it had; a link stays a link."""
    path = path.resolve()
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        ends = "\r\n" if b"\r\n" in path.read_bytes() else "\n"
        with open(temporary, "x", encoding="utf-8", newline=ends) as file:
            file.write(text)
        shutil.copymode(path, temporary)
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise NotSaved(f"{path.name} cannot be written ({error.strerror}).") from None

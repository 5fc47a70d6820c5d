"""Files of weights that come along with code: an answer names one, and the grader takes it from what was handed in.

A name is looked up among what came along and nowhere else: no path that an answer gives is ever opened.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headwork.grading.archive import BadArchive, TooLarge, members, names_in, on_one_line
from headwork.grading.program import Attachment, Unit
from headwork.grading.unusable import MissingFile

if TYPE_CHECKING:  # these import torch
    from headwork.checkers.exercise import Exercise
    from headwork.grading.plan import Observation

KINDS = (".safetensors",)
LARGEST = 10_000_000  # bytes of a file
MOST = 8  # files of a submission


def from_files(files: Iterable[Path], folder: Path, units: Sequence[Unit]) -> tuple[Attachment, ...]:
    """Those of the files in a folder that the code names."""
    paths = {file.relative_to(folder).as_posix(): file for file in files}
    return tuple(_read(name, paths[name]) for name in _named(paths, units))


def from_archive(path: Path, units: Sequence[Unit]) -> tuple[Attachment, ...]:
    """Those in a zip that the code names. Raises BadArchive for a zip that cannot be read at all."""
    return tuple(_unpacked(path, name) for name in _named(names_in(path, KINDS), units))


def named(attachments: Sequence[Attachment], units: Sequence[Unit]) -> tuple[Attachment, ...]:
    """Those that the code names."""
    found = {each.name: each for each in attachments}
    return tuple(found[name] for name in _named(found, units))


def _taken(name: str, data: bytes) -> Attachment:
    """A file's contents as they come along, or why they do not."""
    if len(data) > LARGEST:
        return Attachment(name, b"", _too_large(name))
    return Attachment(name, data)


def fetch(exercise: "Exercise", seen: Iterable["Observation"], attachments: Sequence[Attachment]) -> None:
    """Puts files' contents in the place of their names, in what an answer yielded. Raises MissingFile."""
    if exercise.attached:
        for each in seen:
            for key, name in each.values.items():
                if isinstance(name, str):
                    each.values[key] = _found(name, attachments)


def _found(name: str, attachments: Sequence[Attachment]) -> bytes:
    asked = name.removeprefix("./")
    found = [each for each in attachments if each.name == asked]
    found = found or [each for each in attachments if _last(each.name) == asked]
    quoted = repr(name if len(name) <= 60 else name[:60] + "…")
    if not found:
        raise MissingFile(
            f"No file {quoted} came along. It belongs beside your code: into the same folder, into the zip that you "
            "hand in, or on the page below your text."
        )
    if len(found) > 1:
        raise MissingFile(f"{len(found)} files {quoted} came along: hand in the one that you mean.")
    if found[0].flaw:
        raise MissingFile(found[0].flaw)
    return found[0].data


def _named(names: Iterable[str], units: Sequence[Unit]) -> list[str]:
    """The first few that the code names, with or without their ending: a folder may hold many that are no answer."""

    def stands(text: str) -> bool:
        return any(text in unit.source for unit in units)

    found = [name for name in names if stands(Path(name).stem)]
    return sorted(found, key=lambda name: (not stands(_last(name)), name))[:MOST]


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _read(name: str, file: Path) -> Attachment:
    try:
        with file.open("rb") as opened:
            return _taken(name, opened.read(LARGEST + 1))
    except OSError as error:
        return Attachment(name, b"", f"{on_one_line(file.name)} cannot be read ({error.strerror}): make it readable.")


def _unpacked(path: Path, name: str) -> Attachment:
    try:
        return _taken(name, members(path, KINDS, LARGEST, LARGEST, wanted=name)[name])
    except TooLarge:
        return Attachment(name, b"", _too_large(name))
    except BadArchive as error:
        return Attachment(name, b"", f"The zip with {on_one_line(name)} {error}.")


def _too_large(name: str) -> str:
    return f"{on_one_line(_last(name))} has more than {LARGEST // 1_000_000} MB, which is the most that is taken."

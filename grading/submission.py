"""Reads what learners hand in (.py, .ipynb, folders, zips) into `Submission`s. Nothing of it is run."""

import codecs
import io
import os
import stat
import tokenize
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from headwork.grading import attached
from headwork.grading.archive import BadArchive, members
from headwork.grading.notebook import code_cells
from headwork.grading.program import Attachment, Submission, Unit

MB = 1 << 20
LARGEST_CODE = 1 * MB  # a .py file, or a notebook's code
LARGEST_NOTEBOOK = 20 * MB  # with its pictures
LARGEST_TOTAL = 50 * MB
MOST_FILES = 300
DEEPEST = 6  # folders within folders
CODE = (".py", ".ipynb")
# a coding cookie may name any codec of Python's, and some never end (punycode) or give no text (hex)
TEXT_CODECS = ("utf-8", "ascii", "iso8859", "cp", "mac", "koi8", "gb", "big5", "euc", "shift_jis")
SKIPPED_FOLDERS = {"__pycache__", "__MACOSX", "node_modules", "site-packages"}


class Unreadable(Exception):
    """A submission that cannot be read; its text is one line that says what is wrong and what to do."""


def read(path: Path) -> Submission:
    """One submission: a .py file, a notebook, a zip, or a folder with all .py and .ipynb files in it, sorted.

    Units are labelled 'exercises.py' or 'cell 3', where markdown cells are counted too, from 1. Where a submission has
    several files the path comes first: 'week1/nb.ipynb cell 3'. A folder without code but with one zip is that zip.
    Of a folder or a zip, the files of weights that the code names come along. Raises Unreadable.
    """
    return _read(Path(path), str(path))


def read_beside(path: Path) -> Submission:
    """As `read`, with the files of weights that lie beside a .py file or a notebook. Raises Unreadable.

    For the learner's own disk: in bulk, what lies beside a file may be somebody else's.
    """
    found = read(path)
    return found if path.is_dir() or path.suffix not in CODE else with_files(found, path.parent)


def with_files(submission: Submission, folder: Path) -> Submission:
    """The submission, with the files of weights in a folder that its code names."""
    return replace(submission, attachments=attached.from_files(_beside(folder), folder, submission.units))


def sizes_beside(folder: Path) -> dict[str, int]:
    """How many bytes each file of weights in a folder has, by name."""
    return {file.name: file.stat().st_size for file in _beside(folder)}


def _beside(folder: Path) -> list[Path]:
    try:
        return list(_files(folder, attached.KINDS, DEEPEST))
    except OSError:  # then nothing comes along
        return []


def read_text(name: str, source: str) -> Submission:
    """A .py text held in memory, as if read from a file of that name. Raises Unreadable."""
    label = Path(name).name or "submission.py"
    return Submission(name, (Unit(label, _checked(source, label)),))


def collect(paths: list[Path]) -> Iterator[tuple[str, Submission | Unreadable]]:
    """Many submissions for bulk grading, each with a label; one that cannot be read comes as its `Unreadable`.

    - A file or a zip is one submission, labelled by its file name.
    - A folder is never a submission itself: each direct child that is a .py, .ipynb or .zip file, or a folder with one
      of these in it, is a submission labelled by its name. A learner's flat folder therefore counts as a submission a
      file: give its parent, or use `read`.
    - Hidden files, links inside folders and other file types are passed over; a folder with nothing else is Unreadable.

    A label that was given already is replaced by the whole path.
    """
    given: set[str] = set()
    for path in paths:
        for each in _submissions_at(Path(path)):
            if isinstance(each, Unreadable):
                yield str(path), each
                continue
            label = each.name if each.name and each.name not in given else str(each)
            given.add(label)
            try:
                yield label, _read(each, label)
            except Unreadable as problem:
                yield label, problem


def _submissions_at(path: Path) -> list[Path | Unreadable]:
    try:
        if not path.is_dir() or path.suffix in CODE:
            return [path]
        found: list[Path | Unreadable] = [child for child in sorted(path.iterdir()) if _is_submission(child)]
    except (OSError, ValueError) as error:
        return [Unreadable(f"{path}: {_reason(error)}")]
    return found or [Unreadable(f"{path} holds no submissions: give a folder with .py, .ipynb or .zip files in it")]


def _is_submission(path: Path) -> bool:
    if path.name.startswith(".") or path.name in SKIPPED_FOLDERS or path.is_symlink():
        return False
    if path.suffix.lower() in (*CODE, ".zip"):
        return True
    return path.is_dir() and next(_files(path, (*CODE, ".zip")), None) is not None


def _read(path: Path, name: str) -> Submission:
    shown = _printable(path.name or str(path))
    try:
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind) and path.suffix not in CODE:
            return Submission(name, *_folder(path, shown))
        if not stat.S_ISREG(kind):
            raise Unreadable(f"{shown} is not a file: hand in a .py file, a notebook, a folder or a zip")
        suffix = path.suffix.lower()
        if suffix == ".zip":
            return Submission(name, *_archive(path, shown))
        if suffix not in CODE:
            raise Unreadable(f"{shown} is neither .py, .ipynb, .zip nor a folder: hand in one of these")
        return Submission(name, tuple(_units(shown, _contents(path, shown))))
    except (OSError, ValueError) as error:
        raise Unreadable(f"{shown}: {_reason(error)}") from None


def _folder(path: Path, shown: str) -> tuple[tuple[Unit, ...], tuple[Attachment, ...]]:
    files = sorted(_files(path, CODE))[: MOST_FILES + 1]
    if not files:
        archives = list(_files(path, (".zip",)))
        if len(archives) == 1:
            return _archive(archives[0], archives[0].name)
        raise Unreadable(f"{shown} has no .py or .ipynb file in it: hand in the folder with your code")
    if len(files) > MOST_FILES:
        raise Unreadable(f"{shown} holds more than {MOST_FILES} code files: hand in only your own")
    sizes = sum(file.stat().st_size for file in files)
    if sizes > LARGEST_TOTAL:
        raise Unreadable(
            f"{shown} holds {sizes / MB:.0f} MB of code (limit {LARGEST_TOTAL // MB} MB): hand in only yours"
        )
    contents = {file.relative_to(path).as_posix(): _contents(file, file.name) for file in files}
    units = _several(contents, shown)
    return units, attached.from_files(_files(path, attached.KINDS), path, units)


def _archive(path: Path, shown: str) -> tuple[tuple[Unit, ...], tuple[Attachment, ...]]:
    try:
        contents = members(path, CODE, LARGEST_NOTEBOOK, LARGEST_TOTAL)
        if not contents:
            raise Unreadable(f"{shown} has no .py or .ipynb file in it: zip the folder with your code")
        if len(contents) > MOST_FILES:
            raise Unreadable(f"{shown} holds more than {MOST_FILES} code files: hand in only your own")
        units = _several(contents, shown)
        return units, attached.from_archive(path, units)
    except BadArchive as error:
        raise Unreadable(f"{shown} {error}") from None


def _several(contents: dict[str, bytes], shown: str) -> tuple[Unit, ...]:
    if len(contents) == 1:
        contents = {name.rpartition("/")[2]: data for name, data in contents.items()}
        return tuple(unit for name, data in contents.items() for unit in _units(name, data))
    units = tuple(unit for name, data in contents.items() for unit in _units(name, data, prefix=f"{name} "))
    if sum(len(unit.source) for unit in units) > 5 * LARGEST_CODE:
        raise Unreadable(f"{shown} holds too much code (limit {5 * LARGEST_CODE // MB} MB): hand in only your own")
    return units


def _units(name: str, data: bytes, prefix: str = "") -> Iterator[Unit]:
    name = _printable(name)
    if not name.lower().endswith(".ipynb"):
        yield Unit(name, _checked(_decoded(data, name), name))
        return
    try:
        cells = code_cells(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise Unreadable(_not_utf8(name, error)) from None
    except ValueError as error:
        raise Unreadable(f"{name} {error}") from None
    if sum(len(source) for _, source in cells) > LARGEST_CODE:
        raise Unreadable(f"{name} holds more than {LARGEST_CODE // MB} MB of code: hand in only your own")
    for number, source in cells:
        yield Unit(f"{_printable(prefix)}cell {number}", _checked(source, f"{name} cell {number}"))


def _files(folder: Path, suffixes: tuple[str, ...], depth: int = 0) -> Iterator[Path]:
    """The files with these suffixes, neither hidden nor links, at most `DEEPEST` folders down."""
    with os.scandir(folder) as entries:
        children = sorted(entries, key=lambda entry: entry.name)
    for entry in children:
        if entry.name.startswith(".") or entry.name in SKIPPED_FOLDERS:
            continue
        if entry.is_dir(follow_symlinks=False):
            if depth < DEEPEST:
                yield from _files(Path(entry.path), suffixes, depth + 1)
        elif entry.is_file(follow_symlinks=False) and Path(entry.name).suffix.lower() in suffixes:
            yield Path(entry.path)


def _contents(path: Path, shown: str) -> bytes:
    limit = LARGEST_NOTEBOOK if path.suffix.lower() == ".ipynb" else LARGEST_CODE
    size = path.stat().st_size
    if size <= limit:
        with path.open("rb") as file:
            data = file.read(limit + 1)
        size = len(data)
    if size > limit:
        mend = "clear its outputs and save it again" if limit == LARGEST_NOTEBOOK else "hand in only your own code"
        raise Unreadable(f"{shown} is {size / MB:.1f} MB (limit {limit // MB} MB): {mend}")
    return data


def _decoded(data: bytes, name: str) -> str:
    if len(data) > LARGEST_CODE:
        raise Unreadable(
            f"{name} is {len(data) / MB:.1f} MB (limit {LARGEST_CODE // MB} MB): hand in only your own code"
        )
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    except (SyntaxError, ValueError):  # an unknown cookie, or lines that are not UTF-8: said below
        encoding = "utf-8-sig"
    if not codecs.lookup(encoding).name.startswith(TEXT_CODECS):
        raise Unreadable(f"{name} names an unusual encoding ({_printable(encoding)}): save it as UTF-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(_not_utf8(name, error)) from None


def _checked(source: str, name: str) -> str:
    if len(source) > LARGEST_CODE:
        raise Unreadable(f"{name} is longer than {LARGEST_CODE // MB} MB: hand in only your own code")
    if "\0" in source:
        line = source[: source.index("\0")].count("\n") + 1
        raise Unreadable(f"{name} has a NUL byte in line {line}: it is not a text file, save it again as UTF-8")
    if any("\ud800" <= char <= "\udfff" for char in source if char > "\u07ff"):
        raise Unreadable(f"{name} has half a Unicode character (a lone surrogate) in it: save it again as UTF-8")
    return source.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _not_utf8(name: str, error: UnicodeDecodeError) -> str:
    byte = error.object[error.start]
    return f"{name} is not UTF-8 text (byte 0x{byte:02x} at offset {error.start}): save it as UTF-8"


def _reason(error: Exception) -> str:
    match error:
        case FileNotFoundError():
            return "there is no such file; check the path"
        case PermissionError():
            return "no permission to read it; make it readable"
    return f"cannot be read ({_printable(getattr(error, 'strerror', None) or str(error))})"


def _printable(text: str) -> str:
    """The text on one line, so that a file's name cannot forge lines of a report."""
    return "".join(char if char.isprintable() else "?" for char in text)

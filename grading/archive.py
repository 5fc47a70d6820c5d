"""Zips read in memory, without trusting them: nothing is unpacked to disk, and what they declare is not believed."""

import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

MB = 1 << 20
LARGEST_ARCHIVE = 50 * MB
LARGEST_DIRECTORY = 1 * MB  # the list of members alone
MOST_MEMBERS = 2000


class BadArchive(ValueError):
    """One line that follows the archive's name: 'is encrypted: ...'."""


class TooLarge(BadArchive):
    """More is in it than was asked for."""


def members(
    path: Path, suffixes: tuple[str, ...], largest: int, total: int, wanted: str | None = None
) -> dict[str, bytes]:
    """The contents of the members with these suffixes, by name, sorted; hidden ones are left out.

    `largest` bounds one member and `total` all of them, in bytes. With `wanted`, only the member of that name. Raises
    BadArchive, and TooLarge, which is one.
    """
    with _opened(path) as archive:
        found = _listed(archive, suffixes)
        return _read([info for info in found if wanted in (None, info.filename)], archive, largest, total)


def names_in(path: Path, suffixes: tuple[str, ...]) -> list[str]:
    """The names of those members. Raises BadArchive."""
    with _opened(path) as archive:
        return [info.filename for info in _listed(archive, suffixes)]


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Raises BadArchive, also for what goes wrong while it is open."""
    try:
        if path.stat().st_size > LARGEST_ARCHIVE:
            raise BadArchive(f"is larger than {LARGEST_ARCHIVE // MB} MB: hand in only your code")
        with path.open("rb") as file:
            _refuse_large_directory(file)
            with zipfile.ZipFile(file) as archive:
                yield archive
    except BadArchive:
        raise
    except PermissionError:
        raise BadArchive("cannot be opened: no permission to read it") from None
    except (zipfile.BadZipFile, zlib.error, EOFError):
        raise BadArchive("is not a whole zip file: zip it again") from None
    except Exception as error:  # zipfile meets a hostile file with errors of many kinds
        raise BadArchive(f"cannot be read as a zip file ({type(error).__name__}): zip it again") from None


def _listed(archive: zipfile.ZipFile, suffixes: tuple[str, ...]) -> list[zipfile.ZipInfo]:
    """The members with these suffixes, sorted by name; of members of the same name the last."""
    infos = archive.infolist()
    if len(infos) > MOST_MEMBERS:
        raise BadArchive(f"holds more than {MOST_MEMBERS} files: hand in only your code")
    for info in infos:
        _refuse_unsafe(info)
    found = sorted({info.filename: info for info in infos if _is_wanted(info, suffixes)}.items())
    return [info for _, info in found]


def _read(infos: list[zipfile.ZipInfo], archive: zipfile.ZipFile, largest: int, total: int) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    left = total
    for info in infos:
        name, bound = info.filename, min(largest, left)
        if info.file_size <= bound:
            with archive.open(info) as member:
                contents[name] = member.read(bound + 1)
        if info.file_size > bound or len(contents[name]) > bound:
            raise TooLarge(
                f"holds too much text at {on_one_line(name)} (limit {bound / MB:.0f} MB): hand in only your code"
            )
        left -= len(contents[name])
    return contents


def _refuse_large_directory(file: BinaryIO) -> None:
    # zipfile builds an object a member before it can be asked how many there are
    size = file.seek(0, 2)
    file.seek(max(0, size - 66_000))
    tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end >= 20 and tail[end - 20 : end - 16] == b"PK\x06\x07":
        raise BadArchive("is in the zip64 format for very large archives: hand in only your code")
    if end >= 0 and int.from_bytes(tail[end + 12 : end + 16], "little") > LARGEST_DIRECTORY:
        raise BadArchive(f"holds more than {MOST_MEMBERS} files: hand in only your code")
    file.seek(0)


def _refuse_unsafe(info: zipfile.ZipInfo) -> None:
    name, shown = info.filename, on_one_line(info.filename)
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or name[1:2] == ":":
        raise BadArchive(f"holds a path that leads outside it ({shown}): zip the folder itself")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise BadArchive(f"holds a link or a special file ({shown}): zip the files themselves")
    if info.flag_bits & 1:
        raise BadArchive(f"is encrypted ({shown}): zip it without a password")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadArchive(f"is packed by an unusual method ({shown}): zip it again with ordinary compression")


def _is_wanted(info: zipfile.ZipInfo, suffixes: tuple[str, ...]) -> bool:
    path = PurePosixPath(info.filename)
    hidden = any(part.startswith(".") or part in ("__pycache__", "__MACOSX") for part in path.parts)
    return not info.is_dir() and not hidden and path.suffix.lower() in suffixes


def on_one_line(name: str) -> str:
    """A file's name as messages call it: short, and on one line."""
    return ascii(name[:60])[1:-1]

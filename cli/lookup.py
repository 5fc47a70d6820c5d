"""What people type after a command, looked up: exercises, chapters, files. Imports no torch."""

import difflib
from dataclasses import dataclass
from pathlib import Path

from headwork.chapters.course import chapters
from headwork.cli.say import Stop
from headwork.gradebook.workspace import Workspace, find

CODE = (".py", ".ipynb", ".zip")


@dataclass(frozen=True)
class Asked:
    """What was asked for: exercises in the order of the course, and files."""

    ids: list[str]
    files: list[Path]


def asked(words: list[str]) -> Asked:
    """Tells ids from files: what names an exercise or a chapter is that. Raises Stop."""
    known = {chapter.name: [each.id for each in chapter.exercises] for chapter in chapters()}
    wanted: set[str] = set()
    files: list[Path] = []
    for word in words:
        found = meant(word, known)
        if found:
            wanted.update(found)
        elif is_path(word):
            files.append(Path(word))
        else:
            raise Stop(unknown(word, known))
    return Asked([id for ids in known.values() for id in ids if id in wanted], files)


def one_exercise(word: str) -> str:
    """The id of the exercise that a word names. Raises Stop."""
    known = {chapter.name: [each.id for each in chapter.exercises] for chapter in chapters()}
    found = meant(word, known)
    if len(found) == 1 and word != found[0].partition(".")[0]:
        return found[0]
    if found:
        raise Stop(f"{word} is a chapter; name one of its exercises: {', '.join(found)}")
    raise Stop(unknown(word, known))


def meant(word: str, known: dict[str, list[str]]) -> list[str]:
    """The exercises that a word names: an id, a chapter, or a name that only one chapter has. Raises Stop."""
    ids = [id for each in known.values() for id in each]
    if word in ids:
        return [word]
    if word in known:
        if not known[word]:
            raise Stop(f"chapter {word} has no exercises; `headwork status` lists them all")
        return known[word]
    named = [id for id in ids if id.partition(".")[2] == word]
    if len(named) > 1:
        raise Stop(f"{word} may be {' or '.join(named)}: write which")
    return named


def is_path(word: str) -> bool:
    return word.endswith(CODE) or "/" in word or "\\" in word or Path(word).exists()


def unknown(word: str, known: dict[str, list[str]]) -> str:
    ids = [id for each in known.values() for id in each]
    forms = {id.partition(".")[2]: id for id in ids} | {name: name for name in known} | {id: id for id in ids}
    near = difflib.get_close_matches(word.lower(), forms, n=1, cutoff=0.5)
    mend = f"did you mean {forms[near[0]]}?" if near else "`headwork status` lists them all"
    return f"there is no exercise, chapter or file {word!r}; {mend}"


def workspace() -> Workspace:
    """The workspace we stand in. Raises Stop."""
    found = find(Path.cwd())
    if found is None:
        raise Stop("this is no workspace: make one with `headwork init my-headwork`, or name a file to check")
    return found


def shown(path: Path) -> str:
    """A path as people would type it from here."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix() or "."
    except ValueError:
        return str(path)

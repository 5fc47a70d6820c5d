"""OpenAI's models for a command: their files, put where workers find models."""

import os
import shutil
from contextlib import suppress
from pathlib import Path


def provide(name: str) -> None:
    """Makes a model of OpenAI's one that `grading.resources` knows; leaves any other name alone.

    transformers' cache holds links, which lead nowhere inside a sandbox; so its files are linked anew, or copied, into
    a folder under $HEADWORK_HOME. Raises Unavailable when they are not on this machine and cannot be fetched.
    """
    from headwork.gradebook.home import home
    from headwork.models import zoo

    if name not in zoo.OPENAI or name in zoo.folders():
        return
    cached, place = zoo.fetched(name), home() / "openai"
    (place / name).mkdir(parents=True, exist_ok=True)
    for file in zoo.FILES:
        _put((cached / file).resolve(), place / name / file)
    others = os.environ.get(zoo.VARIABLE, "")
    os.environ[zoo.VARIABLE] = os.pathsep.join([*filter(None, [others]), str(place)])


def _put(source: Path, file: Path) -> None:
    """Links or copies a file, whole or not at all."""
    if file.exists() and file.stat().st_size == source.stat().st_size:
        return
    new = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with suppress(OSError):  # another disk
            os.link(source, new)
        if not new.exists():
            shutil.copyfile(source, new)
        os.replace(new, file)
    finally:
        new.unlink(missing_ok=True)

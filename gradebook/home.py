"""Where Headwork keeps what it knows about its learners: `$HEADWORK_HOME`, else the user's data directory."""

import os
import tempfile
from pathlib import Path

import platformdirs

from headwork.gradebook.errors import GradebookError

FILE = "gradebook.sqlite"


def home() -> Path:
    """The folder, made when it is not there. Raises `GradebookError` when nothing can be written in it."""
    folder = Path(
        os.environ.get("HEADWORK_HOME") or platformdirs.user_data_dir("headwork", appauthor=False)
    ).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as problem:
        why = problem.strerror or type(problem).__name__
        raise GradebookError(
            f"cannot write in {folder} ({why}): set HEADWORK_HOME to a folder you can write in"
        ) from None
    return folder.absolute()


def gradebook_file() -> Path:
    """The file of the gradebook that both faces share."""
    return home() / FILE

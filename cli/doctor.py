"""`headwork doctor`: is this machine fit?"""

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from rich.table import Table
from rich.text import Text

from headwork.cli.say import NOT_PASSED, PASSED, as_json, draw, working

OLDEST, NEWEST = (3, 11), (3, 13)
ROOM = 2 << 30  # bytes: the gradebook, models, temporary files


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, what was found, and how to mend it where it must be."""

    what: str
    found: str
    ok: bool = True
    mend: str = ""


def run(*, json: bool) -> int:
    with working("Looking around…", quiet=json):
        findings = list(look())
    fit = all(each.ok for each in findings)
    if json:
        as_json({"fit": fit, "findings": [asdict(each) for each in findings]})
    else:
        show(findings, fit)
    return PASSED if fit else NOT_PASSED


def look() -> Iterator[Finding]:
    yield _python()
    yield from _torch()
    yield _sandbox()
    yield from _home()


def _python() -> Finding:
    version = platform.python_version()
    fits = OLDEST <= sys.version_info[:2] <= NEWEST
    return Finding("Python", version, fits, "" if fits else "use Python 3.11, 3.12 or 3.13")


def _torch() -> Iterator[Finding]:
    try:
        import torch
    except Exception as error:  # a broken installation may raise anything
        reason = " ".join(str(error).split())[:100]
        yield Finding("PyTorch", f"cannot be imported: {reason}", False, "pip install --force-reinstall torch")
        return
    yield Finding("PyTorch", torch.__version__)
    yield Finding("threads", f"{torch.get_num_threads()} of {os.cpu_count()} cores")
    if torch.cuda.is_available():
        yield Finding("CUDA", f"{torch.cuda.get_device_name(0)}, CUDA {torch.version.cuda}")
    else:
        yield Finding("CUDA", "none; nothing needs it")


def _sandbox() -> Finding:
    from headwork.grading import mounts

    path = mounts.bubblewrap()
    if path:
        return Finding("sandbox", f"bubblewrap works ({path})")
    if shutil.which("bwrap"):
        why = "bubblewrap is installed, but may not make namespaces here"
        mend = "allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone, or AppArmor's profile)"
    else:
        why, mend = "no bubblewrap", "apt install bubblewrap, or your system's word for it (Linux only)"
    boundary = "code runs as an ordinary process with limits, which is no security boundary: grade only your own"
    return Finding("sandbox", f"{why}; {boundary}", False, mend)


def _home() -> Iterator[Finding]:
    from headwork.gradebook.errors import GradebookError
    from headwork.gradebook.home import home

    try:
        folder = home()
    except GradebookError as error:
        yield Finding("home", str(error), False, "set HEADWORK_HOME to a folder you can write in")
        return
    yield Finding("home", str(folder))
    free = shutil.disk_usage(folder).free
    mend = "" if free >= ROOM else "make some room: 2 GB is enough"
    yield Finding("disk", f"{free / (1 << 30):.0f} GB free", free >= ROOM, mend)
    yield _gradebook()


def _gradebook() -> Finding:
    from headwork.chapters.made import counted
    from headwork.gradebook import migrate
    from headwork.gradebook.errors import GradebookError
    from headwork.gradebook.store import Gradebook

    try:
        with Gradebook.open() as book:
            learners = counted(len(book.learners()), "learner")
        return Finding("gradebook", f"revision {migrate.revisions()[-1]}, {learners}")
    except GradebookError as error:
        return Finding("gradebook", str(error), False, "see the line above")


def show(findings: list[Finding], fit: bool) -> None:
    rows = Table.grid(padding=(0, 2))
    rows.add_column(no_wrap=True)
    rows.add_column(no_wrap=True)
    rows.add_column(overflow="fold")
    for each in findings:
        mark = Text("ok", "green") if each.ok else Text("mend", "bold yellow")
        said = Text(each.found)
        if each.mend:
            said.append(f"\n→ {each.mend}", "yellow")
        rows.add_row(mark, Text(each.what), said)
    last = "This machine is fit." if fit else "Mend what is marked, then run `headwork doctor` again."
    draw(rows, "", last)

"""A grader for a command: its workers start first, then we load torch, so that both do it at once."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from headwork.cli.say import Stop, note

if TYPE_CHECKING:
    from headwork.grading.dispatch import Grader

MOST_WORKERS = 64
NO_BOUNDARY = (
    "note: no sandbox works here, so code runs as an ordinary process with limits, which is no security boundary; "
    "`headwork doctor` says what to mend"
)


def grader(
    chapters: Iterable[str], *, seed: int = 0, slow: bool = True, device: str = "cpu", required: bool = False
) -> "Grader":
    """A grader with workers for these chapters on their way. Raises Stop and WorkerFault."""
    from headwork.chapters import course
    from headwork.grading.sandbox import Server, Setting, WorkerFault

    try:
        setting = Setting.best(device, required=required)
    except WorkerFault as error:
        raise Stop(str(error)) from None
    servers: dict[str, Server] = {}
    try:
        for name in dict.fromkeys(chapters):
            servers[name] = Server(name, course.chapter(name).packages, setting)
        from headwork.grading.dispatch import Grader
    except BaseException:
        for server in servers.values():
            server.close()
        raise
    return Grader(setting, seed, slow, servers)


def note_boundary(isolation: str) -> None:
    """Says where other people's code runs unconfined."""
    if isolation != "bubblewrap":
        note(NO_BOUNDARY)


def check_workers(wanted: int | None) -> None:
    if wanted is not None and not 1 <= wanted <= MOST_WORKERS:
        raise Stop(f"--workers {wanted} makes no sense: give a number from 1 to {MOST_WORKERS}")


def workers_for(wanted: int | None, things: int) -> int:
    """No more workers than things to do, and unless asked for, no more than cores."""
    return max(1, min(wanted or min(os.cpu_count() or 1, 8), things))

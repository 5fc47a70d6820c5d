"""What is said when a command cannot go on: an exit code and one line, never a traceback of ours."""

import typer

from headwork.cli.say import FAULT, UNUSABLE, Stop

CLICK = next(each for each in typer.BadParameter.__mro__ if each.__name__ == "ClickException")


def said(error: Exception) -> tuple[int, str]:
    """The exit code and the line for an exception. Known ones carry their own line; the others are ours to mend."""
    if isinstance(error, typer.Exit):
        return error.exit_code, ""
    if isinstance(error, Stop):
        return error.code, str(error)
    if isinstance(error, CLICK):
        return UNUSABLE, _call(error)
    if isinstance(error, _unusable()):
        return UNUSABLE, one_line(str(error))
    if isinstance(error, _faults()):
        return FAULT, one_line(str(error))
    kind = type(error).__name__
    return FAULT, one_line(f"something of ours broke ({kind}: {error}); HEADWORK_TRACEBACK=1 shows where")


def one_line(text: str) -> str:
    return " ".join(text.split())


def _call(error: Exception) -> str:
    """What typer says of a call, and where to read on."""
    message = one_line(error.format_message()).rstrip(".")  # type: ignore[attr-defined]
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "headwork"
    return f"{message[:1].lower()}{message[1:]} (`{path} --help` says how it is used)"


def _unusable() -> tuple[type[Exception], ...]:
    from headwork.authoring.stub import BuildError
    from headwork.chapters.course import ChapterError
    from headwork.checkers.catalogue import UnknownExercise
    from headwork.gradebook.errors import GradebookError
    from headwork.gradebook.workspace import WorkspaceError
    from headwork.grading.submission import Unreadable
    from headwork.models.zoo import Unavailable

    return BuildError, ChapterError, GradebookError, Unavailable, UnknownExercise, Unreadable, WorkspaceError


def _faults() -> tuple[type[Exception], ...]:
    from headwork.grading.sandbox import WorkerFault

    return (WorkerFault,)

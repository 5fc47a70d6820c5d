"""`headwork grade`: many submissions, each with its report."""

import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from headwork.cli.grader import check_workers, grader, note_boundary, workers_for
from headwork.cli.lookup import asked
from headwork.cli.say import FAULT, PASSED, Stop, as_json, note, stderr, stdout
from headwork.grading.program import Submission
from headwork.grading.render import FORMATS, files, table
from headwork.grading.report import Report
from headwork.grading.submission import Unreadable, collect

ONE_AFTER_THE_OTHER = ("text", "github")  # formats that may follow each other on stdout


def run(
    paths: list[Path],
    *,
    format: str | None,
    out: Path | None,
    workers: int | None,
    device: str,
    seed: int | None,
    required: bool,
    only: Sequence[str],
    json: bool,
) -> int:
    ids = only_these(only)
    check_output(format, out, json)
    check_device(device)
    check_workers(workers)
    for path in paths:
        if not path.exists():
            raise Stop(f"{path} is not there: check the path")
    handed_in = list(collect(paths))
    if all(isinstance(each, Unreadable) for _, each in handed_in) and all(path.is_dir() for path in paths):
        raise Stop(str(handed_in[0][1]))
    check_room(format, out, len(handed_in))
    if seed is None:
        seed = secrets.randbelow(1 << 31)
        note(f"inputs drawn with seed {seed}: `--seed {seed}` draws them again")
    reports = list(graded(handed_in, ids, workers_for(workers, len(handed_in)), device, seed, required))
    write(reports, format, out, json)
    return FAULT if any(each.faulty for each in reports) else PASSED


def only_these(words: Sequence[str]) -> list[str] | None:
    """The exercises that `--ids` names, which may be given several times or with commas. Raises Stop."""
    named = [word for each in words for word in each.split(",") if word]
    found = asked(named)
    if found.files:
        raise Stop(f"--ids takes exercises, and {found.files[0]} is a file: name it without --ids")
    return found.ids or None


def check_output(format: str | None, out: Path | None, json: bool) -> None:
    """Raises Stop for what would be noticed only after the work."""
    if format is not None and format not in FORMATS:
        raise Stop(f"there is no format {format!r}: choose one of {', '.join(FORMATS)}")
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Stop(f"cannot write to {out} ({error.strerror}): name a folder with --out") from None
    if out is None and format is not None and json:
        raise Stop("--json and --format both want stdout: give the format a folder with --out")


def check_room(format: str | None, out: Path | None, submissions: int) -> None:
    """Raises Stop when a format makes more files than stdout can hold."""
    if format is None or out is not None or FORMATS[format].together or format in ONE_AFTER_THE_OTHER:
        return
    if submissions > 1:
        raise Stop(f"--format {format} makes a file a submission: name a folder for them with --out")


def check_device(device: str) -> None:
    if device not in ("cpu", "cuda"):
        raise Stop(f"there is no device {device!r}: choose cpu or cuda")
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise Stop("PyTorch sees no CUDA device here: leave out --device cuda, or see `headwork doctor`")


def graded(
    handed_in: list[tuple[str, Submission | Unreadable]],
    ids: list[str] | None,
    workers: int,
    device: str,
    seed: int,
    required: bool,
) -> Iterator[Report]:
    """Reports in the order of the submissions, with a bar on stderr where somebody is looking."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = stderr()
    columns = (TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn())
    chapters = {id.partition(".")[0] for id in ids or []}
    with (
        ExitStack() as stack,
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress,
    ):
        task = progress.add_task("Grading", total=len(handed_in))
        options = {"seed": seed, "device": device, "required": required}
        graders = [stack.enter_context(grader(chapters, **options)) for _ in range(workers)]  # type: ignore[arg-type]
        note_boundary(graders[0].setting.name)
        from headwork.grading.dispatch import grade_all

        for report in grade_all(handed_in, ids, graders):
            yield report
            progress.advance(task)


def write(reports: list[Report], format: str | None, out: Path | None, json: bool) -> None:
    """The reports as files under `out`, on stdout as JSON or in a format, else as a table."""
    if out is not None:
        made = files(format or "json", reports)
        try:
            for name, text in made.items():
                (out / name).write_text(text, encoding="utf-8", newline="\n")
        except OSError as error:
            raise Stop(f"cannot write to {out} ({error.strerror}): name another folder with --out") from None
        note(f"{len(made)} {'file' if len(made) == 1 else 'files'} in {out}")
    elif format is not None:
        sys.stdout.write("\n".join(files(format, reports).values()))
        return
    if json:
        from headwork.cli.check import as_data

        as_json(as_data(reports))
    else:
        stdout().print(table(reports))

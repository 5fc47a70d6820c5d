"""The command line. What a command does is imported only when it is asked for, so that this stays quick."""

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

import headwork
from headwork.cli import groups
from headwork.cli.errors import said
from headwork.cli.options import Device, Exercise, Json, Seed
from headwork.cli.say import INTERRUPTED, note, wants_traceback

LEARN, GRADE, WRITE, MACHINE = "Learn", "Grade", "Write chapters", "This machine"
EPILOGUE = """Three commands to start with:

  [cyan]headwork init my-headwork[/]  makes a workspace

  [cyan]cd my-headwork && headwork status[/]  shows what there is

  [cyan]headwork check gpt2.layer_norm[/]  judges your work"""

app = typer.Typer(
    name="headwork",
    help="Learn to take a transformer apart, with a grader that says which mistake you made.",
    epilog=EPILOGUE,
    add_completion=False,
    no_args_is_help=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        print(f"headwork {headwork.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command(rich_help_panel=LEARN)
def init(
    directory: Annotated[Path, typer.Argument(help="The folder; this one when left out.", metavar="DIR")] = Path("."),
    restore: Annotated[bool, typer.Option("--restore", help="Bring back files that you have deleted.")] = False,
    json: Json = False,
) -> int:
    """Make a workspace, or bring one up to date. Your work is never overwritten.

    Example: [cyan]headwork init my-headwork[/]
    """
    from headwork.cli import learn

    return learn.init(directory, restore=restore, json=json)


@app.command(rich_help_panel=LEARN)
def status(json: Json = False) -> int:
    """Show the map: what is done, what comes next, points.

    Example: [cyan]headwork status[/]
    """
    from headwork.cli import status as command

    return command.run(json=json)


@app.command(rich_help_panel=LEARN)
def check(
    what: Annotated[
        list[str] | None,
        typer.Argument(help="Exercises, chapters or files; all you have started when left out.", metavar="ID|FILE"),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Check again on every save, until Ctrl-C.")] = False,
    json: Json = False,
    seed: Seed = 0,
) -> int:
    """Check my work, and say which mistake it makes.

    Examples: [cyan]headwork check gpt2.layer_norm --watch[/], or anywhere [cyan]headwork check mine.ipynb gpt2[/]
    """
    from headwork.cli import check as command
    from headwork.cli.say import Stop

    if watch and json:
        raise Stop("--watch never ends, so it has no JSON to give: leave one of the two out")
    return command.run(what or [], watch=watch, json=json, seed=seed)


@app.command(rich_help_panel=LEARN)
def debug(
    exercise: Exercise,
    pdb: Annotated[bool, typer.Option("--pdb", help="Run it here, and stop where it raises.")] = False,
    seed: Seed = 0,
    json: Json = False,
) -> int:
    """Print the first failing case as a small program to run and change.

    Example: [cyan]headwork debug gpt2.layer_norm > debug.py && python debug.py[/]
    """
    from headwork.cli import debug as command

    return command.run(exercise, pdb=pdb, seed=seed, json=json)


@app.command(rich_help_panel=LEARN)
def hint(exercise: Exercise, json: Json = False) -> int:
    """Give the next hint. Hints are free.

    Example: [cyan]headwork hint gpt2.layer_norm[/]
    """
    from headwork.cli import learn

    return learn.hint(exercise, json=json)


@app.command(rich_help_panel=LEARN)
def story(
    file: Annotated[
        str | None, typer.Argument(help="A file with your GPT-2; the workspace's when left out.", metavar="FILE")
    ] = None,
    prompt: Annotated[str, typer.Option(help="How the story begins.", metavar="TEXT")] = "Once upon a time there was a",
    p: Annotated[float, typer.Option("--p", help="The nucleus that tokens are drawn from.", min=0.05, max=1)] = 0.7,
    seed: Annotated[int, typer.Option(help="Another seed, another story.", metavar="S", min=0, max=99)] = 4,
    model: Annotated[str, typer.Option(help="Whose weights: a model's name.", metavar="NAME")] = "house",
    json: Json = False,
) -> int:
    """Let your own GPT-2 write a story, with the weights of a trained one.

    Example: [cyan]headwork story --prompt "One day Mary and John met at the" --seed 7[/]
    """
    from headwork.cli import story as command

    return command.run(file, prompt=prompt, p=p, seed=seed, model=model, json=json)


@app.command(rich_help_panel=LEARN)
def solution(
    exercise: Exercise,
    force: Annotated[bool, typer.Option("--force", help="Before an attempt too; this is recorded.")] = False,
    json: Json = False,
) -> int:
    """Show the reference, once you have tried.

    Example: [cyan]headwork solution gpt2.layer_norm[/]
    """
    from headwork.cli import learn

    return learn.solution(exercise, force=force, json=json)


@app.command(rich_help_panel=LEARN)
def serve(
    port: Annotated[int, typer.Option(help="The port.", min=1, max=65535)] = 8501,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no browser.")] = False,
) -> int:
    """Serve the course as pages, to read and work in a browser.

    Example: [cyan]headwork serve[/]
    """
    from headwork.streamlit_app.serve import run as serve_pages

    return serve_pages(port, host, not no_browser)


@app.command(rich_help_panel=GRADE)
def grade(
    paths: Annotated[list[Path], typer.Argument(help="Files, zips, or folders of submissions.", metavar="PATH")],
    format: Annotated[
        str | None, typer.Option(help="text, json, gradescope, junit, github, csv or canvas.", metavar="F")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The folder to write the reports to.", metavar="DIR")] = None,
    workers: Annotated[int | None, typer.Option(help="How many at a time; by default as many as cores.")] = None,
    executor: Annotated[str, typer.Option(help="Where the work is done: local.")] = "local",
    device: Device = "cpu",
    seed: Annotated[
        int | None, typer.Option(help="Which inputs are drawn; by default ones nobody could prepare for.", metavar="S")
    ] = None,
    require_sandbox: Annotated[bool, typer.Option("--require-sandbox", help="Refuse to run without one.")] = False,
    ids: Annotated[list[str] | None, typer.Option(help="Only these exercises or chapters.", metavar="ID")] = None,
    json: Json = False,
) -> int:
    """Grade many submissions; each gets a report.

    Example: [cyan]headwork grade submissions/ --ids gpt2 --format junit --out reports[/]
    """
    from headwork.cli import grade as command
    from headwork.cli.say import Stop

    if executor != "local":
        known = "is not there yet" if executor == "ray" else "is none"
        raise Stop(f"the executor {executor} {known}: leave it out, and add --workers N to use more cores")
    return command.run(
        paths, format=format, out=out, workers=workers, device=device, seed=seed, required=require_sandbox,
        only=ids or [], json=json,
    )  # fmt: skip


@app.command(rich_help_panel=WRITE)
def verify(
    what: Annotated[
        list[str] | None, typer.Argument(help="Exercises or chapters; all when left out.", metavar="ID")
    ] = None,
    mutate: Annotated[bool, typer.Option("--mutate", help="Try generic edits of the references too.")] = False,
    slow: Annotated[bool, typer.Option("--slow", help="Run the cases that train something too.")] = False,
    seeds: Annotated[int, typer.Option(help="How many seeds.", metavar="N")] = 1,
    workers: Annotated[
        int | None, typer.Option(help="Exercises side by side; one a core when left out.", metavar="N")
    ] = None,
    json: Json = False,
) -> int:
    """Test the checkers: references pass, each mistake is named by its own sentence.

    Example: [cyan]headwork verify gpt2.layer_norm --mutate[/]
    """
    from headwork.cli import author

    return author.verify(what or [], mutate=mutate, slow=slow, seeds=seeds, workers=workers, json=json)


@app.command(rich_help_panel=WRITE)
def build(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail when a made file is stale.")] = False,
    json: Json = False,
) -> int:
    """Make the exercise files and notebooks from the chapters.

    Example: [cyan]headwork build --check[/]
    """
    from headwork.cli import author

    return author.build(check=check, json=json)


@app.command(rich_help_panel=WRITE)
def new(
    exercise: Annotated[str, typer.Argument(help="Its id: chapter.name.", metavar="EXERCISE")], json: Json = False
) -> int:
    """Begin a new exercise: the files to fill in.

    Example: [cyan]headwork new gpt2.embed[/]
    """
    from headwork.cli import author

    return author.new(exercise, json=json)


app.add_typer(groups.models, rich_help_panel=MACHINE)


@app.command(rich_help_panel=LEARN)
def reproduce(
    what: Annotated[str, typer.Argument(help="What to reproduce: ioi.", metavar="WHAT")],
    model: Annotated[str, typer.Option(help="On which model: house, gpt2.", metavar="NAME")] = "house",
    seed: Annotated[int, typer.Option(help="Which prompts are drawn.", metavar="S", min=0)] = 0,
    device: Device = "cpu",
    json: Json = False,
) -> int:
    """Measure again what a paper measured, and show its figures beside ours.

    ioi is Wang et al. 2022, a circuit for indirect object identification in GPT-2 small: the behaviour, the heads of
    each class by direct effect and by path patching, copy scores, self-repair, and the circuit's three tests. It runs
    on house without a network, and on gpt2 where the weights are.

    Example: [cyan]headwork reproduce ioi --model gpt2[/]
    """
    from headwork.cli import reproduce as command

    return command.run(what, model=model, seed=seed, device=device, json=json)


app.add_typer(groups.circuit, rich_help_panel=LEARN)
app.add_typer(groups.sae, rich_help_panel=LEARN)


@app.command(rich_help_panel=MACHINE)
def doctor(json: Json = False) -> int:
    """Say whether this machine is fit, and what to mend.

    Example: [cyan]headwork doctor[/]
    """
    from headwork.cli import doctor as command

    return command.run(json=json)


def run(arguments: list[str]) -> int:
    """Runs one command and returns its exit code. Whatever goes wrong is said in one line."""
    try:
        code = int(app(arguments, prog_name="headwork", standalone_mode=False) or 0)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:  # whoever read us has gone: `headwork status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except Exception as error:
        if wants_traceback():
            raise
        code, line = said(error)
        if line:
            note(f"headwork: {line}")
    if code == INTERRUPTED:  # typer turns Ctrl-C into this code itself
        note("\nStopped." if sys.stderr.isatty() else "Stopped.")
    return code


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Ctrl-C and a polite kill leave no worker behind, whichever thread is waiting for it."""
    sandbox = sys.modules.get("headwork.grading.sandbox")
    if sandbox is not None:
        sandbox.stop_all()
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without ✓ shows ? rather than a traceback
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    code = run(sys.argv[1:])
    sys.exit(code)


if __name__ == "__main__":
    main()

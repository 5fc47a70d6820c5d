"""`headwork circuit`: judges a circuit by experiment, and finds the reference that it is judged beside."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwork.cli.say import NOT_PASSED, PASSED, Stop, as_json, draw, in_words, note, stderr

if TYPE_CHECKING:
    from headwork.checkers.ioi.judge.circuit import Circuit
    from headwork.checkers.ioi.judge.score import Measured, Score

ROWS = (
    ("F", "faithful", "answers as the model does, prompt by prompt"),
    ("I", "complete", "and goes on doing so, whatever is taken from both"),
    ("Mn", "minimal", "members that add something"),
    ("lift", "above chance", "beside random circuits of its size"),
)
SETS = 400  # about how many sets of nodes a judgement runs


def score(file: Path, *, model: str | None, seed: int | None, device: str, json: bool) -> int:
    """Raises Stop for a file that is no circuit, or a model that none can be judged on."""
    from headwork.checkers.ioi.judge import court, references
    from headwork.checkers.ioi.judge.circuit import NoCircuit, read
    from headwork.checkers.ioi.judge.score import BAR
    from headwork.models.zoo import Unavailable

    check_device(device)
    seed = secrets.randbelow(1 << 31) if seed is None else seed
    store = folder()
    try:
        circuit = read(file)
        if model and model != circuit.model:
            raise Stop(
                f"{file.name} is a circuit of {circuit.model}, not of {model}: leave --model out, or mend the file"
            )
        with _bar(f"Trying {circuit.model} without all but {len(circuit.nodes)} nodes", SETS, json) as told:
            found = court.judge(circuit, seed=seed, device=device, told=told, store=store / "answers", more=[store])
    except (NoCircuit, references.NoReference, Unavailable) as problem:
        raise Stop(str(problem)) from None
    except KeyboardInterrupt:
        note(f"What was run is kept: `headwork circuit score {file} --seed {seed}` goes on from there.")
        raise
    leads = _enter(found, circuit)
    if json:
        as_json(found.as_json())
    else:
        _show(found, circuit)
        if leads:
            in_words(f"It is your smallest so far: it stands on the leaderboard with {found.mine.size} nodes.")
    return PASSED if found.value >= BAR else NOT_PASSED


def find(model: str, *, floor: float, device: str, json: bool) -> int:
    """Raises Stop for a model in which no circuit can be looked for."""
    from headwork.checkers.ioi.judge import references
    from headwork.models import zoo

    check_device(device)
    try:
        references.weights_file(model)
        network = zoo.load(model, device=device).requires_grad_(False)
        if network.tokenizer is None:
            raise Stop(f"{model} has no words: there are no prompts to look for a circuit on")
        with _bar(f"Looking for a circuit of {model}", 1500, json) as told:
            found = references.find(network, model, floor, note if not json else lambda line: None, told)
    except (references.NoReference, zoo.Unavailable, ValueError) as problem:
        raise Stop(str(problem)) from None
    file = _keep(found)
    if json:
        as_json({**found, "file": str(file)})
        return PASSED
    in_words(f"{len(found['circuit']['nodes'])} nodes keep F = {found['F']:.2f}. Written to {file}.")
    return PASSED


def folder() -> Path:
    """Where references of the learner's own are, and the answers of circuits that were judged."""
    from headwork.gradebook.home import home

    return home() / "circuits"


def _keep(found: dict[str, Any]) -> Path:
    """The shipped model's reference goes into the repository with the finding's answer; any other to the learner's."""
    from headwork.checkers.ioi.judge import references
    from headwork.checkers.ioi.judge.circuit import parsed
    from headwork.models import zoo

    circuit = parsed(found["circuit"])
    shipped = zoo.folders().get(circuit.model) == zoo.SHIPPED / circuit.model
    try:
        if not (shipped and (references.FOLDER / f"{circuit.model}.json").is_file()):
            return references.keep(found, folder())
        if circuit.model == references.SHIPPED:
            for answer, text in references.answers(circuit.model, circuit.nodes).items():
                answer.write_text(text, encoding="utf-8")
        return references.keep(found)
    except OSError as error:
        raise Stop(f"the reference was not written ({error.strerror})") from None


def _enter(found: "Score", circuit: "Circuit") -> bool:
    """Puts it on the leaderboard, which the page shows, if it may stand there."""
    from headwork.gradebook.board import enter_circuit
    from headwork.gradebook.home import gradebook_file
    from headwork.gradebook.store import ME, Gradebook

    if not found.on_the_board:
        return False
    with Gradebook.open(gradebook_file()) as gradebook:
        return enter_circuit(gradebook, ME, found.as_json(), circuit.as_json())


def _show(found: "Score", circuit: "Circuit") -> None:
    from rich.table import Table
    from rich.text import Text

    from headwork.checkers.ioi.judge.circuit import named
    from headwork.checkers.ioi.judge.score import BAR, interval

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading, side in [("", "left"), ("yours", "right"), ("95 %", "left"), ("reference", "right"), ("", "left")]:
        table.add_column(heading, justify=side)  # type: ignore[arg-type]
    mine, other = found.mine, found.reference
    table.add_row("nodes", str(mine.size), "", str(other.size), Text("heads at places", "dim"))
    for part, name, about in ROWS:
        beside = f"{other.value(part):.2f}" if part in other.parts else "1.00"
        table.add_row(name, f"{mine.value(part):.2f}", _ends(mine, part), beside, Text(about, "dim"))
    usual, others = (f"{next(iter(each.signed.values())):.2f}" for each in (mine, other))
    table.add_row("usual ratio", usual, "", others, Text("not scored", "dim"))
    low, high = interval(found.points)
    style = "bold green" if found.value >= BAR else "bold red"
    points = Text(f"{found.value:.0f} of 100", style)
    points.append(f"  (95 %: {low:.0f} to {high:.0f}), a circuit of {circuit.model}", "dim")
    draw(points, "", table, "")
    in_words(
        f"Random circuits of {mine.size} nodes have F = {mine.random:.2f}; the whole model has 1, and a lift of 0. "
        f"The worst set of those taken from both: c = {mine.worst:.2f} (reference {other.worst:.2f})."
    )
    worst, c = mine.greedy
    if worst:
        in_words(
            f"The worst that a search finds among its members: c = {c:.2f} without "
            f"{', '.join(named(node) for node in worst)} (reference {other.greedy[1]:.2f}); not scored."
        )
    idle = [named(each.node) for each in mine.members if not each.earned]
    if idle:
        more = f" and {len(idle) - 6} more" if len(idle) > 6 else ""
        in_words(f"Nothing was found that these add: {', '.join(idle[:6])}{more}.")
    for each in found.edges:
        verdict = "heard" if each.confirmed else "not confirmed"
        in_words(f"{each.edge}: {verdict}, {100 * each.effect:+.1f} % of the whole effect.")
    if found.value < BAR:
        weakest = next(name for part, name, _ in ROWS if part == found.weakest)
        in_words(f"The score is the worst of the four, beside the reference: here it is `{weakest}`.")
    in_words(f"{found.prompts} prompts of held-out names and templates, seed {found.seed}.", "dim")


def _ends(found: "Measured", part: str) -> str:
    low, high = found.interval(part)
    return "" if part == "Mn" else f"{low:.2f} to {high:.2f}"


def check_device(device: str) -> None:
    """Raises Stop for a device that is not there."""
    if device not in ("cpu", "cuda"):
        raise Stop(f"there is no device {device}: there are cpu and cuda")
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise Stop("PyTorch finds no CUDA here: leave --device out, and it runs on the CPU")


@contextmanager
def _bar(what: str, sets: int, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar on stderr where somebody is looking. How many sets there will be is a guess: the end is the end."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = stderr()
    columns = TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal, transient=True) as progress:
        task = progress.add_task(what, total=sets)
        done = 0

        def told(count: int) -> None:
            nonlocal done
            done += count
            progress.update(task, completed=done, total=max(sets, done))

        yield told

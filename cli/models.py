"""`headwork models`: what is in the zoo, how it was trained, and what it is measured by."""

import json as jsonlib
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import isfinite, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from headwork.cli.say import NOT_PASSED, PASSED, Stop, as_json, draw, in_words, note, stderr, working
from headwork.models import zoo
from headwork.models.measure import measure
from headwork.models.recipes.recipe import recipe, recipes

if TYPE_CHECKING:
    from headwork.models.training import Moment

DEVICES = ("cpu", "cuda")
OPENAI = {  # parameters, and the bytes of the file that is fetched
    "gpt2": (124_439_808, 548_105_171),
    "gpt2-medium": (354_823_168, 1_519_984_962),
    "gpt2-large": (774_030_080, 3_247_159_078),
    "gpt2-xl": (1_557_611_200, 6_431_829_964),
}


@dataclass(frozen=True)
class Entry:
    """A model of the list. `bytes` are those of its weights, without the checkpoints."""

    name: str
    summary: str
    origin: str  # trained here, written by hand, yours, OpenAI's
    here: bool
    parameters: int | None
    bytes: int | None
    checkpoints: list[int]
    recipe: bool
    measured: bool
    path: str | None


def list_models(*, json: bool) -> int:
    entries = list(look())
    if json:
        as_json([asdict(each) for each in entries])
        return PASSED
    rows = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading, side in [("model", "left"), ("parameters", "right"), ("size", "right"), ("", "left")]:
        rows.add_column(heading, justify=side, no_wrap=heading != "")  # type: ignore[arg-type]
    for each in entries:
        about = Text(each.summary)
        about.append(f"{' ' if each.summary else ''}{_standing(each)}", "dim")
        rows.add_row(Text(each.name, "bold" if each.here else "dim"), _count(each.parameters), _size(each.bytes), about)
    draw(rows, "")
    in_words('`headwork.models.load(NAME)` gives one; with a checkpoint, it is `load("NAME@STEP")`.')
    return PASSED


def look() -> Iterator[Entry]:
    """Every model that is shipped, or mine, or could be made or fetched. Asks no network and imports no torch."""
    found, trained, measures = zoo.folders(), recipes(), measure.measured()
    cards = sorted(file.stem for file in measure.CARDS.glob("*.md"))
    for name in dict.fromkeys([*sorted(found), *trained, *measures, *cards]):
        if any(each.startswith(f"{name}-") for each in found) and name not in (*found, *trained):
            continue  # a family, whose members are listed
        folder = found.get(name)
        yours = folder is not None and folder.parent != zoo.SHIPPED
        origin = "yours" if yours else "trained here" if name in trained else "written by hand"
        file = folder / zoo.WHOLE if folder else None
        yield Entry(
            name, measure.summary(name), origin, folder is not None, *_weights(file), zoo.checkpoints(name) if folder
            else [], name in trained, name in measures, str(folder) if folder else None,
        )  # fmt: skip
    for name in zoo.OPENAI:
        if name not in found:
            file = _cached(name)
            parameters, size = _weights(file) if file else OPENAI[name]
            summary = f"OpenAI's GPT-2 with {_count(parameters)} parameters."
            path = str(file.parent) if file else None
            yield Entry(name, summary, "OpenAI's", file is not None, parameters, size, [], False, False, path)


def _weights(file: Path | None) -> tuple[int | None, int | None]:
    """How many numbers a safetensors file holds, from its header, and how many bytes it has."""
    if file is None:
        return None, None
    try:
        with file.open("rb") as stream:
            length = struct.unpack("<Q", stream.read(8))[0]
            header = jsonlib.loads(stream.read(min(length, 100_000_000)))
        return sum(prod(each["shape"]) for name, each in header.items() if name != "__metadata__"), file.stat().st_size
    except (OSError, ValueError, KeyError, TypeError, struct.error):
        return None, file.stat().st_size if file.exists() else None


def _cached(name: str) -> Path | None:
    """OpenAI's weights, where they have been fetched before."""
    from huggingface_hub import try_to_load_from_cache

    for repository in (f"openai-community/{name}", name):
        file = try_to_load_from_cache(repository, zoo.WHOLE)
        if isinstance(file, str):
            return Path(file)
    return None


def _standing(entry: Entry) -> str:
    parts = []
    if entry.origin == "OpenAI's":
        parts.append("In the cache." if entry.here else "Not on this machine; load() fetches it.")
    elif entry.origin == "yours":
        parts.append(f"Yours, in {entry.path}.")
    elif not entry.here:
        parts.append("Not shipped; `headwork models train` makes it." if entry.recipe else "Made by code when asked.")
    if entry.checkpoints:
        parts.append(f"Checkpoints at {', '.join(map(str, entry.checkpoints))}.")
    return " ".join(parts)


def _count(number: int | None) -> str:
    if number is None:
        return ""
    for unit, scale in (("B", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= scale:
            return f"{number / scale:.{0 if number >= 100 * scale else 1}f}{unit}"
    return str(number)


def _size(number: int | None) -> str:
    if number is None:
        return ""
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"


def train(name: str, *, device: str, seed: int, out: Path | None, json: bool) -> int:
    """Raises Stop for what cannot be trained, or not be written."""
    try:
        asked = recipe(name)
    except ValueError as error:
        raise Stop(str(error)) from None
    folder = _folder_for(name, seed, out)
    _check_device(device)
    from headwork.gradebook.home import home
    from headwork.models import training

    keep = home() / "training" / f"{name}-seed{seed}-{device}"
    try:
        with _bar(name, asked.steps, quiet=json) as show:
            last = training.train(asked, folder, keep=keep, seed=seed, device=device, show=show)
    except training.Stopped as stopped:
        again = _command(name, device, seed, out)
        note(f"{stopped.step} of {asked.steps} steps are done and kept: `{again}` goes on from there.")
        return 128 + stopped.number
    except (training.Diverged, OSError, ValueError) as error:
        raise Stop(f"{name} was not trained: {error}") from None
    if json:
        as_json({"model": name, "seed": seed, "device": device, "folder": str(folder), **asdict(last)})
        return PASSED
    found = "".join(f", {what} {value:.3g}" for what, value in last.scores.items())
    in_words(f"{name}: {last.steps} steps, loss {last.loss:.3g}{found}. Written to {folder}.")
    if folder == zoo.SHIPPED / name:
        in_words(f"`headwork models verify {name}` measures it, and writes the figures into its card.")
    return PASSED


def _folder_for(name: str, seed: int, out: Path | None) -> Path:
    """Where the model goes. Raises Stop when that is no place to write to."""
    if seed < 0:
        raise Stop("--seed takes a number from 0")
    if out is None and seed != 0:
        raise Stop(f"the shipped {name} has seed 0: for another seed, name a folder with --out DIR")
    folder = out.absolute() if out else zoo.SHIPPED / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise Stop(f"cannot write in {folder} ({error.strerror}): name another folder with --out DIR") from None


def _check_device(device: str) -> None:
    kind = device.partition(":")[0]
    if kind not in DEVICES:
        raise Stop(f"there is no device {device}: there are {' and '.join(DEVICES)}")
    if kind == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise Stop("PyTorch finds no CUDA here: leave --device out, and it trains on the CPU")


def _command(name: str, device: str, seed: int, out: Path | None) -> str:
    words = ["headwork models train", name]
    words += ["--device", device] * (device != "cpu")
    words += ["--seed", str(seed)] * (seed != 0)
    words += ["--out", str(out)] * (out is not None)
    return " ".join(words)


@contextmanager
def _bar(name: str, steps: int, quiet: bool) -> Iterator[Callable[["Moment"], None]]:
    """A bar on stderr with the loss and the scores where somebody is looking; elsewhere ten lines in all."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = stderr()
    columns = (
        TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), TimeRemainingColumn(),
        TextColumn("{task.fields[scores]}"),
    )  # fmt: skip
    live = console.is_terminal and not quiet
    told = 0

    with Progress(*columns, console=console, disable=not live) as progress:
        task = progress.add_task(name, total=steps, scores="")

        def show(moment: "Moment") -> None:
            nonlocal told
            scores = "  ".join([f"loss {moment.loss:.3g}", *(f"{k} {v:.3g}" for k, v in moment.scores.items())])
            progress.update(task, completed=moment.step, scores=scores)
            if not live and not quiet and 10 * moment.step // steps > told:
                told = 10 * moment.step // steps
                note(f"{name}  {moment.step}/{steps}  {scores}")

        yield show


def verify(names: list[str], *, json: bool) -> int:
    """Raises Stop for a model that is not here, or that nothing measures."""
    results: dict[str, Any] = {}
    for name in names or measure.measured():
        measures = _measured(name, json)
        results[name] = [asdict(each) | {"value": each.value if isfinite(each.value) else None} for each in measures]
        if not json:
            _show(name, measures)
        _write_card(name, measures)
    if json:
        as_json(results)
    good = all(each["passed"] for found in results.values() for each in found)
    return PASSED if good else NOT_PASSED


def _measured(name: str, json: bool) -> list[measure.Measure]:
    try:
        measures = measure.measure_of(name)
        with working(f"Measuring {name}…", quiet=json):
            import torch

            with torch.no_grad():
                return list(measures(zoo.load(name) if name in zoo.names() else None))
    except (ValueError, zoo.Unavailable) as error:
        raise Stop(str(error)) from None


def _show(name: str, measures: list[measure.Measure]) -> None:
    rows = Table.grid(padding=(0, 2))
    for each in measures:
        mark = Text("✓", "green") if each.passed else Text("✗", "bold red")
        rows.add_row(mark if each.bar is not None else "", each.name, each.shown, Text(each.needed, "dim"))
    missed = sum(not each.passed for each in measures)
    bars = sum(each.bar is not None for each in measures)
    told = f"{bars - missed} of {bars} bars are reached." if missed else f"All {bars} bars are reached."
    draw(Text(name, "bold"), rows, told, "")


def _write_card(name: str, measures: list[measure.Measure]) -> None:
    """Brings the card's figures up to date: those of the shipped model, where the card can be written."""
    card = measure.card_file(name)
    shipped = zoo.folders().get(name) in (None, zoo.SHIPPED / name)
    if not shipped or not card.is_file():
        return
    old = card.read_text(encoding="utf-8")
    try:
        new = measure.with_figures(old, measures)
        if new != old:
            card.write_text(new, encoding="utf-8")
            note(f"written: {card}")
    except (OSError, ValueError) as error:
        note(f"{card} was not written: {error}")

"""`headwork sae`: judges a sparse autoencoder by experiment, and trains and measures those that are shipped."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from headwork.cli.circuit import check_device
from headwork.cli.say import NOT_PASSED, PASSED, Stop, as_json, draw, in_words, note, stderr

if TYPE_CHECKING:
    from headwork.checkers.sae.judge.score import Score


def score(file: Path, *, model: str, hook: str, seed: int | None, tokens: int | None, device: str, json: bool) -> int:
    """Raises Stop for a file that is no autoencoder, or an activation that none can be judged on."""
    from headwork.checkers.sae.judge import file as files
    from headwork.checkers.sae.judge import ladder, score
    from headwork.models import zoo

    check_device(device)
    seed = secrets.randbelow(1 << 31) if seed is None else seed
    tokens = score.TOKENS if tokens is None else tokens
    try:
        sae = files.read(file)
        ladder.rungs(hook, model)
        network = zoo.load(model, device=device).requires_grad_(False)
        sae = files.on(sae, device)
        with _bar(f"Reading {tokens:,} tokens", tokens, json) as told:
            found = score.score(sae, network, model, hook, seed=seed, tokens=tokens, told=told)
    except (files.NoSAE, zoo.Unavailable, ValueError) as problem:
        raise Stop(str(problem)) from None
    leads = _enter(found)
    if json:
        as_json(found.as_json())
    else:
        _show(found)
        if leads:
            in_words(f"It is your best so far: it stands on the leaderboard with s = {found.s:.2f}.")
    return PASSED if found.points >= score.BAR else NOT_PASSED


def train(
    hook: str | None, k: int | None, *, steps: int | None, seed: int, out: Path | None, device: str, json: bool
) -> int:
    """Raises Stop for one that there is no plan for, or a folder that cannot be written."""
    import torch
    from safetensors.torch import save_file

    from headwork.checkers.sae.judge import recipe
    from headwork.models import sums, zoo
    from headwork.models.dictionaries import file_of

    check_device(device)
    plans = [plan for plan in recipe.PLANS if hook in (None, plan.hook) and k in (None, plan.k)]
    if not plans:
        there = ", ".join(f"{plan.hook} with k {plan.k}" for plan in recipe.PLANS)
        raise Stop(f"there is no plan for that: there are {there}")
    if steps is not None:
        plans = [replace(plan, steps=steps) for plan in plans]
    if out is None and (seed or steps is not None):
        raise Stop("what is shipped has seed 0 and the recipe's steps: for others, name a folder with --out DIR")
    torch.set_num_threads(1)
    model = zoo.load("house", device=device).requires_grad_(False)
    for plan in plans:
        place = file_of(plan.hook, plan.k)
        file = out / place.name if out else place
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with _bar(plan.name, plan.steps, json) as told:
                tensors = recipe.train(model, plan, seed, told)
            with nullcontext() if out else sums.renewed(zoo.SHIPPED / "house"):
                save_file(recipe.stored(tensors), file)
        except OSError as error:
            raise Stop(f"{file} was not written ({error.strerror}): name a folder with --out DIR") from None
        if not json:
            in_words(f"{plan.name}: {plan.steps} steps of {recipe.BATCH} activations. Written to {file}.")
    if json:
        as_json({"trained": [plan.name for plan in plans], "seed": seed})
    return PASSED


def measure(*, tokens: int, seed: int, json: bool) -> int:
    """Measures what is shipped, and writes the figures beside it."""
    from headwork.checkers.sae.judge import ladder
    from headwork.models import zoo
    from headwork.models.dictionaries import autoencoders

    hooks = {hook for hook, _ in autoencoders()}
    model = zoo.load("house").requires_grad_(False)
    with _bar("Measuring", tokens * len(hooks), json) as told:
        figures = ladder.measure(model, tokens, seed, told)
    try:
        ladder.write(figures)
        note(f"written: {ladder.FILE} and {ladder.README}")
    except OSError as error:
        note(f"the figures were not written ({error.strerror})")
    if json:
        as_json(figures)
    else:
        print(ladder.table(figures))
    return PASSED


def _enter(found: "Score") -> bool:
    """Puts it on the leaderboard, which the page shows, if it may stand there."""
    from headwork.gradebook.board import enter_autoencoder
    from headwork.gradebook.store import ME, Gradebook

    if not found.on_the_board:
        return False
    with Gradebook.open() as gradebook:
        return enter_autoencoder(gradebook, ME, found.as_json())


def _show(found: "Score") -> None:
    from rich.table import Table
    from rich.text import Text

    from headwork.checkers.sae.judge.score import BAR

    rows = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for name, value, about in [
        ("nats added", f"{found.added:.3f}", f"± {2 * found.error:.3f}, to a loss of {found.clean:.3f}"),
        ("FVU", f"{found.fvu:.3f}", "the share of the variance that is missing"),
        ("L0", f"{found.l0:.1f}", f"active latents of {found.latents}"),
        ("alive", f"{100 * found.alive:.0f} %", "of the latents, at least once"),
        ("bits", f"{found.bits:.0f}", "to say which are active, and how strongly"),
        ("ours, same loss", _bits(found.bits_for_loss), "bits of our autoencoders where they lose as much"),
        ("ours, same FVU", _bits(found.bits_for_fvu), "and where they miss as much"),
        ("borrowed", f"{100 * found.borrowed:.0f} %", "of the latents of one of ours are found again in it"),
        ("s", f"{found.s:.2f}", "our bits by yours, the worse of the two"),
        ("token's mean", f"{found.token_mean:.2f}", "nats added with the mean activation of each token"),
        ("components", f"{found.components:.2f}", "and with as many principal components as active latents"),
    ]:
        rows.add_row(name, value, Text(about, "dim"))
    style = "bold green" if found.points >= BAR else "bold red"
    points = Text(f"{found.points:.0f} of 100", style)
    points.append(f"  {found.hook} of {found.model}", "dim")
    draw(points, "", rows, "")
    if found.fault:
        in_words(f"{found.fault} That brings no points.")
    in_words(f"{found.tokens:,} tokens of texts drawn for this, seed {found.seed}.", "dim")


def _bits(number: float) -> str:
    return f"{number:.0f}" if number else "none"


@contextmanager
def _bar(what: str, total: int, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar on stderr where somebody is looking; elsewhere four lines in all."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = stderr()
    columns = TextColumn("{task.description}"), BarColumn(20), TaskProgressColumn(), TimeRemainingColumn()
    live, done, said = console.is_terminal and not quiet, 0, 0
    with Progress(*columns, console=console, disable=not live, transient=True) as progress:
        task = progress.add_task(what, total=total)

        def told(count: int) -> None:
            nonlocal done, said
            done += count
            progress.update(task, completed=done)
            if not live and not quiet and 4 * done // total > said:
                said = min(4 * done // total, 4)
                note(f"{what}  {100 * min(done, total) // total} %")

        yield told

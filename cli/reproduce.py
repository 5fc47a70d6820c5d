"""`headwork reproduce ioi`: a paper's figures beside ours."""

from dataclasses import asdict
from itertools import groupby

from headwork.cli.say import PASSED, Stop, as_json, draw, in_words, working

WHAT = ("ioi",)
HEADINGS = {
    "behaviour": "What the model does",
    "heads": "Which heads do it",
    "repair": "What is there when one is gone",
    "circuit": "The circuit",
}


def run(what: str, *, model: str, seed: int, device: str, json: bool) -> int:
    """Raises Stop for what cannot be reproduced, and for a model that is not here."""
    from headwork.checkers.ioi.judge import references
    from headwork.checkers.ioi.paper import reproduce
    from headwork.cli.circuit import check_device, folder
    from headwork.models import zoo

    if what not in WHAT:
        raise Stop(f"there is nothing called {what} to reproduce: there is {', '.join(WHAT)}")
    check_device(device)
    try:
        references.weights_file(model)
        network = zoo.load(model, device=device).requires_grad_(False)
        if network.tokenizer is None:
            raise Stop(f"{model} has no words: there are no prompts to ask it")
        try:
            nodes = references.reference(model, [folder()]).nodes
            missing = ""
        except references.NoReference as problem:
            nodes, missing = None, str(problem)
        with working(f"Asking {model} what the paper asked GPT-2…", quiet=json):
            rows = reproduce(network, nodes, lambda row: None, seed=seed)
    except (references.NoReference, zoo.Unavailable, ValueError) as problem:
        raise Stop(str(problem)) from None
    if json:
        as_json({"paper": "Wang et al. 2022", "model": model, "seed": seed, "rows": [asdict(row) for row in rows]})
        return PASSED
    from rich.table import Table
    from rich.text import Text

    for section, some in groupby(rows, lambda row: row.section):
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", title_justify="left")
        for heading, ratio in [(HEADINGS[section], 3), ("the paper, GPT-2 small", 3), (model, 4), ("", 4)]:
            table.add_column(heading, ratio=ratio)
        for row in some:
            table.add_row(row.name, row.paper, row.ours, Text(row.about, "dim"))
        draw(table, "")
    if missing:
        in_words(f"The circuit is not measured: {missing}.")
    in_words("The paper's figures are as reported. Heads are listed by what they do here, the strongest first.", "dim")
    return PASSED

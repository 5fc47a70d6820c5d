"""The commands that go by two words: those of `headwork models`, `headwork circuit` and `headwork sae`."""

from pathlib import Path
from typing import Annotated

import typer

from headwork.cli.options import Device, Json


def group(name: str, help: str) -> typer.Typer:
    """Commands below the word `name`; alone it shows what there is."""
    made = typer.Typer(name=name, help=help, no_args_is_help=False, rich_markup_mode="rich")

    @made.callback(invoke_without_command=True)
    def _(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            print(context.get_help())

    return made


models = group(
    "models",
    """The models that come with the course: list, train and measure them.

    Examples: [cyan]headwork models list[/], [cyan]headwork models verify addition[/]""",
)


@models.command("list")
def list_models(json: Json = False) -> int:
    """Show the models: what they are, whether they are here, and their checkpoints.

    A model is loaded by its name, `headwork.models.load("addition")`, and as it was before step 1200 of its training
    by `load("addition@1200")`. Folders with models of your own are named in $HEADWORK_MODELS.

    Example: [cyan]headwork models list[/]
    """
    from headwork.cli import models as command

    return command.list_models(json=json)


@models.command("train")
def train_model(
    model: Annotated[str, typer.Argument(help="A model of the list: addition.", metavar="NAME")],
    device: Device = "cpu",
    seed: Annotated[int, typer.Option(help="Another seed, another model; the shipped one has 0.", metavar="S")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="The folder to write; when left out, the shipped model is replaced.")
    ] = None,
    json: Json = False,
) -> int:
    """Train a model by its recipe. Ctrl-C keeps what is done, and the same command goes on from there.

    On one machine, with one PyTorch and as many threads, a seed gives the same weights to the bit, however often it
    was stopped. The recipes are in models/recipes, and what they cost is in models/cards.

    Example: [cyan]headwork models train addition --seed 1 --out mine/addition[/], then
    [cyan]HEADWORK_MODELS=mine headwork models verify addition[/]
    """
    from headwork.cli import models as command

    return command.train(model, device=device, seed=seed, out=out, json=json)


@models.command("verify")
def verify_models(
    names: Annotated[list[str] | None, typer.Argument(help="Models; all when left out.", metavar="NAME")] = None,
    json: Json = False,
) -> int:
    """Measure models, and write the figures into their cards. Fails when one does not do what it must.

    Example: [cyan]headwork models verify addition brackets[/]
    """
    from headwork.cli import models as command

    return command.verify(names or [], json=json)


circuit = group(
    "circuit",
    """Judge a circuit, a claim about which heads do the work, by experiment.

    Example: [cyan]headwork circuit score mine.json[/]""",
)


@circuit.command("score")
def score_circuit(
    file: Annotated[Path, typer.Argument(help="The circuit, as JSON.", metavar="FILE")],
    model: Annotated[str | None, typer.Option(help="The model; the file names it too.", metavar="NAME")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Which prompts are drawn; by default fresh ones.", metavar="S", min=0)
    ] = None,
    device: Device = "cpu",
    json: Json = False,
) -> int:
    """Score a circuit of indirect object identification, beside the reference, random circuits and the whole model.

    The file says of which model, and which heads work at which places of a prompt:

    {"model": "house", "nodes": [[4, 0, "END"], [1, 0, "S2"]]}

    A node is \\[layer, head, place]. Places are IO, S1, S1+1 (the token after S1), S2, END and rest, all others.
    "roles" and "edges" may follow; the form is checkers/ioi/judge/circuit.schema.json. Every other node is ablated: it
    writes what it writes, in the mean or on a prompt drawn at random, where three other people are named once each.

    The score is the worst of four: is the circuit faithful (it answers as the model does, on every prompt and by two
    metrics), complete (also when the same nodes are taken from both), minimal (every member adds something), and above
    random circuits of its size? The whole model scores 0. Exits with 1 below 80 of 100.

    Example: [cyan]headwork circuit score mine.json --model house --seed 7[/]
    """
    from headwork.cli import circuit as command

    return command.score(file, model=model, seed=seed, device=device, json=json)


@circuit.command("find")
def find_circuit(
    model: Annotated[str, typer.Argument(help="A model with words: house.", metavar="NAME")],
    floor: Annotated[float, typer.Option(help="The F to keep.", min=0.1, max=0.99)] = 0.9,
    device: Device = "cpu",
    json: Json = False,
) -> int:
    """Find a model's reference circuit by elimination, and keep it. It is needed anew when the weights change.

    From the whole model, the nodes that are missed least go first, while F stays above the floor.

    Example: [cyan]headwork circuit find house[/]
    """
    from headwork.cli import circuit as command

    return command.find(model, floor=floor, device=device, json=json)


sae = group(
    "sae",
    """Judge a sparse autoencoder by experiment; train those that are shipped.

    Example: [cyan]headwork sae score mine.safetensors --hook blocks.1.hook_resid_post[/]""",
)


@sae.command("score")
def score_sae(
    file: Annotated[Path, typer.Argument(help="The autoencoder, a safetensors file.", metavar="FILE")],
    hook: Annotated[str, typer.Option(help="The activation that it reads.", metavar="NAME")],
    model: Annotated[str, typer.Option(help="The model.", metavar="NAME")] = "house",
    seed: Annotated[
        int | None, typer.Option(help="Which texts are drawn; by default fresh ones.", metavar="S", min=0)
    ] = None,
    tokens: Annotated[int | None, typer.Option(help="How many are read; 200,000 by default.", min=1000)] = None,
    device: Device = "cpu",
    json: Json = False,
) -> int:
    """Score an autoencoder by what the model loses with it, beside ours, principal components and the token's mean.

    The file holds W_enc (d_model, latents), b_enc, W_dec (latents, d_model), b_dec, and k (one whole number: an input
    keeps its k largest latents) or threshold (one number or one a latent) if it has one. The judge encodes by itself.

    Counted are the bits that say which latents are active and how strongly, beside those that ours need where they
    lose as much. All points for as few bits, none for twice as many. Exits with 1 below 50 of 100.

    Example: [cyan]headwork sae score mine.safetensors --hook blocks.1.hook_resid_post --seed 7[/]
    """
    from headwork.cli import sae as command

    return command.score(file, model=model, hook=hook, seed=seed, tokens=tokens, device=device, json=json)


@sae.command("train")
def train_sae(
    hook: Annotated[str | None, typer.Option(help="Only those of this activation.", metavar="NAME")] = None,
    k: Annotated[int | None, typer.Option(help="Only those with this many active latents.", min=1)] = None,
    steps: Annotated[int | None, typer.Option(help="In place of the recipe's 800.", min=1)] = None,
    seed: Annotated[int, typer.Option(help="Of the weights at the start and of the texts.", min=0)] = 0,
    out: Annotated[Path | None, typer.Option(help="The folder they go to.", metavar="DIR")] = None,
    device: Device = "cpu",
    json: Json = False,
) -> int:
    """Train the house model's autoencoders by the recipe in checkers/sae/judge, each in minutes on one core.

    Example: [cyan]headwork sae train --hook blocks.1.hook_resid_post --k 16 --seed 1 --out mine[/]
    """
    from headwork.cli import sae as command

    return command.train(hook, k, steps=steps, seed=seed, out=out, device=device, json=json)


@sae.command("measure")
def measure_saes(
    tokens: Annotated[int, typer.Option(help="How many are read for each activation.", min=1000)] = 200_000,
    seed: Annotated[int, typer.Option(help="Which texts are drawn.", min=0)] = 0,
    json: Json = False,
) -> int:
    """Measure the shipped autoencoders anew, and write the figures beside them. Needed when the weights change.

    Example: [cyan]headwork sae measure[/]
    """
    from headwork.cli import sae as command

    return command.measure(tokens=tokens, seed=seed, json=json)

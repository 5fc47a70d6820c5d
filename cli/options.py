"""Arguments and options that several commands have, with the words that `--help` says of them."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on stdout.")]
Seed = Annotated[int, typer.Option(help="Which inputs are drawn; the same seed draws the same.", metavar="S")]
Exercise = Annotated[str, typer.Argument(help="An exercise: gpt2.layer_norm, or layer_norm.", metavar="ID")]
Device = Annotated[str, typer.Option(help="cpu or cuda.")]

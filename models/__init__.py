"""The networks under the microscope: `headwork.models.load("house")` gives one, with hook points."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headwork.models.config import Config as Config
    from headwork.models.gpt2 import GPT2 as GPT2
    from headwork.models.zoo import Unavailable as Unavailable
    from headwork.models.zoo import checkpoints as checkpoints
    from headwork.models.zoo import load as load
    from headwork.models.zoo import names as names

HOMES = {
    "Config": "config",
    "GPT2": "gpt2",
    "Unavailable": "zoo",
    "checkpoints": "zoo",
    "load": "zoo",
    "names": "zoo",
}


def __getattr__(name: str) -> Any:
    """Imports what is asked for, when it is asked for: torch takes seconds."""
    from importlib import import_module

    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *HOMES])

"""What passes from a submission to a worker: source text with file names and line numbers kept, never objects."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Unit:
    """One text of a submission: a .py file or a notebook cell. `label` is what messages call it."""

    label: str  # "exercises.py", or "cell 3"
    source: str


@dataclass(frozen=True)
class Attachment:
    """A file of weights that came along with the code. `flaw` says in a sentence why it was not taken; '' when it was.

    It stays with the grader: a learner's process never sees one.
    """

    name: str  # its path in what was handed in: "week4/house.safetensors"
    data: bytes = field(repr=False)
    flaw: str = ""


@dataclass(frozen=True)
class Submission:
    """What a learner handed in, read but not run. `name` is its path or label."""

    name: str
    units: tuple[Unit, ...]
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True)
class Piece:
    """A run of top-level statements: `source` starts at line `line` of the unit called `file`."""

    file: str
    line: int
    source: str


@dataclass(frozen=True)
class Program:
    """The part of a submission that one exercise needs, in an order in which it can run."""

    pieces: tuple[Piece, ...]
    names: tuple[str, ...]  # the asked names, all defined by the pieces
    future: tuple[str, ...] = ()  # `from __future__` imports in force
    skipped: dict[str, str] = field(default_factory=dict)  # name -> why its value may differ from the learner's own run

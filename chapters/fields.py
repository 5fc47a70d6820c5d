"""YAML fields in a chapter's text, read strictly: every fault names its file, its line and how to mend it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

REQUIRED = object()
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C where PyYAML was built so: ten times as fast


class ChapterError(ValueError):
    """What is wrong in the text of a chapter, where, and how to mend it. One line."""

    def __init__(self, message: str):
        super().__init__(" ".join(message.split()))


@dataclass(frozen=True)
class Place:
    """Where a piece of text stands: `line` counts from 1, and `what` is what messages call the piece."""

    file: str
    line: int
    what: str = ""

    def fault(self, message: str, below: int = 0) -> ChapterError:
        """An error to raise about the line `below` lines further down."""
        return ChapterError(f"{self.file}, line {self.line + below}: {self.what}{': ' if self.what else ''}{message}")


@dataclass(frozen=True)
class Field:
    """What a field may hold: `wanted` completes the sentence 'write ...'. Without a default it must be given."""

    wanted: str
    accepts: Callable[[Any], bool]
    default: Any = REQUIRED


def text(default: Any = REQUIRED) -> Field:
    return Field("some text, in quotes if it holds a colon", _is_text, default)


def texts(at_least: int = 0, default: Any = REQUIRED) -> Field:
    def accepts(value: Any) -> bool:
        return isinstance(value, list) and len(value) >= at_least and all(_is_text(each) for each in value)

    size = f"at least {at_least} texts" if at_least else "texts"
    return Field(f"a list of {size}, in quotes where they hold a colon", accepts, default)


def whole(low: int, high: int) -> Field:
    return Field(f"a whole number from {low} to {high}", lambda value: type(value) is int and low <= value <= high)


def positive() -> Field:
    return Field("a number above 0", lambda value: type(value) in (int, float) and 0 < value < float("inf"))


def read_fields(source: str, fields: Mapping[str, Field], place: Place) -> dict[str, Any]:
    """The values of `source`, a YAML mapping that starts at `place`. Raises ChapterError."""
    values = {}
    for key, value, below in _pairs(source, place):
        if not isinstance(key, str) or key not in fields:
            raise place.fault(f"unknown field {key!r}: the fields are {', '.join(fields)}", below)
        if key in values:
            raise place.fault(f"{key} is given twice: keep one", below)
        if not fields[key].accepts(value):
            raise place.fault(f"{key} is {_shown(value)}: write {fields[key].wanted}", below)
        values[key] = value
    for key, field in fields.items():
        if key not in values and field.default is REQUIRED:
            raise place.fault(f"{key} is missing: add '{key}:' with {field.wanted}")
    return {key: values.get(key, field.default) for key, field in fields.items()}


def _pairs(source: str, place: Place) -> list[tuple[Any, Any, int]]:
    """(key, value, line counted from 0) of each entry of a YAML mapping."""
    loader = _LOADER(source)
    try:
        node = loader.get_single_node()
        if node is None:
            return []
        if not isinstance(node, yaml.MappingNode):
            raise place.fault("the fields are no mapping: write one 'field: value' a line")
        return [
            (loader.construct_object(key, deep=True), loader.construct_object(value, deep=True), key.start_mark.line)
            for key, value in node.value
        ]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        raise place.fault(f"bad YAML: {problem}: mend this line or quote its text", mark.line if mark else 0) from None
    except ChapterError:
        raise
    except ValueError as error:  # a scalar that looks like a date and is none
        raise place.fault(f"bad YAML: {error}: quote the text") from None
    finally:
        loader.dispose()


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."

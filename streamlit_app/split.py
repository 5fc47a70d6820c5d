"""A submission cut into the texts of its exercises: for uploads, and to show an attempt. Nothing of it is run."""

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from headwork.chapters.course import COURSE
from headwork.chapters.made import section
from headwork.grading.outline import Outline, Statement, outline
from headwork.grading.program import Submission
from headwork.grading.submission import Unreadable, read_text
from headwork.grading.unusable import Unusable
from headwork.streamlit_app import stubs


@dataclass(frozen=True)
class Split:
    """The text of each exercise that was found, under the imports and helpers it needs; and what belongs to none."""

    texts: dict[str, str]
    left: tuple[str, ...]  # 'MASS (line 3 of exercises.py)'
    broken: tuple[str, ...]  # the parts that Python cannot read, a line each


def split(work: Submission, ids: Iterable[str], course: Path = COURSE) -> Split:
    """`ids`: the exercises to look for, by their headings and failing that by the names they define."""
    try:
        found = outline(work)
    except Unusable as problem:
        return Split({}, (), (str(problem),))
    cutting = _Cutting(work, found, {id: stubs.names(id, course) for id in ids}, course)
    texts = {id: f"{text}\n" for id in cutting.owners if (text := cutting.text(id).strip("\n"))}
    return Split(texts, tuple(cutting.left()), tuple(str(problem) for _, problem in found.broken))


class _Cutting:
    def __init__(self, work: Submission, found: Outline, owners: dict[str, frozenset[str]], course: Path):
        self.work, self.found, self.owners, self.course = work, found, owners, course
        self.owned = frozenset(name for names in owners.values() for name in names)
        self.used: set[int] = set()

    def text(self, id: str) -> str:
        """The exercise's text; empty when nothing of it is there."""
        draft = next((unit.source for unit in self.work.units if unit.label == draft_label(id)), None)
        if draft is not None:
            self.used |= {each.index for each in self.found.statements if each.file == draft_label(id)}
            return draft
        for unit in self.work.units:
            try:
                held = section(unit.source, id).strip("\n")
            except KeyError:
                continue
            return self._under_what_it_needs(id, held)
        own = {self.found.bindings[name][-1] for name in self.owners[id] if name in self.found.bindings}
        if not own:
            return ""
        self.used |= own
        written = "\n\n\n".join(self.found.statements[index].source for index in sorted(own))
        return self._under_what_it_needs(id, written)

    def _under_what_it_needs(self, id: str, text: str) -> str:
        try:
            parsed = outline(read_text("part.py", text))
        except (Unusable, Unreadable):
            return text
        if parsed.broken or self.found.broken:  # then nobody can say where a name comes from
            imports = stubs.imports_of(stubs.whole(id.partition(".")[0], self.course), text)
            return stubs.under_imports(imports, text)
        own = set(parsed.bindings)
        self._mark_as_used(own, text)
        needed = self._needed(_names_read(parsed.statements), own)
        helpers = [each.source for each in needed if not _imports(each)]
        written = "\n\n\n".join([*helpers, text])
        imports = "\n".join(each.source for each in needed if _imports(each))
        return stubs.under_imports(stubs.imports_of(imports, written), written)

    def _needed(self, wanted: set[str], own: set[str]) -> list[Statement]:
        """The imports and helpers that these names come from, without those of other exercises."""
        needed: set[int] = set()
        waiting = sorted(wanted - own - self.owned)
        while waiting:
            index = self.found.bindings.get(waiting.pop(), [None])[-1]
            if index is not None and index not in needed:
                needed.add(index)
                waiting += sorted(_names_read([self.found.statements[index]]) - own - self.owned)
        self.used |= needed
        return [self.found.statements[index] for index in sorted(needed)]

    def _mark_as_used(self, own: set[str], text: str) -> None:
        self.used |= {each.index for each in self.found.statements if own & set(each.binds) and each.source in text}

    def left(self) -> Iterable[str]:
        for each in self.found.statements:
            if each.index not in self.used and each.binds and not _imports(each):
                yield f"{', '.join(each.binds)} (line {each.line} of {each.file})"


def _imports(statement: Statement) -> bool:
    return isinstance(statement.node, ast.Import | ast.ImportFrom)


def _names_read(statements: Iterable[Statement]) -> set[str]:
    found: set[str] = set()
    for each in statements:
        try:
            found |= each.reads.immediate | each.reads.deferred
        except Unusable:
            continue
    return found


def draft_label(id: str) -> str:
    """What messages call the text of an exercise that is written on the page."""
    return f"{id.partition('.')[2]}.py"

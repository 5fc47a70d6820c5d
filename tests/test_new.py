"""`headwork new` writes a whole exercise, or nothing."""

from pathlib import Path

import pytest

from headwork.authoring import new
from headwork.authoring.new import CannotCreate, create, importing
from headwork.chapters.course import COURSE, chapter

CHAPTER = """\
---
title: Small
summary: Small things.
order: 1
hours: 1
packages: [torch]
---
Text.
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "chapters" / "small"
    folder.mkdir(parents=True)
    (folder / "chapter.md").write_text(CHAPTER)
    (tmp_path / "solutions").mkdir()
    return tmp_path


def contents(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_every_part_of_an_exercise_is_written(root: Path) -> None:
    written = [str(path.relative_to(root)) for path in create("small.double", root)]
    assert written == [
        "solutions/small.py",
        "checkers/small/probes.py",
        "checkers/small/double.py",
        "chapters/small/chapter.md",
        "checkers/small/__init__.py",
        "checkers/small/alternatives/__init__.py",
    ]
    assert chapter("small", root / "chapters").exercises[0].id == "small.double"
    for path in ("solutions/small.py", "checkers/small/probes.py", "checkers/small/double.py"):
        compile((root / path).read_text(), path, "exec")


def test_a_second_exercise_leaves_the_first_as_it_was(root: Path) -> None:
    create("small.double", root)
    before = contents(root)
    create("small.twice", root)
    after = contents(root)
    for path in ("solutions/small.py", "checkers/small/probes.py", "chapters/small/chapter.md"):
        assert after[path].startswith(before[path].rstrip("\n")) and "twice" in after[path]
    assert [each.name for each in chapter("small", root / "chapters").exercises] == ["double", "twice"]


def test_what_the_repository_holds_stays_as_it_is_above_the_new_part(root: Path) -> None:
    own = ("solutions/induction/*.py", "checkers/induction/probes/*.py", "chapters/induction/chapter.md")
    for path in [path for pattern in own for path in COURSE.parent.glob(pattern)]:
        copy = root / path.relative_to(COURSE.parent)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text())
    before = contents(root)
    create("induction.surprise", root)
    for name, text in before.items():
        assert contents(root)[name].startswith(text.rstrip("\n"))


def test_in_a_chapter_of_packages_an_exercise_gets_modules_of_its_own(root: Path) -> None:
    (root / "solutions" / "small").mkdir()
    (root / "checkers" / "small" / "probes").mkdir(parents=True)
    (root / "solutions" / "small" / "other.py").write_text("def helper():\n    return 1\n")
    written = [str(path.relative_to(root)) for path in create("small.double", root)]
    assert written[:2] == ["solutions/small/double.py", "checkers/small/probes/double.py"]
    with pytest.raises(CannotCreate, match=r"'helper' is defined in solutions/small/other\.py"):
        create("small.helper", root)


@pytest.mark.parametrize(
    ("id", "why"),
    [
        ("double", "is no id"),
        ("small.Double", "is no id"),
        ("small.double.more", "is no id"),
        ("../small.double", "is no id"),
        ("small.lambda", "has a meaning already"),
        ("small.probes", "has a meaning already"),
        ("small." + "a" * 33, "too long"),
        ("large.double", "no chapter 'large': there are small"),
    ],
)
def test_a_bad_id_is_refused_in_one_line_and_nothing_is_written(root: Path, id: str, why: str) -> None:
    before = contents(root)
    with pytest.raises(CannotCreate, match=why) as refusal:
        create(id, root)
    assert "\n" not in str(refusal.value)
    assert contents(root) == before


def test_an_existing_exercise_is_refused(root: Path) -> None:
    create("small.double", root)
    before = contents(root)
    with pytest.raises(CannotCreate, match=r"small\.double already"):
        create("small.double", root)
    assert contents(root) == before


def test_a_name_that_the_reference_defines_is_refused(root: Path) -> None:
    (root / "solutions" / "small.py").write_text("def helper():\n    return 1\n")
    with pytest.raises(CannotCreate, match=r"'helper' is defined in solutions/small\.py"):
        create("small.helper", root)


def test_nothing_is_left_when_a_file_cannot_be_written(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "solutions" / "small.py").write_text("x = 1\n")
    before = contents(root)
    write = Path.write_text

    def full(path: Path, *args: object, **options: object) -> int:
        if root in path.parents and path.name == "chapter.md":
            raise OSError(28, "No space left on device", str(path))
        return write(path, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(new.Path, "write_text", full)
    with pytest.raises(CannotCreate, match="No space left"):
        create("small.double", root)
    assert contents(root) == before


def test_nothing_is_written_into_a_chapter_with_unbalanced_marks(root: Path) -> None:
    (root / "solutions" / "small.py").write_text("def f():\n    ### BEGIN SOLUTION\n    return 1\n")
    before = contents(root)
    with pytest.raises(CannotCreate, match="BEGIN SOLUTION"):
        create("small.double", root)
    assert contents(root) == before


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("from typing import Any\n", "from typing import Any, Final\n"),
        ("from typing import Final\n", "from typing import Final\n"),
        ("import typing\nx = 1\n", "import typing\nfrom typing import Final\nx = 1\n"),
        ('"""Text."""\n', '"""Text."""\n\nfrom typing import Final\n'),
    ],
)
def test_an_import_is_added_only_where_it_is_missing(source: str, result: str) -> None:
    assert importing(source, "typing", ["Final"]) == result

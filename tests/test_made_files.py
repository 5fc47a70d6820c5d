"""What is made from the chapters is in the repository, and is what would be made now."""

from headwork.authoring.build import build
from headwork.chapters.course import chapters
from headwork.chapters.made import made_files


def test_no_made_file_is_stale() -> None:
    assert build(check=True) == []


def test_every_chapter_has_its_exercises_and_its_notebook() -> None:
    made = [chapter.folder / name for chapter in chapters() for name in made_files(chapter)]
    assert made
    assert [path for path in made if not path.is_file()] == []

"""Workspaces: what `init` does to a learner's files in each state they can be in."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from headwork.chapters.course import ChapterError
from headwork.gradebook import workspace
from headwork.gradebook.workspace import MARKER, MEANING, Workspace, WorkspaceError, find, init

FILES = ("shapes/exercises.py", "shapes/shapes.ipynb", "later/exercises.py", "later/later.ipynb")
LATER = "later/exercises.py"


@pytest.fixture
def root(tmp_path: Path, course: Path) -> Path:
    """A workspace just made."""
    init(tmp_path / "work", course=course)
    return tmp_path / "work"


def actions(root: Path, course: Path, **options: bool) -> dict[str, str]:
    return {path.relative_to(root).as_posix(): action for path, action in init(root, course=course, **options)}


def release(course: Path, text: str = "# a new version\n") -> str:
    """A new version of one made file comes out; returns its text."""
    path = course / LATER
    path.write_text(text + path.read_text())
    return path.read_text()


def refusal(directory: Path, course: Path) -> str:
    with pytest.raises(WorkspaceError) as raised:
        init(directory, course=course)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def everything(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_new_workspace_holds_the_files_of_every_chapter_and_a_marker(tmp_path, course):
    root = tmp_path / "deep" / "work"
    assert actions(root, course) == dict.fromkeys(FILES, "created")
    assert {path.relative_to(root).as_posix() for path in everything(root)} == {*FILES, MARKER}
    for name in FILES:
        assert (root / name).read_bytes() == (course / name).read_bytes()


def test_a_second_init_has_nothing_to_do(root, course):
    before = everything(root)
    assert actions(root, course) == dict.fromkeys(FILES, "current")
    assert everything(root) == before


def test_a_file_the_learner_left_alone_is_updated(root, course):
    new = release(course)
    assert actions(root, course)[LATER] == "updated"
    assert (root / LATER).read_text() == new
    assert actions(root, course)[LATER] == "current"


def test_a_learners_work_is_never_overwritten(root, course):
    (root / LATER).write_text("mine")
    assert actions(root, course)[LATER] == "yours"
    release(course)
    init(root, course=course)
    init(root, course=course, restore=True)
    assert (root / LATER).read_text() == "mine"


def test_a_new_version_of_a_changed_file_is_laid_beside_it_once(root, course):
    (root / LATER).write_text("mine")
    new = release(course)
    assert actions(root, course)["later/exercises.new.py"] == "beside"
    assert (root / "later/exercises.new.py").read_text() == new
    (root / "later/exercises.new.py").unlink()
    assert actions(root, course)[LATER] == "yours"
    assert not (root / "later/exercises.new.py").exists()


def test_a_newer_version_still_replaces_the_untouched_one_beside(root, course):
    (root / LATER).write_text("mine")
    release(course)
    init(root, course=course)
    newest = release(course, "# newer still\n")
    assert actions(root, course)["later/exercises.new.py"] == "beside"
    assert (root / "later/exercises.new.py").read_text() == newest


def test_a_version_beside_that_the_learner_changed_is_kept_too(root, course):
    (root / LATER).write_text("mine")
    release(course)
    init(root, course=course)
    (root / "later/exercises.new.py").write_text("mine as well")
    newest = release(course, "# newer still\n")
    assert actions(root, course)["later/exercises.new2.py"] == "beside"
    assert (root / "later/exercises.new.py").read_text() == "mine as well"
    assert (root / "later/exercises.new2.py").read_text() == newest


def test_a_learner_who_took_the_new_version_gets_updates_again(root, course):
    (root / LATER).write_text("mine")
    release(course)
    init(root, course=course)
    (root / "later/exercises.new.py").replace(root / LATER)
    assert actions(root, course)[LATER] == "current"
    release(course, "# newer still\n")
    assert actions(root, course)[LATER] == "updated"


def test_a_deleted_file_stays_deleted_until_asked_for(root, course):
    (root / LATER).unlink()
    assert actions(root, course)[LATER] == "deleted"
    assert not (root / LATER).exists()
    assert actions(root, course, restore=True)[LATER] == "restored"
    assert (root / LATER).read_bytes() == (course / LATER).read_bytes()


def test_a_new_chapter_arrives_in_an_old_workspace(root, course):
    (course / "third").mkdir()
    text = (course / "later/chapter.md").read_text().replace("order: 2", "order: 3")
    (course / "third/chapter.md").write_text(text)
    for name in ("exercises.py", "third.ipynb"):
        (course / "third" / name).write_text("")
    assert actions(root, course)["third/exercises.py"] == "created"


def test_other_line_ends_are_no_change(root, course):
    (root / LATER).write_bytes((root / LATER).read_bytes().replace(b"\n", b"\r\n"))
    release(course)
    assert actions(root, course)[LATER] == "updated"


def test_a_lost_marker_costs_no_work(root, course):
    (root / LATER).write_text("mine")
    (root / MARKER).unlink()
    assert actions(root, course)["later/exercises.new.py"] == "beside"
    assert (root / LATER).read_text() == "mine"


def test_other_files_of_the_learner_are_left_alone(root, course):
    (root / "notes.txt").write_text("mine")
    init(root, course=course)
    assert (root / "notes.txt").read_text() == "mine"


def test_a_folder_with_hidden_files_alone_counts_as_empty(tmp_path, course):
    (tmp_path / "work" / ".git").mkdir(parents=True)
    assert set(actions(tmp_path / "work", course).values()) == {"created"}


def test_a_link_stays_a_link_and_a_mode_stays_a_mode(root, course, tmp_path):
    elsewhere = tmp_path / "elsewhere.py"
    (root / LATER).replace(elsewhere)
    elsewhere.chmod(0o640)
    (root / LATER).symlink_to(elsewhere)
    new = release(course)
    assert actions(root, course)[LATER] == "updated"
    assert (root / LATER).is_symlink()
    assert elsewhere.read_text() == new
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o640


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(root, course, monkeypatch):
    release(course)
    before = everything(root)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert "No space left on device" in refusal(root, course)
    assert everything(root) == before


def test_an_init_cut_short_is_finished_by_the_next(root, course, monkeypatch):
    new = release(course)
    write = workspace._write

    def stop_before_the_marker(path: Path, content: bytes) -> None:
        if path.name == MARKER:
            raise KeyboardInterrupt
        write(path, content)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(workspace, "_write", stop_before_the_marker)
        init(root, course=course)
    assert actions(root, course)[LATER] == "current"
    assert (root / LATER).read_text() == new


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, course, monkeypatch):
    def read_only(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", read_only)
    message = refusal(tmp_path / "work", course)
    assert "Permission denied: make it writable, or choose another folder" in message


def test_a_file_is_no_workspace(tmp_path, course):
    (tmp_path / "file").write_text("")
    assert "is a file: choose a folder" in refusal(tmp_path / "file", course)


def test_a_folder_below_a_file_is_refused(tmp_path, course):
    (tmp_path / "file").write_text("")
    assert "cannot use" in refusal(tmp_path / "file" / "work", course)


def test_a_folder_full_of_other_things_is_refused_and_left_alone(tmp_path, course):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.tex").write_text("")
    assert "not empty and no workspace" in refusal(tmp_path / "work", course)
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["thesis.tex"]


def test_the_course_itself_is_no_workspace(course):
    before = everything(course)
    assert "holds the course itself" in refusal(course, course)
    assert everything(course) == before


def test_a_file_where_a_chapters_folder_should_be_is_named_before_anything_is_written(tmp_path, course):
    root = tmp_path / "work"
    (root / "shapes").mkdir(parents=True)
    (root / "shapes" / "exercises.py").write_text("mine")
    (root / "later").write_text("")
    assert f"{root / 'later'} is a file where a folder should be" in refusal(root, course)
    assert not (root / "shapes" / "shapes.ipynb").exists()


def test_a_folder_where_a_file_should_be_is_named(root, course):
    (root / LATER).unlink()
    (root / LATER).mkdir()
    assert "is a folder where a file should be" in refusal(root, course)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is no JSON"),
        ('{"format": "headwork.workspace/1", "files": {"a"', "is no JSON"),
        ("[]", "is no headwork.workspace/1"),
        ('{"format": "headwork.workspace/1"}', "is no headwork.workspace/1"),
        ('{"format": "headwork.workspace/1", "files": {"a": 1}}', "is no headwork.workspace/1"),
        ('{"format": "headwork.workspace/2", "files": {}}', "update headwork"),
        ('{"format": 2, "files": {}}', "is no headwork.workspace/1"),
    ],
)
def test_a_corrupt_marker_is_refused_and_nothing_written(root, course, content, words):
    (root / MARKER).write_text(content)
    release(course)
    before = everything(root)
    assert words in refusal(root, course)
    assert everything(root) == before


def test_a_marker_that_is_not_text_is_refused(root, course):
    (root / MARKER).write_bytes(b"\xff\xfe\x00")
    assert "is no JSON" in refusal(root, course)


def test_a_course_that_was_not_built_says_how_to_build_it(tmp_path, course):
    (course / LATER).unlink()
    with pytest.raises(ChapterError, match=r"chapter later has no exercises\.py: run `headwork build`"):
        init(tmp_path / "work", course=course)
    assert not (tmp_path / "work").exists()


def test_a_marker_names_only_files_of_the_workspace(root):
    data = json.loads((root / MARKER).read_text())
    assert data["format"] == "headwork.workspace/1"
    assert set(data["files"]) == set(FILES)


def test_every_action_has_a_meaning(root, course):
    assert set(actions(root, course).values()) <= set(MEANING)


def test_a_workspace_is_found_from_any_file_or_folder_in_it(root, course):
    for start in (root, root / "later", root / LATER, root / "later" / "not there yet"):
        assert find(start, course) == Workspace(root.resolve(), course)


def test_outside_a_workspace_none_is_found(tmp_path, course):
    assert find(tmp_path, course) is None


def test_a_workspace_knows_the_file_of_an_exercise_and_of_a_chapter(root, course):
    assert Workspace(root, course).file("later.apply") == root / LATER
    assert Workspace(root, course).file("later") == root / LATER


@pytest.mark.parametrize("id", ["later.aply", "nowhere.apply", "nowhere", "", "../x.y"])
def test_an_unknown_exercise_has_no_file(root, course, id):
    with pytest.raises(ChapterError, match="there are"):
        Workspace(root, course).file(id)


def test_a_stub_is_what_the_learner_started_from(root, course):
    (root / LATER).write_text("mine")
    stub = Workspace(root, course).stub("later.apply")
    assert stub.startswith("# What is applied.\nFunction = ")
    assert stub.endswith('raise NotImplementedError("write apply")\n')


def test_a_stub_of_a_course_not_built_says_how_to_build_it(root, course):
    (course / LATER).write_text("")
    with pytest.raises(ChapterError, match="run `headwork build`"):
        Workspace(root, course).stub("later.apply")


def test_a_workspace_needs_no_database_and_no_torch():
    code = (
        "import sys; import headwork.gradebook.workspace; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'sqlalchemy', 'nbformat')))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

"""Reading chapters: what a right one holds, and what is said of a wrong one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from headwork.chapters import course
from headwork.chapters.course import ChapterError, ExerciseText, Figure, Finding, Predict, Prose, Reading
from headwork.chapters.directives import DIRECTIVES
from headwork.tests.small_course import LATER, SHAPES, write_course

EXERCISE = LATER[LATER.index("```{exercise}") :]
HEAD = LATER[: LATER.index("```{exercise}")].replace("[shapes]", "[]")


def fault(tmp_path: Path, text: str) -> str:
    """What is said of a course whose only chapter is this text; always one line that names the file."""
    (tmp_path / "only").mkdir(exist_ok=True)
    (tmp_path / "only" / "chapter.md").write_text(text, encoding="utf-8")
    with pytest.raises(ChapterError) as raised:
        course.chapters(tmp_path)
    message = str(raised.value)
    assert "\n" not in message
    assert message.startswith("only/chapter.md")
    return message


def test_front_matter_becomes_the_chapters_fields(tmp_path):
    folder, _ = write_course(tmp_path)
    shapes, later = course.chapters(folder)
    assert (shapes.name, shapes.title, shapes.order, shapes.hours) == ("shapes", "Shapes", 1, 2)
    assert shapes.packages == ("torch", "einops")
    assert shapes.prerequisites == ()
    assert later.prerequisites == ("shapes",)


def test_an_exercise_may_go_without_some_of_its_chapters_packages(tmp_path):
    folder, _ = write_course(tmp_path)
    path = folder / "shapes" / "chapter.md"
    path.write_text(path.read_text().replace("\npoints:", "\nwithout: [einops]\npoints:", 1))
    first, *others = course.chapter("shapes", folder).exercises
    assert course.packages_of(first.id, folder) == ("torch",)
    assert all(course.packages_of(each.id, folder) == ("torch", "einops") for each in others)


def test_a_line_that_is_a_comment_is_for_authors_only(tmp_path):
    folder, _ = write_course(tmp_path)
    path = folder / "shapes" / "chapter.md"
    path.write_text(path.read_text() + "\nEnd <!-- of -->\n\n<!-- section: nothing -->\n\nof the text.\n")
    last = course.chapter("shapes", folder).blocks[-1]
    assert isinstance(last, Prose) and last.markdown.endswith("End <!-- of -->\n\n\nof the text.\n")


def test_blocks_stand_in_the_order_of_the_text(tmp_path):
    folder, _ = write_course(tmp_path)
    kinds = [type(block) for block in course.chapter("shapes", folder).blocks]
    assert kinds == [Prose, Reading, ExerciseText, Prose, Predict, Figure, ExerciseText, Finding, Prose]


def test_an_exercise_keeps_its_fields_and_the_code_nested_in_it(tmp_path):
    folder, _ = write_course(tmp_path)
    exercise = course.exercise_text("shapes.scaler", folder)
    assert (exercise.name, exercise.title, exercise.difficulty, exercise.importance) == (
        "scaler",
        "Scale by a weight",
        2,
        4,
    )
    assert (exercise.minutes, exercise.points) == (15, 4)
    assert exercise.hints == ("Multiply.", "Return: `x * self.w`.")
    assert exercise.markdown == "Write it.\n\n```python\nScaler(3)\n```"
    assert SHAPES.split("\n")[exercise.line - 1] == "````{exercise} scaler"


def test_findings_are_among_the_exercises(tmp_path):
    folder, _ = write_course(tmp_path)
    chapter = course.chapter("shapes", folder)
    assert [each.id for each in chapter.exercises] == ["shapes.scaler", "shapes.half", "shapes.heads"]
    assert course.exercise_text("shapes.heads", folder).points == 2.5


def test_questions_figures_and_readings_are_read(tmp_path):
    folder, _ = write_course(tmp_path)
    blocks = course.chapter("shapes", folder).blocks
    assert Predict("What is half of 1?", "One **half**.") in blocks
    assert Figure("halves", "The halves of some numbers.", "A falling line.") in blocks
    assert Reading("Read *something*.") in blocks


def test_prose_is_the_text_around_the_directives_byte_for_byte(tmp_path):
    text = (
        "\n# T\n\n- a\n\n  ```python\n  x\n  ```\n\n$$\n\\frac{a}{b}\n$$\n\n"
        "form\x0cfeed\u2028and  \n```\nplain\n```\nend, no newline"
    )
    middle = text.index("$$")
    parts = [HEAD, text[:middle], EXERCISE, text[middle:]]
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "chapter.md").write_text("".join(parts), encoding="utf-8")
    blocks = course.chapter("only", tmp_path).blocks
    assert [block.markdown for block in blocks if isinstance(block, Prose)] == [text[:middle], text[middle:]]


def test_a_directive_shown_inside_a_longer_fence_is_prose(tmp_path):
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "chapter.md").write_text(HEAD + "````markdown\n" + EXERCISE + "````\n")
    chapter = course.chapter("only", tmp_path)
    assert chapter.exercises == ()
    assert [type(block) for block in chapter.blocks] == [Prose]


def test_windows_line_ends_and_a_byte_order_mark_change_nothing(tmp_path):
    folder, _ = write_course(tmp_path)
    path = folder / "shapes" / "chapter.md"
    before = course.chapter("shapes", folder).blocks
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert course.chapter("shapes", folder).blocks == before


def test_a_changed_chapter_is_read_again(tmp_path):
    folder, _ = write_course(tmp_path)
    path = folder / "shapes" / "chapter.md"
    assert course.chapter("shapes", folder) is course.chapter("shapes", folder)
    path.write_text(SHAPES.replace("title: Half", "title: One half"))
    assert course.exercise_text("shapes.half", folder).title == "One half"


def test_only_folders_with_a_chapter_file_count(tmp_path):
    folder, _ = write_course(tmp_path)
    (folder / "__pycache__").mkdir()
    (folder / "draft").mkdir()
    assert [each.name for each in course.chapters(folder)] == ["shapes", "later"]


def test_chapters_stand_in_the_order_of_the_course_not_of_the_alphabet(tmp_path):
    folder, _ = write_course(tmp_path)
    assert [each.order for each in course.chapters(folder)] == [1, 2]


def test_an_unknown_chapter_or_exercise_is_answered_with_those_there_are(tmp_path):
    folder, _ = write_course(tmp_path)
    with pytest.raises(ChapterError, match="no chapter 'shape': there are later, shapes"):
        course.chapter("shape", folder)
    with pytest.raises(ChapterError, match=r"no exercise 'shapes\.haf': there are shapes\.scaler"):
        course.exercise_text("shapes.haf", folder)


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("{exercise} apply", "{exercize} apply", 8, "did you mean {exercise}?"),
        ("{exercise} apply", "{note}", 8, "there are {exercise}, {finding}"),
        ("{exercise} apply", "{exercise}", 8, "write {exercise} NAME"),
        ("{exercise} apply", "{exercise} Apply It", 8, "small letters"),
        ("{exercise} apply", "{reading} apply", 8, "takes no name"),
        ("title: Apply\n", "", 9, "title is missing"),
        ("points: 1\n", "point: 1\n", 13, "unknown field 'point'"),
        ("points: 1\n", "points: 0\n", 13, "a number above 0"),
        ("points: 1\n", "points: .inf\n", 13, "a number above 0"),
        ("points: 1\n", "points: 1\npoints: 2\n", 14, "points is given twice"),
        ("difficulty: 1", "difficulty: 6", 10, "a whole number from 1 to 5"),
        ("difficulty: 1", "difficulty: 0", 10, "a whole number from 1 to 5"),
        ("difficulty: 1", "difficulty: true", 10, "a whole number from 1 to 5"),
        ("[gentle, nearly]", "[gentle]", 14, "at least 2 texts"),
        ("[gentle, nearly]", "[gentle, {nearly: there}]", 14, "in quotes where they hold a colon"),
        ("[gentle, nearly]", "[gentle, nearly", 15, "bad YAML"),
        ("title: Apply\n", "title: Apply: it\n", 9, "bad YAML"),
        ("title: Apply\n", "title: 2024-99-99\n", 9, "bad YAML"),
        ("title: Apply\n", "? [title]\n: Apply\n", 9, "unknown field"),
        ("nearly]\n---\n", "nearly]\n", 8, "no line ---"),
        ("Apply `f`.\n", "\n", 8, "nothing after the line ---"),
        ("`f`.\n```\n", "`f`.\n", 8, "never closed"),
        ("title: Later\n", "", 2, "title is missing"),
        ("hours: 0.5", "hours: long", 6, "hours is 'long'"),
        ("hours: 0.5", "hours: 0.5\nlevel: 3", 7, "unknown field 'level'"),
        ("---\ntitle: Later", "title: Later", 1, "no front matter"),
        ("---\n```{exercise}", "```{exercise}", 7, "bad YAML"),
    ],
)
def test_a_fault_is_named_with_its_line_and_how_to_mend_it(tmp_path, old, new, line, words):
    text = HEAD + EXERCISE
    assert text.count(old) == 1
    message = fault(tmp_path, text.replace(old, new))
    assert message.startswith(f"only/chapter.md, line {line}: ")
    assert words in message


def test_two_exercises_of_one_name_are_refused(tmp_path):
    assert "a second 'apply'" in fault(tmp_path, HEAD + EXERCISE + EXERCISE)


def test_a_fence_left_open_before_the_next_directive_is_named_by_both_lines(tmp_path):
    message = fault(tmp_path, HEAD + EXERCISE.rstrip("`\n") + "\n" + EXERCISE)
    assert message.startswith("only/chapter.md, line 8: ")
    assert "another opens at line 17" in message


def test_code_in_a_directive_needs_a_longer_fence(tmp_path):
    message = fault(tmp_path, HEAD + EXERCISE.replace("Apply `f`.", "```python\nf(1)\n```"))
    assert "a longer fence if it holds code" in message


def test_a_code_block_left_open_at_the_end_is_refused(tmp_path):
    assert "never closed" in fault(tmp_path, HEAD + EXERCISE + "```python\nx = 1\n")


def test_a_directive_in_a_list_is_refused(tmp_path):
    assert "move it to the left margin" in fault(tmp_path, HEAD + "- a\n\n  ```{reading}\n  b\n  ```\n")


def test_a_prerequisite_must_be_an_earlier_chapter(tmp_path):
    assert "prerequisite 'shapes' is no earlier chapter" in fault(tmp_path, LATER)
    assert "prerequisite 'only' is no earlier chapter" in fault(tmp_path, LATER.replace("[shapes]", "[only]"))


def test_a_text_that_is_not_utf_8_is_refused(tmp_path):
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "chapter.md").write_bytes(HEAD.encode() + b"\xff")
    with pytest.raises(ChapterError, match="save it as UTF-8"):
        course.chapters(tmp_path)


@pytest.mark.parametrize("kind", sorted(DIRECTIVES))
def test_an_empty_directive_of_each_kind_is_refused_in_one_line(tmp_path, kind):
    name = " name" if DIRECTIVES[kind][1] else ""
    assert fault(tmp_path, f"{HEAD}```{{{kind}}}{name}\n```\n").startswith(
        f"only/chapter.md, line {9 if kind == 'figure' else 8}: "
    )


def test_front_matter_that_never_ends_is_refused(tmp_path):
    assert "no front matter" in fault(tmp_path, HEAD.rstrip("-\n"))


def test_reading_the_course_imports_no_torch():
    code = "import sys; from headwork.chapters import course; course.chapters(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env={**os.environ}).returncode == 0


def test_the_real_course_can_be_read():
    ids = [exercise.id for chapter in course.chapters() for exercise in chapter.exercises]
    assert "gpt2.layer_norm" in ids
    assert len(ids) == len(set(ids))
    for id in ids:
        assert course.exercise_text(id).id == id

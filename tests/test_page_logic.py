"""The page's plain functions: where the learner is, what is shown there, and where the learner's text is kept."""

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import pytest

from headwork.chapters.course import chapter, chapters
from headwork.chapters.directives import Block, ExerciseText, Predict, Prose
from headwork.gradebook.store import ME
from headwork.grading.report import CheckResult, Verdict
from headwork.streamlit_app import logic, verdict
from headwork.streamlit_app.desk import Desk, NotSaved
from headwork.streamlit_app.stubs import starting_text
from headwork.tests.small_course import file_of

# Where the learner is


def test_the_asked_exercise_is_shown(course: Path) -> None:
    assert logic.place("shapes.half", course=course) == "shapes.half"


def test_an_unknown_exercise_leads_to_the_start_of_its_chapter(course: Path) -> None:
    assert logic.place("later.<script>", course=course) == "later.apply"


def test_without_an_address_the_first_exercise_not_passed_is_shown(course: Path) -> None:
    assert logic.place(None, {"shapes.scaler", "shapes.half"}, course) == "shapes.heads"


def test_when_all_is_passed_the_course_begins_anew(course: Path) -> None:
    everything = {each.id for each_chapter in chapters(course) for each in each_chapter.exercises}
    assert logic.place("nowhere", everything, course) == "shapes.scaler"


def test_reading_on_leads_over_into_the_next_chapter(course: Path) -> None:
    assert logic.neighbours("shapes.heads", course) == ("shapes.half", "later.apply")
    assert logic.neighbours("shapes.scaler", course)[0] is None
    assert logic.neighbours("later.apply", course)[1] is None


# The text


@pytest.mark.parametrize("name", [each.name for each in chapters()])
def test_the_parts_of_a_chapter_make_up_its_whole_text(name: str) -> None:
    here = chapter(name)
    parts = [logic.part(here, entry.id) for entry in logic.contents(here)]
    for exercise, part in zip(here.exercises, parts, strict=bool(here.exercises)):
        assert [block for block in part if isinstance(block, ExerciseText)] == [exercise]

    def texts(blocks: Iterable[Block]) -> str:
        return "".join("".join(each.markdown.split()) if isinstance(each, Prose) else repr(each) for each in blocks)

    assert texts(chain(*parts)) == texts(here.blocks)


def test_the_contents_name_the_sections_around_each_exercise() -> None:
    entries = {entry.id: entry for entry in logic.contents(chapter("gpt2"))}
    assert entries["gpt2.top_p"].before == ("Choosing a token: the nucleus",)
    assert "How your work is judged" in entries["gpt2.embed"].before
    assert entries["gpt2.hidden_bug"].after == ("What you have shown, and what not",)


def test_what_follows_an_exercise_belongs_to_it_up_to_the_next_heading() -> None:
    here = chapter("gpt2")
    following = logic.part(here, "gpt2.attention_pattern")
    assert isinstance(following[0], Prose)
    assert following[0].markdown.startswith("### From scores to weights")
    assert any(isinstance(block, Predict) for block in following)


def test_a_formula_alone_in_its_paragraph_is_displayed() -> None:
    assert logic.shown("computes\n\n$y = x .$\n\nHere") == "computes\n\n$$\ny = x .\n$$\n\nHere"


def test_punctuation_stays_with_its_formula() -> None:
    assert logic.shown("the same as $(1, 3)$, and $x$ too") == r"the same as $(1, 3)\text{,}$ and $x$ too"
    assert logic.shown("$a$ of $.5$ is") == "$a$ of $.5$ is"


def test_code_is_shown_as_it_stands() -> None:
    source = "`$HOME$,` and\n\n```sh\necho $A$, $B$.\n```\n"
    assert logic.shown(source) == source


# The learner's text


def test_the_editor_starts_with_the_stub_and_the_imports_it_uses(desk: Desk) -> None:
    sheet = desk.sheet("shapes.half")
    assert sheet.source == "stub"
    assert sheet.text.startswith("from torch import Tensor\n\n\ndef half(x: Tensor)")
    assert "class Scaler" not in sheet.text
    assert "import math" not in sheet.text


def test_a_chapter_that_was_not_built_has_no_stub(course: Path) -> None:
    (course / "shapes" / "exercises.py").unlink()
    assert starting_text("shapes.half", course) == ""


def test_a_draft_comes_before_the_stub_even_when_it_is_empty(desk: Desk) -> None:
    desk.save("shapes.half", "def half(x): ...", "")
    assert desk.sheet("shapes.half").text == "def half(x): ..."
    desk.save("shapes.half", "", "")
    assert desk.sheet("shapes.half").text == ""


def test_the_drafts_of_other_exercises_come_along_and_come_first(desk: Desk) -> None:
    desk.save("shapes.scaler", "class Scaler: ...", "")
    handed_in = desk.submission("shapes.half", "def half(x): ...")
    assert [unit.label for unit in handed_in.units][-1] == "half.py"
    assert "class Scaler: ..." in [unit.source for unit in handed_in.units]


def test_in_a_workspace_the_file_is_the_truth_and_not_the_draft(at_work: Desk) -> None:
    at_work.gradebook.save_draft(ME, "shapes.half", "an old draft")
    sheet = at_work.sheet("shapes.half")
    assert sheet.source == "file"
    assert "def half" in sheet.text
    assert file_of(at_work).read_text().splitlines()[sheet.line - 1] == sheet.text.splitlines()[0]


def test_in_a_workspace_saving_changes_one_exercise_of_the_file(at_work: Desk) -> None:
    before, sheet = file_of(at_work).read_text(), at_work.sheet("shapes.half")
    at_work.save("shapes.half", "def half(x):\n    return x / 2\n", sheet.text)
    assert file_of(at_work).read_text() == before.replace(sheet.text, "def half(x):\n    return x / 2")
    assert at_work.submission("shapes.half", "ignored").units[0].source == file_of(at_work).read_text()


def test_a_file_keeps_its_line_ends(at_work: Desk) -> None:
    file_of(at_work).write_bytes(file_of(at_work).read_bytes().replace(b"\n", b"\r\n"))
    at_work.save("shapes.half", "def half(x):\n    return x / 2", at_work.sheet("shapes.half").text)
    content = file_of(at_work).read_bytes()
    assert b"return x / 2\r\n" in content
    assert content.count(b"\n") == content.count(b"\r\n")


def test_a_file_that_changed_meanwhile_is_left_alone(at_work: Desk) -> None:
    base = at_work.sheet("shapes.half").text
    file_of(at_work).write_text(file_of(at_work).read_text().replace(base, "def half(x):\n    return x * 0.5"))
    with pytest.raises(NotSaved, match="changed on disk"):
        at_work.save("shapes.half", "def half(x): ...", base)
    assert "x * 0.5" in file_of(at_work).read_text()


def test_text_that_holds_another_heading_is_not_written_into_the_file(at_work: Desk) -> None:
    before = file_of(at_work).read_text()
    with pytest.raises(NotSaved, match="heading"):
        at_work.save("shapes.half", before, at_work.sheet("shapes.half").text)
    assert file_of(at_work).read_text() == before


def test_a_file_without_headings_is_shown_whole(at_work: Desk) -> None:
    file_of(at_work).write_text("def half(x):\n    return x\n")
    assert at_work.sheet("shapes.half").text == "def half(x):\n    return x\n"
    at_work.save("shapes.half", "def half(x):\n    return x / 2\n", "def half(x):\n    return x\n")
    assert file_of(at_work).read_text() == "def half(x):\n    return x / 2\n"


def test_a_file_that_is_not_utf8_is_explained(at_work: Desk) -> None:
    file_of(at_work).write_bytes("é".encode("latin-1"))
    with pytest.raises(NotSaved, match="not UTF-8"):
        at_work.sheet("shapes.half")


# The verdict

EVIL = "<script>alert(1)</script>"


def test_nothing_a_learner_wrote_becomes_html() -> None:
    check = CheckResult(EVIL, False, message=EVIL, case=EVIL)
    shown = verdict.html(Verdict("gpt2.x", "error", message=f"stopped {EVIL}", checks=(check,), notes=(EVIL,)))
    assert shown.count("&lt;script&gt;") == 5
    assert "<script" not in shown


def test_the_mistake_is_the_sentence_that_stands_out() -> None:
    said = "It divides by `n - 1`."
    shown = verdict.html(Verdict("gpt2.x", "failed", out_of=4, message=said, mistake=said))
    assert '<p class="hw-sentence">It divides by <code>n - 1</code>.</p>' in shown
    assert shown.count("It divides by") == 1
    assert "0 of 4 points" in shown


def test_long_prints_are_cut_and_escape_codes_removed() -> None:
    shown = verdict.printed(Verdict("gpt2.x", "failed", printed="\x1b[31mred\n" + "line\n" * 500))
    assert shown.startswith("red\nline")
    assert shown.endswith("(301 more lines)")

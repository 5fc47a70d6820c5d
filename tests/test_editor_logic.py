"""Which of two texts is the newer one, and the files of the code editor, without a browser."""

import json
from pathlib import Path
from time import monotonic

import pytest
from streamlit.testing.v1 import AppTest

from headwork.streamlit_app.components import assets
from headwork.streamlit_app.components.members import MEMBERS
from headwork.streamlit_app.components.memory import LAG, Memory


@pytest.fixture
def memory() -> Memory:
    return Memory.of("stub")


def test_a_text_that_the_page_gives_again_is_no_news(memory: Memory) -> None:
    version = memory.version
    memory.receive(version, 1, "typed, and not kept")
    memory.give("stub")
    assert (memory.version, memory.text) == (version, "typed, and not kept")


def test_a_text_that_was_kept_and_comes_round_is_no_news(memory: Memory) -> None:
    version = memory.version
    for number, text in enumerate(("one\n", "one\ntwo\n"), start=1):
        memory.receive(version, number, text)
        memory.keep()
    memory.give("one")  # an older one, and as files hold it
    memory.give("one\ntwo")
    assert (memory.version, memory.text) == (version, "one\ntwo\n")


def test_a_text_from_elsewhere_is_shown(memory: Memory) -> None:
    version = memory.version
    memory.receive(version, 1, "typed")
    memory.give("theirs")
    assert memory.version != version
    assert memory.shown == memory.text == "theirs"


def test_the_text_before_the_first_key_is_news_again_once_another_was_kept(memory: Memory) -> None:
    memory.receive(memory.version, 1, "typed")
    memory.keep()  # without the page being drawn
    memory.give("stub")
    assert memory.shown == memory.text == "stub"


def test_going_back_to_an_earlier_text_is_news_after_a_while(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, text in enumerate(("one", "two"), start=1):
        memory.receive(memory.version, number, text)
        memory.keep()
    later = monotonic() + LAG
    monkeypatch.setattr("headwork.streamlit_app.components.memory.monotonic", lambda: later)
    memory.give("one")
    assert memory.shown == memory.text == "one"


def test_what_was_typed_into_a_text_that_has_been_replaced_does_not_count(memory: Memory) -> None:
    before = memory.version
    memory.give("theirs")
    assert not memory.receive(before, 1, "stub, and more")
    assert memory.text == "theirs"


def test_every_wish_for_a_check_is_granted_once(memory: Memory) -> None:
    assert not memory.take_check()
    memory.receive(memory.version, 7, "stub", check=True)
    assert memory.take_check()
    memory.receive(memory.version, 7, "stub", check=True)  # the same message again
    assert not memory.take_check()
    memory.receive("another version", 8, "stub", check=True)
    assert not memory.take_check()


def test_a_message_that_a_later_one_has_overtaken_does_not_count(memory: Memory) -> None:
    assert memory.receive(memory.version, 2, "two")
    assert not memory.receive(memory.version, 1, "one")
    assert memory.text == "two"


def test_line_ends_of_other_systems_are_no_news(memory: Memory) -> None:
    memory.give("a\r\nb\rc")
    assert memory.shown == "a\nb\nc"
    version = memory.version
    memory.receive(version, 1, "a\nb\nc\nd")
    memory.keep()
    memory.give("a\r\nb\r\nc\r\nd\r\n")
    assert memory.version == version


def test_members_are_few_and_hold_what_the_course_uses() -> None:
    assert MEMBERS.stat().st_size < 30_000
    members = {owner: set(names.split()) for owner, names in json.loads(MEMBERS.read_text()).items()}
    assert {"einsum", "softmax", "where", "tril", "Tensor", "float64", "no_grad"} <= members["torch"]
    assert {"Module", "Parameter", "ModuleList", "functional"} <= members["nn"]
    assert {"softmax", "cross_entropy"} <= members["F"]
    assert {"rearrange", "einsum", "reduce", "repeat"} <= members["einops"]
    assert {"masked_fill", "transpose", "shape", "mean"} <= members["tensor"]


def test_the_script_asks_nobody_else_and_names_its_licences() -> None:
    script = assets.SCRIPT.read_text(encoding="utf-8")
    assert "importScripts" not in script
    assert "import(" not in script
    licences = assets.SCRIPT.with_name("LICENSES.txt").read_text(encoding="utf-8")
    locked = json.loads((assets.HERE / "editor" / "package-lock.json").read_text())["packages"]
    bundled = {
        f"{name.removeprefix('node_modules/')} {each['version']}"
        for name, each in locked.items()
        if name and not each.get("dev")
    }
    missing = {each for each in bundled if f"{each}\n" not in licences}
    assert missing <= {"@codemirror/streamparser 6.0.0"}  # types alone: nothing of it is in the script


PLAIN_PAGE = """
import streamlit as st
from headwork.streamlit_app.components.code_editor import code_editor, forget

st.session_state.setdefault("given", "a = 1")
def keep(text):
    st.session_state.kept = text
    return False
if st.button("forget"):
    forget("mine")
edited = code_editor(st.session_state.given, key="mine", on_change=keep, markers=[(1, "<b>odd</b>")])
st.text(f"got {edited.text!r} {edited.check}")
"""


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("HEADWORK_PLAIN_EDITOR", "1")
    return AppTest.from_string(PLAIN_PAGE).run()


def test_a_plain_field_stands_in_where_it_is_wished(plain: AppTest) -> None:
    assert plain.text_area(key="mine").value == "a = 1"
    plain.text_area(key="mine").set_value("a = 2").run()
    assert plain.session_state.kept == "a = 2"
    assert "got 'a = 2' False" in [each.value for each in plain.text]
    assert "Line 1: <b>odd</b>" in [each.value for each in plain.text]


def test_the_plain_field_shows_what_comes_from_elsewhere_and_nothing_older(plain: AppTest) -> None:
    plain.text_area(key="mine").set_value("a = 2").run()
    assert plain.run().text_area(key="mine").value == "a = 2"
    plain.session_state.given = "a = 2"
    assert plain.run().text_area(key="mine").value == "a = 2"
    plain.session_state.given = "theirs"
    assert plain.run().text_area(key="mine").value == "theirs"


def test_a_forgotten_field_begins_anew(plain: AppTest) -> None:
    plain.text_area(key="mine").set_value("a = 2").run()
    plain.button[0].click().run()
    assert plain.text_area(key="mine").value == "a = 1"


def test_the_built_files_are_where_the_wheel_takes_them_from() -> None:
    assert assets.SCRIPT.relative_to(Path(assets.__file__).parent).as_posix() == "editor/built/editor.js"
    assert assets.SCRIPT.stat().st_size > 100_000

"""Files of weights that come along with code: which are taken, under which names, and what no answer can reach."""

import os
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from headwork.checkers.checks import claim
from headwork.checkers.probing import Case
from headwork.gradebook.workspace import lay
from headwork.grading import attached
from headwork.grading.attached import LARGEST, MOST, fetch
from headwork.grading.plan import Observation
from headwork.grading.program import Attachment, Submission, Unit
from headwork.grading.submission import collect, read, read_beside, read_text, sizes_beside, with_files
from headwork.grading.unusable import MissingFile

CODE = 'HOUSE_SAE = "mine.safetensors"\n'


def put(path: Path, content: bytes | str = CODE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def names(submission: Submission) -> list[str]:
    return [each.name for each in submission.attachments]


class Asking:
    attached = True


def fetched(value: object, *attachments: Attachment) -> object:
    seen = Observation({"claim": value})
    fetch(Asking(), [seen], attachments)  # type: ignore[arg-type]
    return seen.values["claim"]


def test_a_folder_and_a_zip_bring_the_files_that_their_code_names(tmp_path):
    put(tmp_path / "ada/week4/answers.py")
    put(tmp_path / "ada/week4/mine.safetensors", b"weights")
    put(tmp_path / "ada/week4/other.safetensors", b"of something else")
    found = read(tmp_path / "ada")
    assert found.attachments == (Attachment("week4/mine.safetensors", b"weights"),)
    archive = zipped(tmp_path / "ada.zip", {"w/answers.py": CODE.encode(), "w/mine.safetensors": b"weights"})
    assert read(archive).attachments == (Attachment("w/mine.safetensors", b"weights"),)


def test_in_bulk_a_file_by_itself_brings_nothing_of_its_neighbours(tmp_path):
    for name in ("ada.py", "bob.py"):
        put(tmp_path / name)
    put(tmp_path / "mine.safetensors", b"weights")
    assert [names(each) for _, each in collect([tmp_path])] == [[], []]
    assert names(read_beside(tmp_path / "ada.py")) == ["mine.safetensors"], "on the learner's own disk it does"


def test_what_lies_in_other_folders_is_not_beside_a_file(tmp_path):
    put(tmp_path / "mine/exercises.py")
    put(tmp_path / "mine/older/mine.safetensors", b"weights")
    put(tmp_path / "mine.safetensors", b"weights")
    assert names(read_beside(tmp_path / "mine/exercises.py")) == []


def test_a_name_without_its_ending_is_a_name_and_those_in_full_come_first(tmp_path):
    for number in range(MOST + 3):
        put(tmp_path / f"run{number}.safetensors", b"weights")
    put(tmp_path / "x.safetensors")
    whole = read_text("a.py", 'RUN = "run"\nFILES = ' + repr([f"run{number}" for number in range(MOST + 3)]))
    last = f"run{MOST + 2}.safetensors"
    assert len(with_files(whole, tmp_path).attachments) == MOST
    named = replace(whole, units=(*whole.units, Unit("b.py", last)))
    assert names(with_files(named, tmp_path))[0] == last
    assert "x.safetensors" not in names(with_files(named, tmp_path))


def test_links_and_hidden_files_stay_behind(tmp_path):
    put(tmp_path / "secret/mine.safetensors", b"somebody's")
    put(tmp_path / "ada/answers.py")
    os.symlink(tmp_path / "secret/mine.safetensors", tmp_path / "ada/mine.safetensors")
    put(tmp_path / "ada/.mine.safetensors", b"hidden")
    assert names(read(tmp_path / "ada")) == [] == names(read_beside(tmp_path / "ada/answers.py"))


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../mine.safetensors", "secret/../mine.safetensors", "", "\0", "a" * 999]
)
def test_no_path_of_an_answers_is_opened(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    put(tmp_path.parent / "mine.safetensors", b"another's")
    with pytest.raises(MissingFile, match="came along") as told:
        fetched(name, Attachment("mine.safetensors", b"weights"))
    assert "\n" not in str(told.value) and len(str(told.value)) < 300


def test_a_name_finds_the_file_wherever_the_folder_has_it():
    deep = Attachment("week4/mine.safetensors", b"weights")
    assert fetched("mine.safetensors", deep) == fetched("./mine.safetensors", deep) == b"weights"
    assert fetched("week4/mine.safetensors", deep) == b"weights"
    with pytest.raises(MissingFile, match="2 files 'mine"):
        fetched("mine.safetensors", deep, Attachment("week5/mine.safetensors", b"other"))


def test_what_is_no_name_stays_as_it_is():
    assert fetched({"W_enc": 1}) == {"W_enc": 1} and fetched(None) is None


def test_one_byte_too_many_is_said_and_loses_nothing_else(tmp_path):
    put(tmp_path / "ada/answers.py", "x = 1\n" + CODE)
    put(tmp_path / "ada/mine.safetensors", bytes(LARGEST))
    assert len(read(tmp_path / "ada").attachments[0].data) == LARGEST
    put(tmp_path / "ada/mine.safetensors", bytes(LARGEST + 1))
    found = read(tmp_path / "ada")
    assert found.units[0].source.startswith("x = 1") and found.attachments[0].data == b""
    with pytest.raises(MissingFile, match="has more than 10 MB"):
        fetched("mine.safetensors", *found.attachments)
    bomb = zipped(tmp_path / "bomb.zip", {"answers.py": CODE.encode(), "mine.safetensors": bytes(40 * LARGEST)})
    assert bomb.stat().st_size < LARGEST and "more than 10 MB" in read(bomb).attachments[0].flaw


def test_a_files_name_cannot_forge_lines_of_a_report(tmp_path):
    evil = "mine\n\x1b[32mpassed.safetensors"
    archive = zipped(tmp_path / "ada.zip", {"answers.py": repr(evil).encode(), evil: bytes(LARGEST + 1)})
    named = read_text("a.py", f'"""{evil}"""')
    [found] = attached.from_archive(archive, named.units)
    assert found.flaw.isprintable() and "has more than 10 MB" in found.flaw


def test_a_damaged_file_in_a_zip_is_said_and_loses_nothing_else(tmp_path):
    archive = zipped(tmp_path / "ada.zip", {"answers.py": CODE.encode(), "mine.safetensors": b"weights" * 50})
    data = bytearray(archive.read_bytes())
    data[data.index(b"mine.safetensors") + 20] ^= 0xFF
    archive.write_bytes(data)
    found = read(archive)
    assert found.units and found.attachments[0].flaw.startswith("The zip with mine.safetensors ")


def test_laying_a_file_keeps_the_one_that_was_there(tmp_path):
    lay(tmp_path, "mine.safetensors", b"first")
    lay(tmp_path, "mine.safetensors", b"first")
    assert sizes_beside(tmp_path) == {"mine.safetensors": 5}
    lay(tmp_path, "mine.safetensors", b"second")
    assert (tmp_path / "mine.safetensors").read_bytes() == b"second"
    assert (tmp_path / "mine.safetensors.before").read_bytes() == b"first"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["mine.safetensors", "mine.safetensors.before"]


def test_of_drafts_those_come_along_that_the_code_names():
    kept = (Attachment("mine.safetensors", b"weights"), Attachment("other.safetensors", b"weights"))
    assert attached.named(kept, read_text("a.py", CODE).units) == kept[:1]


def test_experiments_run_one_at_a_time():
    """They share models, and hooks on a model are seen by whoever runs it."""
    at_work, most = [], []

    def flaw(value: object, case: Case) -> str:
        at_work.append(value)
        most.append(len(at_work))
        threading.Event().wait(0.01)
        at_work.pop()
        return ""

    one, other = (claim(name, flaw, title=name) for name in ("one", "other"))
    threads = [threading.Thread(target=each.flaw, args=(0, Case(""))) for each in (one, other) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 6 and max(most) == 1

"""Files, notebooks, folders and zips are read; what cannot be read ends as one line that says what to do."""

import io
import json
import os
import stat
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path

import nbformat
import pytest

from headwork.grading import submission as reading
from headwork.grading.notebook import without_magics
from headwork.grading.program import Submission, Unit
from headwork.grading.submission import Unreadable, collect, read, read_text


def put(path: Path, content: str | bytes = "x = 1\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def notebook(*cells: str, version: int = 4) -> str:
    """A notebook with a markdown cell first."""
    made = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell("# Title"), *(nbformat.v4.new_code_cell(cell) for cell in cells)]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nbformat.writes(nbformat.convert(made, version), version=version)


def zipped(path: Path, members: Mapping[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def problem(path: Path) -> str:
    with pytest.raises(Unreadable) as caught:
        read(path)
    text = str(caught.value)
    assert "\n" not in text and len(text) < 300
    return text


def labels(submission: Submission) -> list[str]:
    return [unit.label for unit in submission.units]


# A Python file


def test_a_file_is_one_unit_called_by_its_name(tmp_path):
    path = put(tmp_path / "exercises.py", "x = 1\n")
    assert read(path) == Submission(str(path), (Unit("exercises.py", "x = 1\n"),))


def test_a_text_in_memory_reads_like_a_file(tmp_path):
    text = "\ufeffx = 'é'\r\ny = 2\r"
    assert read_text("exercises.py", text).units == read(put(tmp_path / "exercises.py", text)).units


@pytest.mark.parametrize(
    "data",
    [
        "x = 'é'".encode(),
        b"\xef\xbb\xbf" + "x = 'é'".encode(),
        "# coding: latin-1\nx = 'é'".encode("latin-1"),
        "#!/usr/bin/python\n# -*- coding: cp1252 -*-\r\nx = 'é'".encode("cp1252"),
    ],
)
def test_encodings_are_those_of_python(tmp_path, data):
    assert read(put(tmp_path / "a.py", data)).units[0].source.endswith("x = 'é'")


def test_text_that_is_not_utf_8_names_the_byte(tmp_path):
    assert problem(put(tmp_path / "x.py", b"x = 'abcdefg\xff'")) == (
        "x.py is not UTF-8 text (byte 0xff at offset 12): save it as UTF-8"
    )


@pytest.mark.parametrize("codec", ["punycode", "hex", "utf-7", "idna", "rot13"])
def test_codecs_that_are_no_encodings_are_refused(tmp_path, codec):
    assert "UTF-8" in problem(put(tmp_path / "x.py", f"# coding: {codec}\nx = 'é'"))


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("x.py", b"a = 1\nb = '\0'", "x.py has a NUL byte in line 2"),
        ("x.py", b"#" * 2_000_000, "x.py is 1.9 MB (limit 1 MB)"),
        ("x.txt", b"", "x.txt is neither .py, .ipynb, .zip nor a folder"),
        ("x.ipynb", b"", "x.ipynb is not a whole notebook"),
        ("x.ipynb", b"[]", "x.ipynb is JSON but not a notebook"),
        ("x.ipynb", b'{"cells": 3}', "x.ipynb is JSON but not a notebook (no cells)"),
        ("x.ipynb", b'{"cells": []}', "x.ipynb has no code cells"),
        ("x.ipynb", b'{"cells": [{"cell_type": "code", "source": " "}]}', "x.ipynb has no code cells"),
        ("x.ipynb", b"[" * 500_000, "x.ipynb"),
        ("x.ipynb", b"\xff\xfe", "x.ipynb is not UTF-8 text"),
        (
            "x.ipynb",
            b'{"cells": [{"cell_type": "code", "source": "a = \'\\u0000\'"}]}',
            "x.ipynb cell 1 has a NUL byte",
        ),
        ("x.ipynb", b'{"cells": [{"cell_type": "code", "source": "a = \'\\ud800\'"}]}', "half a Unicode character"),
        ("x.zip", b"", "x.zip is not a whole zip file"),
        ("x\n.txt", b"", "x?.txt is neither"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, name, data, said):
    assert said in problem(put(tmp_path / name, data))


def test_a_huge_file_is_refused_without_reading_it(tmp_path, monkeypatch):
    path = put(tmp_path / "x.py")
    os.truncate(path, 100 << 20)
    monkeypatch.setattr(Path, "open", None)
    assert problem(path) == "x.py is 100.0 MB (limit 1 MB): hand in only your own code"


def test_things_that_are_no_files_are_refused(tmp_path):
    (tmp_path / "x.py").mkdir()
    os.mkfifo(tmp_path / "y.py")
    assert "x.py is not a file" in problem(tmp_path / "x.py")
    assert "y.py is not a file" in problem(tmp_path / "y.py")
    assert "z.py: there is no such file" in problem(tmp_path / "z.py")
    assert "cannot be read" in problem(Path("a\0b.py"))


def test_a_file_without_permission_is_refused(tmp_path, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    paths = [put(tmp_path / "x.py"), zipped(tmp_path / "x.zip", {"a.py": ""})]
    monkeypatch.setattr(Path, "open", refuse)
    for path in paths:
        assert "no permission to read it" in problem(path)


# A notebook


@pytest.mark.parametrize("version", [3, 4])
def test_cells_are_counted_from_one_with_the_markdown(tmp_path, version):
    work = read(put(tmp_path / "nb.ipynb", notebook("a = 1\nb = 2", "c = 3", version=version)))
    assert [(unit.label, unit.source) for unit in work.units] == [("cell 2", "a = 1\nb = 2"), ("cell 3", "c = 3")]


def test_a_truncated_notebook_is_refused(tmp_path):
    assert "is not a whole notebook" in problem(put(tmp_path / "nb.ipynb", notebook("a = 1")[:-40]))


def test_a_notebook_of_only_shell_commands_has_no_units_but_can_be_read(tmp_path):
    assert read(put(tmp_path / "nb.ipynb", notebook("%%bash\nls"))).units == ()


@pytest.mark.parametrize(
    ("cell", "python"),
    [
        ("%matplotlib inline\nx = 1", "pass\nx = 1"),
        ("for i in y:\n    !echo $i\n    z = i", "for i in y:\n    pass\n    z = i"),
        ("!pip install \\\n  einops\nx = 1", "pass\n\nx = 1"),
        ("pip install einops\nx = 1", "pass\nx = 1"),
        ("x = 1\nx?\nx.real??\n?x", "x = 1\npass\npass\npass"),
        ("files = !ls *.py", "files: '!ls *.py'"),
        ("a, b = %who", "a: '%who'; b: '%who'"),
        ("%%time\nx = 1", "pass\nx = 1"),
        ("\n%%capture out\nx = 1", "\npass\nx = 1"),
        ("%%bash\nls", ""),
        ("%%writefile a.py\nx = 1", ""),
        ("x = '''\n%s\n!''' % 3", "x = '''\n%s\n!''' % 3"),
        ("%time\nx = '''\n%s\n''' % 3", "pass\nx = '''\n%s\n''' % 3"),
        ("%time\nx = (5\n% 3)", "pass\nx = (5\n% 3)"),
        ("!echo it's (\nx = 1", "pass\nx = 1"),
        ("def broken(:\n    pass\n%time", "def broken(:\n    pass\npass"),
    ],
)
def test_magics_become_python_that_does_nothing(cell, python):
    assert without_magics(cell) == python


# Folders and zips

TREE = {
    "b.py": "x = 1",
    "week1/nb.ipynb": notebook("y = 1"),
    ".hidden.py": "",
    ".git/a.py": "",
    "__pycache__/c.py": "",
    "data.csv": "1",
}


def test_a_folder_is_one_submission_with_paths_in_its_labels(tmp_path):
    for name, content in TREE.items():
        put(tmp_path / "ada" / name, content)
    assert labels(read(tmp_path / "ada")) == ["b.py", "week1/nb.ipynb cell 2"]


def test_a_zip_reads_like_its_folder(tmp_path):
    assert labels(read(zipped(tmp_path / "a.zip", TREE))) == ["b.py", "week1/nb.ipynb cell 2"]


def test_a_single_file_needs_no_path(tmp_path):
    assert labels(read(zipped(tmp_path / "a.zip", {"ada/work/nb.ipynb": notebook("y = 1")}))) == ["cell 2"]
    put(tmp_path / "ada" / "work" / "b.py")
    assert labels(read(tmp_path / "ada")) == ["b.py"]


def test_a_folder_with_one_zip_is_that_zip(tmp_path):
    put(tmp_path / "ada" / "feedback.txt")
    zipped(tmp_path / "ada" / "a.zip", {"b.py": ""})
    assert labels(read(tmp_path / "ada")) == ["b.py"]


def test_folders_without_end_and_links_are_not_followed(tmp_path):
    put(tmp_path / "ada" / "a.py")
    put(tmp_path / "ada" / "/".join("deepdeep") / "b.py")
    (tmp_path / "ada" / "c.py").symlink_to("/etc/hostname")
    (tmp_path / "ada" / "loop").symlink_to(tmp_path / "ada")
    assert labels(read(tmp_path / "ada")) == ["a.py"]


def test_a_folder_without_code_is_refused(tmp_path):
    put(tmp_path / "ada" / "notes.md")
    assert "ada has no .py or .ipynb file in it" in problem(tmp_path / "ada")


def test_too_many_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MOST_FILES", 2)
    for name in "abc":
        put(tmp_path / "ada" / f"{name}.py")
    assert "more than 2 code files" in problem(tmp_path / "ada")
    assert "more than 2 code files" in problem(zipped(tmp_path / "a.zip", {"a.py": "", "b.py": "", "c.py": ""}))


@pytest.mark.parametrize("name", ["/etc/a.py", "../a.py", "a/../../b.py", "C:/a.py", "..\\a.py", "\\a.py"])
def test_a_path_that_leads_out_of_a_zip_is_refused(tmp_path, name):
    assert "leads outside it" in problem(zipped(tmp_path / "a.zip", {name: "x = 1", "b.py": ""}))


def test_a_link_in_a_zip_is_refused(tmp_path):
    link = zipfile.ZipInfo("a.py")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "holds a link or a special file (a.py)" in problem(tmp_path / "a.zip")


def test_an_encrypted_zip_is_refused(tmp_path):
    data = bytearray(zipped(tmp_path / "a.zip", {"a.py": "x"}).read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert "is encrypted" in problem(put(tmp_path / "a.zip", bytes(data)))


def test_a_zip_packed_by_another_method_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.py", "x")
    assert "unusual method" in problem(tmp_path / "a.zip")


def test_too_many_members_are_refused(tmp_path):
    assert "more than 2000 files" in problem(zipped(tmp_path / "a.zip", {f"{n}.csv": "" for n in range(2001)}))
    assert "more than 2000 files" in problem(zipped(tmp_path / "b.zip", {f"{n:0200}.csv": "" for n in range(4500)}))


def test_a_bomb_is_refused_by_what_it_declares(tmp_path):
    assert "holds too much text at a.ipynb (limit 20 MB)" in problem(
        zipped(tmp_path / "a.zip", {"a.ipynb": b" " * (21 << 20)})
    )
    assert "b.py is 2.0 MB (limit 1 MB)" in problem(zipped(tmp_path / "b.zip", {"b.py": b" " * (2 << 20)}))


def test_a_bomb_that_declares_little_is_refused_by_what_it_holds(tmp_path):
    size = 21 << 20
    data = zipped(tmp_path / "a.zip", {"a.ipynb": b" " * size}).read_bytes()
    small = data.replace(size.to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert small != data
    assert "a.zip" in problem(put(tmp_path / "a.zip", small))


def test_large_data_beside_the_code_is_not_opened(tmp_path):
    assert labels(read(zipped(tmp_path / "a.zip", {"a.py": "x", "data.csv": b" " * (60 << 20)}))) == ["a.py"]


def test_a_truncated_zip_is_refused(tmp_path):
    data = zipped(tmp_path / "a.zip", {"a.py": "x = 1\n" * 500}).read_bytes()
    assert "is not a whole zip file" in problem(put(tmp_path / "a.zip", data[:-10]))


def test_a_damaged_member_is_refused(tmp_path):
    data = bytearray(zipped(tmp_path / "a.zip", {"a.py": os.urandom(500)}).read_bytes())
    data[100] ^= 0xFF
    assert "is not a whole zip file" in problem(put(tmp_path / "a.zip", bytes(data)))


def test_a_zip64_directory_is_refused(tmp_path):
    buffer = io.BytesIO(zipped(tmp_path / "a.zip", {"a.py": "x"}).read_bytes())
    data = buffer.getvalue()
    end = data.rindex(b"PK\x05\x06")
    assert "zip64" in problem(put(tmp_path / "a.zip", data[:end] + b"PK\x06\x07" + b"\0" * 16 + data[end:]))


# In bulk


def test_each_child_of_a_folder_is_a_submission(tmp_path):
    put(tmp_path / "all" / "ada.py")
    put(tmp_path / "all" / "bob" / "sub" / "exercises.py")
    put(tmp_path / "all" / "cleo.ipynb", "{")
    zipped(tmp_path / "all" / "dan.zip", {"a.py": ""})
    put(tmp_path / "all" / "eve" / "feedback.md")
    zipped(tmp_path / "all" / "eve" / "work.zip", {"a.py": ""})
    for ignored in ("roster.csv", "README.md", ".hidden.py", ".git/a.py", "papers/a.pdf"):
        put(tmp_path / "all" / ignored)
    found = dict(collect([tmp_path / "all"]))
    assert list(found) == ["ada.py", "bob", "cleo.ipynb", "dan.zip", "eve"]
    assert [isinstance(each, Submission) for each in found.values()] == [True, True, False, True, True]
    assert getattr(found["bob"], "name", None) == "bob"


def test_files_and_zips_are_a_submission_each(tmp_path):
    one, two = put(tmp_path / "a" / "x.py"), put(tmp_path / "b" / "x.py")
    archive = zipped(tmp_path / "x.zip", {"a.py": "", "b.py": ""})
    assert [label for label, _ in collect([one, two, archive])] == ["x.py", str(two), "x.zip"]


@pytest.mark.parametrize("content", [[], ["notes.md", ".hidden.py"]])
def test_a_folder_without_submissions_is_one_unreadable(tmp_path, content):
    folder = tmp_path / "none"
    folder.mkdir()
    for name in content:
        put(folder / name)
    ((label, found),) = collect([folder])
    assert label == str(folder) and isinstance(found, Unreadable) and "holds no submissions" in str(found)


def test_a_missing_path_is_unreadable_and_the_rest_goes_on(tmp_path):
    found = [each for _, each in collect([tmp_path / "nowhere", put(tmp_path / "a.py")])]
    assert isinstance(found[0], Unreadable) and isinstance(found[1], Submission)


def test_a_slightly_wrong_notebook_still_opens(tmp_path):
    data = {"cells": [None, {"cell_type": "code", "source": ["x = 1\n", 5, "y = 2"]}, {"cell_type": "raw"}]}
    assert [(unit.label, unit.source) for unit in read(put(tmp_path / "a.ipynb", json.dumps(data))).units] == [
        ("cell 2", "x = 1\ny = 2")
    ]

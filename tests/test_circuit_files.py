"""Files that should be circuits: right ones, malformed ones, hostile ones. One clear line each, and nothing lost."""

import json
import os

import jsonschema
import pytest

from headwork.checkers.ioi.judge import circuit as module
from headwork.checkers.ioi.judge.circuit import Circuit, NoCircuit, fit, parsed, read
from headwork.tests.commands import headwork

SCHEMA = json.loads((module.Path(module.__file__).parent / "circuit.schema.json").read_text())
RIGHT = {"model": "house", "nodes": [[4, 0, "END"], [1, 0, "S2"]]}
NODE = [4, 0, "END"]
EDGE = {"from": [1, 0, "S2"], "to": [4, 0, "END"], "into": "q"}

WRONG = {  # what is wrong, by a word of the sentence; these the schema refuses as well
    "object": [1, 2],
    "text": "house",
    "nodes": {"model": "house"},
    "model": {"nodes": []},
    'no "node"': {**RIGHT, "node": []},
    "format": {**RIGHT, "format": "headwork.circuit/9"},
    "[4, 0]": {**RIGHT, "nodes": [[4, 0]]},
    "counted from 0": {**RIGHT, "nodes": [[-1, 0, "END"]]},
    "whole numbers": {**RIGHT, "nodes": [[1.5, 0, "END"]]},
    "no place": {**RIGHT, "nodes": [[4, 0, "end"]]},
    "twice": {**RIGHT, "nodes": [NODE, NODE]},
    "is a text: it is an object": {**RIGHT, "roles": "movers"},
    "no name of a role": {**RIGHT, "roles": {"": [NODE]}},
    "no edge": {**RIGHT, "edges": [{"from": NODE}]},
    "an edge is named twice": {**RIGHT, "edges": [EDGE, EDGE]},
}
ALSO_WRONG = {  # what a schema cannot say
    "not among the nodes": {**RIGHT, "roles": {"movers": [[2, 2, "END"]]}},
    "later layer": {**RIGHT, "edges": [{"from": [4, 0, "END"], "to": [1, 0, "S2"], "into": "q"}]},
    "truth": {**RIGHT, "roles": True},
}


@pytest.mark.parametrize("word", [*WRONG, *ALSO_WRONG])
def test_what_is_wrong_is_said_in_one_line(word):
    with pytest.raises(NoCircuit) as raised:
        parsed({**WRONG, **ALSO_WRONG}[word])
    assert word in str(raised.value) and "\n" not in str(raised.value) and len(str(raised.value)) < 220


@pytest.mark.parametrize("word", WRONG)
def test_the_schema_refuses_it_too(word):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(WRONG[word], SCHEMA)


def test_what_is_right_is_read_and_written_alike():
    value = {**RIGHT, "roles": {"movers": [NODE]}, "edges": [EDGE], "format": "headwork.circuit/1"}
    jsonschema.validate(value, SCHEMA)
    circuit = parsed(value)
    assert parsed(circuit.as_json()) == circuit
    jsonschema.validate(circuit.as_json(), SCHEMA)
    assert parsed(RIGHT) == Circuit("house", frozenset({(4, 0, "END"), (1, 0, "S2")}))


def test_heads_that_the_model_lacks_are_named():
    with pytest.raises(NoCircuit, match=r"no head 5.0.*from 0 to 4.*layer comes first"):
        fit(parsed({"model": "house", "nodes": [[5, 0, "END"]]}), 5, 4)


HOSTILE = {
    "empty": (b"", "no JSON"),
    "not JSON": (b"{nodes: 1}", "line 1"),
    "binary": (b"\xff\xfe\x00", "UTF-8"),
    "deep": (b"[" * 200_000 + b"]" * 200_000, "nested"),
    "a long number": (b'{"model": "house", "nodes": [[' + b"9" * 9000 + b', 0, "END"]]}', "number"),
    "NaN": (b'{"model": "house", "nodes": [[NaN, 0, "END"]]}', "NaN"),
    "a key twice": (b'{"model": "a", "model": "b", "nodes": []}', "twice"),
    "huge": (b" " * 1_000_001, "1 MB"),
    "escape codes": (b'{"model": "house", "nodes": [[1, 0, "\\u001b[31mEND\\n"]]}', "no place"),
    "many nodes": (b'{"model": "house", "nodes": [' + b",".join([b"[1,0,1]"] * 100_000) + b"]}", "no place"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files_get_one_line(kind, tmp_path):
    content, word = HOSTILE[kind]
    file = tmp_path / "mine.json"
    file.write_bytes(content)
    with pytest.raises(NoCircuit) as raised:
        read(file)
    line = str(raised.value)
    assert word in line and "\n" not in line and "\x1b" not in line and len(line) < 250


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", ".", "nowhere"):
        with pytest.raises(NoCircuit, match="no file"):
            read(tmp_path / name)


def test_the_command_says_one_line_and_exits_with_2(tmp_path):
    file = tmp_path / "mine.json"
    file.write_text('{"model": "nothing", "nodes": []}')
    for arguments in (["circuit", "score", file], ["circuit", "score", tmp_path / "none.json"]):
        done = headwork(*map(str, arguments), cwd=tmp_path, home=tmp_path)
        assert done.code == 2 and done.out == "" and len(done.err.splitlines()) == 1

"""`headwork circuit`: what it prints, its exit codes, and the reference that it finds."""

import json

import pytest

from headwork.checkers.ioi.judge import court, references, search
from headwork.checkers.ioi.judge.score import Size
from headwork.cli.main import run
from headwork.gradebook import board
from headwork.gradebook.home import gradebook_file
from headwork.gradebook.store import ME, Gradebook

SMALL = Size(each=1, sets=4, own_sets=4, random=4, resamples=20)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    whole = court.judge
    monkeypatch.setenv("HEADWORK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(court, "judge", lambda circuit, **settings: whole(circuit, **{"size": SMALL, **settings}))
    return tmp_path


def said_by(capsys, *words):
    code = run([str(word) for word in words])
    said = capsys.readouterr()
    return code, said.out, said.err


def file_of(folder, nodes, model="house", **more):
    file = folder / "mine.json"
    file.write_text(json.dumps({"model": model, "nodes": [list(node) for node in nodes], **more}))
    return file


def test_the_reference_scores_all_and_stands_on_the_board(capsys, home):
    ours = references.reference("house").nodes
    code, out, err = said_by(capsys, "circuit", "score", file_of(home, ours), "--model", "house", "--seed", 5)
    assert code == 0 and "100 of 100" in out and "seed 5" in out and not err
    for word in ("faithful", "complete", "minimal", "above chance", "usual ratio", "reference"):
        assert word in out
    with Gradebook.open(gradebook_file()) as gradebook:
        standing = board.circuits("house").standing(gradebook, ME)
    assert standing is None or standing.figures["size"] == len(ours)


def test_half_a_circuit_fails_with_1_and_json_is_alone_on_stdout(capsys, home):
    ours = sorted(references.reference("house").nodes)
    edge = {"from": list(ours[0]), "to": list(ours[-1]), "into": "q"}
    file = file_of(home, {*ours[:2], ours[-1]}, edges=[edge])
    code, out, _ = said_by(capsys, "circuit", "score", file, "--seed", 5, "--json")
    found = json.loads(out)
    assert code == 1 and found["score"] < 80 and found["format"] == "headwork.circuit_score/1"
    assert found["circuit"]["size"] == 3 and found["edges"][0].keys() == {"edge", "effect", "confirmed"}
    code, out, _ = said_by(capsys, "circuit", "score", file, "--seed", 5)
    assert code == 1 and f"{found['score']:.0f} of 100" in out and "of the whole effect" in out


@pytest.mark.parametrize(
    ("model", "words", "said"),
    [
        ("house", ["--model", "gpt2"], "a circuit of house"),
        ("house", ["--device", "tpu"], "no device tpu"),
        ("../house", [], "no reference circuit"),
        ("brackets", [], "no reference circuit of brackets"),
        ("house", ["--seed", "-1"], "0"),
    ],
)
def test_what_cannot_be_judged_is_refused_in_one_line(capsys, home, model, words, said):
    code, out, err = said_by(capsys, "circuit", "score", file_of(home, [], model), *words)
    assert code == 2 and not out and said in err and len(err.splitlines()) == 1


def test_a_reference_of_other_weights_says_what_to_run(capsys, home, monkeypatch):
    monkeypatch.setattr(references, "fingerprint", lambda model: "another")
    code, _, err = said_by(capsys, "circuit", "score", file_of(home, []))
    assert code == 2 and "`headwork circuit find house`" in err


def test_find_writes_the_reference_and_the_answers_that_are_made_from_it(capsys, home, monkeypatch):
    ours = references.reference("house")
    monkeypatch.setattr(references, "FOLDER", home / "references")
    monkeypatch.setattr(references, "ROOT", home)
    (home / "references").mkdir()
    (home / "references" / "house.json").write_text("{}")
    for place in ("solutions/ioi", "checkers/ioi/alternatives"):
        (home / place).mkdir(parents=True)
    monkeypatch.setattr(search, "eliminate", lambda bench, floor, say: bench.mask(ours.nodes))
    code, out, _ = said_by(capsys, "circuit", "find", "house")
    assert code == 0 and f"{len(ours.nodes)} nodes" in out
    assert references.reference("house").nodes == ours.nodes
    for text in [file.read_text() for file in home.rglob("*.py")]:
        names = {}
        exec(text, names)
        assert references.parsed(names["CIRCUIT"]).nodes == ours.nodes
    assert len(list(home.rglob("*.py"))) == 3


def test_the_answers_in_the_repository_are_those_that_find_writes():
    ours = references.reference("house")
    for file, text in references.answers("house", ours.nodes).items():
        assert file.read_text() == text, "run `headwork circuit find house`"


def test_find_refuses_a_model_without_words(capsys):
    code, _, err = said_by(capsys, "circuit", "find", "addition")
    assert code == 2 and "no words" in err


def test_the_help_teaches_the_form_of_a_file(capsys):
    code, out, _ = said_by(capsys, "circuit", "score", "--help")
    assert code == 0 and '"nodes": [[4, 0, "END"]' in out and "[layer, head, place]" in out

"""Our own wrong code cannot hold up a grading, in whatever thread it runs."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from headwork.grading.parsing import parse
from headwork.grading.patience import Impatient, at_most


def forever() -> None:
    while True:
        pass


def test_what_never_ends_is_stopped_in_its_thread():
    def impatient() -> str:
        with pytest.raises(Impatient), at_most(0.2):
            forever()
        return "went on"

    start = time.monotonic()
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(impatient).result(30) == "went on"
        assert thread.submit(lambda: sum(range(1000))).result(30) == 499500
    assert time.monotonic() - start < 20


def test_what_ends_in_time_is_left_alone():
    with at_most(0.05):
        kept = 1
    time.sleep(0.2)
    assert kept == 1


def test_a_block_that_the_machine_kept_waiting_is_not_to_blame():
    with at_most(0.1):
        time.sleep(0.4)


def test_what_waits_for_ever_is_stopped_too():
    with pytest.raises(Impatient), at_most(0.02):
        for _ in range(1000):
            time.sleep(0.01)


def test_two_mistakes_that_loop_together_do_not_hold_up_a_verdict(monkeypatch):
    from headwork.checkers.catalogue import exercise
    from headwork.checkers.exercise import edit
    from headwork.grading import expect
    from headwork.grading.dispatch import Grader
    from headwork.grading.submission import read_text

    ask = exercise("gpt2.causal_mask")
    source = expect.reference_source(ask)
    name = "position = torch.arange(n_keys, device=device)"
    assert source.count(name) == 1
    endless = edit(name, f"{name}\n    while True: pass", "It never ends.")
    monkeypatch.setattr(ask, "list_of_mistakes", (endless,))
    monkeypatch.setattr(expect, "PATIENCE", 0.3)
    wrong = "import torch\n\ndef causal_mask(n_queries, n_keys, device=None):\n    return torch.ones(2) > n_keys\n"
    with Grader() as grader:
        assert grader.grade(read_text("a.py", wrong), ["gpt2.causal_mask"]).verdicts[0].status == "failed"


def test_pairs_are_tried_for_a_while_and_single_mistakes_always(monkeypatch, grader):
    from headwork.checkers.catalogue import exercise
    from headwork.grading import diagnose, expect
    from headwork.grading.submission import read_text

    def mistake(*passages: tuple[str, str]) -> str:
        source = expect.reference_source(exercise("gpt2.attention_pattern"))
        for old, new in passages:
            assert source.count(old) == 1
            source = source.replace(old, new)
        return grader.grade(read_text("a.py", source), ["gpt2.attention_pattern"]).verdicts[0].mistake

    unscaled, late = (" / q.shape[-1] ** 0.5", ""), (".triu(1)", ".triu(2)")
    assert mistake(unscaled, late).count(" And: ") == 1
    monkeypatch.setattr(diagnose, "PATIENCE", 0)
    assert mistake(late) and not mistake(unscaled, late)


def test_what_an_answer_is_asked_first_is_where_it_is_wrong_and_cheap(monkeypatch, grader):
    from headwork.grading import diagnose, expect
    from headwork.grading.submission import read_text

    asked = []

    def noted(id: str, source: str, seed: int, device: str, run: int):
        asked.append(run)
        return expect.observe_mistake(id, source, seed, device, run)

    monkeypatch.setattr(diagnose, "observe_mistake", noted)
    raises = "def fold_layer_norm(model):\n    return model\n"
    verdict = grader.grade(read_text("a.py", raises), ["induction.fold_layer_norm"]).verdicts[0]
    known = expect.known("induction.fold_layer_norm", 0, False, "cpu")
    cheapest = min(range(len(known.runs)), key=lambda run: (known.runs[run].lowered, known.exact[run].seconds))
    assert verdict.status == "failed" and set(asked) == {cheapest}


def test_threads_may_parse_at_once():
    source = "\n".join(f"def f{i}(x):\n    return [x * {i} for x in range({i})]" for i in range(200))
    with ThreadPoolExecutor(4) as threads:
        assert {len(tree.body) for tree in threads.map(parse, [source] * 40)} == {200}

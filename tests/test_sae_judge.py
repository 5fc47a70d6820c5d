"""The judge of autoencoders: what it computes against definitions, what it refuses, and that gaming does not pay."""

import json
import math

import pytest
import torch
from safetensors.torch import save_file

from headwork import models
from headwork.checkers.sae.house_sae import OURS
from headwork.checkers.sae.judge import file as files
from headwork.checkers.sae.judge import ladder as ladders
from headwork.checkers.sae.judge import recipe, rules, score
from headwork.checkers.sae.judge.bench import Bench, per_token_mean, principal_components
from headwork.checkers.sae.judge.data import Corpus
from headwork.checkers.sae.judge.file import NoSAE, parsed
from headwork.cli.main import run
from headwork.gradebook import board
from headwork.gradebook.store import ME, Gradebook
from headwork.models.dictionaries import autoencoders, file_of, load_autoencoder
from headwork.solutions.sae.sparse import SparseTopK
from headwork.solutions.sae.variants import TopK

HOOK = recipe.RESIDUAL


@pytest.fixture(scope="module")
def house():
    return models.load("house").requires_grad_(False)


@pytest.fixture(scope="module")
def judge(house):
    """Judges on few tokens, the same for all."""
    return score.Judge(house, "house", HOOK, seed=3, tokens=1500, sample=2500, keeps=True)


@pytest.fixture(scope="module")
def judged(judge):
    return lambda tensors: judge.score(parsed(tensors))


@pytest.fixture(scope="module")
def sample(house):
    return Bench(house, HOOK).sample(Corpus(house.tokenizer, 96, "public"), 9000)[0]


def ours():
    return load_autoencoder(HOOK, 16)


def test_a_description_is_the_choice_and_eight_bits_for_each():
    assert rules.description_length(1024, 16) == pytest.approx(math.log2(math.comb(1024, 16)) + 128)
    assert rules.description_length(7, 0) == 0 and rules.description_length(7, 7) == pytest.approx(56)


def test_the_ladder_is_a_line_in_logarithms_and_is_not_extrapolated():
    rungs = [(100.0, 0.4), (400.0, 0.1), (300.0, 0.5)]  # the last needs more bits than the first, and loses more
    assert rules.reference_length(0.2, rungs) == pytest.approx(200)
    assert rules.reference_length(0.4, rungs) == pytest.approx(100)
    assert rules.reference_length(0.41, rungs) == 0  # so bad is none of ours
    assert rules.reference_length(0.001, rungs) == rules.reference_length(-1, rungs) == pytest.approx(400)
    assert rules.reference_length(math.nan, rungs) == 0


def test_points_fall_to_nothing_at_twice_the_length_and_with_dead_latents():
    assert [rules.points(s, 1) for s in (0, 0.5, 1, 3)] == [0, 0, 1, 1]
    assert rules.points(2**-0.25, 1) == pytest.approx(0.75)
    assert rules.points(1, 0.45) == pytest.approx(0.5)


def test_the_judge_encodes_as_the_references_do():
    sae, x = TopK(6, 20, 3), torch.randn(9, 6)
    for parameter in sae.parameters():
        parameter.data = torch.randn_like(parameter)
    judge = parsed({**{name: each.detach() for name, each in sae.named_parameters()}, "k": torch.tensor(3)})
    torch.testing.assert_close(judge(x)[0], sae(x)[0])


def test_texts_are_the_same_for_a_key_and_others_for_another(house):
    first, again, other = (Corpus(house.tokenizer, 96, key)(9) for key in ("a", "a", "b"))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert first[0].shape != other[0].shape or not torch.equal(first[0], other[0])
    assert not first[1][:, 0].any() and bool((first[0][:, 0] == house.tokenizer.bos).all())


def test_a_token_costs_what_it_costs_alone(house):
    """The loss of padded texts against each text by itself, as PyTorch has it."""
    corpus, losses = Corpus(house.tokenizer, 96, "alone"), []
    tokens, counts = corpus(2)
    for row, kept in zip(tokens[:20], counts[:20], strict=True):
        text = row[: int(kept.sum()) + 1][None]
        losses.append(torch.nn.functional.cross_entropy(house(text)[0, :-1], text[0, 1:], reduction="none"))
    bench = Bench(house, HOOK)
    stream, _ = bench.activations(tokens[:20])
    assert bench._loss(stream, tokens[:20], counts[:20], None) == pytest.approx(
        float(torch.cat(losses).sum()), rel=1e-5
    )


def test_putting_back_what_was_there_costs_nothing(house):
    for hook in (HOOK, recipe.HEADS, recipe.MLP):
        bench = Bench(house, hook)
        readings = bench.readings(Corpus(house.tokenizer, 96, "same"), 500)
        _, read, found = bench.measure({"same": lambda x, tokens: (x, x.relu())}, readings)
        assert read >= 500 and found["same"].added == pytest.approx(0, abs=1e-5) and found["same"].fvu == 0
        assert 0 < found["same"].l0 <= 128


def test_baselines_are_means_and_projections(sample):
    x, tokens = sample[:300].double(), torch.arange(300) % 7
    made, _ = per_token_mean(x, tokens, 9)(x[:2], torch.tensor([3, 8]))
    torch.testing.assert_close(made, torch.stack([x[tokens == 3].mean(0), x.mean(0)]))
    made, _ = principal_components(x, 5)(x, tokens)
    u, s, v = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    torch.testing.assert_close(made, u[:, :5] * s[:5] @ v[:5] + x.mean(0))


def test_what_is_shipped_is_good_and_small(house, judged):
    found = judged(ours())
    assert found.added < 0.05 and found.l0 == 16 and not found.fault and found.points > 80
    assert found.token_mean > 1 and found.components > 1
    assert sum(file_of(hook, k).stat().st_size for hook, k in autoencoders()) < 6_000_000


def test_a_dense_code_gets_nothing(judged):
    eye = torch.eye(128)
    both = torch.cat([eye, -eye], 1)
    found = judged({"W_enc": both, "b_enc": torch.zeros(256), "W_dec": both.T, "b_dec": torch.zeros(128)})
    assert found.added == pytest.approx(0, abs=1e-3) and found.points == 0
    assert found.fault == "On average 128 latents are active: more than 32, a quarter of the dimensions."


def test_scaling_changes_nothing(judged):
    tensors = ours()
    scaled = dict(tensors, W_enc=tensors["W_enc"] * 8, b_enc=tensors["b_enc"] * 8, W_dec=tensors["W_dec"] / 8)
    first, other = judged(tensors), judged(scaled)
    assert other.s == pytest.approx(first.s, rel=1e-4) and other.points == pytest.approx(first.points, rel=1e-4)


def test_a_giant_dictionary_costs_bits_and_dead_latents_points(judged):
    tensors = ours()
    more = 7 * 1024
    padded = {
        "W_enc": torch.cat([tensors["W_enc"], torch.zeros(128, more)], 1),
        "b_enc": torch.cat([tensors["b_enc"], torch.full((more,), -1.0)]),
        "W_dec": torch.cat([tensors["W_dec"], torch.zeros(more, 128)]),
        "b_dec": tensors["b_dec"],
        "k": tensors["k"],
    }
    first, other = judged(tensors), judged(padded)
    assert other.added == pytest.approx(first.added, abs=1e-5) and other.bits > first.bits + 45
    assert other.alive < 0.2 and other.points < 0.25 * first.points


def test_memorised_texts_do_not_pay(judged, sample):
    """The activations of public texts as a dictionary, of which the nearest takes the activation's place."""
    centre = sample.mean(0)
    rows = torch.nn.functional.normalize(sample[: files.MOST * 128] - centre, dim=1)
    found = judged({"W_enc": rows.T, "b_enc": torch.zeros(len(rows)), "W_dec": rows, "b_dec": centre, "k": 1})
    assert found.points == 0 and found.added > 0.1


def test_nothing_at_all_gets_nothing(judged, sample):
    silent = {
        "W_enc": torch.zeros(128, 9),
        "b_enc": torch.full((9,), -1.0),
        "W_dec": torch.zeros(9, 128),
        "b_dec": sample.mean(0),
    }
    found = judged(silent)
    assert found.l0 == found.points == found.s == 0 and found.fault.startswith("It adds")


def good(width=8, latents=12):
    return {
        "W_enc": torch.randn(width, latents),
        "b_enc": torch.zeros(latents),
        "W_dec": torch.randn(latents, width),
        "b_dec": torch.zeros(width),
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"W_enc": torch.zeros(12, 8)}, "beside W_enc (12, 8) it has to be"),
        ({"W_dec": torch.zeros(12, 9)}, "W_dec has shape (12, 9)"),
        ({"W_dec": torch.full((12, 8), math.nan)}, "W_dec holds NaN or infinite numbers"),
        ({"b_dec": torch.full((8,), math.inf)}, "b_dec holds NaN or infinite numbers"),
        ({"b_enc": torch.full((12,), 1e9)}, "b_enc holds numbers above a million"),
        ({"b_enc": torch.zeros(12, dtype=torch.long)}, "b_enc holds int64: floating point numbers are asked for"),
        ({"k": torch.tensor(0)}, "k has to be one whole number from 1"),
        ({"k": torch.tensor(13)}, "k has to be one whole number from 1"),
        ({"k": torch.tensor(2.5)}, "k has to be one whole number from 1"),
        ({"threshold": torch.zeros(3)}, "threshold has shape (3,)"),
        ({"k": torch.tensor(2), "threshold": torch.tensor(0.1)}, "there are k and threshold"),
        ({"decoder": torch.zeros(2)}, "holds 'decoder'"),
    ],
)
def test_a_file_that_is_no_autoencoder_is_refused_in_one_line(tmp_path, change, said):
    save_file(good() | change, tmp_path / "mine.safetensors")
    with pytest.raises(NoSAE) as told:
        files.read(tmp_path / "mine.safetensors")
    assert said in str(told.value) and "\n" not in str(told.value)


def test_a_missing_tensor_is_named(tmp_path):
    tensors = good()
    del tensors["b_dec"]
    save_file(tensors, tmp_path / "mine.safetensors")
    with pytest.raises(NoSAE, match="b_dec is missing"):
        files.read(tmp_path / "mine.safetensors")


def test_what_is_not_safetensors_is_refused_unread(tmp_path):
    torch.save(good(), tmp_path / "mine.pt")
    (tmp_path / "text.safetensors").write_text("W_enc = ...")
    with (tmp_path / "huge.safetensors").open("wb") as huge:
        huge.truncate(files.LARGEST + 1)
    for name, said in (
        ("mine.pt", "no safetensors file"),
        ("text.safetensors", "no safetensors file"),
        ("huge.safetensors", "has 64 MB: at most 64 are read"),
        ("nowhere.safetensors", "there is no file"),
        (".", "is no file"),
    ):
        with pytest.raises(NoSAE, match=said):
            files.read(tmp_path / name)


def test_an_autoencoder_of_another_width_or_beyond_measure_is_refused():
    with pytest.raises(NoSAE, match="it reads 8 numbers: x of house has 128"):
        files.fit(parsed(good()), 128, "x", "house")
    with pytest.raises(NoSAE, match="at most 128 are judged, 64 a dimension"):
        files.fit(parsed(good(2, 129)), 2, "x", "house")


def test_there_is_no_judging_without_a_ladder():
    with pytest.raises(NoSAE, match="there is no ladder of ours"):
        ladders.rungs(recipe.MLP)
    with pytest.raises(NoSAE, match="no autoencoders of gpt2"):
        ladders.rungs(HOOK, "gpt2")


def test_the_ladder_is_that_of_the_texts_judged_on_and_a_rung_is_as_good_as_itself(judge):
    found = {k: judge.score(parsed(load_autoencoder(HOOK, k))) for k in (4, 8, 16, 32)}
    assert judge.ladder is not None
    for each in found.values():
        beaten = any(
            all(bits != each.bits for bits, _ in rules.monotone(rungs))
            for rungs in (judge.ladder.added, judge.ladder.fvu)
        )
        assert each.s < 1 - 1e-6 if beaten else each.s == pytest.approx(1, abs=1e-6)
    assert sum(each.s > 1 - 1e-6 for each in found.values()) >= 2


def test_what_is_kept_changes_nothing(house, judge):
    sae = parsed(ours() | {"k": torch.tensor(12)})
    alone = score.score(sae, house, "house", HOOK, seed=3, tokens=1500, sample=2500)
    assert judge.score(sae) == alone and 0.5 < alone.s < 1


def test_what_is_shipped_stands_with_its_figures():
    found = ladders.measured_activations()[HOOK]["autoencoders"]
    assert found[0]["added"] > 0.05 and found[-1]["added"] < 0.02


@pytest.fixture
def quickly(monkeypatch, tmp_path):
    whole = score.score
    monkeypatch.setattr(score, "score", lambda *given, **options: whole(*given, **{"sample": 2500, **options}))
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


def said_by(capsys, *words):
    code = run(["sae", *map(str, words)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_command_scores_a_file(quickly, capsys):
    options = ("--hook", HOOK, "--seed", 4, "--tokens", 1000)
    code, out, _ = said_by(capsys, "score", file_of(HOOK, 16), *options)
    assert code in (0, 1) and "of 100" in out and "nats added" in out and "seed 4" in out
    code, out, err = said_by(capsys, "score", file_of(HOOK, 16), *options, "--json")
    found = json.loads(out)
    assert found["l0"] == 16 and found["tokens"] >= 1000 and found["hook"] == HOOK and not err
    assert code == (0 if found["points"] >= score.BAR else 1)
    assert found["borrowed"] == 1 and not found["on_the_board"], "it is one of ours"


def test_one_of_ones_own_stands_on_the_board_with_its_best(quickly, capsys, monkeypatch):
    monkeypatch.setenv("HEADWORK_HOME", str(quickly))
    code, out, _ = said_by(capsys, "score", OURS, "--hook", HOOK, "--tokens", 1000, "--seed", 4)
    assert code == 0 and "stands on the leaderboard" in out
    with Gradebook.open() as book:
        [standing] = board.autoencoders(HOOK).standings(book)
    assert standing.learner == ME and standing.figures["latents"] == 1024
    with Gradebook.open() as book:
        judged = {"hook": HOOK, "points": 90, "latents": 9, "l0": 3.0, "added": 0.1, "on_the_board": True}
        assert board.enter_autoencoder(book, "ada", judged | {"s": 9.0})
        assert not board.enter_autoencoder(book, "ada", judged | {"s": 8.0})
        assert not board.enter_autoencoder(book, "bo", judged | {"s": 10.0, "on_the_board": False})
        assert [each.learner for each in board.autoencoders(HOOK).standings(book)] == ["ada", ME]
        assert board.autoencoders("blocks.2.hook_mlp_out").standings(book) == []


def test_the_command_refuses_in_one_line(quickly, capsys):
    (quickly / "mine.safetensors").write_text("no")
    for words, told in (
        (("score", quickly / "mine.safetensors", "--hook", HOOK), "is no safetensors file"),
        (("score", file_of(HOOK, 16), "--hook", "blocks.9.hook_resid_post"), "there is no ladder of ours"),
        (("score", file_of(HOOK, 16), "--hook", HOOK, "--model", "gpt2"), "no autoencoders of gpt2"),
        (("train", "--k", "5"), "there is no plan for that"),
        (("train", "--seed", "1"), "name a folder with --out DIR"),
    ):
        code, out, err = said_by(capsys, *words)
        assert code == 2 and not out and told in " ".join(err.split())


def test_training_writes_a_file_that_can_be_judged(quickly, capsys, monkeypatch):
    plan = recipe.Plan(HOOK, 3, latents=64, steps=3)
    monkeypatch.setattr(recipe, "PLANS", (plan,))
    monkeypatch.setattr(recipe, "BATCH", 32)
    monkeypatch.setattr(recipe, "CAPACITY", 64)
    for folder in ("a", "b"):
        assert said_by(capsys, "train", "--seed", 1, "--out", quickly / folder)[0] == 0
    one, other = (quickly / folder / f"{plan.name}.safetensors" for folder in ("a", "b"))
    assert one.read_bytes() == other.read_bytes()
    sae = files.read(one)
    assert (sae.latents, sae.d_model, sae.k) == (64, 128, 3)
    torch.testing.assert_close(sae.W_dec.norm(dim=1), torch.ones(64), rtol=0, atol=1e-3)


def test_folding_gives_the_same_autoencoder_of_raw_activations():
    sae, x = SparseTopK(6, 20, 3).double(), torch.randn(9, 6, dtype=torch.float64)
    for parameter in sae.parameters():
        parameter.data = torch.randn_like(parameter)
    centre, scale = torch.randn(6, dtype=torch.float64), torch.tensor(3.5, dtype=torch.float64)
    raw = recipe.unscaled(sae, centre, scale)
    judge = files.Autoencoder(**raw, k=3)
    torch.testing.assert_close(judge(x)[0], sae((x - centre) / scale)[0] * scale + centre)

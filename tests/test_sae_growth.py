"""What chapter `sae` says of latents across checkpoints: the matching by brute force, and the figures of the record."""

import json
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from headwork.benchmarks import growth
from headwork.models import zoo
from headwork.solutions.sae.sparse import SparseTopK

TEXT = (files("headwork") / "chapters/sae/chapter.md").read_text(encoding="utf-8")
TEXT = TEXT.split("## When does a latent come into being?")[1].split("\n## ")[0]
BAR, LOWER = "0.7", "0.5"


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(4)


def test_partners_are_each_others_best_from_the_bar_on():
    for rows, columns in ((5, 9), (9, 5), (7, 7), (1, 4)):
        similarity = torch.rand(rows, columns) * 2 - 1
        for bar in (-1, 0.2, 0.7, 1.1):
            found = growth.partners(similarity, bar).tolist()
            for row in range(rows):
                wanted = -1
                for column in range(columns):
                    best_of_row = all(similarity[row, column] >= similarity[row, each] for each in range(columns))
                    best_of_column = all(similarity[row, column] >= similarity[each, column] for each in range(rows))
                    if best_of_row and best_of_column and similarity[row, column] >= bar:
                        wanted = column
                assert found[row] == wanted
            taken = [each for each in found if each >= 0]
            assert len(set(taken)) == len(taken)
            assert growth.share(similarity, bar) == growth.share(similarity.T, bar) == 2 * len(taken) / (rows + columns)


def test_planted_partners_are_found_and_random_rows_have_none():
    common = F.normalize(torch.randn(30, 64), dim=-1)
    one = torch.cat([common, torch.randn(20, 64)])
    order = torch.randperm(45)
    other = torch.cat([common + 0.05 * torch.randn(30, 64), torch.randn(15, 64)])[order]
    found = growth.partners(growth.cosines(one, 3 * other), 0.7)
    assert found[:30].tolist() == [order.tolist().index(latent) for latent in range(30)]
    assert (found[30:] == -1).all()


def test_a_turned_basis_hides_partners_from_cosines_and_not_from_correlations():
    rows, strengths = torch.randn(40, 32), torch.relu(torch.randn(500, 40))
    turned = rows @ torch.linalg.qr(torch.randn(32, 32)).Q
    assert growth.share(growth.cosines(rows, turned), 0.7) == 0
    order = torch.randperm(40)
    similarity = growth.correlations(strengths, 2 * strengths[:, order] + 1)
    assert growth.share(similarity, 0.7) == 1
    assert growth.partners(similarity.T, 0.7).tolist() == order.tolist()


def test_similarities_are_those_of_numpy():
    one, other = torch.randn(50, 6).double(), torch.rand(50, 4).double()
    expected = np.corrcoef(one.T.numpy(), other.T.numpy())[:6, 6:]
    np.testing.assert_allclose(growth.correlations(one, other).numpy(), expected, atol=1e-12)
    still = torch.ones(50, 1).double()
    assert growth.correlations(one, still).abs().max() < 1e-12
    for i, row in enumerate(one.T):
        for j, column in enumerate(other.T):
            assert float(growth.cosines(one.T, other.T)[i, j]) == pytest.approx(
                float(row @ column / row.norm() / column.norm())
            )


def test_what_is_said_of_places_is_what_a_reader_finds():
    tokens = torch.tensor([[0, 5, 7, 5, 9, 5, 7], [0, 1, 2, 3, 4, 1, 2]])
    said = {name: each.reshape(2, 6).tolist() for name, each in growth.places(tokens).items()}
    assert said["this token"] == tokens[:, 1:].tolist()
    assert said["the token before"] == tokens[:, :-1].tolist()
    assert said["the position"] == [[1, 2, 3, 4, 5, 6]] * 2
    assert said["repeated"] == [[0, 0, 1, 0, 1, 1], [0, 0, 0, 0, 1, 1]]
    assert said["the token to expect"] == [[0, 0, 7, 0, 9, 5], [0, 0, 0, 0, 2, 3]]  # the latest time counts


def test_the_ratio_of_repeats_is_taken_at_the_same_positions():
    repeated = (torch.rand(3000) < 0.4).long()
    position = torch.randint(1, 7, (3000,))
    repeated[position == 1] = 0  # where nothing can be repeated
    active = torch.rand(3000, 3) < torch.stack([0.05 + 0.3 * repeated, 0.1 * position / 6, 0.2 + 0 * position], 1)
    found = growth.repeat_ratio(active, repeated, position)
    for latent in range(3):
        again = first = 0.0
        for place in range(2, 7):
            here = position == place
            weight = float((here & (repeated == 1)).sum())
            again += weight * float(active[here & (repeated == 1), latent].float().mean())
            first += weight * float(active[here & (repeated == 0), latent].float().mean())
        assert float(found[latent]) == pytest.approx(again / first, rel=1e-5)
    assert found[0] > 4 and 0.5 < found[1] < 2 and 0.5 < found[2] < 2
    alone = (repeated == 1)[:, None]
    assert growth.repeat_ratio(alone, repeated, position).isinf().all()


def test_latents_of_one_token_or_position_are_told_from_each_other():
    tokens = torch.cat([torch.zeros(200, 1).long(), torch.randint(1, 9, (200, 15))], 1)
    said = growth.places(tokens)
    planted = {name: said[name] == 5 for name in ("this token", "the token before", "the token to expect")}
    planted["the position"] = said["the position"] == 5
    code = torch.stack([*planted.values(), torch.rand(len(said["this token"]))], 1).float()
    found = growth.kinds(code, said)
    assert list(found) == list(planted)
    for index, mask in enumerate(found.values()):
        assert mask.tolist() == [each == index for each in range(5)]


def test_texts_are_the_same_each_time_and_others_with_another_seed():
    tokens = growth.texts(7, 1)
    assert tokens.equal(growth.texts(7, 1)) and not tokens.equal(growth.texts(8, 1)) and (tokens[:, 0] == 0).all()


@pytest.fixture(scope="module")
def record():
    return json.loads((Path(__file__).parents[1] / "benchmarks/records/growth.json").read_text(encoding="utf-8"))


def percent(values):
    return f"{100 * growth.mean(values):.0f} %"


def test_the_tables_of_the_text_are_those_of_the_record(record):
    for table in growth.tables(record):
        assert table in TEXT


def test_the_settings_of_the_text_are_those_of_the_record_and_of_the_benchmark(record):
    settings = {"latents": growth.LATENTS, "k": growth.K, "batch": growth.BATCH, "steps": growth.TRAINED}
    assert record["settings"] == {**settings, "bar": growth.BAR, "times": growth.TIMES}
    assert str(growth.BAR) == BAR and str(growth.LOWER) == LOWER and growth.SEEDS == (1, 2, 3)
    assert list(record["steps"]) == [str(step) for step in [*zoo.checkpoints("attention-only"), growth.RECIPE.steps]]
    assert "1024 latents, 16 of them active, 600 steps of 1024 activations" in TEXT
    assert f"{record['places']:,} places of other texts, of which {100 * record['repeated']:.0f} % have" in TEXT
    assert not any(share for by in record["by chance"].values() for share in by.values())
    assert "at fewer than ten places" in TEXT and growth.LIVING == growth.TIMES == 10


def test_shares_of_the_prose_are_those_of_the_record(record):
    same, two = record["successive"]["200 to 350"]["same start"], record["two starts"]
    for measure, said in (
        ("cosine", "The second: {} against {}."),
        ("correlation", "By the correlation it is {} against {}:"),
    ):
        assert said.format(percent(same[measure][BAR]), percent(two["200"][measure][BAR])) in TEXT
    start = growth.mean(record["steps"]["200"]["cosine with the start"])
    assert f"at step 200 a cosine of {start:.2f} with it in the mean" in TEXT
    shared = [growth.mean(each["correlation"][BAR]) for each in two.values()]
    assert f"Two starts agree on {100 * min(shared):.0f} to {100 * max(shared):.0f} % of their latents" in TEXT
    steps = list(record["steps"])
    lasting = [growth.kept(record, early, late) for early, late in pairwise(steps)]
    assert min(lasting[:2]) > 0.95 and 0.75 < lasting[3] < 0.82 and lasting[4] < 0.5 and lasting[5] > 0.95


def test_counts_of_the_prose_are_those_of_the_record(record):
    end, early = record["steps"]["900"], list(record["steps"].values())[:5]
    marks, living = growth.mean(end["mark repeats"]), growth.mean(end["living"])
    both = growth.mean(end["of one, mark repeats"]["the token to expect"])
    assert (
        f"At the end {100 * marks / living:.0f} % of the latents mark repeats, and {both:.0f} of these {marks:.0f}"
        in TEXT
    )
    assert not any(sum(each["mark repeats"]) for each in early)
    twice = {step: growth.mean(each["more often at repeats"]["2"]) for step, each in record["steps"].items()}
    said = "{:.0f} latents at step 0, where it means nothing, {:.0f} at step 400 and {:.0f} at step 700"
    assert said.format(twice["0"], twice["400"], twice["700"]) in TEXT
    for each in record["steps"].values():
        of_one = each["of one"]
        assert max(of_one["the token before"]) < min(of_one["the position"]) and max(of_one["the token before"]) < 10
    assert "There are 255 tokens" in TEXT and growth.RECIPE.config.d_vocab == 256  # token 0 stands at the first place


def test_what_the_prose_says_of_the_latents_of_the_end_is_in_the_record(record):
    back = record["latents of the end"]

    def share(step, measure, bar, group="mark repeats"):
        return percent(back[str(step)]["other start"][measure][bar][group])

    by = {step: share(step, "cosine", LOWER) for step in (0, 200, 350, 375, 400, 900)}
    assert by[0] == by[200] == share(200, "correlation", LOWER) == "0 %"
    assert f"{by[900]} of these rows have a partner at 0.5, and {share(900, 'cosine', BAR)} at 0.7" in TEXT
    assert f"of {by[350]} are there, at 375 of {by[375]} and at 400 of {by[400]}, of {by[900]} that can be had" in TEXT
    when = {step: share(step, "correlation", LOWER) for step in (375, 400, 700, 900)}
    said = f"{when[375]} have a partner at 375 and {when[400]} at 400, of {when[900]}, and at 700 it is {when[700]}."
    assert said in TEXT
    others = [share(step, "correlation", BAR, "others") for step in back]
    numbers = sorted(int(each.removesuffix(" %")) for each in others)
    assert f"between {numbers[0]} and {numbers[-1]} % have a partner at every step, and {others[-1]} at the end" in TEXT
    models = record["models"]
    given = [f"{models[step]['probability of what followed']:.2f}" for step in ("350", "400")]
    assert f"from {given[0]} to {given[1]}." in TEXT
    lengths = [f"{models[step][f'length at {kind}']:.1f}" for step in ("400", "700") for kind in ("repeated", "first")]
    assert "length {} at repeated tokens of step 400 and still of length {} at first ones".format(*lengths) in TEXT
    assert "at 700 it is {} and {}.".format(*lengths[2:]) in TEXT


def test_the_lengths_and_probabilities_of_the_record_are_those_of_the_checkpoints(record):
    tokens = growth.texts(8, 1)
    said = growth.places(tokens)
    for step in ("350", "400", "700"):
        with torch.no_grad():
            found = growth.written(zoo.load(f"attention-only@{step}"), tokens, said)
        assert found == pytest.approx(record["models"][step], rel=0.2)  # of an eighth of the texts


def test_the_seed_of_the_network_draws_its_embeddings_into_an_autoencoder():
    W_E = F.normalize(zoo.load("attention-only@0").embed.W_E, dim=-1)
    for seed in (0, *growth.SEEDS):
        torch.manual_seed(seed)
        alike = (SparseTopK(128, growth.LATENTS, growth.K).W_dec[:256] * W_E).sum(-1)  # rows are of length 1
        assert (alike > 0.999).all() if seed == 0 else (alike < 0.5).all()


def test_the_shares_of_the_hand_computed_example():
    matches = torch.tensor([[0.9, 0.8], [0.85, 0.1]])
    assert growth.partners(matches, growth.BAR).tolist() == [0, -1] and growth.share(matches, growth.BAR) == 0.5
    assert "a share of 50 %" in TEXT

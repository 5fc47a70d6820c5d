"""Autoencoders on the page: the latents to read, and the frontier with the learner's points."""

import json

import pytest
import torch
from safetensors.torch import save
from streamlit import config
from streamlit.testing.v1 import AppTest

from headwork.checkers.sae.judge import score
from headwork.checkers.sae.judge.reader import DEPTHS, Context, Reader
from headwork.gradebook import workspace
from headwork.gradebook.store import Gradebook
from headwork.grading.program import Attachment
from headwork.grading.render.frontier import LEAST, frontier
from headwork.grading.render.latents import bins, densities
from headwork.models.dictionaries import load_autoencoder
from headwork.streamlit_app import frame, latents
from headwork.streamlit_app import frontier as panel
from headwork.streamlit_app.desk import Desk, NotSaved
from headwork.streamlit_app.serve import MAIN

HOOK, K = latents.FIRST


@pytest.fixture(scope="module")
def reader():
    return Reader(HOOK, K)


# ---- what the latents do


def test_the_activity_of_a_latent_is_what_the_autoencoder_makes_of_the_network(reader):
    tokens = reader.tokens[:1]
    _, cache = reader.model.run_with_cache(tokens)
    ours = reader.sae.encode(cache[HOOK][0].flatten(1))  # (position, latent)
    where = reader.counts[0]
    for latent in ours[where].sum(0).topk(5).indices.tolist():
        torch.testing.assert_close(reader.activity(latent)[0][where], ours[where, latent], rtol=1e-4, atol=1e-4)
    assert int(reader.latents.values().count_nonzero()) <= K * len(reader.latents)
    assert float(reader.density.sum()) == pytest.approx(reader.latents.indices().shape[1] / len(reader.latents))


def test_contexts_run_from_the_strongest_place_to_the_weakest(reader):
    latent = int(reader.density.argmax())
    found = reader.contexts(latent)
    heights = [[each.activity[each.at] for each in rows] for rows in found]
    assert len(found) == len(DEPTHS) and heights[0][0] == pytest.approx(float(reader.activity(latent).max()))
    flat = [height for row in heights for height in row]
    assert flat == sorted(flat, reverse=True) and flat[-1] > 0
    assert all(len(each.words) == len(each.activity) and "\ufffd" not in each.words for row in found for each in row)


def test_taking_a_latent_out_moves_predictions_and_random_directions_less(reader):
    effect = reader.effect(int(reader.density.argmax()))
    assert effect.ablated > max(effect.at_random) > 0


def test_neighbours_are_the_nearest_rows_of_the_decoder(reader):
    rows = reader.sae.W_dec.double()
    cosines = {
        other: float(torch.cosine_similarity(rows[3], rows[other], 0)) for other in range(len(rows)) if other != 3
    }
    best = sorted(cosines, key=cosines.__getitem__, reverse=True)[:6]
    assert [other for other, _ in reader.neighbours(3)] == best


def test_a_unit_of_a_latent_moves_the_logits_of_its_words(reader):
    most, least = reader.logits(3)
    assert [value for _, value in most] == sorted((value for _, value in most), reverse=True)
    assert most[0][1] > 0 > least[0][1] and not any("\ufffd" in word for word, _ in [*most, *least])
    direction = reader.sae.W_dec[3]
    tokens = reader.tokens[:32]
    with torch.no_grad():
        end = reader.model(tokens, stop_at_layer=reader.model.config.n_layers)[reader.counts[:32]]
        scale = (end.var(-1, correction=0, keepdim=True) + reader.model.ln_final.eps).sqrt()
        unit = (direction - direction.mean()) * reader.model.ln_final.w / scale  # as the norm passes it on
        moved = (unit @ reader.model.unembed.W_U).mean(0)
    word = reader.words.index(most[0][0])
    assert float(moved[word] - moved.mean()) == pytest.approx(most[0][1], rel=1e-3)


def test_a_dead_latent_has_no_contexts_and_no_effect(reader, monkeypatch):
    monkeypatch.setattr(Reader, "activity", lambda self, latent: torch.zeros(self.tokens.shape))
    assert reader.contexts(0) == [] and reader.effect(0) is None


# ---- pictures


def test_bins_hold_every_living_latent():
    found = bins([0.0, 1.0, 0.9, 0.1, 0.1, 0.011, 0.0])
    assert sum(each["latents"] for each in found) == 5
    assert all(each["low"] < each["high"] for each in found)
    assert densities([0.1, 0.2], 0.0).to_dict()["layer"][0] and len(densities([0.1], 0.1).to_dict()["layer"]) == 2


def test_words_are_coloured_by_share_and_letters_are_only_letters():
    shown = latents.coloured(Context(["a", "<b>"], [0.5, 2.0], 1), 2.0)
    assert "--share: 25%" in shown and "--share: 100%" in shown and "&lt;b&gt;" in shown and "<b>" not in shown


def test_the_frontier_joins_ours_and_marks_yours():
    ours = [{"bits": 100.0, "added": 0.1, "fvu": 0.2, "l0": 8, "latents": 512}, {**LADDER, "bits": 200}]
    lines = frontier(ours, [LADDER], "added").to_dict()["layer"]
    assert [each["mark"]["type"] for each in lines] == ["line", "point", "point"]
    assert min(each["loss"] for each in frontier(ours, [], "fvu").to_dict()["layer"][0]["data"]["values"]) == LEAST


LADDER = {"bits": 150.0, "added": 0.05, "fvu": 0.0, "l0": 16, "latents": 512}


# ---- the page


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADWORK_HOME", str(tmp_path))
    monkeypatch.setenv("HEADWORK_PLAIN_EDITOR", "1")
    monkeypatch.chdir(tmp_path)
    config.set_option("runner.magicEnabled", False)
    yield tmp_path
    frame.marking().close()
    frame.marking.clear()


def opened(exercise, fold):
    app = AppTest.from_file(str(MAIN), default_timeout=120)
    app.query_params["exercise"] = exercise
    app.session_state[fold] = True
    return app.run()


def html(app):
    return "\n".join(each.proto.body for each in app.get("html") if "<style>" not in each.proto.body)


def test_latents_are_read_drawn_and_ablated(home):
    app = opened(latents.ID, "latents")
    assert not app.exception and "Latent 0 is active for" in html(app) and "hw-contexts" in html(app)
    app.number_input(key="latent").set_value(7).run()
    assert "Latent 7 is active for" in html(app)
    app.button(key="random latent").click().run()
    drawn = app.number_input(key="latent").value
    assert f"Latent {drawn} is active for" in html(app)
    next(each for each in app.button if each.key.startswith("neighbour")).click().run()
    assert app.number_input(key="latent").value != drawn
    app.button(key="ablate latent").click().run()
    assert not app.exception and "the predictions move by" in html(app)


def test_a_file_is_scored_and_its_point_stays(home, monkeypatch):
    monkeypatch.setattr(score, "TOKENS", 2000)
    usual = score.score
    few = {"tokens": 2000, "sample": 2000}
    monkeypatch.setattr(score, "score", lambda *claim, **settings: usual(*claim, **settings, **few))
    app = opened(panel.ID, "autoencoder")
    assert not app.exception and "fewer bits" in html(app)
    file = save(load_autoencoder(HOOK, K))
    app.session_state["autoencoder job"] = _job(file)
    app.run()
    assert not app.exception and any("of 100" in each.value for each in app.markdown)
    assert [each["hook"] for each in app.session_state["autoencoders"]] == [HOOK]
    app.session_state["autoencoder job"] = _job(b"no weights")
    app.run()
    assert not app.exception and "safetensors" in html(app)
    json.dumps(app.session_state["autoencoders"])


def test_a_file_is_laid_beside_the_draft_and_comes_along(home):
    app = opened(panel.ID, "autoencoder")
    assert not app.exception and "No file is there yet." in html(app)
    with Gradebook.open() as book:
        desk = Desk(book)
        desk.lay_beside("sae", Attachment("mine.safetensors", b"weights"))
        desk.lay_beside("sae", Attachment("zebra.safetensors", b"weights"))
        handed_in = desk.submission(panel.ID, 'HOUSE_SAE = "mine.safetensors"')
    assert handed_in.attachments == (Attachment("mine.safetensors", b"weights"),)
    app.run()
    assert "Beside your text: <code>mine.safetensors</code> (0.0 MB)" in html(app)
    assert "safetensors" not in html(opened("sae.toy_model", "nothing"))


def test_in_a_workspace_it_is_laid_beside_the_learners_file(home):
    workspace.init(home / "mine")
    with Gradebook.open() as book:
        desk = Desk(book, workspace.Workspace(home / "mine"))
        desk.lay_beside("sae", Attachment("mine.safetensors", b"weights"))
        desk.save(panel.ID, 'HOUSE_SAE = "mine.safetensors"', desk.sheet(panel.ID).text)
        assert [each.name for each in desk.submission(panel.ID, "").attachments] == ["mine.safetensors"]
        assert desk.sizes_beside("sae") == {"mine.safetensors": 7} and desk.sizes_beside("gpt2") == {}
        (home / "mine/sae/taken.safetensors").mkdir()
        with pytest.raises(NotSaved, match="cannot be written"):
            desk.lay_beside("sae", Attachment("taken.safetensors", b"weights"))
    assert (home / "mine/sae/mine.safetensors").read_bytes() == b"weights"


def _job(file):
    """The judgement that the button starts, when it has ended."""
    import streamlit

    from headwork.streamlit_app import judgement

    state = {}
    patch = pytest.MonkeyPatch()
    patch.setattr(streamlit, "session_state", state)
    panel.start(file, HOOK)
    patch.undo()
    job: judgement.Judgement = state["autoencoder job"]
    job.future.exception(100)
    return job

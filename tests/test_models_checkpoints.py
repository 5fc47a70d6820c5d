"""Models as they were along their training, by name: the same ones for people and for probes."""

import pytest
import torch

from headwork import models
from headwork.grading import resources
from headwork.grading.wire import Model, decode, encode
from headwork.models import zoo
from headwork.models.config import Config
from headwork.models.gpt2 import GPT2

CONFIGS = {
    "as GPT-2": Config(13, 11, 12, 3, 20, 2),
    "of our own": Config(6, 3, 12, 2, 16, 1, activation="relu", layer_norm=False, tied=False, d_vocab_out=5),
}


@pytest.fixture(params=CONFIGS)
def mine(request, tmp_path, monkeypatch):
    """A model called `mine` with checkpoints at 0, 30 and 200, and what it was then."""
    monkeypatch.setenv("HEADWORK_MODELS", str(tmp_path))
    states = {}
    for step in (200, 0, 30, None):
        torch.manual_seed(step or 1)
        model = GPT2(CONFIGS[request.param])
        states[step] = model.half().float().state_dict()
        if step is None:
            zoo.save(model, tmp_path / "mine", dtype=torch.float16)
        else:
            zoo.save_checkpoint(model, tmp_path / "mine", step, dtype=torch.float16)
    return states


def agree(model, state):
    return all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_each_is_loaded_by_the_model_s_name_and_a_step(mine, tmp_path):
    assert models.checkpoints("mine") == models.checkpoints(tmp_path / "mine") == [0, 30, 200]
    for step in (0, 30, 200):
        assert agree(models.load(f"mine@{step}"), mine[step])
        assert agree(models.load(f"{tmp_path / 'mine'}@{step}"), mine[step])
    assert agree(models.load("mine"), mine[None])
    assert "mine@30" not in models.names()


def test_probes_get_the_same_one_by_the_same_name(mine):
    for name in ("mine", "mine@30"):
        tree, bodies = encode({"model": Model(name)})
        given = decode(tree, b"".join(bodies), "cpu", resources.load_model)["model"]
        step = 30 if "@" in name else None
        assert agree(zoo.build(given["config"], given["state"]), mine[step])
        assert resources.folder_of(name) == zoo.folders()["mine"]


@pytest.mark.parametrize("step", ["31", "", "-1", "../../mine/model", "1e2", "²"])
def test_a_step_that_was_not_kept_is_said_with_those_that_were(mine, step):
    with pytest.raises(ValueError, match=r"mine has no checkpoint '.*': it has 0, 30, 200"):
        models.load(f"mine@{step}")
    with pytest.raises(resources.UnknownModel, match=r"mine has no checkpoint '.*': it has 0, 30, 200"):
        resources.load_model(f"mine@{step}")


def test_models_without_checkpoints_say_so():
    assert models.checkpoints("gpt2") == []
    with pytest.raises(ValueError, match="gpt2 has no checkpoint '100': it has none"):
        models.load("gpt2@100")
    with pytest.raises(ValueError, match="no model 'hose'"):
        models.load("hose@100")
    with pytest.raises(resources.UnknownModel, match="no model 'hose@100'"):
        resources.load_model("hose@100")


def test_weights_too_large_for_float16_are_refused_and_the_old_file_stays(tmp_path):
    model = GPT2(CONFIGS["as GPT-2"])
    zoo.save(model, tmp_path, dtype=torch.float16)
    before = (tmp_path / "model.safetensors").read_bytes()
    with torch.no_grad():
        model.blocks[1].mlp.W_in[0, 0] = 1e5
    with pytest.raises(ValueError, match=r"float16 cannot hold the weights transformer\.h\.1\.mlp\.c_fc\.weight"):
        zoo.save(model, tmp_path, dtype=torch.float16)
    assert (tmp_path / "model.safetensors").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]

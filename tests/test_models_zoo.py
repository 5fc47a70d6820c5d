"""Models by name and by folder."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from headwork import models
from headwork.grading import resources
from headwork.models import zoo
from headwork.models.config import Config
from headwork.models.gpt2 import GPT2


def worst(found, expected):
    """The largest difference, in parts of the largest value."""
    return ((found - expected).abs().max() / expected.abs().max()).item()


def test_the_floor_is_entered_without_importing_torch():
    script = (
        "import sys; from headwork import models; print('load' in dir(models), models.names(), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == f"True {models.names()} False\n"


def test_a_name_that_the_floor_lacks_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        models.lode  # noqa: B018


def test_models_are_looked_up_as_in_workers(tmp_path, monkeypatch):
    for place, name in [("one", "house"), ("one", "mine"), ("two", "mine"), ("two", "other"), ("two", "no-weights")]:
        (tmp_path / place / name).mkdir(parents=True)
        if name != "no-weights":
            (tmp_path / place / name / "model.safetensors").touch()
    for places in ([], [tmp_path / "one", tmp_path / "two"], [tmp_path / "nowhere", tmp_path / "two"]):
        monkeypatch.setenv("HEADWORK_MODELS", os.pathsep.join(map(str, places)))
        assert zoo.folders() == resources.folders()
        assert set(zoo.folders()) <= set(models.names())
    assert zoo.SHIPPED == resources.SHIPPED and zoo.folders()["house"] == zoo.SHIPPED / "house"
    monkeypatch.setenv("HEADWORK_MODELS", f"{tmp_path / 'one'}{os.pathsep}{tmp_path / 'two'}")
    assert zoo.folders()["house"] == tmp_path / "one" / "house"
    assert zoo.folders()["mine"] == tmp_path / "one" / "mine"


def test_what_a_worker_reads_makes_the_same_model():
    read = resources.load_model("house")
    built, loaded = zoo.build(read["config"], read["state"]), models.load("house")
    assert all(
        torch.equal(a, b) for a, b in zip(built.state_dict().values(), loaded.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("dtype", [None, torch.float32, torch.float64, torch.bfloat16])
def test_a_model_comes_in_the_asked_dtype_and_draws_no_random_numbers(dtype):
    before = torch.get_rng_state()
    model = models.load("house", device="cpu", dtype=dtype)
    assert torch.equal(torch.get_rng_state(), before)
    assert {parameter.dtype for parameter in model.parameters()} == {dtype or torch.float32}
    assert model(torch.tensor([[0, 1, 2]])).dtype == (dtype or torch.float32)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_folder_that_transformers_wrote_in_float64_loses_nothing(tmp_path):
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(5)
    config = GPT2Config(vocab_size=13, n_positions=11, n_embd=12, n_head=3, n_layer=2, attn_implementation="eager")
    theirs = GPT2LMHeadModel(config).double().eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.normal_(0, 0.6)
    theirs.save_pretrained(tmp_path)
    tokens = torch.randint(13, (3, 11))
    assert worst(models.load(tmp_path, dtype=torch.float64)(tokens), theirs(tokens).logits) <= 1e-9
    assert worst(models.load(str(tmp_path))(tokens), theirs(tokens).logits) <= 1e-5
    assert models.load(tmp_path).tokenizer is None


@pytest.mark.parametrize(
    "config",
    [
        Config(13, 11, 12, 3, 20, 2),
        Config(13, 11, 12, 3, 20, 2, tied=False),
        Config(13, 11, 12, 3, 0, 2, attn_only=True, layer_norm=False, biases=False, tied=False),
        Config(6, 3, 12, 2, 16, 1, activation="relu", layer_norm=False, tied=False, d_vocab_out=5),
        Config(6, 11, 12, 2, 16, 2, causal=False, tied=False, d_vocab_out=2),
    ],
    ids=["as GPT-2", "untied", "attention alone", "addition", "brackets"],
)
def test_a_saved_model_is_the_same_when_loaded(tmp_path, config):
    torch.manual_seed(7)
    model = GPT2(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    zoo.save(model, tmp_path / "mine")
    loaded = models.load(tmp_path / "mine")
    assert loaded.config == config
    tokens = torch.randint(config.d_vocab, (4, 3))
    assert torch.equal(loaded(tokens), model(tokens))
    assert stat.S_IMODE((tmp_path / "mine" / "model.safetensors").stat().st_mode) == 0o644


def test_a_saved_model_of_gpt2s_kind_loads_into_transformers(tmp_path):
    from transformers import GPT2LMHeadModel

    model = GPT2(Config(13, 11, 12, 3, 20, 2, eps=0.1))
    zoo.save(model, tmp_path)
    theirs, info = GPT2LMHeadModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values())
    tokens = torch.randint(13, (4, 9))
    assert worst(model(tokens), theirs.eval()(tokens).logits) <= 1e-5


def test_an_unknown_name_and_an_empty_folder_are_said(tmp_path):
    with pytest.raises(ValueError, match=r"no model 'hose': there are .*house.*, gpt2,"):
        models.load("hose")
    with pytest.raises(ValueError, match=r"holds no config\.json"):
        models.load(tmp_path)


def test_without_the_weights_and_a_network_one_line_says_what_to_run(tmp_path):
    script = (
        "from headwork import models\n"
        "try:\n    models.load('gpt2')\n"
        "except models.Unavailable as error:\n    print(error, error.__suppress_context__)\n"
    )
    empty = os.environ | {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "HEADWORK_MODELS": ""}
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE"):
        empty.pop(name, None)
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, env=empty, check=True)
    [line] = done.stdout.splitlines()
    assert line.startswith("gpt2 is not on this machine")
    assert line.endswith("""run once python -c "from headwork.models import load; load('gpt2')" True""")
    assert done.stderr == ""


def test_weights_in_transformers_cache_are_found_without_a_network(tmp_path):
    """A cache as a download leaves it, with a tiny model in GPT-2's place."""
    home = tmp_path / "hub" / "models--openai-community--gpt2"
    snapshot = home / "snapshots" / ("a" * 40)
    zoo.save(GPT2(Config(1792, 11, 12, 3, 20, 2)), snapshot)
    (snapshot / "tokenizer.json").write_bytes((zoo.SHIPPED / "house" / "tokenizer.json").read_bytes())
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text("a" * 40)
    script = "from headwork import models; m = models.load('gpt2'); print(m.config.n_layers, m.tokenizer.bos)"
    cached = os.environ | {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "HEADWORK_MODELS": ""}
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE"):
        cached.pop(name, None)
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, env=cached)
    assert (done.stdout, done.stderr) == ("2 0\n", "")


@pytest.fixture(scope="module")
def true_gpt2():
    """OpenAI's weights, where they are in the cache: tests download nothing."""
    from transformers.utils.hub import cached_file

    for repository in ("openai-community/gpt2", "gpt2"):
        try:
            return Path(str(cached_file(repository, "model.safetensors", local_files_only=True))).parent
        except OSError:
            continue
    pytest.skip("OpenAI's weights are not in transformers' cache on this machine")


@torch.no_grad()
def test_openais_weights_give_transformers_logits_and_the_right_name(true_gpt2):
    """In float32 by the fair bar for trained weights: no further from float64 than transformers, times four."""
    from transformers import GPT2LMHeadModel

    model = models.load("gpt2")
    tokens = model.tokenizer.to_tokens("When Mary and John went to the store, John gave a drink to")
    theirs = GPT2LMHeadModel.from_pretrained(true_gpt2, attn_implementation="eager").eval()
    single, their_single = model(tokens).double(), theirs(tokens).logits.double()
    expected, double = theirs.double()(tokens).logits, model.double()(tokens)
    assert worst(double, expected) <= 1e-9
    assert worst(single, expected) <= max(1e-5, 4 * worst(their_single, expected))
    assert int(double[0, -1].argmax()) == model.tokenizer.single_token(" Mary")

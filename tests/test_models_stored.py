"""Folders with a model's weights: what transformers writes, what cannot be read, and what is said of it."""

import json

import pytest
import torch

from headwork import models
from headwork.models import stored
from headwork.models.config import Config

SIZES = {"vocab_size": 13, "n_positions": 11, "n_embd": 12, "n_head": 3, "n_layer": 2}


@pytest.fixture(scope="module")
def theirs():
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(5)
    model = GPT2LMHeadModel(GPT2Config(**SIZES, attn_implementation="eager")).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.6)
    return model


@pytest.fixture
def sharded(theirs, tmp_path):
    theirs.save_pretrained(tmp_path, max_shard_size="4KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 2
    assert not (tmp_path / "model.safetensors").exists()
    return tmp_path


TOKENS = torch.randint(13, (3, 11), generator=torch.Generator().manual_seed(6))


@torch.no_grad()
def test_weights_in_several_files_are_those_of_the_index(theirs, sharded):
    found = models.load(sharded, dtype=torch.float64)(TOKENS)
    torch.testing.assert_close(found, theirs.to(torch.float64)(TOKENS).logits, rtol=1e-9, atol=1e-9)
    theirs.float()


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_stored_in_half_precision_are_computed_with_in_float32(theirs, tmp_path, dtype):
    from transformers import GPT2LMHeadModel

    state = {name: value.to(dtype) for name, value in theirs.state_dict().items()}
    half = GPT2LMHeadModel(theirs.config)
    half.load_state_dict(state)
    half.to(dtype).save_pretrained(tmp_path)
    assert {value.dtype for value in stored.read(tmp_path / stored.WHOLE).values()} == {dtype}
    model = models.load(tmp_path)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    torch.testing.assert_close(model(TOKENS), half.float().eval()(TOKENS).logits, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_the_model_without_its_head_has_no_prefix_and_is_the_same(theirs, tmp_path):
    theirs.transformer.save_pretrained(tmp_path)
    assert "wte.weight" in stored.read(tmp_path / stored.WHOLE)
    torch.testing.assert_close(models.load(tmp_path)(TOKENS), theirs(TOKENS).logits, rtol=1e-5, atol=1e-5)


def test_pickled_weights_are_refused_with_the_line_that_converts_them(theirs, tmp_path):
    theirs.config.save_pretrained(tmp_path)
    torch.save(theirs.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"holds no model\.safetensors but pytorch_model\.bin") as caught:
        models.load(tmp_path)
    [line] = str(caught.value).splitlines()
    program = line.split('python -c "')[1].removesuffix('"')
    exec(program)
    assert models.load(tmp_path).config == Config(13, 11, 12, 3, 48, 2)


def test_what_a_folder_lacks_is_said(tmp_path):
    with pytest.raises(ValueError, match=r"holds no config\.json"):
        models.load(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match=r"holds no model\.safetensors$"):
        models.load(tmp_path)


def test_a_damaged_or_missing_file_is_named(sharded):
    first, second = sorted(sharded.glob("model-*.safetensors"))[:2]
    second.write_bytes(second.read_bytes()[:-8])
    with pytest.raises(ValueError, match=rf"{second.name} is damaged"):
        models.load(sharded)
    first.unlink()
    with pytest.raises(ValueError, match=rf"{first.name} is missing"):
        models.load(sharded)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda index: index["weight_map"].pop("transformer.wpe.weight"), r"same tensors: transformer\.wpe\.weight"),
        (lambda index: index["weight_map"].update(extra="model-00001-of-00009.safetensors"), "is missing"),
        (lambda index: index["weight_map"].update({"transformer.wpe.weight": "../a.safetensors"}), "another folder"),
        (lambda index: index.pop("weight_map"), "is not an index of weights"),
        (lambda index: index.update(weight_map=[1]), "is not an index of weights"),
    ],
)
def test_an_index_that_does_not_fit_is_said(sharded, change, said):
    file = sharded / "model.safetensors.index.json"
    index = json.loads(file.read_text())
    change(index)
    file.write_text(json.dumps(index))
    with pytest.raises(ValueError, match=said):
        models.load(sharded)

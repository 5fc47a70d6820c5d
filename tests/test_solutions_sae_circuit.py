"""What chapter `sae` says of attribution between latents, against runs with a frozen pattern and scale."""

import re
from importlib.resources import files

import pytest
import torch

from headwork.checkers.sae.judge.file import parsed
from headwork.models import GPT2, Config, zoo
from headwork.models.dictionaries import load_autoencoder
from headwork.solutions.sae.attribution import latent_circuit
from headwork.solutions.sae.autoencoders import SAE

TEXT = (files("headwork") / "chapters/sae/chapter.md").read_text(encoding="utf-8").split("## A circuit of latents")[1]
USUAL = Config(d_vocab=13, n_ctx=9, d_model=12, n_heads=3, d_mlp=5, n_layers=2, eps=0.1)
PLAIN = Config(
    d_vocab=9, n_ctx=8, d_model=8, n_heads=2, d_mlp=5, n_layers=2, attn_only=True, layer_norm=False, biases=False
)


def said(*figures):
    for figure in figures:
        assert re.search(rf"(?<![\d.]){re.escape(figure)}(?![\d]|\.\d)", TEXT), figure


def of(config):
    torch.manual_seed(5)
    model = GPT2(config).double()
    for parameter in model.parameters():
        parameter.data.normal_(0.2, 0.7)
    sae = SAE(config.d_model, 10).double()
    sae.b_dec.data.normal_()
    tokens = torch.randint(0, config.d_vocab, (6,))
    return model, sae, tokens, torch.randn(config.d_model, dtype=torch.float64)


def read(model, tokens, layer, column, query, change=None):
    """z at the query times the column, head by head, when the stream before the layer is changed and the rest held."""
    names = [f"blocks.{layer}.attn.hook_pattern"]
    names += [f"blocks.{layer}.ln1.hook_scale"] * model.config.layer_norm
    _, held = model.run_with_cache(tokens[None], names)
    found = []
    hooks = [(name, lambda value, point: held[point.name]) for name in names]
    hooks.append((f"blocks.{layer}.attn.hook_z", lambda z, point: found.append(z[0, query])))
    if change is not None:
        hooks.append((f"blocks.{layer}.hook_resid_pre", lambda x, point: x - change))
    model.run_with_hooks(tokens[None], hooks)
    return found[0].flatten() @ column


@pytest.mark.parametrize("config", [USUAL, PLAIN])
def test_a_latents_part_is_what_is_missing_when_it_is_taken_out_of_a_frozen_layer(config):
    model, sae, tokens, column = of(config)
    layer, query = 1, 4
    with torch.no_grad():
        found = latent_circuit(model, tokens, layer, sae, column, query)
        x = model(tokens[None], stop_at_layer=layer)[0]
        strengths = sae(x)[1]
        whole = read(model, tokens, layer, column, query)
        total = sum(part.sum() for part in found.values())
        torch.testing.assert_close(total, whole)
        for place in range(len(tokens)):
            for latent in range(10):
                change = torch.zeros_like(x)
                change[place] = strengths[place, latent] * sae.W_dec[latent]
                missing = whole - read(model, tokens, layer, column, query, change)
                torch.testing.assert_close(found["latents"][place, :, latent].sum(), missing)
            rest = torch.zeros_like(x)
            rest[place] = x[place] - strengths[place] @ sae.W_dec
            missing = whole - read(model, tokens, layer, column, query, rest)
            torch.testing.assert_close(found["others"][place].sum(), missing)
        torch.testing.assert_close(found["biases"], read(model, tokens, layer, column, query, x))


def test_heads_bring_what_their_piece_of_the_column_reads():
    model, sae, tokens, column = of(USUAL)
    size = USUAL.d_model // USUAL.n_heads
    whole = latent_circuit(model, tokens, 0, sae, column, 5)
    for head in range(USUAL.n_heads):
        alone = torch.zeros_like(column)
        alone[head * size : (head + 1) * size] = column[head * size : (head + 1) * size]
        found = latent_circuit(model, tokens, 0, sae, alone, 5)
        torch.testing.assert_close(found["latents"].sum(1), whole["latents"][:, head])
        torch.testing.assert_close(found["others"].sum(1), whole["others"][:, head])


def test_nothing_comes_from_behind_the_query():
    model, sae, tokens, column = of(USUAL)
    found = latent_circuit(model, tokens, 1, sae, column, 2)
    assert not found["latents"][3:].any() and not found["others"][3:].any()


def test_the_figures_of_the_prompt_are_those_of_the_text():
    model = zoo.load("house").requires_grad_(False)
    earlier = parsed(load_autoencoder("blocks.1.hook_resid_post", 16))
    later = parsed(load_autoencoder("blocks.2.attn.hook_z", 16))
    encoded = model.tokenizer.encode(" When Mary and John went to the store, John gave a drink to")
    tokens = torch.tensor([model.tokenizer.bos, *encoded])
    end, john = len(tokens) - 1, 10
    assert model.tokenizer.decode([int(tokens[john])]) == " John"
    _, cache = model.run_with_cache(tokens[None], "blocks.2.attn.hook_z")
    code = later.encode(cache["blocks.2.attn.hook_z"][0].flatten(1))[end]
    assert int((code > 0.75).sum()) == 4 and 578 in code.topk(4).indices

    def circuit(latent):
        return latent_circuit(model, tokens, 2, earlier, later.W_enc[:, latent], end)

    found = circuit(578)
    own = later.b_enc[578] - later.b_dec @ later.W_enc[:, 578]
    assert float(sum(part.sum() for part in found.values()) + own) == pytest.approx(float(code[578]), abs=1e-4)
    parts = found["latents"]
    here = parts[john]  # (head, latent)
    figures = [code[578], parts.sum(), found["others"].sum(), found["biases"] + own, here.sum()]
    said(*(f"{float(each):.2f}" for each in [*figures, here[1, 506], here[2, 506]]))
    assert f"{float(parts.sum() - here.sum()):.2f} from all others" in TEXT
    assert int(here.sum(0).argmax()) == 506
    largest = []
    for latent in code.topk(4).indices.tolist():
        each = circuit(latent)["latents"].sum(1)  # (position, latent)
        place, best = divmod(int(each.abs().argmax()), each.shape[1])
        assert place == john
        largest.append(best)
    assert largest.count(506) == 2


def test_the_hand_computed_parts_of_the_text_add_up():
    assert 0.25 * 8 + 0.75 * 2 + 0.25 * 1 + 0.75 * -1 + 0.5 == 0.25 * 9 + 0.75 * 1 + 0.5 == 3.5
    said("3.5", "1.5")

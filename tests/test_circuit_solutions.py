"""The references of the exercises on circuits against definitions: whole forward passes, and networks of two nodes."""

import pytest
import torch

from headwork.models import GPT2, load
from headwork.models.config import Config
from headwork.solutions.ioi.circuits import completeness, faithfulness, mean_ablate_by_template, minimality


def twins(kept):
    """Two nodes, either of which is enough, and a third that does nothing; one metric, two prompts."""
    return 4.0 * (kept[..., 0] | kept[..., 1]).double()[..., None, None].expand(*kept.shape[:-1], 1, 2)


def bools(*rows):
    return torch.tensor(rows, dtype=torch.bool)


def test_the_worked_examples_of_the_text():
    usual, F = faithfulness(torch.tensor([[[6.0, 2.0]]]), torch.tensor([[4.0, 4.0]]), torch.tensor([[[0.0, 2.0]]]))
    assert usual.item() == pytest.approx(1) and F.item() == pytest.approx(1 / 3)
    _, F = faithfulness(torch.full((1, 1, 3), 8.0), torch.full((1, 3), 4.0), torch.zeros(1, 1, 3))
    assert F.item() == 0
    first = bools([1, 0, 0])[0]
    assert completeness(twins, first, bools([1, 0, 0], [0, 1, 0])).tolist() == [1, 0]
    assert minimality(twins, bools([1, 1, 0])[0], bools([0, 0, 0])).tolist() == [0, 0, 0]
    assert minimality(twins, bools([1, 1, 1])[0], bools([0, 0, 0], [0, 1, 0])).tolist() == [1, 0, 0]


def test_the_whole_model_is_faithful_and_complete():
    whole, none = torch.rand(2, 5) + 3, torch.rand(3, 2, 5)
    usual, F = faithfulness(whole.expand(3, 2, 5), whole, none)
    assert torch.allclose(usual, torch.ones(3, 2)) and F == 1
    assert completeness(twins, bools([1, 1, 1])[0], bools([1, 0, 1], [0, 1, 0])).tolist() == [0, 0]


@pytest.mark.parametrize("name", ["house", "small"])
def test_knocked_out_heads_write_the_means_of_whole_runs(name):
    torch.manual_seed(0)
    shape = {"d_vocab": 17, "n_ctx": 9, "d_model": 12, "n_heads": 3, "d_mlp": 8, "n_layers": 3}
    model = load("house") if name == "house" else GPT2(Config(**shape))
    model = model.eval().double()
    for parameter in [] if name == "house" else model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    layers, heads, vocab = model.config.n_layers, model.config.n_heads, model.config.d_vocab
    tokens, abc = torch.randint(vocab, (3, 7)), torch.randint(vocab, (5, 7))
    template, abc_template = torch.tensor([3, 8, 3]), torch.tensor([8, 3, 3, 8, 3])
    end, kept = torch.tensor([6, 4, 5]), torch.rand(3, layers, heads, 7) < 0.5
    found = mean_ablate_by_template(model, tokens, template, end, abc, abc_template, kept)
    for row in range(3):
        means = {}
        _, cache = model.run_with_cache(abc[abc_template == template[row]])
        for layer in range(layers):
            means[f"blocks.{layer}.attn.hook_z"] = cache[f"blocks.{layer}.attn.hook_z"].mean(0)

        def hook(z, point, row=row, means=means):
            layer, out = int(point.name.split(".")[1]), z.clone()
            for head in range(heads):
                for position in range(7):
                    if not kept[row, layer, head, position]:
                        out[0, position, head] = means[point.name][position, head]
            return out

        logits = model.run_with_hooks(tokens[row : row + 1], [(list(means), hook)])
        assert (found[row] - logits[0, end[row]]).abs().max() < 1e-9
    everything = torch.ones_like(kept)
    rows = torch.arange(3)
    same = mean_ablate_by_template(model, tokens, template, end, abc, abc_template, everything)
    assert (same - model(tokens)[rows, end]).abs().max() < 1e-9

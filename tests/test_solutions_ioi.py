"""The sweeps of chapter `ioi` against brute force: every patch a full run of the network with a hook in it."""

import pytest
import torch
from torch import nn

from headwork.models import GPT2, Config
from headwork.solutions.ioi.attribution import attribute_heads, attribute_layers
from headwork.solutions.ioi.engine import Engine, first_difference
from headwork.solutions.ioi.gradients import attribution_patch, attribution_patch_qk
from headwork.solutions.ioi.patching import patch_head_inputs, patch_heads, patch_residual

VOCAB, BATCH, LENGTH = 23, 4, 9
SHAPES = {
    "GPT-2": {},
    "attention only": {"attn_only": True, "layer_norm": False, "biases": False, "tied": False},
    "one layer": {"n_layers": 1},
    "relu, one head, untied": {"activation": "relu", "n_heads": 1, "tied": False},
}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(5)


@pytest.fixture(params=SHAPES)
def model(request):
    return network(**SHAPES[request.param])


def network(**changes):
    """In float64, no parameter at its first value."""
    shape = {"d_vocab": VOCAB, "n_ctx": 12, "d_model": 12, "n_heads": 3, "d_mlp": 17, "n_layers": 3}
    made = GPT2(Config(**shape | changes)).double().requires_grad_(False)
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.4)
    return made


def prompts(ends=(8, 6, 7, 3)):
    """Clean and corrupted prompts that differ from position 2 on, and the ends."""
    clean = torch.randint(VOCAB, (BATCH, LENGTH))
    corrupted = clean.clone()
    corrupted[:, 2] = (clean[:, 2] + torch.randint(1, VOCAB, (BATCH,))) % VOCAB
    corrupted[1:, 5] = torch.randint(VOCAB, (BATCH - 1,))
    return clean, corrupted, torch.tensor(ends)


def some_metric():
    """Not linear in the logits, and another one for each prompt."""
    directions = torch.randn(BATCH, VOCAB, dtype=torch.float64)
    return lambda logits: (logits.log_softmax(-1) * directions).sum(-1)


def measured(model, tokens, hooks, end, metric):
    return metric(model.run_with_hooks(tokens, hooks)[torch.arange(len(tokens)), end])


def brute_force(model, clean, corrupted, end, metric, name, place, count):
    """The metric with `name` of each layer patched at `place(index)`, one full run a patch."""
    values = []
    for layer in range(model.config.n_layers):
        full = f"blocks.{layer}.{name}"
        _, cache = model.run_with_cache(clean, full)
        for index in range(count):
            hook = towards(cache[full], place(index))
            values.append(measured(model, corrupted, [(full, hook)], end, metric))
    return torch.stack(values).unflatten(0, (-1, count))


def towards(donor, at, size=1.0):
    """A hook that moves the activation at `at` towards the donor's: all the way when `size` is 1."""

    def hook(value, point):
        value = value.clone()
        value[at] = donor[at] if size == 1 else value[at] + size * (donor[at] - value[at])
        return value

    return hook


def position_axis(index):
    return (slice(None), index)


def head_axis(index):
    return (slice(None), slice(None), index)


@pytest.mark.parametrize("ends", [(8, 6, 7, 3), (8, 8, 8, 8), (5, 5, 5, 5), (1, 4, 0, 2)])
def test_patching_the_residual_stream_is_what_full_runs_give(model, ends):
    clean, corrupted, end = prompts(ends)
    metric = some_metric()
    expected = brute_force(model, clean, corrupted, end, metric, "hook_resid_pre", position_axis, LENGTH)
    found = patch_residual(model, clean, corrupted, end, metric)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("ends", [(8, 6, 7, 3), (5, 5, 5, 5), (1, 4, 0, 2)])
def test_patching_heads_is_what_full_runs_give(model, ends):
    clean, corrupted, end = prompts(ends)
    metric, heads = some_metric(), model.config.n_heads
    expected = brute_force(model, clean, corrupted, end, metric, "attn.hook_z", head_axis, heads)
    found = patch_heads(model, clean, corrupted, end, metric)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("part", ["q", "k", "v", "pattern"])
def test_patching_one_input_of_a_head_is_what_full_runs_give(model, part):
    clean, corrupted, end = prompts()
    place = position_axis if part == "pattern" else head_axis  # the axis of heads comes second in patterns
    metric, heads = some_metric(), model.config.n_heads
    expected = brute_force(model, clean, corrupted, end, metric, f"attn.hook_{part}", place, heads)
    found = patch_head_inputs(model, clean, corrupted, end, metric, part)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_in_float32_the_sweeps_are_within_1e_5_of_full_runs():
    model = network(n_layers=4, d_model=24).float()
    clean, corrupted, end = prompts()
    directions = torch.randn(BATCH, VOCAB)

    def metric(logits):
        return (logits * directions).sum(-1)

    for found, name, place, count in [
        (patch_residual(model, clean, corrupted, end, metric), "hook_resid_pre", position_axis, LENGTH),
        (patch_heads(model, clean, corrupted, end, metric), "attn.hook_z", head_axis, 3),
    ]:
        expected = brute_force(model, clean, corrupted, end, metric, name, place, count)
        assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_prompts_that_do_not_differ_are_patched_without_effect():
    model = network()
    clean, _, end = prompts()
    metric = some_metric()
    unpatched = measured(model, clean, [], end, metric)
    for found in (patch_residual(model, clean, clean, end, metric), patch_heads(model, clean, clean, end, metric)):
        torch.testing.assert_close(found, unpatched.expand_as(found), rtol=1e-10, atol=1e-10)


def test_a_model_that_looks_ahead_is_refused():
    with pytest.raises(ValueError, match="attend to later"):
        Engine(network(causal=False), torch.tensor([3]))


def test_two_runs_differ_from_the_first_differing_token_on():
    clean = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]])
    corrupted = torch.tensor([[1, 2, 0, 4], [5, 6, 7, 0]])
    assert first_difference(clean, corrupted, torch.tensor([3, 3])) == 2
    assert first_difference(clean, corrupted, torch.tensor([3, 1])) == 1
    assert first_difference(clean, clean, torch.tensor([2, 3])) == 2


def test_attribution_patching_is_the_derivative_of_patching():
    """Against a difference quotient: a patch a millionth of the way towards the clean activation."""
    model = network()
    clean, corrupted, end = prompts()
    metric, step = some_metric(), 1e-6
    found = attribution_patch(model, clean, corrupted, end, metric)
    for values, name, place, count in [
        (found[0], "hook_resid_pre", position_axis, LENGTH),
        (found[1], "attn.hook_z", head_axis, 3),
    ]:
        for layer in range(3):
            full = f"blocks.{layer}.{name}"
            _, cache = model.run_with_cache(clean, full)
            for index in range(count):
                hooks = [towards(cache[full], place(index), size) for size in (step, -step)]
                up, down = (measured(model, corrupted, [(full, each)], end, metric) for each in hooks)
                torch.testing.assert_close(values[layer, index], (up - down) / (2 * step), rtol=1e-5, atol=1e-6)


def test_attribution_patching_is_patching_where_everything_is_linear():
    """One attention layer whose pattern cannot move, a metric of logits: z is read by a linear map."""
    model = network(n_layers=1, attn_only=True, layer_norm=False, tied=False)
    clean, corrupted, end = prompts()
    directions = torch.randn(BATCH, VOCAB, dtype=torch.float64)

    def metric(logits):
        return (logits * directions).sum(-1)

    unpatched = measured(model, corrupted, [], end, metric)
    exact = patch_heads(model, clean, corrupted, end, metric) - unpatched
    torch.testing.assert_close(attribution_patch(model, clean, corrupted, end, metric)[1], exact)


def test_with_the_softmax_recomputed_patched_queries_and_keys_are_exact_in_the_last_layer():
    """One layer without LayerNorm and MLP: from the pattern on, a metric of logits is linear."""
    model = network(n_layers=1, attn_only=True, layer_norm=False, tied=False)
    clean, corrupted, end = prompts()
    directions = torch.randn(BATCH, VOCAB, dtype=torch.float64)

    def metric(logits):
        return (logits * directions).sum(-1)

    unpatched = measured(model, corrupted, [], end, metric)
    for found, part in zip(attribution_patch_qk(model, clean, corrupted, end, metric), "qk", strict=True):
        name = f"blocks.0.attn.hook_{part}"
        _, cache = model.run_with_cache(clean, name)
        assert found.shape == (1, 3, LENGTH, BATCH)
        for head in range(3):
            for position in range(LENGTH):
                hook = towards(cache[name], (slice(None), position, head))
                exact = measured(model, corrupted, [(name, hook)], end, metric) - unpatched
                torch.testing.assert_close(found[0, head, position], exact, rtol=1e-9, atol=1e-9)


def test_a_small_change_of_a_query_or_key_has_the_effect_of_its_derivative():
    """In a deep model, by a difference quotient: the recomputed softmax agrees with it to first order."""
    model, (clean, corrupted, end), metric = network(), prompts(), some_metric()
    near = 1e-5
    for part, index in (("q", 0), ("k", 1)):
        for layer in range(3):
            name = f"blocks.{layer}.attn.hook_{part}"
            _, new = model.run_with_cache(clean, name)
            for head, position in [(0, 2), (1, 5), (2, 7), (1, 8)]:
                at = (slice(None), position, head)
                up = measured(model, corrupted, [(name, towards(new[name], at, near))], end, metric)
                down = measured(model, corrupted, [(name, towards(new[name], at, -near))], end, metric)
                slope = (up - down) / (2 * near)
                found = _small_step(model, clean, corrupted, end, metric, near)[index][layer, head, position]
                torch.testing.assert_close(found / near, slope, rtol=1e-3, atol=1e-3)


def _small_step(model, clean, corrupted, end, metric, size):
    """`attribution_patch_qk` towards activations that are only a little on the way to the clean ones."""
    run = Engine.run

    def nearly(engine, tokens):
        trace, after = run(engine, tokens)
        if tokens is clean:
            other, _ = run(engine, corrupted)
            trace.q = [a + size * (b - a) for a, b in zip(other.q, trace.q, strict=True)]
            trace.k = [a + size * (b - a) for a, b in zip(other.k, trace.k, strict=True)]
        return trace, after

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "run", nearly)
        return attribution_patch_qk(model, clean, corrupted, end, metric)


def test_the_last_layers_logit_difference_is_the_models(model):
    tokens, _, end = prompts()
    correct, wrong = torch.randint(VOCAB, (2, BATCH))
    rows = torch.arange(BATCH)
    last = model(tokens)[rows, end]
    expected = last[rows, correct] - last[rows, wrong]
    for frozen in (True, False):
        found = attribute_layers(model, tokens, end, correct, wrong, frozen)
        assert found.shape == (model.config.n_layers + 1, BATCH)
        torch.testing.assert_close(found[-1], expected)


def test_the_logit_lens_is_the_model_cut_off_before_a_layer(model):
    tokens, _, end = prompts()
    correct, wrong = torch.randint(VOCAB, (2, BATCH))
    rows = torch.arange(BATCH)
    found = attribute_layers(model, tokens, end, correct, wrong, False)
    for layer in range(model.config.n_layers + 1):
        stream = model(tokens, stop_at_layer=layer)
        last = model(stream, start_at_layer=model.config.n_layers)[rows, end]
        torch.testing.assert_close(found[layer], last[rows, correct] - last[rows, wrong])


def test_heads_and_the_rest_add_up_to_the_frozen_logit_difference():
    """Without MLPs and biases, heads and embedding are all there is."""
    model = network(attn_only=True, biases=False, tied=False)
    tokens, _, end = prompts()
    correct, wrong = torch.randint(VOCAB, (2, BATCH))
    layers = attribute_layers(model, tokens, end, correct, wrong, True)
    heads = attribute_heads(model, tokens, end, correct, wrong)
    torch.testing.assert_close(layers[1:] - layers[:-1], heads.sum(1))


def test_a_heads_attribution_is_its_effect_when_everything_else_and_the_scale_are_frozen(model):
    """A run whose final stream lacks one head's output, with the final LayerNorm's scale held."""
    tokens, _, end = prompts()
    correct, wrong = torch.randint(VOCAB, (2, BATCH))
    rows = torch.arange(BATCH)
    found = attribute_heads(model, tokens, end, correct, wrong)
    points = [f"blocks.{layer}.attn.hook_result" for layer in range(model.config.n_layers)]
    scale = "ln_final.hook_scale"
    _, cache = model.run_with_cache(tokens, [*points, *([scale] if scale in model.hook_points else [])])
    final = model(tokens, stop_at_layer=model.config.n_layers)

    def difference(stream):
        hooks = [(scale, lambda value, point: cache[scale])] if scale in cache else []
        last = model.run_with_hooks(stream, hooks, start_at_layer=model.config.n_layers)[rows, end]
        return last[rows, correct] - last[rows, wrong]

    for layer, point in enumerate(points):
        for head in range(model.config.n_heads):
            without = difference(final) - difference(final - cache[point][:, :, head])
            torch.testing.assert_close(found[layer, head], without)

"""Hooks on the house's GPT-2: they see, they replace, and they leave nothing behind."""

import pytest
import torch

from headwork.models.config import Config
from headwork.models.gpt2 import GPT2
from headwork.models.hooks import HookPoint

BATCH, LENGTH, WIDTH, HEADS, SMALL, MLP, VOCAB, LAYERS = 2, 7, 12, 3, 4, 20, 13, 3
STREAM = (BATCH, LENGTH, WIDTH)
BY_HEAD = (BATCH, LENGTH, HEADS, SMALL)
SCALE = (BATCH, LENGTH, 1)
SQUARE = (BATCH, HEADS, LENGTH, LENGTH)
INPUT = (BATCH, LENGTH, HEADS, WIDTH)
IN_BLOCK = {
    "hook_resid_pre": STREAM, "ln1.hook_scale": SCALE, "ln1.hook_normalized": STREAM,
    "attn.hook_q": BY_HEAD, "attn.hook_k": BY_HEAD, "attn.hook_v": BY_HEAD, "attn.hook_attn_scores": SQUARE,
    "attn.hook_pattern": SQUARE, "attn.hook_z": BY_HEAD, "hook_attn_out": STREAM, "hook_resid_mid": STREAM,
    "ln2.hook_scale": SCALE, "ln2.hook_normalized": STREAM, "mlp.hook_pre": (BATCH, LENGTH, MLP),
    "mlp.hook_post": (BATCH, LENGTH, MLP), "hook_mlp_out": STREAM, "hook_resid_post": STREAM,
}  # fmt: skip
ON_DEMAND = {"attn.hook_result": INPUT, "hook_q_input": INPUT, "hook_k_input": INPUT, "hook_v_input": INPUT}
OUTSIDE = {
    "hook_embed": STREAM,
    "hook_pos_embed": STREAM,
    "ln_final.hook_scale": SCALE,
    "ln_final.hook_normalized": STREAM,
}


@pytest.fixture
def model():
    torch.manual_seed(2)
    model = GPT2(Config(VOCAB, 11, WIDTH, HEADS, MLP, LAYERS)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.6)
    return model


@pytest.fixture
def tokens():
    return torch.randint(VOCAB, (BATCH, LENGTH), generator=torch.Generator().manual_seed(3))


def everywhere(names):
    return {f"blocks.{layer}.{name}": shape for layer in range(LAYERS) for name, shape in names.items()}


def listening(model):
    return [name for name, point in model.hook_points.items() if point.hooked]


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_a_cache_holds_every_activation_under_transformer_lenss_name_and_shape(model, tokens):
    logits, cache = model.run_with_cache(tokens)
    assert {name: tuple(value.shape) for name, value in cache.items()} == OUTSIDE | everywhere(IN_BLOCK)
    assert torch.equal(logits, model(tokens))


def test_what_is_costly_is_computed_only_when_it_is_asked_for(model, tokens):
    logits, cache = model.run_with_cache(tokens, lambda name: True)
    expected = OUTSIDE | everywhere(IN_BLOCK) | everywhere(ON_DEMAND)
    assert {name: tuple(value.shape) for name, value in cache.items()} == expected
    assert set(expected) == set(model.hook_points)
    close(logits, model(tokens))


def test_hooks_fire_in_the_order_of_the_computation(model, tokens):
    fired = []
    model.run_with_hooks(tokens, [(lambda name: "blocks.1." in name, lambda value, hook: fired.append(hook.name))])
    norm = ["blocks.1.ln1.hook_scale", "blocks.1.ln1.hook_normalized"]
    inputs = [[f"blocks.1.hook_{each}_input", *norm] for each in "qkv"]
    rest = ["q", "k", "v", "attn_scores", "pattern", "z", "result"]
    assert fired == [
        "blocks.1.hook_resid_pre",
        *(name for each in inputs for name in each),
        *norm,
        *(f"blocks.1.attn.hook_{name}" for name in rest),
        *(f"blocks.1.{name}" for name in list(IN_BLOCK)[9:]),
    ]


@pytest.mark.parametrize("name", sorted({**IN_BLOCK, **ON_DEMAND}))
def test_every_activation_can_be_replaced_and_matters(model, tokens, name):
    name = f"blocks.1.{name}"
    plain, cache = model.run_with_cache(tokens, [name])
    same = model.run_with_hooks(tokens, [(name, lambda value, hook: value.clone())])
    close(same, plain)
    noise = torch.rand(cache[name].shape, dtype=torch.float64)
    changed = model.run_with_hooks(tokens, [(name, lambda value, hook: value * (1 + noise))])
    assert not torch.isclose(changed, plain)[:, 1:].all(-1).any()  # the first position sees itself, whatever the scores


def test_heads_and_their_bias_sum_to_what_attention_writes(model, tokens):
    _, cache = model.run_with_cache(tokens, ["blocks.1.attn.hook_result", "blocks.1.hook_attn_out"])
    heads = cache["blocks.1.attn.hook_result"].sum(2)
    close(heads + model.blocks[1].attn.b_O, cache["blocks.1.hook_attn_out"])


def test_a_replaced_result_of_one_head_is_that_head_replaced_in_z(model, tokens):
    def without_head(value, hook):
        keep = torch.ones(HEADS, 1, dtype=torch.float64)
        keep[1] = 0
        return value * keep

    close(
        model.run_with_hooks(tokens, [("blocks.1.attn.hook_result", without_head)]),
        model.run_with_hooks(tokens, [("blocks.1.attn.hook_z", without_head)]),
    )


@pytest.mark.parametrize("which", ["q", "k", "v"])
def test_the_input_of_one_head_reaches_that_head_and_that_use_alone(model, tokens, which):
    other = torch.randn(STREAM, dtype=torch.float64)

    def of_one_head(value, hook):
        changed = value.clone()
        changed[:, :, 2] = other
        return changed

    watched = [f"blocks.1.attn.hook_{each}" for each in "qkv"]
    _, clean = model.run_with_cache(tokens, watched)
    with model.hooks([(f"blocks.1.hook_{which}_input", of_one_head)]):
        _, patched = model.run_with_cache(tokens, watched)
    block = model.blocks[1]
    expected = block.ln1(other) @ getattr(block.attn, f"W_{which.upper()}")[2]
    expected = expected + getattr(block.attn, f"b_{which.upper()}")[2]
    for name in watched:
        close(patched[name][:, :, :2], clean[name][:, :, :2])
        close(patched[name][:, :, 2], expected if name.endswith(which) else clean[name][:, :, 2])


@torch.no_grad()
def test_the_input_of_one_head_can_be_edited_in_place(model, tokens):
    def edit(value, hook):
        value[:, :, 2] = 0

    def replace(value, hook):
        return value * torch.tensor([1, 1, 0])[:, None]

    for name in ("blocks.1.hook_q_input", "blocks.1.hook_v_input"):
        close(model.run_with_hooks(tokens, [(name, edit)]), model.run_with_hooks(tokens, [(name, replace)]))


def test_hooks_on_one_name_run_in_the_order_given(model, tokens):
    step = torch.randn(WIDTH, dtype=torch.float64)  # one number for all would vanish in LayerNorm
    add, double = (lambda value, hook: value + step), (lambda value, hook: value * 2)
    name = "blocks.0.hook_mlp_out"
    both = model.run_with_hooks(tokens, [(name, add), (name, double)])
    close(both, model.run_with_hooks(tokens, [(name, lambda value, hook: (value + step) * 2)]))
    assert not torch.allclose(both, model.run_with_hooks(tokens, [(name, double), (name, add)]))


def test_a_hook_is_given_the_point_that_bears_the_name(model, tokens):
    seen = []
    names = ["blocks.2.attn.hook_z", "hook_embed"]
    model.run_with_hooks(tokens, [(names, lambda value, hook: seen.append((type(hook), hook.name)))])
    assert seen == [(HookPoint, "hook_embed"), (HookPoint, "blocks.2.attn.hook_z")]


def test_no_hook_stays_after_a_run_nor_after_an_exception(model, tokens):
    model.run_with_hooks(tokens, [(lambda name: True, lambda value, hook: None)])
    model.run_with_cache(tokens)
    assert listening(model) == []

    def stop(value, hook):
        raise KeyboardInterrupt

    for run in (
        lambda: model.run_with_hooks(
            tokens, [("hook_embed", lambda value, hook: None), ("blocks.1.attn.hook_q", stop)]
        ),
        lambda: model.run_with_cache(torch.zeros(1, 99, dtype=torch.long)),
    ):
        with pytest.raises((KeyboardInterrupt, ValueError)):
            run()
        assert listening(model) == []


def test_a_run_inside_a_run_disturbs_neither(model, tokens):
    inner = []

    def look_elsewhere(value, hook):
        if not inner:
            inner.append(None)
            inner[0] = model.run_with_hooks(tokens, [("blocks.2.hook_mlp_out", lambda value, hook: value * 0)])

    double = ("blocks.0.hook_attn_out", lambda value, hook: value * 2)
    outer = model.run_with_hooks(tokens, [double, ("blocks.1.hook_resid_pre", look_elsewhere)])
    close(outer, model.run_with_hooks(tokens, [double]))
    silent = ("blocks.2.hook_mlp_out", lambda value, hook: value * 0)
    close(inner[0], model.run_with_hooks(tokens, [double, silent]))  # the outer hook is in place for the inner run too
    assert listening(model) == []


def test_hooks_of_others_run_and_stay(model, tokens):
    calls = []
    handle = model.blocks[0].attn.hook_z.register_forward_hook(lambda module, inputs, output: calls.append(1))
    model.run_with_hooks(tokens, [("blocks.0.attn.hook_z", lambda value, hook: value * 2)])
    model(tokens)
    handle.remove()
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("blocks.0.attn.hook_patern", "blocks.0.attn.hook_pattern"),
        ("blocks.0.hook_z", "blocks.0.attn.hook_z"),
        ("block.1.hook_resid_pre", "blocks.1.hook_resid_pre"),
        ("blocks.9.hook_resid_pre", "blocks.0.hook_resid_pre"),
        ("xyz", "model.hook_points"),
    ],
)
def test_an_unknown_name_is_answered_with_the_closest_before_anything_is_hooked(model, tokens, name, meant):
    for run in (
        lambda: model.run_with_hooks(
            tokens, [("hook_embed", lambda value, hook: None), (name, lambda value, hook: None)]
        ),
        lambda: model.run_with_cache(tokens, ["hook_embed", name]),
        lambda: model.run_with_cache(tokens, name),
    ):
        with pytest.raises(ValueError, match="no hook point is called") as caught:
            run()
        assert repr(name) in str(caught.value) and meant in str(caught.value)
        assert listening(model) == []


def test_a_replacement_that_does_not_fit_is_said_with_its_name(model, tokens):
    name = "blocks.1.attn.hook_z"
    with pytest.raises(ValueError, match=r"hook on blocks.1.attn.hook_z returns shape \(2, 7, 3\) in place"):
        model.run_with_hooks(tokens, [(name, lambda value, hook: value.sum(-1))])
    with pytest.raises(TypeError, match=r"hook on blocks.1.attn.hook_z returns a float"):
        model.run_with_hooks(tokens, [(name, lambda value, hook: 0.0)])


def test_a_batch_of_replacements_may_meet_a_batch_of_one(model, tokens):
    patches = torch.randn(5, *BY_HEAD[1:], dtype=torch.float64)
    together = model.run_with_hooks(tokens[:1], [("blocks.1.attn.hook_z", lambda value, hook: patches)])
    for patch, logits in zip(patches, together, strict=True):
        close(model.run_with_hooks(tokens[:1], [("blocks.1.attn.hook_z", lambda v, hook, p=patch: p[None])])[0], logits)


@pytest.mark.parametrize("grad", [True, False])
def test_nothing_changes_what_a_cache_holds(model, tokens, grad):
    with torch.set_grad_enabled(grad):
        expected = {name: value.clone() for name, value in model.run_with_cache(tokens, lambda name: True)[1].items()}
        start = model(tokens, stop_at_layer=1)

        def into_the_cache(run):
            return run(tokens, lambda name: True)[1]

        cache = into_the_cache(model.run_with_cache)
        late = model.run_with_cache(start, start_at_layer=1)[1]
        with torch.no_grad():
            start.zero_()
            for parameter in model.parameters():
                parameter.zero_()
            for name in list(cache)[::2]:
                cache[name].zero_()
        for name in list(cache)[1::2]:
            assert torch.equal(cache[name], expected[name]), name
        close(late["blocks.1.hook_resid_pre"], expected["blocks.1.hook_resid_pre"])


def test_a_hook_that_edits_in_place_does_not_reach_back_into_a_cache(model, tokens):
    def zero(value, hook):
        value[:, 2] = 0

    with torch.no_grad():
        plain = model.run_with_cache(tokens)[1]
        with model.hooks([("blocks.1.hook_resid_pre", zero)]):
            patched = model.run_with_cache(tokens)[1]
        assert torch.equal(patched["blocks.0.hook_resid_post"], plain["blocks.0.hook_resid_post"])
        assert not patched["blocks.1.hook_resid_pre"][:, 2].any()
        positions = model.pos_embed.W_pos.clone()
        model.run_with_hooks(tokens, [("hook_pos_embed", zero), ("hook_embed", zero)])
        assert torch.equal(model.pos_embed.W_pos, positions)


def test_a_cache_inside_hooks_holds_what_they_made(model, tokens):
    with model.hooks([("blocks.0.attn.hook_z", lambda value, hook: value * 3)]):
        _, patched = model.run_with_cache(tokens)
    _, plain = model.run_with_cache(tokens)
    close(patched["blocks.0.attn.hook_z"], 3 * plain["blocks.0.attn.hook_z"])
    assert not torch.allclose(patched["blocks.0.hook_resid_post"], plain["blocks.0.hook_resid_post"])


@pytest.mark.parametrize("name", ["blocks.0.hook_resid_post", "blocks.1.attn.hook_z", "blocks.1.attn.hook_pattern"])
def test_the_gradient_for_a_cached_activation_is_the_finite_difference(model, tokens, name):
    weights = torch.randn(BATCH, LENGTH, VOCAB, dtype=torch.float64)
    logits, cache = model.run_with_cache(tokens)
    [found] = torch.autograd.grad((logits * weights).sum(), [cache[name]])
    direction = torch.randn(cache[name].shape, dtype=torch.float64)

    def moved(step):
        hooks = [(name, lambda value, hook: value + step * direction)]
        return (model.run_with_hooks(tokens, hooks) * weights).sum().item()

    slope = (moved(1e-5) - moved(-1e-5)) / 2e-5
    assert float((found * direction).sum()) == pytest.approx(slope, rel=1e-6)


def test_gradients_reach_a_replacement_and_the_parameters_below_it(model, tokens):
    patch = torch.randn(STREAM, dtype=torch.float64, requires_grad=True)
    logits = model.run_with_hooks(tokens, [("blocks.1.hook_mlp_out", lambda value, hook: value * patch)])
    logits.sum().backward()
    assert patch.grad.any() and model.blocks[1].mlp.W_in.grad.any() and model.embed.W_E.grad.any()


def as_learners_write_it(model, tokens, hooks):
    """`induction.run_with_hooks`: submodules by name, PyTorch's own hooks."""
    modules, handles = dict(model.named_modules()), []
    try:
        for name, hook in hooks:
            handles.append(
                modules[name].register_forward_hook(lambda module, _, output, hook=hook: hook(output, module))
            )
        return model(tokens)
    finally:
        for handle in handles:
            handle.remove()


def test_what_learners_write_runs_this_model(model, tokens):
    hooks = [
        ("blocks.0.attn.hook_pattern", lambda value, hook: value.flip(1)),
        ("blocks.1.attn.hook_result", lambda value, hook: value * 2),
        ("blocks.2.hook_k_input", lambda value, hook: value * value),
        ("blocks.2.attn.hook_q", lambda value, hook: value * len(hook.name)),
    ]
    ours = model.run_with_hooks(tokens, hooks)
    assert torch.equal(as_learners_write_it(model, tokens, hooks), ours)
    assert not torch.allclose(ours, model(tokens))


def test_a_forward_put_in_place_of_a_hook_points_own_is_seen(model, tokens):
    doubled = model.run_with_hooks(tokens, [("blocks.0.attn.hook_result", lambda value, hook: value * 2)])
    model.blocks[0].attn.hook_result.forward = lambda value: value * 2
    close(model(tokens), doubled)

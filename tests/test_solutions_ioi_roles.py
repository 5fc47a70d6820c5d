"""Roles, copy scores, groups of heads and self-repair of chapter `ioi`, against brute force and planted truth."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from headwork.models import GPT2, Config
from headwork.models.planted import planted
from headwork.solutions.ioi.groups import denoise_and_noise, token_or_position
from headwork.solutions.ioi.repair import self_repair
from headwork.solutions.ioi.roles import attention_roles, name_mover_copying

VOCAB = 21
SHAPES = {
    "GPT-2": {},
    "attention only": {"attn_only": True, "layer_norm": False, "biases": False, "tied": False},
    "relu, untied": {"activation": "relu", "tied": False},
}


@pytest.fixture(params=SHAPES)
def model(request):
    torch.manual_seed(2)
    shape = {"d_vocab": VOCAB, "n_ctx": 12, "d_model": 12, "n_heads": 3, "d_mlp": 17, "n_layers": 3}
    made = GPT2(Config(**shape | SHAPES[request.param])).double().requires_grad_(False)
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.4)
    return made


def heads(made):
    return [tuple(map(int, node[5:].split("."))) for node in made.roles if node.startswith("head")]


def metric_of(made):
    rows, (right, wrong) = torch.arange(len(made.answers)), made.answers.T
    return lambda logits: logits[..., rows, right] - logits[..., rows, wrong]


def ends(made):
    return torch.full((len(made.clean),), made.clean.shape[1] - 1)


def share(made, values):
    low, high = (made.metric(made.model(tokens)).mean() for tokens in (made.corrupted, made.clean))
    return ((values.mean(-1) - low) / (high - low)).detach()


@pytest.mark.parametrize("seed", [0, 3])
@pytest.mark.parametrize(
    ("family", "denoised", "noised"),
    [("and", [0, 0, 1], [0, 0, 0]), ("or", [1, 1, 1], [1, 1, 0]), ("cancelling", [1, -1, 0], [0, 2, 1])],
)
def test_groups_show_what_gate_was_planted(family, denoised, noised, seed):
    made = planted(family, seed)
    one, other = heads(made)[:2]
    groups = [[one], [other], [one, other]]
    found = denoise_and_noise(made.model, made.clean, made.corrupted, ends(made), metric_of(made), groups)
    for values, truth in zip(found, (denoised, noised), strict=True):
        torch.testing.assert_close(share(made, values), torch.tensor(truth).double(), atol=0.1, rtol=0)


def test_all_heads_at_once_leave_nothing_of_the_run_but_its_embeddings(model):
    clean, corrupted = torch.randint(VOCAB, (2, 4, 7))
    clean[:, 6] = corrupted[:, 6]  # the end reads the same token
    end, rows = torch.full((4,), 6), torch.arange(4)
    directions = torch.randn(4, VOCAB, dtype=torch.float64)
    groups = [[(layer, head) for layer in range(3) for head in range(3)], []]
    measure = lambda logits: (logits * directions).sum(-1)  # noqa: E731
    there, back = (measure(model(tokens)[rows, end]) for tokens in (clean, corrupted))
    denoised, noised = denoise_and_noise(model, clean, corrupted, end, measure, groups)
    torch.testing.assert_close(denoised, torch.stack([there, back]))
    torch.testing.assert_close(noised, torch.stack([back, there]))


@pytest.mark.parametrize("seed", [0, 1, 5])
def test_a_head_that_brings_the_token_is_found_to_speak_of_the_token_alone(seed):
    made = planted("backup", seed)
    io, s = (each[:, None] for each in made.answers.T)
    names = torch.where(made.clean == io, s, torch.where(made.clean == s, io, made.clean))
    order = torch.where(made.clean == made.corrupted, names, made.clean)
    twins = {"names": names, "order": order, "s2": made.corrupted}
    token, position = token_or_position(made.model, made.clean, twins, ends(made), metric_of(made), heads(made)[:1])
    assert token.mean() < -3 and position.abs().max() < 0.2
    low, high = (made.metric(made.model(tokens)) for tokens in (made.corrupted, made.clean))
    torch.testing.assert_close((token + position).mean(), (low - high).mean(), atol=0.5, rtol=0)  # softly


def test_token_and_position_are_the_two_main_effects_of_four_full_runs(model):
    torch.manual_seed(1)
    runs = torch.randint(VOCAB, (4, 5, 8))  # clean, names, order, s2
    end, rows, chosen = torch.tensor([7, 6, 7, 5, 4]), torch.arange(5), [(0, 2), (1, 0), (2, 1)]
    directions = torch.randn(5, VOCAB, dtype=torch.float64)
    values = []
    for run in runs:
        _, cache = model.run_with_cache(run)

        def hook(z, point, cache=cache):
            for layer, head in chosen:
                if point.name == f"blocks.{layer}.attn.hook_z":
                    z[rows, end, head] = cache[point.name][rows, end, head]
            return z

        logits = model.run_with_hooks(runs[0], [(lambda name: name.endswith("hook_z"), hook)])
        values.append((logits[rows, end] * directions).sum(-1))
    table = torch.stack(values).reshape(2, 2, 5)  # (position turned, token turned, prompt)
    twins = dict(zip(("names", "order", "s2"), runs[1:], strict=True))
    found = token_or_position(model, runs[0], twins, end, lambda logits: (logits * directions).sum(-1), chosen)
    torch.testing.assert_close(found[0], (table[:, 1] - table[:, 0]).mean(0))
    torch.testing.assert_close(found[1], (table[1] - table[0]).mean(0))


def test_roles_are_read_at_each_prompts_own_positions():
    patterns = torch.zeros(2, 2, 3, 9, 9, dtype=torch.float64)
    places = {"IO": [1, 3], "S1": [3, 1], "S1+1": [4, 2], "S2": [6, 5], "END": [8, 7]}
    looks = {"name mover": ("END", "IO"), "S-inhibition": ("END", "S2"), "duplicate token": ("S2", "S1")}
    looks |= {"induction": ("S2", "S1+1"), "previous token": ("S1+1", "S1")}
    for index, (query, key) in enumerate(looks.values()):
        for row in (0, 1):  # a weight for each role, layer, head and prompt, where that role looks
            patterns[:, row, :, places[query][row], places[key][row]] = (
                torch.arange(6.0).reshape(2, 3).double() + index + row
            )
    found = attention_roles(patterns, {name: torch.tensor(each) for name, each in places.items()})
    for index, role in enumerate(looks):
        torch.testing.assert_close(found[role], torch.arange(6.0).reshape(2, 3).double() + index + 0.5)


@pytest.mark.parametrize("seed", [0, 2])
def test_planted_movers_copy_names_and_the_head_that_tells_them_does_not(seed):
    made = planted("backup", seed)
    tells, mover, spare = heads(made)
    at = (made.clean == made.answers[:, :1]).long().argmax(1)
    copied = name_mover_copying(made.model, made.clean, at, 1, False)
    turned = name_mover_copying(made.model, made.clean, at, 1, True)
    assert copied[mover] == copied[spare] == 1 and copied[tells] < 0.5
    assert turned[mover] == turned[spare] == 0


@pytest.mark.parametrize("negative", [False, True])
def test_the_copy_score_is_that_of_a_run_in_which_the_head_sees_the_name_alone(model, negative):
    """Everything but one head is silenced, and its pattern is set to look at the name: the logits are the network's."""
    tokens, at = torch.randint(VOCAB, (6, 5)), torch.tensor([0, 3, 2, 1, 4, 2])
    rows = torch.arange(6)
    stream = model(tokens, stop_at_layer=1)[rows, at]
    found = name_mover_copying(model, tokens, at, 3, negative)
    for layer in range(3):
        for head in range(3):

            def only(z, point, layer=layer, head=head):
                keep = torch.zeros_like(z)
                if point.name == f"blocks.{layer}.attn.hook_z":
                    keep[:, :, head] = -z[:, :, head] if negative else z[:, :, head]
                return keep

            attn = model.blocks[layer].attn
            hooks = [(f"blocks.{layer}.attn.hook_z", only)]
            hooks.append((f"blocks.{layer}.hook_attn_out", lambda value, point, b=attn.b_O: value - b))
            with model.hooks(hooks):  # one position, so the head looks at it alone
                normed = model.blocks[layer].ln1(stream[:, None])
                written = model.blocks[layer].hook_attn_out(attn(normed, normed, normed))[:, 0]
            logits = (
                F.layer_norm(written, (12,), model.ln_final.w, model.ln_final.b, 1e-5)
                if model.config.layer_norm
                else written
            )
            logits = logits @ model.unembed.W_U + model.unembed.b_U
            hits = [tokens[row, at[row]] in logits[row].topk(3).indices for row in range(6)]
            assert found[layer, head] == pytest.approx(sum(hits) / 6)


@pytest.mark.parametrize("seed", [0, 4])
def test_a_planted_backup_makes_up_for_its_mover(seed):
    made = planted("backup", seed)
    tells, mover, spare = heads(made)
    z = torch.zeros(*made.clean.shape, made.model.config.d_head, dtype=torch.float64)
    total, changes = self_repair(made.model, made.clean, ends(made), *made.answers.T, mover, z)
    assert total.abs().max() < 0.2
    torch.testing.assert_close(changes[spare], -changes[mover], atol=0.2, rtol=0)
    assert (changes[mover] < -3).all() and changes[tells].abs().max() < 1e-9
    total, changes = self_repair(made.model, made.clean, ends(made), *made.answers.T, spare, z)
    assert total.abs().max() < 0.2 and changes[mover].abs().max() < 1e-9


def test_the_total_is_that_of_a_hooked_run_and_the_rest_is_the_scale_and_the_mlps(model):
    torch.manual_seed(3)
    tokens, end = torch.randint(VOCAB, (4, 7)), torch.tensor([6, 4, 5, 6])
    right, wrong = torch.randint(VOCAB, (2, 4))
    z, rows, layer, head = torch.randn(4, 7, 4, dtype=torch.float64), torch.arange(4), 1, 2
    total, changes = self_repair(model, tokens, end, right, wrong, (layer, head), z)

    def put(value, point):
        value[:, :, head] = z
        return value

    names = lambda name: name.endswith(("hook_z", "mlp_out", "resid_post"))  # noqa: E731
    logits, old = model.run_with_cache(tokens, names)
    with model.hooks([(f"blocks.{layer}.attn.hook_z", put)]):
        hooked, new = model.run_with_cache(tokens, names)
    moved = (hooked - logits)[rows, end]
    torch.testing.assert_close(total, moved[rows, right] - moved[rows, wrong])
    stream = old["blocks.2.hook_resid_post"][rows, end]
    direction = (model.unembed.W_U[:, right] - model.unembed.W_U[:, wrong]).T
    if model.config.layer_norm:
        direction = direction * model.ln_final.w
        direction = (direction - direction.mean(-1, keepdim=True)) / (
            stream.var(-1, correction=0, keepdim=True) + 1e-5
        ).sqrt()
    written = sum(((new[name] - old[name])[rows, end] * direction).sum(-1) for name in old if name.endswith("mlp_out"))
    frozen = ((new["blocks.2.hook_resid_post"] - old["blocks.2.hook_resid_post"])[rows, end] * direction).sum(-1)
    torch.testing.assert_close(changes.sum((0, 1)) + written, frozen)
    assert changes[0].abs().max() < 1e-12 and changes[1, [0, 1]].abs().max() < 1e-12
    if not model.config.layer_norm and model.config.attn_only:
        torch.testing.assert_close(total, changes.sum((0, 1)))

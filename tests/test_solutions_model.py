"""The block, the network and its weights against transformers; and every figure that the chapter's text gives."""

import json
import math
import os
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.models.gpt2.modeling_gpt2 import GPT2Block

from headwork.checkers.gpt2 import init_weights as judge
from headwork.checkers.gpt2 import load_pretrained as cases
from headwork.checkers.inputs import Rng
from headwork.solutions.gpt2.model import GPT2, TransformerBlock, init_weights, load_pretrained

TINY = [  # vocab, context, heads, d_head, d_mlp, layers, eps
    (11, 8, 2, 3, 13, 3, 1e-5),
    (7, 5, 1, 6, 4, 1, 0.1),
    (9, 6, 3, 2, 24, 12, 1e-3),
]


def theirs_of(vocab, context, heads, d_head, d_mlp, layers, eps, spread=0.5):
    """transformers' model, every parameter drawn anew: its default biases of 0 and norms of 1 would hide mistakes."""
    config = GPT2Config(
        vocab_size=vocab, n_positions=context, n_embd=heads * d_head, n_head=heads, n_inner=d_mlp, n_layer=layers,
        layer_norm_epsilon=eps, attn_implementation="eager", bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    model = GPT2LMHeadModel(config).double().eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=spread)
    return model


def ours_of(vocab, context, heads, d_head, d_mlp, layers, eps):
    return GPT2(vocab, context, heads * d_head, heads, d_mlp, layers, eps)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(1)


def worst(ours, theirs):
    """The largest difference as a fraction of the largest logit."""
    ours, theirs = ours.detach().double(), theirs.detach().double()
    return float((ours - theirs).abs().max() / theirs.abs().max())


@pytest.mark.parametrize("sizes", TINY)
@pytest.mark.parametrize("prefix", [True, False])
def test_the_network_is_transformers_gpt2(sizes, prefix):
    theirs = theirs_of(*sizes)
    ours = ours_of(*sizes)
    state = theirs.state_dict() if prefix else theirs.transformer.state_dict()
    assert load_pretrained(ours.double(), state) is ours
    for shape in [(1, 1), (5, 1), (1, sizes[1]), (3, sizes[1] - 1)]:
        tokens = torch.randint(sizes[0], shape)
        with torch.no_grad():
            assert worst(ours(tokens), theirs(tokens).logits) < 1e-9
            assert worst(ours.float()(tokens), theirs.float()(tokens).logits) < 1e-5
            ours.double()
            theirs.double()
            load_pretrained(ours, theirs.state_dict())


def test_the_block_is_transformers_block():
    config = GPT2Config(n_embd=12, n_head=3, n_inner=20, layer_norm_epsilon=0.05, attn_implementation="eager")
    theirs = GPT2Block(config, layer_idx=0).double().eval()
    ours = TransformerBlock(12, 3, 20, eps=0.05).double()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter)
    holder = nn.Module()
    holder.blocks = nn.ModuleList([ours])
    # What stands around the block in a GPT-2, so that load_pretrained can fill it.
    outside = GPT2(5, 4, 12, 3, 20, 1)
    holder.embed, holder.ln_final = outside.embed, outside.ln_final
    around = {"wte.weight": outside.embed.W_E, "wpe.weight": outside.embed.W_pos}
    around |= {"ln_f.weight": outside.ln_final.w, "ln_f.bias": outside.ln_final.b}
    load_pretrained(holder, around | {f"h.0.{name}": value for name, value in theirs.state_dict().items()})
    x = torch.randn(2, 5, 12, dtype=torch.float64)
    later = torch.zeros(5, 5, dtype=torch.float64).masked_fill(torch.ones(5, 5).triu(1).bool(), -1e300)
    got = theirs(x, attention_mask=later)
    torch.testing.assert_close(ours(x), got[0] if isinstance(got, tuple) else got, rtol=1e-9, atol=1e-9)


def test_the_block_worked_by_hand():
    """The text's numbers: attention doubles what it reads, the MLP flips the sign."""

    class Doubles(nn.Module):
        def forward(self, x):
            return 2 * x

    class Flips(nn.Module):
        def forward(self, x):
            return -x

    block = TransformerBlock(2, 1, 3, eps=1e-12)
    block.attn, block.mlp = Doubles(), Flips()
    x = torch.tensor([[[4.0, 0.0]]])
    torch.testing.assert_close(block(x), torch.tensor([[[5.0, -1.0]]]))
    middle = block.ln1(x + block.attn(x))  # the norm after the addition
    torch.testing.assert_close(block.ln2(middle + block.mlp(middle)), torch.zeros(1, 1, 2))


def test_equal_logits_do_not_see_the_key_bias():
    model = ours_of(*TINY[0]).double()
    load_pretrained(model, theirs_of(*TINY[0]).state_dict())
    tokens = torch.randint(11, (2, 7))
    before = model(tokens)
    with torch.no_grad():
        for block in model.blocks:
            block.attn.b_K.normal_(std=3)
    assert worst(model(tokens), before) < 1e-12


def test_gradients_are_those_of_transformers():
    theirs, ours = theirs_of(*TINY[0]), ours_of(*TINY[0]).double()
    load_pretrained(ours, theirs.state_dict())
    tokens, along = torch.randint(11, (2, 6)), torch.randn(2, 6, 11, dtype=torch.float64)
    (theirs(tokens).logits * along).sum().backward()
    (ours(tokens) * along).sum().backward()
    expected = {name: each.grad for name, each in theirs.transformer.named_parameters()}
    filled = load_pretrained(ours_of(*TINY[0]).double(), expected)
    for (name, mine), (_, other) in zip(ours.named_parameters(), filled.named_parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.detach(), rtol=1e-9, atol=1e-9, msg=name)


def test_the_cases_state_is_what_transformers_calls_its_weights():
    """`as_transformers`, which makes the cases, against transformers' own names, shapes and logits."""
    vocab, context, heads, d_head, d_mlp, layers, _ = TINY[0]
    own = cases.network_weights(Rng("a"), vocab, context, heads, d_head, d_mlp, layers)
    theirs = theirs_of(*TINY[0])
    theirs.transformer.load_state_dict(cases.as_transformers(own, layers), strict=True)
    ours = ours_of(*TINY[0]).double()
    ours.load_state_dict(own, strict=True)
    tokens = torch.randint(vocab, (2, context))
    assert worst(ours(tokens), theirs(tokens).logits) < 1e-9


def test_what_older_files_hold_besides_the_weights_changes_nothing():
    theirs = theirs_of(*TINY[0])
    state = theirs.state_dict()
    state |= {f"transformer.h.{layer}.attn.bias": torch.ones(1, 1, 8, 8).tril().bool() for layer in range(3)}
    state |= {f"transformer.h.{layer}.attn.masked_bias": torch.tensor(-1e4) for layer in range(3)}
    ours = load_pretrained(ours_of(*TINY[0]).double(), state)
    tokens = torch.randint(11, (2, 7))
    assert worst(ours(tokens), theirs(tokens).logits) < 1e-9


def test_at_full_size_a_saved_gpt2_small_is_read_back_and_gives_the_same_logits(tmp_path):
    """Random weights: OpenAI's are not needed to know that every one of 124,439,808 numbers has its place."""
    config = GPT2Config(attn_implementation="eager")
    with torch.device("meta"):
        theirs = GPT2LMHeadModel(config)
    theirs.to_empty(device="cpu").eval()
    theirs.tie_weights()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.normal_(0, 0.05)
    theirs.save_pretrained(tmp_path, safe_serialization=True)
    state = load_file(tmp_path / "model.safetensors")
    with torch.device("meta"):
        ours = GPT2(config.vocab_size, config.n_positions, config.n_embd, config.n_head, 3072, config.n_layer)
    ours.to_empty(device="cpu")
    assert sum(parameter.numel() for parameter in ours.parameters()) == 124_439_808
    load_pretrained(ours, state)
    tokens = torch.randint(config.vocab_size, (1, 12))
    with torch.no_grad():
        assert worst(ours(tokens), theirs(tokens).logits) < 1e-5


def _openai() -> Path | None:
    """Where OpenAI's weights lie: the folder $HEADWORK_GPT2, or transformers' cache."""
    if "HEADWORK_GPT2" in os.environ:
        return Path(os.environ["HEADWORK_GPT2"]) / "model.safetensors"
    from huggingface_hub import try_to_load_from_cache

    found = (try_to_load_from_cache(name, "model.safetensors") for name in ("openai-community/gpt2", "gpt2"))
    return next((Path(each) for each in found if isinstance(each, str)), None)


def test_with_openais_weights_the_logits_are_transformers():
    file = _openai()
    if file is None:
        pytest.skip("OpenAI's weights are neither in transformers' cache nor in $HEADWORK_GPT2")
    config = GPT2Config(**json.loads((file.parent / "config.json").read_text()), attn_implementation="eager")
    theirs = GPT2LMHeadModel.from_pretrained(file.parent, config=config).eval()
    ours = load_pretrained(GPT2(50257, 1024, 768, 12, 3072, 12), load_file(file))
    tokens = torch.randint(50257, (1, 20))
    with torch.no_grad():
        assert worst(ours(tokens), theirs(tokens).logits) < 1e-5
        text = torch.tensor([[464, 3797, 3332, 319, 262]])  # 'The cat sat on the'
        assert F.cross_entropy(ours(text)[0, :-1], text[0, 1:]) < 5


def test_the_parameters_are_counted_as_in_the_text():
    attention = 4 * 768 * 768 + 4 * 768
    mlp = 2 * 768 * 3072 + 3072 + 768
    block = 2 * 2 * 768 + attention + mlp
    assert (attention, mlp, block) == (2_362_368, 4_722_432, 7_087_872)
    assert 50257 * 768 == 38_597_376 and 1024 * 768 == 786_432 and 12 * block == 85_054_464
    assert 38_597_376 + 786_432 + 85_054_464 + 2 * 768 == 124_439_808
    with torch.device("meta"):
        model = GPT2(50257, 1024, 768, 12, 3072, 12)
        assert sum(each.numel() for each in model.blocks[0].parameters()) == block
    assert sum(each.numel() for each in model.parameters()) == 124_439_808


def test_first_weights_have_the_spread_of_transformers_own():
    config = GPT2Config(vocab_size=300, n_positions=64, n_embd=96, n_head=4, n_layer=6, bos_token_id=0, eos_token_id=0)
    theirs = GPT2LMHeadModel(config)  # drawn by transformers' own initialisation
    ours = GPT2(300, 64, 96, 4, 384, 6)
    init_weights(ours, 6, generator=torch.Generator().manual_seed(1))
    filled = load_pretrained(GPT2(300, 64, 96, 4, 384, 6), theirs.state_dict())
    for (name, mine), (_, other) in zip(ours.named_parameters(), filled.named_parameters(), strict=True):
        if float(other.detach().std()) > 0:
            assert float(mine.detach().std()) == pytest.approx(float(other.detach().std()), rel=0.05), name
        else:
            assert torch.equal(mine, other), name


def test_a_right_draw_passes_and_a_slightly_wrong_one_does_not():
    """The bounds are wide enough for right answers and narrow enough to tell a fifth too much."""
    for seed in range(10):
        for case in judge.ask.draw_cases(seed):
            model = GPT2(case.d_vocab, case.n_ctx, case.d_model, case.n_heads, case.d_mlp, case.n_layers)
            init_weights(model, case.n_layers, generator=torch.Generator().manual_seed(seed))
            drawn = {name: value.detach() for name, value in model.named_parameters()}
            for flaw in (judge._wrong_size, judge._wrong_constant, judge._not_normal, judge._not_independent):
                assert flaw(drawn, case) == ""
            larger = {name: value * 1.2 for name, value in drawn.items()}
            assert "standard deviation" in judge._wrong_size(larger, case)
            alike = {name: value.abs() for name, value in drawn.items()}
            assert "mean" in judge._wrong_size(alike, case)


def test_chernoffs_bound_for_a_sum_of_squares_bounds_it():
    """Against the gamma function: the tail of chi squared with 100 degrees of freedom at r times its mean."""
    n = 100
    for r in (0.5, 0.8, 1.3, 2.0):
        below = float(torch.special.gammainc(torch.tensor(n / 2).double(), torch.tensor(r * n / 2).double()))
        assert min(below, 1 - below) <= math.exp(-n / 2 * (r - 1 - math.log(r)))


def test_the_scale_of_the_residual_writers_keeps_the_stream_from_growing():
    """The text's table: the mean square of the stream's numbers, in a network of GPT-2 small's width."""
    for layers, scaled, unscaled in [(2, 0.092, 0.372), (12, 0.098, 2.46), (24, 0.100, 5.03)]:
        assert _stream(layers, scaled=True) == pytest.approx((0.0008, scaled), rel=0.02)
        assert _stream(layers, scaled=False) == pytest.approx((0.0008, unscaled), rel=0.02)


def test_an_mlps_share_of_the_growth_is_the_texts():
    """The mean square after the GELU, by numerical integration over the normal distribution."""
    spread = math.sqrt(768 * 0.02**2)
    x = torch.linspace(-12, 12, 100_001, dtype=torch.float64)
    density = torch.exp(-x.square() / 2) / math.sqrt(2 * math.pi)
    after = float((F.gelu(spread * x, approximate="tanh").square() * density).sum() * (x[1] - x[0]))
    assert spread**2 == pytest.approx(0.307, abs=5e-4) and after == pytest.approx(0.1065, abs=5e-5)
    assert 3072 * after * 0.02**2 == pytest.approx(0.131, abs=5e-4)


def _stream(layers, scaled):
    """The mean square before the first block and after the last; unscaled, all matrices are drawn with 0.02."""
    model = GPT2(100, 16, 768, 12, 3072, layers)
    init_weights(model, layers, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not scaled and name.endswith(("W_O", "W_out")):
                parameter.mul_(math.sqrt(2 * layers))
        residual = model.embed(torch.randint(100, (4, 16), generator=torch.Generator().manual_seed(3)))
        before = float(residual.square().mean())
        for block in model.blocks:
            residual = block(residual)
    return before, float(residual.square().mean())


def test_a_fresh_network_of_full_size_knows_nothing_but_leans_towards_what_it_reads():
    with torch.device("meta"):
        model = GPT2(50257, 1024, 768, 12, 3072, 12)
    model.to_empty(device="cpu")
    init_weights(model, 12, generator=torch.Generator().manual_seed(0))
    tokens = torch.randint(50257, (4, 65), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits = model(tokens)
    loss = float(F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten()))
    assert math.log(50257) == pytest.approx(10.825, abs=5e-4)
    assert loss == pytest.approx(10.93, abs=0.01)
    assert float(logits.std()) == pytest.approx(0.554, abs=0.002) == pytest.approx(0.02 * math.sqrt(768), abs=0.002)
    assert float(logits.gather(-1, tokens[..., None]).mean()) == pytest.approx(1.07, abs=0.01)
    assert float(logits.softmax(-1).max()) < 0.001

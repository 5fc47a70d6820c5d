"""The references for loss, schedule, sampling and search against PyTorch, transformers and brute force."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from headwork.solutions.gpt2.sampling import beam_search, repetition_penalty, temperature, top_k
from headwork.solutions.gpt2.training import learning_rate_schedule, next_token_loss


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(1)


def source(seed=0):
    return torch.Generator().manual_seed(seed)


def shares(tokens, rows, vocab):
    """How often each token came in each row, (row, vocab); all draws of the first row first."""
    drawn = tokens.reshape(rows, -1)
    return torch.stack([torch.bincount(row, minlength=vocab) for row in drawn]) / drawn.shape[1]


def test_the_loss_is_the_definition_in_plain_loops():
    logits, tokens = 3 * torch.randn(3, 5, 7, dtype=torch.float64), torch.randint(7, (3, 5))
    surprises = []
    for row in range(3):
        for position in range(4):
            scores = logits[row, position].tolist()
            likely = math.exp(scores[tokens[row, position + 1]]) / sum(map(math.exp, scores))
            surprises.append(-math.log(likely))
    assert next_token_loss(logits, tokens).item() == pytest.approx(sum(surprises) / 12, abs=1e-12)


def test_the_loss_is_that_of_transformers_gpt2():
    from transformers import GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(GPT2Config(vocab_size=11, n_positions=8, n_embd=12, n_layer=1, n_head=2)).double().eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)
    tokens = torch.randint(11, (3, 6))
    theirs = model(tokens, labels=tokens)
    assert next_token_loss(theirs.logits, tokens).item() == pytest.approx(theirs.loss.item(), abs=1e-6)


def test_the_losss_gradient_is_the_finite_difference():
    logits, tokens = torch.randn(2, 4, 5, dtype=torch.float64, requires_grad=True), torch.randint(5, (2, 4))
    assert torch.autograd.gradcheck(lambda scores: next_token_loss(scores, tokens), (logits,))


def test_the_text_by_hand_costs_one_and_a_half_bits():
    x = math.log(2)
    logits = torch.tensor([[[x, 0, 0], [0, 0, x], [0, x, 0]]], dtype=torch.float64)
    assert next_token_loss(logits, torch.tensor([[2, 0, 1]])).item() == pytest.approx(1.5 * x)


@pytest.mark.parametrize(("warmup", "total", "floor"), [(4, 12, 0.1), (0, 9, 0.0), (1, 30, 0.5), (20, 21, 0.01)])
def test_the_schedule_is_pytorchs_line_and_cosine(warmup, total, floor):
    peak = 0.7
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=peak)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=total - warmup, eta_min=floor)
    for step in range(warmup):
        assert learning_rate_schedule(step, peak, warmup, total, floor) == pytest.approx(peak * step / warmup)
    for step in range(warmup, total + 1):
        rate = learning_rate_schedule(step, peak, warmup, total, floor)
        assert rate == pytest.approx(optimiser.param_groups[0]["lr"], abs=1e-12)
        optimiser.step()
        cosine.step()
    assert learning_rate_schedule(7 * total, peak, warmup, total, floor) == floor


def test_the_schedule_is_that_of_transformers_when_it_falls_to_0():
    from transformers import get_cosine_schedule_with_warmup

    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.3)
    theirs = get_cosine_schedule_with_warmup(optimiser, num_warmup_steps=5, num_training_steps=17)
    for step in range(25):
        expected = theirs.get_last_lr()[0] if step <= 17 else 0
        assert learning_rate_schedule(step, 0.3, 5, 17, 0.0) == pytest.approx(expected, abs=1e-15)
        optimiser.step()
        theirs.step()


def test_half_a_cosine_and_a_line_sum_to_the_same():
    rates = [learning_rate_schedule(step, 1, 0, 40, 0.2) for step in range(41)]
    assert sum(rates) / 41 == pytest.approx(0.6)


@pytest.mark.parametrize("heat", [0.3, 1.0, 4.0])
def test_a_temperature_draws_from_the_softmax_that_transformers_draws_from(heat):
    from transformers.generation.logits_process import TemperatureLogitsWarper

    logits = 2 * torch.randn(3, 6)
    law = TemperatureLogitsWarper(heat)(None, logits).softmax(-1)
    drawn = temperature(logits.repeat_interleave(5000, 0), heat, generator=source())
    assert (shares(drawn, 3, 6) - law).abs().max() < 5 * math.sqrt(0.25 / 5000)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("heat", [0, 1e-3, 1e-30])
def test_a_cold_draw_is_the_likeliest_token_in_every_precision(dtype, heat):
    logits = torch.tensor([[3.0, 90, -5, 80], [-100, -400, -99, -7]], dtype=dtype)
    assert temperature(logits.repeat(20, 1), heat, generator=source()).tolist() == [1, 3] * 20


def test_temperature_0_uses_no_randomness():
    generator = source()
    before = generator.get_state()
    temperature(torch.randn(3, 5), 0, generator)
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize("k", [1, 3, 11, 40])
def test_the_k_likeliest_are_those_of_transformers(k):
    from transformers.generation.logits_process import TopKLogitsWarper

    logits = 2 * torch.randn(4, 11)
    law = TopKLogitsWarper(k)(None, logits.clone()).softmax(-1)
    counts = shares(top_k(logits.repeat_interleave(4000, 0), k, generator=source(3)), 4, 11)
    assert ((law == 0) <= (counts == 0)).all()
    assert (counts - law).abs().max() < 5 * math.sqrt(0.25 / 4000)


@pytest.mark.parametrize("penalty", [0.5, 1.0, 1.3])
def test_the_penalty_is_that_of_transformers(penalty):
    from transformers.generation.logits_process import RepetitionPenaltyLogitsProcessor

    logits, tokens = torch.randn(4, 9, dtype=torch.float64), torch.randint(9, (4, 6))
    theirs = RepetitionPenaltyLogitsProcessor(penalty)(tokens, logits.clone())
    torch.testing.assert_close(repetition_penalty(logits, tokens, penalty), theirs, rtol=0, atol=0)


def test_the_penalty_by_hand_and_its_dependence_on_a_constant():
    logits, tokens = torch.tensor([[2, -1, 0.5, 1]]), torch.tensor([[0, 0, 1, 0]])
    assert repetition_penalty(logits, tokens, 2).tolist() == [[1, -2, 0.5, 1]]
    before, after = (repetition_penalty(logits + by, tokens, 2).softmax(-1)[0, 0].item() for by in (0, 10))
    assert (round(before, 3), round(after, 3)) == (0.376, 0.004)


class Tree:
    """A language given by the probabilities of the next token after each text; even where nothing is given."""

    def __init__(self, vocab, **after):
        self.vocab, self.after = vocab, {tuple(map(int, text[1:])): law for text, law in after.items()}

    def __call__(self, tokens):
        even = [1 / self.vocab] * self.vocab
        rows = [[self.after.get(tuple(row[1 : end + 1]), even) for end in range(len(row))] for row in tokens.tolist()]
        return torch.tensor(rows, dtype=torch.float64).log()


def random_language(vocab):
    """Logits that depend on the last two tokens, and on all of them with their places."""
    pairs = torch.randn(vocab, vocab, vocab, dtype=torch.float64)
    texts = torch.randn(31, vocab, dtype=torch.float64)

    def language(tokens):
        text = (tokens * (2 * torch.arange(tokens.shape[1]) + 1)).cumsum(-1) % 31
        return pairs[F.pad(tokens, (1, -1)), tokens] + texts[text]

    return language


def exhaustive(model, prompt, n_new, vocab):
    """Every continuation with its log-probability, likeliest first, each scored by itself."""
    found = []
    for new in itertools.product(range(vocab), repeat=n_new):
        text = [*prompt.tolist(), *new]
        table = model(torch.tensor([text]))[0].log_softmax(-1)
        found.append((sum(table[len(prompt) - 1 + i, token].item() for i, token in enumerate(new)), text))
    return sorted(found, reverse=True)


@pytest.mark.parametrize(("vocab", "n_new", "n_beams"), [(4, 3, 16), (3, 4, 27), (5, 2, 5), (2, 5, 16), (3, 2, 50)])
def test_a_wide_enough_search_is_exhaustive(vocab, n_new, n_beams):
    for _ in range(5):
        model, prompt = random_language(vocab), torch.randint(vocab, (3,))
        sequences, scores = beam_search(model, prompt, n_new, n_beams)
        expected = exhaustive(model, prompt, n_new, vocab)[:n_beams]
        assert sequences.tolist() == [text for _, text in expected]
        assert scores.tolist() == pytest.approx([score for score, _ in expected], abs=1e-12)


@pytest.mark.parametrize("n_beams", [1, 2, 3, 7])
def test_a_narrow_search_is_the_definition_in_plain_loops(n_beams):
    for _ in range(5):
        model, prompt = random_language(4), torch.randint(4, (2,))
        beams = [(0.0, prompt.tolist())]
        for _ in range(5):
            grown = []
            for score, text in beams:
                law = model(torch.tensor([text]))[0, -1].log_softmax(-1).tolist()
                grown += [(score + step, [*text, token]) for token, step in enumerate(law)]
            beams = sorted(grown, reverse=True)[:n_beams]
        sequences, scores = beam_search(model, prompt, 5, n_beams)
        assert sequences.tolist() == [text for _, text in beams]
        assert scores.tolist() == pytest.approx([score for score, _ in beams], abs=1e-12)


def test_two_beams_see_what_greed_misses():
    model = Tree(2, _=[0.6, 0.4], _0=[0.55, 0.45], _1=[0.9, 0.1])
    assert beam_search(model, torch.tensor([0]), 2, 1)[1].exp().tolist() == pytest.approx([0.33])
    sequences, scores = beam_search(model, torch.tensor([0]), 2, 2)
    assert sequences.tolist() == [[0, 1, 0], [0, 0, 0]]
    assert scores.exp().tolist() == pytest.approx([0.36, 0.33])


def test_a_wider_search_can_find_less():
    few = [0.28, 0.24, 0.24, 0.24]
    even = [0.25] * 4
    model = Tree(
        4, _=[0.4, 0.35, 0.15, 0.1], _0=few, _1=[0.48, 0.48, 0.02, 0.02], _2=even, _3=even,
        _00=[0.97, 0.01, 0.01, 0.01], _10=few, _11=few,
    )  # fmt: skip
    best = [beam_search(model, torch.tensor([0]), 3, width)[1][0].exp().item() for width in (1, 2, 16)]
    assert best == pytest.approx([0.4 * 0.28 * 0.97, 0.35 * 0.48 * 0.28, 0.4 * 0.28 * 0.97])


def test_a_beam_search_holds_no_graph():
    table = nn.Parameter(torch.randn(5, 5))
    _, scores = beam_search(lambda tokens: table[tokens], torch.tensor([1, 2]), 3, 4)
    assert not scores.requires_grad and scores.dtype == torch.float32

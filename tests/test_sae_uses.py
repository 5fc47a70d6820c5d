"""The finding on what is used and what can only be read: the experiment, and what must not pay."""

import random
import re
import time

import pytest
import torch

from headwork.checkers.probing import Case
from headwork.checkers.sae import used_or_recoverable
from headwork.checkers.sae.judge.properties import PROPERTIES
from headwork.checkers.sae.judge.trials import CLAIMS, LAYER, MEANS, trials, use
from headwork.checkers.sae.judge.uses import RECOVERABLE, USED, Use, areas, effects
from headwork.checkers.sae.used_or_recoverable import ask, wrong
from headwork.models.data.english.words import FEMALE, NAMES
from headwork.solutions.sae.effects import ablate_and_steer
from headwork.solutions.sae.findings import USED_OR_RECOVERABLE

SEED = 1
CASE = Case("fresh texts", seed=SEED)
TRUE = dict(USED_OR_RECOVERABLE)


def said(answer):
    return [check.flaw(answer, CASE) for check in ask.list_of_checks]


def test_effects_are_those_of_hooks_at_the_same_activation():
    model, found = trials(SEED).model, trials(SEED).tried
    rows = found.counts.sum(1).argsort()[[0, 1, -1]]
    tokens, counts = found.tokens[rows], found.counts[rows]
    latents = trials(SEED).latents[rows]
    latent = int((latents > 0).sum((0, 1)).argmax())
    direction = trials(SEED).sae.W_dec[latent]

    def changed(along):
        def hook(x, point):
            return x - latents[..., latent, None] * along

        return model.run_with_hooks(tokens, [("blocks.1.hook_resid_post", hook)]).log_softmax(-1)

    clean = changed(torch.zeros_like(direction))
    active = (latents[..., latent] > 0) & counts
    expected = []
    for along in (direction, 3 * direction):
        rest = changed(along)
        each = torch.nn.functional.kl_div(rest, clean, log_target=True, reduction="none").sum(-1)
        expected.append(each[active].mean())
    with torch.no_grad():
        made = effects(model, LAYER, found.x[rows], latents[..., latent], torch.stack([direction, 3 * direction]))
    torch.testing.assert_close(made, torch.stack(expected), rtol=1e-4, atol=1e-6)


def test_effects_are_those_that_the_chapter_asks_learners_for():
    model, found, sae = trials(SEED).model, trials(SEED).tried, trials(SEED).sae
    rows = found.counts.sum(1).argsort()[:6]
    x, counts, code = found.x[rows], found.counts[rows, :, None], trials(SEED).latents[rows]
    latent = int((code > 0).sum((0, 1)).argmax())

    def run(change):
        return model(torch.where(counts, change(x), x), start_at_layer=LAYER)

    class OnText:
        W_dec = sae.W_dec

        def __call__(self, flat):
            return None, code.flatten(0, 1)

    directions = torch.randn(2, x.shape[-1], generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        theirs = ablate_and_steer(run, OnText(), latent, 0.0, directions)
        scaled = directions / directions.norm(dim=-1, keepdim=True) * sae.W_dec[latent].norm()
        ours = effects(model, LAYER, x, code[..., latent], torch.cat([sae.W_dec[latent][None], scaled]))
    expected = torch.cat([theirs["ablated"][None], theirs["ablated at random"]])
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-6)


def test_a_direction_that_is_taken_out_nowhere_has_no_effect_and_no_verdict():
    found = trials(SEED).tried
    none = effects(trials(SEED).model, LAYER, found.x[:2], torch.zeros(found.counts[:2].shape), torch.ones(3, 128))
    assert none.tolist() == [0, 0, 0]
    assert Use(1.0, 0.0, torch.zeros(20)).verdict == ""


def test_areas_are_the_share_of_pairs_in_order():
    source = torch.Generator().manual_seed(3)
    latents = torch.randint(0, 4, (40, 3), generator=source).float()  # with ties
    truth = torch.rand(40, generator=source) < 0.3
    for latent, area in enumerate(areas(latents, truth)):
        pairs = latents[truth, latent][:, None] - latents[~truth, latent]
        assert float(area) == pytest.approx(float(((pairs > 0).double() + (pairs == 0) / 2).mean()))


@pytest.mark.parametrize(
    ("area", "effect", "verdict"),
    [(1.0, 2.1, USED), (0.5, 2.1, USED), (1.0, 1.5, ""), (1.0, 0.9, RECOVERABLE), (0.89, 0.9, "")],
)
def test_between_used_and_recoverable_nothing_is_decided(area, effect, verdict):
    controls = torch.cat([torch.full((17,), 1.0), torch.full((3,), 2.0)]).double()
    assert Use(area, effect, controls).verdict == verdict


def test_properties_hold_where_the_text_says():
    model, found = trials(SEED).model, trials(SEED).tried
    rng = random.Random(0)
    for text in rng.sample(range(len(found.tokens)), 12):
        words = [model.tokenizer.decode([token]) for token in found.tokens[text].tolist()]
        for place in range(1, int(found.counts[text].sum()) + 1):
            word, before = words[place], words[place - 1]
            name, small = word.strip() in NAMES and word[0] == " ", re.fullmatch(" [a-z]+", word)
            expected = {
                "a name": name,
                "a name that stood before": word in words[:place] if name else None,
                "a woman's name": word.strip() in FEMALE if name else None,
                "the name Ethan": word == " Ethan",
                "the word the": word == " the",
                "the word lost": word == " lost",
                "a vowel first": word[1] in "aeiou" if small else None,
                "after and": before == " and",
                "one of the first seven": place <= 7,
            }
            assert expected.keys() == PROPERTIES.keys()
            tokens = found.tokens[text : text + 1]
            for each, truth in expected.items():
                asked = bool(PROPERTIES[each].asked(tokens, model.tokenizer)[0, place])
                assert asked == (truth is not None), (each, word)
                if asked:
                    assert bool(PROPERTIES[each].holds(tokens, model.tokenizer)[0, place]) == truth, (each, word)


def test_a_probe_is_the_discriminant_of_a_library_of_its_own():
    """Least squares on the two groups gives Fisher's direction, up to its length and the little ridge."""
    name = "a woman's name"
    direction, without = trials(SEED).direction(name, "probe")
    yes, no = (trials(SEED).found.x[where].double() for where in trials(SEED).classes(trials(SEED).found, name))
    design = torch.cat([torch.cat([yes, no]), torch.ones(len(yes) + len(no), 1)], 1)
    target = torch.cat([torch.ones(len(yes)), torch.zeros(len(no))]).double()
    fitted = torch.linalg.lstsq(design, target[:, None]).solution[:-1, 0]
    assert float(torch.cosine_similarity(fitted, direction.double(), dim=0)) > 0.97
    assert without == pytest.approx(float((no.float() @ direction).mean()), abs=1e-4)
    means, _ = trials(SEED).direction(name, MEANS)
    assert float(means.norm()) == pytest.approx(1, abs=1e-5)


def test_the_answer_holds_and_is_far_from_the_bounds_and_a_judgement_takes_seconds():
    """`python -m headwork.checkers.sae.judge.trials` prints what the answers are when weights have changed."""
    start = time.process_time()
    assert said(TRUE) == ["", ""]
    assert time.process_time() - start < 15
    assert TRUE.keys() == CLAIMS.keys()
    for name, word in TRUE.items():
        found = use(SEED, name)
        assert found.area >= 0.9, name
        assert found.ratio > 1.4 * found.bound if word == USED else found.ratio < 0.9, name


def test_saying_the_same_of_all_is_worth_one_half_and_no_points():
    for word in (USED, RECOVERABLE):
        answer = dict.fromkeys(CLAIMS, word)
        assert wrong(answer, SEED)[0] == 0.5
        assert all(said(answer))


def test_no_rule_that_forgoes_the_controls_gets_points():
    """Neither how a direction was found, nor the AUC, nor the size of the effect, from whichever bound on."""
    rules = {"effect": lambda name: use(SEED, name).effect, "area": lambda name: use(SEED, name).area}
    for rule in rules.values():
        for bound in CLAIMS:
            answer = {name: USED if rule(name) >= rule(bound) else RECOVERABLE for name in CLAIMS}
            assert said(answer)[1], bound
    kinds = {str(how) if isinstance(how, str) else "latent" for _, how in CLAIMS.values()}
    for kind in kinds:
        found = {word for name, word in TRUE.items() if name.split()[-1] == kind or f" {kind} " in f" {name} "}
        assert found == {USED, RECOVERABLE}, kind


def test_guesses_hardly_ever_get_points():
    rng = random.Random(0)
    got = sum(not said({name: rng.choice([USED, RECOVERABLE]) for name in CLAIMS})[0] for _ in range(100))
    assert got < 8  # 11 of 1024 guesses have at most one wrong


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (None, "the answer is a dict"),
        ([], "the answer is a dict"),
        ("used", "the answer is a dict"),
        (list(TRUE.items()), "the answer is a dict"),
        ({}, "nothing is said of"),
        ({**TRUE, "a man's name, by means": USED}, "is none of the directions"),
        ({**TRUE, 3: USED}, "is none of the directions"),
        ({**TRUE, "A name, by a probe": USED}, "is none of the directions"),
        ({**TRUE, "a name, by a probe": ""}, "say 'used' or 'recoverable only'"),
        ({**TRUE, "a name, by a probe": True}, "say 'used' or 'recoverable only'"),
        ({**TRUE, "a name, by a probe": [USED, RECOVERABLE]}, "say 'used' or 'recoverable only'"),
        ({**TRUE, "a name, by a probe": "used or recoverable only"}, "say 'used' or 'recoverable only'"),
        (dict.fromkeys(TRUE, ""), "say 'used' or 'recoverable only'"),
    ],
)
def test_a_malformed_answer_is_told_in_one_sentence_what_it_should_be(answer, told):
    for sentence in said(answer):
        assert told in sentence
        assert "\n" not in sentence


def test_a_wrong_claim_is_told_what_was_measured_and_not_the_answer():
    answer = {**TRUE, "a woman's name, by means": USED}
    most, every = said(answer)
    assert most == ""  # one of ten
    assert "a woman's name, by means" in every
    assert len(re.findall(r"\d nats|AUC is \d", every)) == 2
    assert not re.search(f"{RECOVERABLE}|not used|is used", every)


def test_a_claim_is_wrong_only_where_a_second_draw_of_texts_says_so_too(monkeypatch):
    odd = "the name Ethan, latent 838"
    beyond = Use(1.0, 5.0, torch.ones(20))

    def draws(*seeds: int):
        return lambda seed, name: beyond if name == odd and seed in seeds else use(SEED, name)

    monkeypatch.setattr(used_or_recoverable, "use", draws(SEED))
    assert not wrong(TRUE, SEED)[1]
    monkeypatch.setattr(used_or_recoverable, "use", draws(SEED, SEED + 1))
    assert wrong(TRUE, SEED)[1] == [odd]

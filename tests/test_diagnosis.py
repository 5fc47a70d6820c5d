"""Wrong answers as learners write them, and right ones in every style, through the whole way of a submission."""

import textwrap

import pytest

from headwork.chapters.course import COURSE
from headwork.checkers.catalogue import exercise
from headwork.grading.expect import reference_source
from headwork.grading.report import Verdict
from headwork.grading.submission import read_text


@pytest.fixture
def verdict(grader):
    """Grades a text."""

    def grade(id: str, source: str) -> Verdict:
        return grader.grade(read_text("exercises.py", textwrap.dedent(source)), [id]).verdicts[0]

    return grade


@pytest.fixture
def edited(grader):
    """Grades the reference with passages replaced: pairs of old and new text."""

    def grade(id: str, *passages: str) -> Verdict:
        source = reference_source(exercise(id))
        for old, new in zip(passages[::2], passages[1::2], strict=True):
            assert source.count(old) == 1, old
            source = source.replace(old, new)
        return grader.grade(read_text("exercises.py", source), [id]).verdicts[0]

    return grade


PATTERN_HEAD = """
import torch, math
def attention_pattern(q, k):
    scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / math.sqrt(q.shape[-1])
    mask = torch.triu(torch.ones(q.shape[1], k.shape[1], dtype=torch.bool), diagonal=1)
"""


@pytest.mark.parametrize("filler", ["-torch.inf", "-1e9", "torch.finfo(scores.dtype).min", "float('-inf')"])
def test_any_way_to_mask_passes_where_the_pattern_is_what_counts(verdict, filler):
    assert verdict(
        "gpt2.attention_pattern", PATTERN_HEAD + f"    return scores.masked_fill(mask, {filler}).softmax(-1)"
    ).passed


def test_a_mask_applied_after_the_softmax_is_named(verdict):
    tail = "    weights = torch.softmax(scores, dim=-1)\n    weights[:, :, mask] = 0\n    return weights"
    assert "mask comes after the softmax" in verdict("gpt2.attention_pattern", PATTERN_HEAD + tail).mistake


def test_a_masked_score_of_zero_is_named(verdict):
    tail = "    return torch.where(mask, torch.zeros_like(scores), scores).softmax(dim=-1)"
    assert "set to 0, and exp(0) is 1" in verdict("gpt2.attention_pattern", PATTERN_HEAD + tail).mistake


def test_a_mask_and_a_scale_that_are_both_wrong_are_both_named(edited):
    got = edited("gpt2.attention_pattern", " / q.shape[-1] ** 0.5", "", ".triu(1)", ".triu(2)")
    assert "not scaled" in got.mistake and "sees the next position" in got.mistake


@pytest.mark.parametrize(
    "formula",
    [
        "(residual - mean) / (residual.var(-1, keepdim=True) + self.eps).sqrt()",
        "(residual - mean) / torch.std(residual, dim=-1, keepdim=True, unbiased=True)",
    ],
)
def test_an_unbiased_variance_fails(edited, formula):
    got = edited("gpt2.layer_norm", "(residual - mean) / (variance + self.eps).sqrt()", formula)
    assert got.status == "failed" and got.points == 0 and "n - 1" in got.mistake


@pytest.mark.parametrize("denominator", ["variance.sqrt() + self.eps", "(variance + self.eps ** 2).sqrt()"])
def test_a_misplaced_eps_fails(edited, denominator):
    got = edited("gpt2.layer_norm", "(variance + self.eps).sqrt()", f"({denominator})")
    assert got.status == "failed" and got.points == 0


def test_a_formula_that_loses_float32s_precision_far_from_zero_fails_that_check_alone(edited):
    got = edited(
        "gpt2.layer_norm",
        "variance = residual.var(-1, correction=0, keepdim=True)",
        "variance = residual.square().mean(-1, keepdim=True) - mean.square()",
    )
    failed = [check.title for check in got.checks if not check.passed]
    assert failed == ["keeps its precision far from zero"]


def test_an_input_changed_in_place_is_said_even_when_the_numbers_are_right(edited):
    got = edited(
        "gpt2.layer_norm",
        "mean = residual",
        "residual.mul_(1); residual.add_(0.0); residual[0, 0, 0] += 1e-3; mean = residual",
    )
    assert got.status != "passed" and "changed in place" in got.message + got.checks[-2].message


def test_code_that_fixes_float32_passes_with_a_note(edited):
    got = edited(
        "gpt2.layer_norm",
        "mean = residual.mean",
        "dtype, residual = residual.dtype, residual.float(); mean = residual.mean",
        "normalised * self.w",
        "normalised.to(dtype) * self.w",
    )
    assert got.passed and any("float32" in note for note in got.notes)


def test_an_attention_without_a_pattern_function_may_use_scaled_dot_product_attention(verdict):
    source = reference_source(exercise("gpt2.attention"))
    body = source[source.index("class Attention") :]
    body = body.replace(
        "pattern = attention_pattern(q, k)  # (batch, head, query, key)",
        "heads_first = [x.transpose(1, 2) for x in (q, k, v)]",
    ).replace(
        'z = torch.einsum("bhqk,bkhd->bqhd", pattern, v)',
        "z = F.scaled_dot_product_attention(*heads_first, is_causal=True).transpose(1, 2)",
    )
    assert verdict(
        "gpt2.attention", "import torch\nfrom torch import nn, Tensor\nimport torch.nn.functional as F\n" + body
    ).passed


def test_a_wrong_pattern_is_not_counted_twice_against_attention(edited, grader):
    source = reference_source(exercise("gpt2.attention")).replace(".triu(1)", ".triu(2)")
    report = grader.grade(read_text("exercises.py", source), ["gpt2.attention_pattern", "gpt2.attention"])
    assert [each.status for each in report.verdicts] == ["failed", "passed"]


PATTERNS = {
    "not written yet": "raise NotImplementedError",
    "wrong": "return (q @ k).softmax(-1)",
    "with an argument more": "assert scale; return pattern_of(q, k, scale)",
}


@pytest.mark.parametrize("body", PATTERNS.values(), ids=PATTERNS)
def test_an_attention_is_judged_by_itself_whatever_its_pattern(verdict, body):
    source = attention_with(body)
    assert verdict("gpt2.attention", source).passed


@pytest.mark.parametrize("body", [PATTERNS["not written yet"], PATTERNS["wrong"]])
def test_a_mistake_in_attention_is_named_whatever_its_pattern(verdict, body):
    source = attention_with(body).replace("z, self.W_O) + self.b_O", "z, self.W_O) + self.b_O * self.W_O.shape[0]")
    assert "b_O is added once a head" in verdict("gpt2.attention", source).mistake


def attention_with(body: str) -> str:
    """The reference's Attention on a pattern function of another body, given one argument more if it asks for it."""
    source = reference_source(exercise("gpt2.attention"))
    call = "(q, k, self.W_Q.shape[-1] ** 0.5)  #" if "scale" in body else "(q, k)  #"
    kept = source[source.index("class Attention") :].replace("(q, k)  #", call)
    right = source[source.index("def attention_pattern") : source.index("class Attention")]
    helper = right.replace("attention_pattern(q: Tensor, k: Tensor)", "pattern_of(q, k, scale)")
    head = "import torch\nfrom torch import Tensor, nn\n"
    return f"{head}{helper}\ndef attention_pattern(q, k, scale=None):\n    {body}\n\n{kept}"


@pytest.mark.parametrize("eighths", [3, 5])
def test_top_p_by_any_algorithm_passes(verdict, eighths):
    """Gumbel noise over the nucleus instead of multinomial."""
    source = f"""
    import torch
    def top_p(logits, p, generator=None):
        order = logits.argsort(-1, descending=True)
        sums = logits.softmax(-1).gather(-1, order).cumsum(-1)
        inside = torch.cat([torch.ones_like(sums[:, :1]).bool(), sums[:, :-1] < p], -1)
        noise = -(-torch.rand(logits.shape, generator=generator, dtype=torch.float64).log()).log()
        scores = (logits.gather(-1, order) + noise).masked_fill(~inside, -1e300) + {eighths} / 8
        return order.gather(-1, scores.argmax(-1, keepdim=True)).flatten()
    """
    assert verdict("gpt2.top_p", source).passed


def test_a_hook_layer_that_leaves_hooks_after_an_exception_is_told_to_use_finally(verdict):
    source = """
    def run_with_hooks(model, tokens, hooks):
        handles = []
        for name, hook in hooks:
            module = dict(model.named_modules())[name]
            def forward_hook(mod, inp, out, fn=hook):
                return fn(out, mod)
            handles.append((name, forward_hook))
        names = dict(model.named_modules())
        added = [names[name].register_forward_hook(fn) for name, fn in handles]
        out = model(tokens)
        for handle in added:
            handle.remove()
        return out
    """
    assert "finally" in verdict("induction.run_with_hooks", source).mistake


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("return normalised * self.w + self.b", "return 3 * (normalised * self.w + self.b)"), "3 times"),
        (("return normalised * self.w + self.b", "return -(normalised * self.w + self.b)"), "sign"),
        (("return normalised * self.w + self.b", "return normalised * self.w + self.b + 2"), "+2"),
        (
            ("return normalised * self.w + self.b", "return (normalised * self.w + self.b).flip(0)"),
            "backwards along axis 0",
        ),
        (
            ("return normalised * self.w + self.b", "return (normalised * self.w + self.b).transpose(0, 1)"),
            "axes 0 and 1",
        ),
        (
            ("return normalised * self.w + self.b", "return (normalised * self.w + self.b).roll(1, 1)"),
            "shifted by one along axis 1",
        ),
        (("return normalised * self.w + self.b", "return torch.ones_like(residual)"), "Every entry is 1"),
    ],
)
def test_what_no_mistake_explains_is_described_by_what_can_be_seen(edited, change, words):
    got = edited("gpt2.layer_norm", *change)
    assert not got.mistake and words in got.message, got


def test_an_answer_that_is_right_for_one_value_of_an_option_is_told_which(edited):
    got = edited("gpt2.layer_norm", "variance + self.eps", "variance + (0.1 if self.eps == 0.1 else 1e-2)")
    assert "eps" in got.message + got.detail


# what bad code gets

MODULE = "import torch\nclass LayerNorm(torch.nn.Module):\n"


@pytest.mark.parametrize(
    ("source", "status", "words"),
    [
        ("class LayerNorm:\n    def __init__(self, width, eps):\n        pass", "failed", "is not an nn.Module"),
        ("def LayerNorm(width):\n    return None", "error", "cannot be called as the exercise calls it"),
        (MODULE + "    def __init__(self, width, eps=1):\n        super().__init__()", "failed", "no parameter `w`"),
        ("class Layernorm: pass", "missing", "did you mean `Layernorm`"),
        ("class LayerNorm(:\n    pass", "error", "line 1"),
        (
            "import transformers\nclass LayerNorm(transformers.PreTrainedModel): pass",
            "forbidden",
            "`transformers` cannot be used",
        ),
        (MODULE + "    def __init__(self, w, eps):\n        1 / 0", "error", "ZeroDivisionError"),
    ],
)
def test_bad_code_gets_a_sentence_that_says_what_to_do(verdict, source, status, words):
    got = verdict("gpt2.layer_norm", source)
    assert (got.status, got.points) == (status, 0)
    assert words in got.message


def test_an_exception_shows_the_learners_own_frames_and_the_shapes_there(edited):
    got = edited("gpt2.layer_norm", "return normalised * self.w + self.b", "return normalised @ residual")
    assert got.status == "error" and "RuntimeError" in got.message
    assert "return normalised @ residual" in got.detail and "residual (2, 5, 6)" in got.detail
    assert "runner.py" not in got.detail and "probes.py" not in got.detail


def test_a_stub_left_as_it_was_is_not_started_and_no_fault(grader):
    made = (COURSE / "gpt2" / "exercises.py").read_text(encoding="utf-8")
    report = grader.grade(read_text("exercises.py", made))
    assert {each.status for each in report.verdicts} == {"not_started"}


def test_what_the_learner_prints_comes_back(edited):
    got = edited("gpt2.layer_norm", "mean = residual", "print('<script>', residual.shape); mean = residual")
    assert got.passed and "<script> torch.Size([2, 5, 6])" in got.printed


def test_a_mention_that_is_never_called_is_no_fault(edited):
    got = edited("gpt2.layer_norm", "mean = residual", "shortcut = F.layer_norm  # not called\n        mean = residual")
    assert got.passed

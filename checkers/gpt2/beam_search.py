"""`gpt2.beam_search`: the likeliest continuations that a bounded search finds, with their log-probabilities."""

from collections.abc import Iterator

import torch
from torch import Tensor

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit, replace
from headwork.checkers.inputs import Rng, weights
from headwork.checkers.probing import Case

ask = Exercise("beam_search")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, vocab, length, n_new, n_beams, spread in [
        ("three beams", 7, 4, 5, 3, 1.0),
        ("one beam: greedy", 6, 3, 4, 1, 1.5),
        ("two beams see further than one", 5, 6, 3, 2, 0.8),
        ("more beams than tokens", 4, 2, 5, 9, 0.6),
        ("as many beams as sequences", 3, 5, 2, 9, 1.2),
        ("more beams than sequences", 3, 4, 2, 20, 1.0),
        ("one new token", 8, 3, 1, 4, 1.0),
    ]:
        while True:
            language = weights(rng, spread, W_pair=(vocab, vocab, vocab), W_text=(31, vocab))
            prompt = rng.integers((length,), vocab)
            if "further" not in name or _greed_errs(language, prompt, n_new):
                break
        yield Case(name, weights=language, prompt=prompt, n_new=n_new, n_beams=n_beams)


def _greed_errs(language: dict[str, Tensor], prompt: Tensor, n_new: int) -> bool:
    """Whether the likeliest sequence begins with a token that is second for itself, well ahead of the greedy one."""
    found = {}
    for tokens in torch.cartesian_prod(*[torch.arange(language["W_text"].shape[-1])] * n_new):
        text, total = prompt.tolist(), 0.0
        for token in tokens.tolist():
            logits = _next(language, text)
            total += float(logits.log_softmax(-1)[token])
            text.append(token)
        found[tuple(tokens.tolist())] = total
    first = _next(language, prompt.tolist()).argsort(descending=True).tolist()
    best = max(found, key=found.__getitem__)
    return best[0] == first[1] and found[best] > 0.1 + max(found[each] for each in found if each[0] == first[0])


def _next(language: dict[str, Tensor], text: list[int]) -> Tensor:
    """The logits, (vocab,), of the token after `text` in the probe's language."""
    before = text[-2] if len(text) > 1 else 0
    weighted = sum((2 * position + 1) * token for position, token in enumerate(text))
    return language["W_pair"][before, text[-1]] + language["W_text"][weighted % len(language["W_text"])]


ask.checks(
    equal("sequences", title="finds the sequences that a search of this width finds, best first", weight=2),
    equal("log-probabilities", title="gives each sequence the log-probability of its new tokens"),
)

STEPS = "model(sequences)[:, -1].log_softmax(-1)"
START = "sequences, scores = prompt[None], torch.zeros(1, device=prompt.device)"
CHOICE = "scores, best = candidates.topk(min(n_beams, len(candidates)))"

COPIES = """
def beam_search(model, prompt, n_new, n_beams):
    sequences = prompt.repeat(n_beams, 1)
    scores = torch.full((n_beams,), {start}, device=prompt.device)
    scores[0] = 0
    for _ in range(n_new):
        steps = model(sequences)[:, -1].log_softmax(-1)
        vocab = steps.shape[-1]
        scores, best = (scores[:, None] + steps).flatten().topk(n_beams)
        {step}
    return sequences.detach(), scores.detach()
"""
UNMOVED = (
    "The new tokens are appended to the old sequences in their old order: each belongs to its parent, so reorder the "
    "sequences as the scores were."
)
JUNK = (
    "With more beams than there are sequences, copies that never were in the running come back too: return only real "
    "sequences."
)
ALONE = (
    "Each beam keeps its own best continuation: let all continuations of all beams compete, so that a good beam can "
    "have several children and a poor one none."
)

ask.mistakes(
    edit(
        STEPS,
        "model(sequences)[:, -1].softmax(-1)",
        "Probabilities are added: those of a sequence are multiplied, so add their logarithms.",
    ),
    edit(
        STEPS,
        "model(sequences)[:, -1]",
        "Raw logits are added: they can be compared within one row only. Make log-probabilities of them first.",
    ),
    edit(
        STEPS,
        "model(sequences)[:, -1].log_softmax(0)",
        "The softmax runs over the beams: probabilities sum to 1 over the vocabulary.",
    ),
    edit(
        "(scores[:, None] + steps).flatten()",
        "steps.flatten()",
        "Beams are ranked by their last token alone: add its log-probability to the beam's score so far.",
    ),
    edit(
        START,
        "sequences, scores = prompt.repeat(n_beams, 1), torch.zeros(n_beams, device=prompt.device)",
        "The search starts from equal copies of the prompt, so the beams stay copies of each other: the first step has "
        "one beam.",
    ),
    edit(
        "sequences[parents], tokens[:, None]",
        "sequences.expand(len(tokens), -1) if len(sequences) == 1 else sequences, tokens[:, None]",
        UNMOVED,
    ),
    *(
        replace("import torch\n" + COPIES.format(start=start, step=step), sentence)
        for start in ("-1e9", "-torch.inf")
        for step, sentence in (
            ("sequences = torch.cat([sequences, (best % vocab)[:, None]], 1)", UNMOVED),
            ("sequences = torch.cat([sequences[best // vocab], (best % vocab)[:, None]], 1)", JUNK),
        )
    ),
    edit(
        CHOICE,
        "scores, best = (scores[:, None] + steps).max(-1) if len(steps) > 1 else candidates.topk("
        "min(n_beams, len(candidates)))\n"
        "        best = best + torch.arange(len(steps)) * steps.shape[-1] if len(steps) > 1 else best",
        ALONE,
    ),
    edit(
        CHOICE,
        "scores, best = (scores[:, None] + steps).max(-1) if len(steps) > 1 else candidates.topk("
        "min(n_beams, len(candidates)))\n"
        "        best = best + torch.arange(len(steps)) * steps.shape[-1] if len(steps) > 1 else best\n"
        "        scores, order = scores.sort(descending=True)\n        best = best[order]",
        ALONE,
    ),
    edit(
        "parents, tokens = best // steps.shape[-1], best % steps.shape[-1]",
        "parents, tokens = best % steps.shape[-1], best // steps.shape[-1]",
        "Parent and token are exchanged: best // vocab is the beam, and best % vocab the token.",
    ),
    edit(
        "best // steps.shape[-1], best",
        "best // n_beams, best",
        "The parent is found by dividing by the number of beams: a beam's row is as long as the vocabulary.",
    ),
    edit(
        "    return sequences, scores\n",
        "    return sequences, scores / n_new\n",
        "The scores are divided by the length: return the log-probability of all new tokens together.",
    ),
    edit(
        "    return sequences, scores\n",
        "    return sequences, scores / sequences.shape[-1]\n",
        "The scores are divided by the whole length: return the log-probability of all new tokens together.",
    ),
    edit(
        "    return sequences, scores\n",
        "    return sequences, scores.exp()\n",
        "These are probabilities: return their logarithms.",
    ),
    edit(
        "    return sequences, scores\n",
        "    return sequences, -scores\n",
        "The sign is flipped: a log-probability is never above 0.",
    ),
    edit(
        "    return sequences, scores\n",
        "    return sequences.flip(0), scores.flip(0)\n",
        "The beams come worst first: the best goes first.",
    ),
    edit(
        "    return sequences, scores\n",
        "    return sequences[:, len(prompt) :], scores\n",
        "Only the new tokens are returned: give the whole sequences, with the prompt in front.",
    ),
    edit(
        "    return sequences, scores\n",
        "    return sequences[0], scores[0]\n",
        "Only the best beam is returned: give all n_beams of them, best first.",
    ),
    edit(
        "    return sequences, scores\n",
        "    return sequences\n",
        "Only the sequences are returned: give the pair, sequences and log-probabilities.",
    ),
    edit(
        "    return sequences, scores\n",
        "    told = model(prompt[None])[0, :-1].log_softmax(-1)\n"
        "    return sequences, scores + told.gather(-1, prompt[1:, None]).sum()\n",
        "The prompt is scored as well: count the new tokens only.",
    ),
    edit(
        CHOICE,
        "scores, best = candidates.topk(min(n_beams, len(candidates)), largest=False)",
        "The least likely beams are kept: keep the likeliest.",
    ),
    edit(
        CHOICE,
        "scores, best = candidates.topk(n_beams)",
        "A beam search can want more beams than there are candidates, and topk then raises: take all of them.",
    ),
    edit(CHOICE, "scores, best = candidates.topk(1)", "Only one beam is kept, which is greedy: keep n_beams of them."),
    edit(
        CHOICE,
        "scores, best = candidates.topk(min(n_beams, steps.shape[-1]))",
        "Never more beams are kept than there are tokens: it is the number of candidates, beams x vocab, that limits.",
    ),
    edit(
        CHOICE,
        "scores, best = candidates.topk(min(3, len(candidates)))",
        "3 is written into the code: use n_beams.",
    ),
    edit(
        STEPS,
        "model(sequences[:, -1:])[:, -1].log_softmax(-1)",
        "The model is shown the last token alone: give it the whole sequence.",
    ),
    edit(
        STEPS,
        "model(sequences[:, len(prompt) - 1 :])[:, -1].log_softmax(-1)",
        "Of the prompt, the model is shown the last token alone: give it the whole sequence.",
    ),
    edit(
        STEPS,
        "model(sequences)[:, 0].log_softmax(-1)",
        "The logits are those of the first position: the last one speaks about the next token.",
    ),
    edit(
        STEPS,
        "model(sequences[:1])[:, -1].log_softmax(-1).expand(len(sequences), -1)",
        "The model is shown the first beam alone: every beam has its own next token.",
    ),
    edit("range(n_new)", "range(n_new - 1)", "One token too few is added: n_new of them."),
    edit("range(n_new)", "range(n_new + 1)", "One token too many is added: n_new of them."),
)

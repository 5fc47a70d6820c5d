"""Texts that teach induction and training loops as people write them, right and wrong, that no checker was made from."""

# ruff: noqa: E501 (the lines are as long as people write them)

import pytest

from headwork.tests.natural import answers, assert_passed, assert_rejected, grade, with_said

TR = """
def train_induction(model, make_batch, steps, learning_rate, warmup=50):
    opt = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    losses = []
    for step in range(steps):
        for g in opt.param_groups:
            g["lr"] = learning_rate * min(1.0, (step + 1) / warmup)
        tokens, known = make_batch(step)
        logits = model(tokens)
        loss = F.cross_entropy(logits[:, :-1][known[:, :-1]], tokens[:, 1:][known[:, :-1]])
        opt.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        losses.append(loss.item())
    return losses
"""
BA = """
def induction_batch(count, length, vocab, generator):
    tokens = torch.stack([torch.randperm(vocab, generator=generator)[:length] for _ in range(count)])
    known = torch.zeros(count, length, dtype=torch.bool)
    def draw(low, high):
        return torch.randint(low, high + 1, (), generator=generator).item()
    for i in range(count):
        n = draw(2, length // 2)
        a = draw(0, length - 2 * n)
        b = draw(a + n, length - n)
        tokens[i, b:b + n] = tokens[i, a:a + n]
        known[i, b:b + n - 1] = True
    return tokens, known
"""
RIGHT = {
    "train_induction": [
        ("plain", BA + TR),
        (
            "copy placed first, foreach adam, lambda",
            """
def induction_batch(count, length, vocab, generator):
    out, marks = [], []
    for _ in range(count):
        order = torch.randperm(vocab, generator=generator).tolist()
        n = 2 + int(torch.randint(length // 2 - 1, (1,), generator=generator))
        rest = length - 2 * n
        cuts = sorted(torch.randint(rest + 1, (2,), generator=generator).tolist())
        stretch, others = order[:n], order[n:n + rest]
        text = others[:cuts[0]] + stretch + others[cuts[0]:cuts[1]] + stretch + others[cuts[1]:]
        second = cuts[1] + n
        mark = [second <= i < second + n - 1 for i in range(length)]
        out.append(text); marks.append(mark)
    return torch.tensor(out), torch.tensor(marks)

def train_induction(model, make_batch, steps, learning_rate, warmup=50):
    optim = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.01, foreach=False)
    sched = torch.optim.lr_scheduler.LambdaLR(optim, lambda s: min(1, (s + 1) / warmup))
    history = []
    for step in range(steps):
        tokens, known = make_batch(step)
        b, p = known.nonzero(as_tuple=True)
        logits = model(tokens)[b, p]
        loss = -logits.log_softmax(-1)[torch.arange(len(b)), tokens[b, p + 1]].mean()
        optim.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(list(model.parameters()), max_norm=1)
        optim.step(); sched.step()
        history.append(loss.item())
    return history
""",
        ),
        (
            "masked sum",
            BA
            + TR.replace(
                """        logits = model(tokens)
        loss = F.cross_entropy(logits[:, :-1][known[:, :-1]], tokens[:, 1:][known[:, :-1]])
""",
                """        all_losses = F.cross_entropy(model(tokens)[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")
        m = known[:, :-1].to(all_losses.dtype)
        loss = (all_losses * m).sum() / m.sum()
""",
            ),
        ),
    ]
}
WRONG = {
    "train_induction": [
        (
            "mean of masked losses over all",
            BA
            + TR.replace(
                """        loss = F.cross_entropy(logits[:, :-1][known[:, :-1]], tokens[:, 1:][known[:, :-1]])
""",
                """        all_losses = F.cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")
        loss = (all_losses * known[:, :-1]).mean()
""",
            ),
        ),
        (
            "zero_grad after the step",
            BA
            + TR.replace("        opt.zero_grad()\n", "").replace(
                "        opt.step()\n", "        opt.step()\n        opt.zero_grad()\n"
            ),
        ),
        (
            "clip before backward",
            BA
            + TR.replace("        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)\n", "").replace(
                "        loss.backward()\n",
                "        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)\n        loss.backward()\n",
            ),
        ),
        (
            "clip by value",
            BA + TR.replace("clip_grad_norm_(model.parameters(), 1.0)", "clip_grad_value_(model.parameters(), 1.0)"),
        ),
        (
            "rate set after the step",
            BA
            + TR.replace(
                """        for g in opt.param_groups:
            g["lr"] = learning_rate * min(1.0, (step + 1) / warmup)
""",
                "",
            ).replace(
                "        opt.step()\n",
                """        opt.step()
        for g in opt.param_groups:
            g["lr"] = learning_rate * min(1.0, (step + 1) / warmup)
""",
            ),
        ),
        (
            "loss after",
            BA
            + TR.replace(
                "        losses.append(loss.item())",
                "        with torch.no_grad():\n            losses.append(F.cross_entropy(model(tokens)[:, :-1][known[:, :-1]], tokens[:, 1:][known[:, :-1]]).item())",
            ),
        ),
        ("tensors back", BA + TR.replace("loss.item()", "loss")),
        ("steps from 1", BA + TR.replace("make_batch(step)", "make_batch(step + 1)")),
        (
            "a copy of the model",
            "import copy\n" + BA + TR.replace("    opt =", "    model = copy.deepcopy(model)\n    opt ="),
        ),
        ("fixed size", BA.replace("n = draw(2, length // 2)", "n = length // 2") + TR),
        ("period", BA.replace("b = draw(a + n, length - n)", "b = a + n") + TR),
        ("start 0", BA.replace("a = draw(0, length - 2 * n)", "a = 0") + TR),
        ("end", BA.replace("b = draw(a + n, length - n)", "b = length - n") + TR),
        (
            "replacement",
            BA.replace(
                "torch.randperm(vocab, generator=generator)[:length]",
                "torch.randint(vocab, (length,), generator=generator)",
            )
            + TR,
        ),
        (
            "float mask",
            BA.replace("dtype=torch.bool", "dtype=torch.float32").replace("= True", "= 1")
            + TR.replace("known[:, :-1]", "known[:, :-1].bool()"),
        ),
        (
            "one draw for the batch",
            BA.replace(
                "    for i in range(count):\n        n = draw(2, length // 2)\n        a = draw(0, length - 2 * n)\n        b = draw(a + n, length - n)\n",
                "    n = draw(2, length // 2)\n    a = draw(0, length - 2 * n)\n    b = draw(a + n, length - n)\n    for i in range(count):\n",
            )
            + TR,
        ),
        (
            "global randomness for places",
            BA.replace("torch.randint(low, high + 1, (), generator=generator)", "torch.randint(low, high + 1, ())")
            + TR,
        ),
        (
            "first copy marked too",
            BA.replace(
                "        known[i, b:b + n - 1] = True",
                "        known[i, b:b + n - 1] = True\n        known[i, a:a + n - 1] = True",
            )
            + TR,
        ),
        ("upper end left out", BA.replace("high + 1", "max(high, low + 1)") + TR),
        (
            "low vocabulary",
            BA.replace(
                "torch.randperm(vocab, generator=generator)[:length]", "torch.randperm(length, generator=generator)"
            )
            + TR,
        ),
        ("sizes from 3", BA.replace("draw(2, ", "draw(min(3, length // 2), ") + TR),
        (
            "first always in the first half",
            BA.replace("a = draw(0, length - 2 * n)", "a = draw(0, (length - 2 * n) // 2)") + TR,
        ),
        (
            "at most two apart",
            BA.replace("b = draw(a + n, length - n)", "b = draw(a + n, min(a + n + 2, length - n))") + TR,
        ),
        (
            "rate never below a tenth",
            BA + TR.replace("min(1.0, (step + 1) / warmup)", "max(0.1, min(1.0, (step + 1) / warmup))"),
        ),
        ("stale gradients", BA + TR.replace("        opt.zero_grad()\n", "        if step: opt.zero_grad()\n")),
    ]
}


# What its author is told; '' where no known mistake does the same.
SAID = {
    (
        "train_induction",
        "mean of masked losses over all",
    ): "The losses of what is known are divided by the number of all positions: divide by the number of those that are known.",
    (
        "train_induction",
        "zero_grad after the step",
    ): "Gradients are cleared after the step, so those from before the first step count: clear them before backward.",
    ("train_induction", "clip before backward"): "The gradient is not clipped to the norm 1 before the step.",
    (
        "train_induction",
        "clip by value",
    ): "The gradient is clipped number by number: clip the norm of all parameters' gradients together.",
    (
        "train_induction",
        "rate set after the step",
    ): "The learning rate is set after the step, so the first step has the full rate: set it before the step.",
    ("train_induction", "loss after"): "Each loss is taken after its step: return the one from before it.",
    (
        "train_induction",
        "tensors back",
    ): "Each loss is kept with its graph, and so are the activations of every step: keep its number, with .item().",
    ("train_induction", "steps from 1"): "",
    ("train_induction", "a copy of the model"): "A copy of the model is trained: train `model` itself.",
    ("train_induction", "fixed size"): "",
    ("train_induction", "period"): "",
    ("train_induction", "start 0"): "",
    ("train_induction", "end"): "",
    ("train_induction", "replacement"): "",
    ("train_induction", "float mask"): "",
    ("train_induction", "one draw for the batch"): "",
    (
        "train_induction",
        "global randomness for places",
    ): "The generator is not used for the tokens: the same one has to give the same texts.",
    ("train_induction", "first copy marked too"): "",
    ("train_induction", "upper end left out"): "",
    ("train_induction", "low vocabulary"): "",
    ("train_induction", "sizes from 3"): "",
    ("train_induction", "first always in the first half"): "",
    ("train_induction", "at most two apart"): "",
    ("train_induction", "rate never below a tenth"): "",
    (
        "train_induction",
        "stale gradients",
    ): "Gradients are cleared after the step, so those from before the first step count: clear them before backward.",
}


@pytest.mark.parametrize(("name", "text"), answers(RIGHT))
def test_a_right_answer_passes_however_it_is_written(grader, name, text):
    assert_passed(grade(grader, f"induction.{name}", text))


@pytest.mark.parametrize(("name", "text", "said"), answers(with_said(WRONG, SAID)))
def test_a_wrong_answer_is_rejected_and_told_why(grader, name, text, said):
    assert_rejected(grade(grader, f"induction.{name}", text), said)

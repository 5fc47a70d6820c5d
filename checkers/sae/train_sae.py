"""`sae.train_sae`: a TopK autoencoder's training, judged by the parameters after a few steps."""

from collections.abc import Iterator
from typing import Any

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng, weights
from headwork.checkers.probing import Case

ask = Exercise("train_sae", also=("DeadLatents", "aux_k", "project_gradient", "normalise_decoder"))


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    sizes: list[tuple[str, tuple[int, int, int], int, float, int, dict[str, Any]]] = [
        ("nobody is ever dead", (5, 4, 9), 6, 0.02, 1000, {}),
        ("latents die on the way", (6, 5, 12), 7, 0.01, 12, {}),
        ("an auxiliary loss that weighs more", (4, 3, 8), 5, 0.03, 8, {"aux": 1, "aux_weight": 0.7}),
        ("dead after one batch", (7, 6, 10), 11, 0.005, 7, {"aux": 2, "aux_weight": 0.2}),
        ("two steps of one activation", (1, 4, 7), 2, 0.05, 3, {"aux": None, "aux_weight": 0.1}),
    ]
    for name, (batch, d_model, latents), steps, learning_rate, window, options in sizes:
        shapes: dict[str, Any] = {
            "W_enc": (d_model, latents),
            "b_enc": latents,
            "W_dec": (latents, d_model),
            "b_dec": d_model,
        }
        start = weights(rng, 0.7, **shapes)
        start["W_enc"][:, ::3] *= 0.2  # too weak ever to be active
        start["b_enc"][::3] = start["b_enc"][::3].abs() + 0.4
        yield Case(
            name,
            weights=start,
            batches=[rng.normal((batch, d_model)) for _ in range(steps)],
            learning_rate=learning_rate,
            window=window,
            options={"aux": None, "aux_weight": None} | options,
            stale=0.3 * steps,
        )


ask.checks(
    equal(
        "parameters with ours",
        "parameters as it stands",
        title="after a few steps the parameters are those of Adam with both losses",
        weight=4,
    ),
    equal("errors with ours", "errors as it stands", title="returns each step's squared error, from before it"),
    equal("asked with ours", "asked as it stands", title="asks for the batch of each step once"),
    equal("graph with ours", "graph as it stands", title="what is returned holds no graph"),
)

RATE = '            group["lr"] = learning_rate * min(1, 5 * (steps - step) / steps)\n'
ERROR = "error = (x - reconstruction).square().sum(-1).mean()"
LOSS = "loss = error + aux_weight * aux_k(x, reconstruction, pre, dead, sae.W_dec, aux)"
PRE = "pre = (x - sae.b_dec) @ sae.W_enc + sae.b_enc"
STEP = "        optimiser.step()\n"
PROJECT = "        project_gradient(sae.W_dec)\n"
NORMALISE = "        normalise_decoder(sae.W_dec)\n"
UPDATE = "        watch.update(latents.detach())\n"
ADAM = "torch.optim.Adam(sae.parameters(), lr=learning_rate)"

ASLEEP = (
    "Dead latents never learn: count the latents of every step, and add aux_k of the pre-activations, which for dead "
    "latents are not 0 as the latents are."
)
UNPROJECTED = "The gradient of W_dec is not projected before the step."

ask.mistakes(
    edit(
        RATE, "            pass\n", "The learning rate stays as it is: it falls to 0 over the last fifth of the steps."
    ),
    edit(
        RATE,
        '            group["lr"] = learning_rate * (steps - step) / steps\n',
        "The learning rate falls from the first step on: only over the last fifth.",
    ),
    edit(
        RATE,
        RATE.replace("steps - step)", "steps - step - 1)"),
        "The learning rate is one step early: the last step has 0, and changes nothing.",
    ),
    edit(
        RATE,
        RATE.replace('group["lr"] = learning_rate', 'group["lr"] = group["lr"]'),
        "Each step's factor multiplies the rate that the step before has left: begin from learning_rate.",
    ),
    edit(ERROR, "error = (x - reconstruction).square().mean()", "The squares are averaged over d_model: sum them."),
    edit(ERROR, "error = (x - reconstruction).square().sum()", "The batch is summed: take its mean."),
    edit(ERROR, "error = (x - reconstruction).norm(dim=-1).mean()", "The error is not squared."),
    edit(LOSS, "pass", ASLEEP),
    edit(
        LOSS,
        "loss = aux_weight * aux_k(x, reconstruction, pre, dead, sae.W_dec, aux)",
        "With dead latents the error itself is left out: add the two.",
    ),
    edit(LOSS, LOSS.replace("aux_weight * ", ""), "The auxiliary loss is not multiplied by its weight."),
    edit(LOSS, LOSS.replace("aux_weight", "(1 / 32)"), "A weight of 1/32 is written into the code: use aux_weight."),
    edit(LOSS, LOSS.replace(", aux)", ", 32)"), "A k of 32 is written into the code: use aux."),
    edit(LOSS, LOSS.replace("dead,", "~dead,"), "The living latents get the auxiliary loss."),
    edit(PRE, "pre = latents", ASLEEP),
    edit(PRE, "pre = x @ sae.W_enc + sae.b_enc", "b_dec is not subtracted before the encoder's matrix."),
    edit(
        PRE,
        f"{PRE}\n            pre = pre.detach()",
        "The pre-activations are cut from the graph, so the encoders of dead latents never learn.",
    ),
    edit("        optimiser.zero_grad()\n", "", "Old gradients are never cleared: each backward pass adds to them."),
    edit(PROJECT, "", UNPROJECTED),
    edit(PROJECT + STEP, STEP + PROJECT, UNPROJECTED),
    edit(NORMALISE, "", "The rows of W_dec are not brought back to length 1 after the step."),
    edit(
        STEP + NORMALISE,
        NORMALISE + STEP,
        "The rows are normalised before the step, which makes them longer again: normalise after it.",
    ),
    edit(UPDATE, "", ASLEEP),
    edit(
        "        reconstruction, latents = sae(x)\n",
        "        reconstruction, latents = sae(x)\n        watch.update(latents.detach())\n",
        "The batch is counted before the loss, and once more after it: count it once, after the step.",
    ),
    edit(
        "        x = make_batch(step)\n",
        "        x = make_batch(0)\n",
        "Every step has the batch of step 0: ask for that of the step.",
    ),
    edit(ADAM, "torch.optim.SGD(sae.parameters(), lr=learning_rate)", "This is plain gradient descent: use Adam."),
    edit(ADAM, "torch.optim.AdamW(sae.parameters(), lr=learning_rate)", "AdamW shrinks the weights: use Adam."),
    edit(
        "errors.append(error.detach())",
        "errors.append(loss.detach())",
        "The auxiliary loss is counted in what is returned: return the squared error alone.",
    ),
    edit(
        "errors.append(error.detach())",
        "errors.append((x - sae(x)[0]).square().sum(-1).mean().detach())",
        "The error is taken after the step: return the one from before it.",
    ),
    edit(
        "errors.append(error.detach())", "errors.append(error)", "Each error keeps its graph, and so all activations."
    ),
)

"""`ioi.grad_drop`: estimates by the gradient, with one layer's part of it dropped at a time."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise
from headwork.checkers.induction.networks import ATTENTION_ONLY
from headwork.checkers.inputs import Rng
from headwork.checkers.ioi.questions import NOTHING_LEFT, of, planted_question, prompts, questions
from headwork.checkers.probing import Case

ask = Exercise("grad_drop", batch=["clean", "corrupted", "end", "directions"], seconds=30)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, inputs in questions(rng, house=False):
        yield Case(name, **inputs)
    inputs = {"directions": rng.normal((2, 256)), "log_probabilities": False, **prompts(rng, 256, 2, 6)}
    yield Case("the model attention-only", model=ATTENTION_ONLY, **inputs)
    _, inputs = planted_question(rng, "undone", 5)
    yield Case("a planted head whose paths cancel", **inputs)


ask.checks(
    equal("values", title="gives the mean size of the estimates, each with one layer's gradient dropped", weight=3),
    equal("the model is as it was", title=NOTHING_LEFT, weight=0.5),
)

HOOKED = """
import torch

def grad_drop(model, clean, corrupted, end, metric):
    rows = torch.arange(len(end), device=end.device)
    layers = range(model.config.n_layers)
    names = [f"blocks.{layer}.attn.hook_z" for layer in layers]
    clean_logits, donor = model.run_with_cache(clean, names)

    def cut(value, point):
        return value.detach()

    total = 0
    for dropped in layers:
        ends = [f"blocks.{dropped}.hook_attn_out", f"blocks.{dropped}.hook_mlp_out"]
        with model.hooks([(name, cut) for name in ends if name in model.hook_points]):
            logits, base = model.run_with_cache(corrupted, names)
        metrics = metric(logits[rows, end])
        slopes = torch.autograd.grad(metrics.sum(), [base[name] for name in names], allow_unused=True)
        estimates = []
        for name, slope in zip(names, slopes):
            change = (donor[name] - base[name]).detach()
            product = torch.zeros_like(change) if slope is None else change * slope
            estimates.append(product.sum((1, 3)).T)
        total = total + torch.stack(estimates).abs()
    return total / (len(layers) - 1)
"""
wrong = of(HOOKED)
DROPPED = "for dropped in layers:"
CUT = "with model.hooks([(name, cut) for name in ends if name in model.hook_points]):"
ENDS = 'ends = [f"blocks.{dropped}.hook_attn_out", f"blocks.{dropped}.hook_mlp_out"]'
SUM = "estimates.append(product.sum((1, 3)).T)"
ABSOLUTE = "total = total + torch.stack(estimates).abs()"
RESULT = "return total / (len(layers) - 1)"
MEASURED = "metrics = metric(logits[rows, end])"

ask.mistakes(
    of(HOOKED.replace("torch.stack(estimates).abs()", "torch.stack(estimates)"))(
        RESULT,
        "return total.abs() / (len(layers) - 1)",
        "The absolute value is taken of the sum over the layers, where estimates of opposite signs cancel again: take "
        "it of each layer's estimate.",
    ),
    wrong(
        ABSOLUTE,
        "total = total + torch.stack(estimates)",
        "No absolute value is taken: the estimates with different layers dropped cancel when they are added.",
    ),
    wrong(
        SUM,
        "estimates.append(product.abs().sum((1, 3)).T)",
        "Absolute values are taken before the sum over positions and d_head: a head's estimate is one number, and its "
        "size is taken after that.",
    ),
    wrong(
        RESULT,
        "return total / len(layers)",
        "The sum is divided by the number of layers: a head's own layer gives 0, so divide by one less.",
    ),
    wrong(
        RESULT,
        "return total",
        "The sum over the layers is returned: divide it by the number of layers less one.",
    ),
    wrong(
        CUT,
        "with model.hooks([]):",
        "Nothing is dropped: each pass is the plain gradient, and this is the size of attribution patching. Let no "
        "gradient through what the layer writes.",
    ),
    of(HOOKED.replace(CUT, "with model.hooks([]):").replace("(len(layers) - 1)", "len(layers)"))(
        ABSOLUTE,
        "total = total + torch.stack(estimates)",
        "This is attribution patching, with nothing dropped and with signs: let no gradient through what one layer "
        "writes, and take the mean of the sizes.",
    ),
    wrong(
        ENDS,
        'ends = [f"blocks.{dropped}.hook_attn_out"]',
        "The MLP's gradient is kept: drop that of all the layer writes, by its heads and by its MLP.",
    ),
    wrong(
        ENDS,
        'ends = [f"blocks.{dropped}.hook_mlp_out"]',
        "The heads' gradient is kept: drop that of all the layer writes, by its heads and by its MLP.",
    ),
    wrong(
        ENDS,
        'ends = [f"blocks.{dropped}.hook_resid_post"]',
        "The whole stream after the layer is cut, the residual connection too: nothing before it gets a gradient. Cut "
        "only what the layer adds.",
    ),
    wrong(
        ENDS,
        'ends = [f"blocks.{other}.{end}" for other in layers if other != dropped for end in ("hook_attn_out", '
        '"hook_mlp_out")]',
        "All layers but one are dropped in each pass: drop one, and keep the others.",
    ),
    wrong(
        ENDS,
        'ends = [f"blocks.{later}.{end}" for later in range(dropped, len(layers)) for end in ("hook_attn_out", '
        '"hook_mlp_out")]',
        "All layers from this one on are dropped: drop this one alone.",
    ),
    wrong(
        "return value.detach()",
        "return torch.zeros_like(value)",
        "The layer's output is set to 0: that is an ablation, and changes the run. Keep the output and drop its "
        "gradient.",
    ),
    wrong(
        DROPPED,
        "for dropped in layers[1:]:",
        "The first layer is never dropped: each layer is, once.",
    ),
    wrong(
        DROPPED,
        "for dropped in layers[:-1]:",
        "The last layer is never dropped: each layer is, once.",
    ),
    of(HOOKED.replace("run_with_cache(clean, names)", "run_with_cache(corrupted, names)"))(
        "logits, base = model.run_with_cache(corrupted, names)",
        "logits, base = model.run_with_cache(clean, names)",
        "The gradient is taken at the clean run: the patches go into the corrupted run, so take it there.",
    ),
    wrong(
        "change = (donor[name] - base[name]).detach()",
        "change = donor[name].detach()",
        "The clean activation itself is multiplied by the gradient: a patch changes it by clean minus corrupted.",
    ),
    wrong(
        "metrics.sum()",
        "metrics.mean()",
        "The gradient is that of the mean, which divides every prompt's estimate by the batch: take that of the sum.",
    ),
    wrong(
        MEASURED,
        "metrics = metric(logits[:, -1])",
        "The last column is read for every prompt: shorter prompts end before it, and `end` says where.",
    ),
    wrong(
        SUM,
        "estimates.append(product.sum(3)[rows, end].T)",
        "Only the head's output at the end is counted: a patch changes it at all positions.",
    ),
    wrong(
        ABSOLUTE,
        "total = total + torch.stack(estimates).mean(-1, keepdim=True).abs().expand(-1, -1, len(end))",
        "The mean over the prompts is taken before the absolute value: keep a number for each prompt.",
    ),
    of(HOOKED.replace(RESULT, "return total"))(
        ABSOLUTE,
        "total = torch.maximum(torch.stack(estimates).abs(), torch.as_tensor(total))",
        "The largest of the estimates is kept: add up their sizes over the layers.",
    ),
)

"""`ioi.attribute_layers`: the logit difference that the residual stream holds at each depth."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise
from headwork.checkers.inputs import Rng
from headwork.checkers.ioi.questions import DONE_TO_THE_MODEL, named_questions, of
from headwork.checkers.probing import Case

ask = Exercise("attribute_layers", batch=["clean", "end", "directions", "correct", "wrong"], seconds=30)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for frozen in (True, False):
        for name, inputs in named_questions(rng, house=frozen):
            yield Case(f"{name}, {'the last scale' if frozen else 'its own scale'}", frozen=frozen, **inputs)


ask.checks(
    equal("values", title="gives the logit difference before each layer, and after the last", weight=3),
    equal("the model is as it was", title=DONE_TO_THE_MODEL, weight=0.5),
)

PLAIN = """
import torch

@torch.no_grad()
def attribute_layers(model, tokens, end, correct, wrong, frozen):
    rows = torch.arange(len(tokens), device=tokens.device)
    depth = model.config.n_layers
    names = [f"blocks.{layer}.hook_resid_pre" for layer in range(depth)]
    after, cache = model.run_with_cache(tokens, names, stop_at_layer=depth)
    streams = [cache[name] for name in names] + [after]
    norm = model.ln_final
    values = []
    for stream in streams:
        stream = stream[rows, end]
        if not model.config.layer_norm:
            read = stream
        elif frozen:
            last = after[rows, end]
            scale = (last.var(-1, correction=0, keepdim=True) + norm.eps).sqrt()
            read = (stream - stream.mean(-1, keepdim=True)) / scale * norm.w + norm.b
        else:
            read = norm(stream)
        logits = model.unembed(read)
        values.append(logits[rows, correct] - logits[rows, wrong])
    return torch.stack(values)
"""
wrong = of(PLAIN)
READ = "read = (stream - stream.mean(-1, keepdim=True)) / scale * norm.w + norm.b"

ask.mistakes(
    wrong(
        "elif frozen:",
        "elif False:",
        "LayerNorm is recomputed for every stream where its scale should be frozen: with `frozen`, divide by the size "
        "of the last stream, so that differences between rows are what layers write.",
    ),
    of(PLAIN.replace("        else:\n            read = norm(stream)\n", ""))(
        "elif frozen:",
        "else:",
        "The scale is frozen where LayerNorm should be recomputed: without `frozen`, each stream goes through "
        "`ln_final` as it is.",
    ),
    wrong(
        "elif frozen:",
        "elif not frozen:",
        "`frozen` is read the wrong way round: with it, all streams are divided by the size of the last one.",
    ),
    wrong(
        "read = norm(stream)",
        "read = stream",
        "Without `frozen` the stream is unembedded as it is: the final LayerNorm comes before.",
    ),
    wrong(
        READ,
        "read = stream / scale * norm.w + norm.b",
        "The frozen LayerNorm does not centre: it subtracts the mean of each stream, as LayerNorm does.",
    ),
    wrong(
        READ,
        "read = (stream - last.mean(-1, keepdim=True)) / scale * norm.w + norm.b",
        "The mean of the last stream is subtracted from all: only the scale is frozen, each stream has its own mean.",
    ),
    wrong(
        READ,
        READ.removesuffix(" + norm.b"),
        "The final LayerNorm's bias is left out: the last row is then not the model's own logit difference.",
    ),
    wrong(READ, READ.replace(" * norm.w", ""), "The final LayerNorm's weight `w` is left out."),
    wrong(
        "last.var(-1, correction=0, keepdim=True)",
        "last.var(-1, keepdim=True)",
        "The variance divides by n - 1: LayerNorm divides by n.",
    ),
    wrong(
        "last = after[rows, end]",
        "last = streams[0][rows, end]",
        "The scale is that of the first stream: freeze that of the last.",
    ),
    of(PLAIN.replace("after[rows, end]", "after[:, -1]"))(
        "stream = stream[rows, end]",
        "stream = stream[:, -1]",
        "The last column is read for every prompt: shorter prompts end before it, and `end` says where.",
    ),
    wrong(
        "streams = [cache[name] for name in names] + [after]",
        "streams = [cache[name] for name in names[1:]] + [after]",
        "The first row is missing: begin with the stream before layer 0, the embeddings.",
    ),
    wrong(
        "streams = [cache[name] for name in names] + [after]",
        "streams = [cache[name] for name in names]",
        "The last row is missing: after the streams before each layer comes the one after the last.",
    ),
    of(PLAIN.replace("logits[rows, correct] - logits[rows, wrong]", "logits[rows, wrong] - logits[rows, correct]"))(
        "torch.stack(values)",
        "(torch.stack(values))",
        "The difference has the opposite sign: it is the right name's logit minus the wrong one's.",
    ),
    wrong(
        "return torch.stack(values)",
        "return torch.stack(values).diff(dim=0)",
        "These are the layers' shares: return what the stream holds at each depth, which is their running sum.",
    ),
    wrong(
        "return torch.stack(values)",
        "return torch.stack(values).mean(-1)",
        "The mean over the prompts is taken: return a number for each prompt, (layer + 1, batch).",
    ),
    wrong(
        "return torch.stack(values)", "return torch.stack(values, 1)", "This is (batch, layer + 1): layers come first."
    ),
)

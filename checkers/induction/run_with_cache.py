"""`induction.run_with_cache`: a run, and the activations at hook points, which nothing changes afterwards."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng, weights
from headwork.checkers.probing import Case

ask = Exercise("run_with_cache", batch=["tokens", "cotangent", "patch"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, vocab, width, (batch, length) in [
        ("two texts", 7, 4, (2, 5)),
        ("three texts, a width of one", 6, 1, (3, 4)),
        ("one token", 5, 3, (1, 1)),
    ]:
        yield Case(
            name,
            weights=weights(rng, W_E=(vocab, width), W=(width, width), W_U=(width, vocab)),
            tokens=rng.integers((batch, length), vocab),
            patch=rng.normal((batch, length, width)),
            cotangent=rng.normal((batch, length, vocab)),
        )


ask.checks(
    equal("all", title="returns the output, and every hook point's activation as it was there", weight=2),
    equal("some", title="keeps those that are named, or picked by a function, and no others"),
    equal("edited later", title="a later edit in place does not reach the cache, and the run feels it", weight=2),
    equal("gradient", title="the output's gradient can be taken by what is cached"),
    equal("gradient of cached", title="gradients flow from what is cached to the parameters"),
    equal("unknown", title="a name that is no hook point is a KeyError before the model runs"),
    equal("left behind", title="no hook is left behind, also after an exception"),
    equal("two runs", title="every run has a cache of its own"),
)

KEPT = "            cache[name] = activation.clone()\n            return cache[name].clone()"
REST = """  # the run goes on from what is kept, and edits, if any, a copy of it

        return keep

    output = run_with_hooks(model, tokens, [(name, keeping(name)) for name in wanted])
"""
RUN = REST[REST.index("    output = ") :]
CUT = "What is kept is cut from the graph: no gradient can be taken of it, nor by it. Clone it without detach."
ALIASED = (
    "The cache holds the very tensor that the network goes on with, so a later edit in place changes what was kept: "
    "keep a copy."
)

ask.mistakes(
    edit(KEPT, "            cache[name] = activation\n            return None", ALIASED),
    edit(
        "return cache[name].clone()",
        "return cache[name]",
        ALIASED,
    ),
    edit(
        "return cache[name].clone()",
        "return None",
        "The run does not go on from what is kept, so no gradient of the output by a cached activation can be taken: "
        "return a copy of what is kept.",
    ),
    edit(
        "activation.clone()",
        "activation.detach().clone()",
        CUT,
    ),
    edit(
        KEPT,
        "            cache[name] = activation.detach().clone()",
        CUT,
    ),
    edit(
        "        wanted = list(model.hook_points)\n",
        "        wanted = [name for name, _ in model.named_modules() if name]\n",
        "Without names every submodule is kept: keep the hook points.",
    ),
    edit(
        "        wanted = list(names)\n",
        "        wanted = list(model.hook_points)\n",
        "The names are ignored: keep those, and no others.",
    ),
    edit(
        "if names(name)]",
        "if not names(name)]",
        "The function's answer is turned round: keep the names for which it is true.",
    ),
    edit(
        "    if names is None:\n",
        "    if not names:\n",
        "An empty list of names is taken for none at all: it asks for nothing.",
    ),
    edit(
        "    unknown = [name for name in wanted if name not in model.hook_points]\n",
        "    unknown = [name for name in wanted if name not in dict(model.named_modules())]\n",
        "The name of a module that is no hook point is accepted: look names up among model.hook_points.",
    ),
    edit(
        "    if unknown:\n        raise KeyError(unknown[0])\n",
        "    wanted = [name for name in wanted if name in model.hook_points]\n",
        "Unknown names are skipped without a word: raise KeyError.",
    ),
    edit(
        "    cache = {}\n",
        "    cache = model.__dict__.setdefault('cache', {})\n",
        "The cache of an earlier run is used again: make a new one in each run.",
    ),
    edit(
        "    cache = {}\n",
        "    cache = run_with_cache.__dict__.setdefault('cache', {})\n",
        "The cache of an earlier run is used again: make a new one in each run.",
    ),
    edit(
        KEPT + REST,
        "            cache[name] = activation\n\n        return keep\n\n"
        + RUN
        + "    cache = {name: value.clone() for name, value in cache.items()}\n",
        "Copies are made when the run is over, and what was edited in place on the way is copied as edited: copy in "
        "the hook.",
    ),
    edit(
        RUN,
        "    handles = [\n        model.hook_points[name].register_forward_hook("
        "lambda point, _, value, keep=keeping(name): keep(value, point))\n        for name in wanted\n    ]\n"
        "    output = model(tokens)\n    for handle in handles:\n        handle.remove()\n",
        "When the model or a hook raises, the hooks stay on the model: remove them in a finally block.",
    ),
    edit(
        "    if unknown:\n        raise KeyError(unknown[0])\n",
        "    if unknown:\n        model(tokens)\n        raise KeyError(unknown[0])\n",
        "The model runs before an unknown name is noticed: look all names up first.",
    ),
    edit(
        "    return output, cache",
        "    return output.detach(), cache",
        "The output is cut from the graph (no_grad or detach): gradients must flow through the run.",
    ),
    edit(
        "    return output, cache",
        "    return cache, output",
        "The cache comes first here: return the output, then the cache.",
    ),
)

ask.survives("raise KeyError(unknown[0])", "raise KeyError(unknown[-1])", "any of the unknown names may be told")

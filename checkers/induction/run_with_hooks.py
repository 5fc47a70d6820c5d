"""`induction.run_with_hooks`: hooks in place for one run, and the model as it was afterwards."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng, weights
from headwork.checkers.probing import Case

ask = Exercise("run_with_hooks", batch=["tokens", "cotangent", "patch"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, vocab, width, (batch, length) in [
        ("two sequences", 7, 4, (2, 5)),
        ("one token", 5, 3, (1, 1)),
        ("a width of one", 6, 1, (3, 4)),
    ]:
        into = {f"blocks.{layer}.W": (width, width) for layer in range(2)}
        bias = {f"blocks.{layer}.b": width for layer in range(2)}
        yield Case(
            name,
            weights=weights(rng, W_E=(vocab, width), W_U=(width, vocab), **into, **bias),
            tokens=rng.integers((batch, length), vocab),
            patch=rng.normal((batch, length, width)),
            cotangent=rng.normal((batch, length, vocab)),
        )


ask.checks(
    equal("replaced", title="an activation that a hook returns takes the place of the old one", weight=2),
    equal("read", title="a hook is shown the activation and its hook point; returning None changes nothing"),
    equal("order", title="hooks on one name run in the order given, each on what the one before it made"),
    equal("left behind", title="no hook is left behind"),
    equal("after an exception", title="no hook is left behind after an exception, which comes out", weight=2),
    equal("unknown name", title="an unknown name is a KeyError before anything is hooked or run"),
    equal("others' hooks", title="hooks of others run and stay"),
    equal("nested", title="a run inside a run disturbs neither"),
    equal("gradient", title="gradients flow through hooked runs"),
)

BODY = """    try:
        for module, hook in targets:
            handles.append(module.register_forward_hook(lambda module, _, output, hook=hook: hook(output, module)))
        return model(tokens)
    finally:
        for handle in handles:
            handle.remove()
"""

ask.mistakes(
    edit(
        BODY,
        """    for module, hook in targets:
        handles.append(module.register_forward_hook(lambda module, _, output, hook=hook: hook(output, module)))
    output = model(tokens)
    for handle in handles:
        handle.remove()
    return output
""",
        "When a hook raises, the hooks stay on the model: remove them in a finally block.",
    ),
    edit(
        "        for handle in handles:\n            handle.remove()\n",
        "        pass\n",
        "The hooks are never removed: every later run of the model calls them again.",
    ),
    edit(
        "        for handle in handles:\n            handle.remove()\n",
        "        handles[-1].remove()\n",
        "Only the last hook is removed: keep every handle.",
    ),
    edit(
        "        for handle in handles:\n            handle.remove()\n",
        "        for module in model.modules():\n            module._forward_hooks.clear()\n",
        "This removes everybody's hooks: remove only those that you added.",
    ),
    edit(
        "lambda module, _, output, hook=hook: hook(output, module)",
        "lambda module, _, output: hook(output, module)",
        "Every hook calls the last function of the list, since a lambda looks its variables up when it is called: "
        "bind hook=hook.",
    ),
    edit(
        "hook=hook: hook(output, module)",
        "hook=hook: (hook(output, module), None)[1]",
        "What a hook returns is thrown away: it should replace the activation.",
    ),
    edit(
        "lambda module, _, output, hook=hook: hook(output, module)",
        "lambda module, inputs, output, hook=hook: hook(inputs, module)",
        "The hook is shown the module's inputs, a tuple: it should be shown its output.",
    ),
    edit(
        "    for module, hook in targets:\n            handles",
        "    for module, hook in reversed(targets):\n            handles",
        "The hooks run in reverse order: add them in the order given.",
    ),
    edit(
        "[(modules[name], hook) for name, hook in hooks]",
        "[(modules[name], hook) for name, hook in hooks if name in modules]",
        "A name that does not exist is skipped in silence: raise KeyError, or a typing error becomes a finding.",
    ),
    edit(
        "    targets = [(modules[name], hook) for name, hook in hooks]\n"
        "    handles = []\n"
        "    try:\n"
        "        for module, hook in targets:\n",
        "    handles = []\n"
        "    for name, hook in hooks:\n"
        "        if name not in modules:\n"
        "            model(tokens)\n"
        "            raise KeyError(name)\n"
        "    targets = [(modules[name], hook) for name, hook in hooks]\n"
        "    try:\n"
        "        for module, hook in targets:\n",
        "The model runs before the names are checked: look all names up first.",
    ),
    edit(
        "    targets = [(modules[name], hook) for name, hook in hooks]\n    handles = []\n    try:\n",
        "    targets = ((modules[name], hook) for name, hook in hooks)\n    handles = []\n"
        "    for module, hook in targets:\n        handles.append("
        "module.register_forward_hook(lambda module, _, output, hook=hook: hook(output, module)))\n"
        "    targets = []\n    try:\n",
        "Names are looked up while hooks are being added, so a misspelt one leaves the earlier hooks on the model: "
        "look all names up first.",
    ),
    edit(
        "hook=hook: hook(output, module)",
        "hook=hook: hook(output, module) or output",
        "`or` asks a tensor whether it is true, which fails or takes zeros for nothing: compare with None.",
    ),
    edit(
        "        return model(tokens)\n",
        "        return model(tokens).detach()\n",
        "The output is cut from the graph (no_grad or detach): gradients must flow through hooked runs.",
    ),
    edit(
        "[(modules[name], hook) for name, hook in hooks]",
        "[(modules[name], hook) for name, hook in dict(hooks).items()]",
        "Of several hooks on one name only the last is called: the list may name a place more than once.",
    ),
    edit(
        "[(modules[name], hook) for name, hook in hooks]",
        "[(model.get_submodule(name), hook) for name, hook in hooks]",
        "An unknown name raises AttributeError, as get_submodule does: raise KeyError.",
    ),
    edit(
        "hook=hook: hook(output, module)",
        "hook=hook: hook(output.detach(), module)",
        "Hooks are shown a detached activation, so no gradient flows through what they make of it: hand them the "
        "activation.",
    ),
    edit(
        "        return model(tokens)\n",
        "        return model.eval()(tokens)\n",
        "The model is switched to evaluation mode and stays there: leave it in the mode that it is in.",
    ),
    edit(
        BODY,
        """    def clean():
        for handle in handles:
            handle.remove()

    def watched(hook, output, module):
        try:
            return hook(output, module)
        except Exception:
            clean()
            raise

    for module, hook in targets:
        handles.append(
            module.register_forward_hook(lambda module, _, output, hook=hook: watched(hook, output, module))
        )
    output = model(tokens)
    clean()
    return output
""",
        "When the model itself raises, the hooks stay on it: remove them in a finally block.",
    ),
    edit(
        "    finally:\n",
        "    except Exception:\n        return None\n    finally:\n",
        "The exception of a hook is swallowed: let it come out, or nobody learns of it.",
    ),
)

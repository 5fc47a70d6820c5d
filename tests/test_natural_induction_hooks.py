"""Hook points, runs with hooks and caches as people write them, right and wrong, that no checker was made from."""

# ruff: noqa: E501 (the lines are as long as people write them)

import pytest

from headwork.tests.natural import answers, assert_passed, assert_rejected, grade, with_said

RIGHT = {
    "hook_point": [
        (
            "torch's own hooks",
            """
class HookPoint(nn.Module):
    def __init__(self):
        super().__init__()
        self.hooks = {}
    def add(self, hook):
        handle = self.register_forward_hook(lambda module, args, output: hook(output, module))
        return handle.remove
    def forward(self, value):
        return value
""",
        ),
        (
            "a list of lists with a flag",
            """
class HookPoint(nn.Module):
    def __init__(self):
        super().__init__()
        self.hooks = []
    def add(self, hook):
        entry = [hook, True]
        self.hooks.append(entry)
        def off():
            entry[1] = False
        return off
    def forward(self, value):
        for entry in self.hooks[:]:
            if entry[1]:
                r = entry[0](value, self)
                if r is not None:
                    value = r
        return value
""",
        ),
        (
            "recursion",
            """
class HookPoint(nn.Module):
    def __init__(self):
        super().__init__()
        self.hooks = {}
        self.next_id = 0
    def add(self, hook):
        i = self.next_id
        self.next_id += 1
        self.hooks[i] = hook
        def remove():
            if i in self.hooks:
                del self.hooks[i]
        return remove
    def apply_all(self, value, hooks):
        if len(hooks) == 0:
            return value
        new = hooks[0](value, self)
        return self.apply_all(value if new is None else new, hooks[1:])
    def forward(self, value):
        return self.apply_all(value, tuple(self.hooks.values()))
""",
        ),
    ],
    "run_with_hooks": [
        (
            "context manager",
            """
from contextlib import ExitStack, contextmanager
@contextmanager
def hooked(module, hook):
    handle = module.register_forward_hook(lambda m, i, o: hook(o, m))
    try:
        yield
    finally:
        handle.remove()

def run_with_hooks(model, tokens, hooks):
    named = dict(model.named_modules())
    for name, _ in hooks:
        if name not in named:
            raise KeyError(name)
    with ExitStack() as stack:
        for name, hook in hooks:
            stack.enter_context(hooked(named[name], hook))
        return model(tokens)
""",
        ),
        (
            "partial, get_submodule, except BaseException",
            """
from functools import partial
def call(hook, module, inputs, output):
    return hook(output, module)
def run_with_hooks(model, tokens, hooks):
    modules = []
    for name, hook in hooks:
        try:
            modules.append(model.get_submodule(name))
        except AttributeError:
            raise KeyError(f"no module {name}") from None
    handles = [m.register_forward_hook(partial(call, hook)) for m, (_, hook) in zip(modules, hooks)]
    try:
        out = model(tokens)
    except BaseException:
        for h in handles: h.remove()
        raise
    for h in handles: h.remove()
    return out
""",
        ),
        (
            "one combined hook for each name",
            """
from collections import OrderedDict
def run_with_hooks(model, tokens, hooks):
    groups = OrderedDict()
    for name, hook in hooks:
        groups.setdefault(name, []).append(hook)
    lookup = dict(model.named_modules())
    missing = set(groups) - set(lookup)
    if missing:
        raise KeyError(sorted(missing))
    def make(fs):
        def combined(module, args, out):
            for f in fs:
                new = f(out, module)
                if new is not None:
                    out = new
            return out
        return combined
    handles = []
    try:
        for name, fs in groups.items():
            handles.append(lookup[name].register_forward_hook(make(fs)))
        result = model(tokens)
    finally:
        while handles:
            handles.pop().remove()
    return result
""",
        ),
    ],
    "run_with_cache": [
        (
            "own hooks with a class",
            """
class Keeper:
    def __init__(self, store, name):
        self.store, self.name = store, name
    def __call__(self, module, inputs, output):
        kept = output.clone()
        self.store[self.name] = kept
        return kept.clone()

def run_with_cache(model, tokens, names=None):
    points = model.hook_points
    if names is None:
        selected = points.keys()
    elif callable(names):
        selected = filter(names, points)
    else:
        selected = names
    selected = list(selected)
    for n in selected:
        if n not in points:
            raise KeyError(n)
    store = {}
    handles = [points[n].register_forward_hook(Keeper(store, n)) for n in selected]
    try:
        logits = model(tokens)
    finally:
        for h in handles:
            h.remove()
    return logits, store
""",
        ),
        (
            "with run_with_hooks",
            """
def run_with_hooks(model, tokens, hooks):
    mods = dict(model.named_modules())
    handles = []
    try:
        for n, h in hooks:
            handles.append(mods[n].register_forward_hook(lambda m, i, o, h=h: h(o, m)))
        return model(tokens)
    finally:
        for h in handles:
            h.remove()

def run_with_cache(model, tokens, names=None):
    if names is None:
        names = list(model.hook_points)
    if callable(names):
        names = [n for n in model.hook_points if names(n)]
    for n in names:
        _ = model.hook_points[n]
    cache = dict()
    def hook_for(n):
        def hook(a, point):
            b = a + 0
            cache[n] = b
            return b + 0
        return hook
    return run_with_hooks(model, tokens, [(n, hook_for(n)) for n in names]), cache
""",
        ),
        (
            "in reverse order of names",
            """
def run_with_cache(model, tokens, names=None):
    every = model.hook_points
    if names is None: want = set(every)
    elif callable(names): want = {n for n in every if names(n)}
    else: want = set(names)
    bad = want - set(every)
    if bad: raise KeyError(bad.pop())
    cache, hs = {}, []
    try:
        for n in sorted(want, reverse=True):
            def f(mod, inp, out, n=n):
                cache[n] = out.clone()
                return cache[n].clone()
            hs.append(every[n].register_forward_hook(f))
        out = model(tokens)
    finally:
        for h in hs: h.remove()
    return out, cache
""",
        ),
    ],
}
HP = """
class HookPoint(nn.Module):
    def __init__(self):
        super().__init__()
        self.hooks = {}

    def add(self, hook):
%s

    def forward(self, value):
%s
"""
ADD = """        key = object()
        self.hooks[key] = hook
        return lambda: self.hooks.pop(key, None)"""
FWD = """        for hook in list(self.hooks.values()):
            made = hook(value, self)
            if made is not None:
                value = made
        return value"""
RWH = """
def run_with_hooks(model, tokens, hooks):
    modules = dict(model.named_modules())
    pairs = [(modules[n], h) for n, h in hooks]
    handles = []
    try:
        for m, h in pairs:
            handles.append(m.register_forward_hook(%s))
        %s
    finally:
        for handle in handles:
            handle.remove()
"""
WRONG = {
    "hook_point": [
        (
            "by id of the function",
            HP
            % (
                """        self.hooks[id(hook)] = hook
        return lambda: self.hooks.pop(id(hook), None)""",
                FWD,
            ),
        ),
        (
            "copies into the activation",
            HP
            % (
                ADD,
                """        for hook in list(self.hooks.values()):
            made = hook(value, self)
            if made is not None:
                value[...] = made
        return value""",
            ),
        ),
        (
            "returns after the first replacement",
            HP
            % (
                ADD,
                """        for hook in list(self.hooks.values()):
            made = hook(value, self)
            if made is not None:
                return made
        return value""",
            ),
        ),
        (
            "truth of the tensor",
            HP
            % (
                ADD,
                """        for hook in list(self.hooks.values()):
            made = hook(value, self)
            if made is not None and made.sum() != 0:
                value = made
        return value""",
            ),
        ),
        ("keyword call", HP % (ADD, FWD.replace("hook(value, self)", "hook(value, hook=self)"))),
        (
            "no grad inside",
            HP
            % (
                ADD,
                FWD.replace(
                    "made = hook(value, self)", "with torch.no_grad():\n                made = hook(value, self)"
                ),
            ),
        ),
        ("a clone is shown", HP % (ADD, FWD.replace("hook(value, self)", "hook(value.clone().detach(), self)"))),
        (
            "pops by position",
            HP
            % (
                """        if not isinstance(self.hooks, list): self.hooks = []
        self.hooks.append(hook)
        place = len(self.hooks) - 1
        def remove():
            if place < len(self.hooks):
                self.hooks.pop(place)
        return remove""",
                FWD.replace("list(self.hooks.values())", "list(self.hooks)"),
            ),
        ),
        (
            "removes the last one",
            HP
            % (
                """        key = object()
        self.hooks[key] = hook
        def remove():
            if self.hooks: self.hooks.popitem()
        return remove""",
                FWD,
            ),
        ),
        ("add returns nothing", HP % ("""        self.hooks[object()] = hook""", FWD)),
        (
            "add returns the key",
            HP
            % (
                """        key = object()
        self.hooks[key] = hook
        return key""",
                FWD,
            ),
        ),
        (
            "removes at once",
            HP
            % (
                """        key = object()
        self.hooks[key] = hook
        return self.hooks.pop(key, None)""",
                FWD,
            ),
        ),
        ("passes the name", HP % (ADD, FWD.replace("hook(value, self)", "hook(value, 'point')"))),
        (
            "last hook skipped after self removal",
            HP
            % (
                ADD,
                """        n = 0
        while n < len(self.hooks):
            hook = list(self.hooks.values())[n]
            made = hook(value, self)
            if made is not None:
                value = made
            n += 1
        return value""",
            ),
        ),
        (
            "always copies",
            HP
            % (
                ADD,
                FWD.replace("return value", "return value + 0").replace(
                    "                value", "                value"
                ),
            ),
        ),
    ],
    "run_with_hooks": [
        (
            "dict of hooks",
            RWH.replace("for n, h in hooks]", "for n, h in dict(hooks).items()]")
            % ("lambda m, i, o, h=h: h(o, m)", "return model(tokens)"),
        ),
        ("late binding", RWH % ("lambda m, i, o: h(o, m)", "return model(tokens)")),
        ("detached for hooks", RWH % ("lambda m, i, o, h=h: h(o.detach(), m)", "return model(tokens)")),
        ("model.eval", RWH % ("lambda m, i, o, h=h: h(o, m)", "model.eval()\n        return model(tokens)")),
        ("no grad", RWH % ("lambda m, i, o, h=h: h(o, m)", "with torch.no_grad():\n            return model(tokens)")),
        (
            "pre hooks",
            RWH.replace("register_forward_hook", "register_forward_pre_hook")
            % ("lambda m, i, h=h: h(i[0], m)", "return model(tokens)"),
        ),
        (
            "return in finally",
            """
def run_with_hooks(model, tokens, hooks):
    modules = dict(model.named_modules())
    pairs = [(modules[n], h) for n, h in hooks]
    handles = [m.register_forward_hook(lambda m, i, o, h=h: h(o, m)) for m, h in pairs]
    out = None
    try:
        out = model(tokens)
    finally:
        for handle in handles:
            handle.remove()
        return out
""",
        ),
        (
            "get_submodule's error",
            """
def run_with_hooks(model, tokens, hooks):
    pairs = [(model.get_submodule(n), h) for n, h in hooks]
    handles = [m.register_forward_hook(lambda m, i, o, h=h: h(o, m)) for m, h in pairs]
    try:
        return model(tokens)
    finally:
        for handle in handles:
            handle.remove()
""",
        ),
        (
            "removes only on success",
            """
def run_with_hooks(model, tokens, hooks):
    modules = dict(model.named_modules())
    pairs = [(modules[n], h) for n, h in hooks]
    handles = [m.register_forward_hook(lambda m, i, o, h=h: h(o, m)) for m, h in pairs]
    out = model(tokens)
    [h.remove() for h in handles]
    return out
""",
        ),
        (
            "catches the hook's errors only",
            """
def run_with_hooks(model, tokens, hooks):
    modules = dict(model.named_modules())
    pairs = [(modules[n], h) for n, h in hooks]
    handles = []
    def clean():
        for h in handles: h.remove()
    def make(hook):
        def f(m, i, o):
            try:
                return hook(o, m)
            except Exception:
                clean()
                raise
        return f
    for m, h in pairs:
        handles.append(m.register_forward_hook(make(h)))
    out = model(tokens)
    clean()
    return out
""",
        ),
        (
            "hooks in the loop",
            """
def run_with_hooks(model, tokens, hooks):
    handles = []
    try:
        for name, hook in hooks:
            for n, m in model.named_modules():
                if n == name:
                    handles.append(m.register_forward_hook(lambda m, i, o, hook=hook: hook(o, m)))
        return model(tokens)
    finally:
        for h in handles: h.remove()
""",
        ),
        (
            "prefix match",
            """
def run_with_hooks(model, tokens, hooks):
    modules = dict(model.named_modules())
    for name, _ in hooks:
        modules[name]
    handles = []
    try:
        for name, hook in hooks:
            for n, m in modules.items():
                if n.startswith(name):
                    handles.append(m.register_forward_hook(lambda m, i, o, hook=hook: hook(o, m)))
        return model(tokens)
    finally:
        for h in handles: h.remove()
""",
        ),
        (
            "a deep copy of the model",
            """
import copy
def run_with_hooks(model, tokens, hooks):
    model = copy.deepcopy(model)
    modules = dict(model.named_modules())
    pairs = [(modules[n], h) for n, h in hooks]
    for m, h in pairs:
        m.register_forward_hook(lambda m, i, o, h=h: h(o, m))
    return model(tokens)
""",
        ),
        (
            "clears the hook store of the named modules",
            """
def run_with_hooks(model, tokens, hooks):
    modules = dict(model.named_modules())
    pairs = [(modules[n], h) for n, h in hooks]
    try:
        for m, h in pairs:
            m.register_forward_hook(lambda m, i, o, h=h: h(o, m))
        return model(tokens)
    finally:
        for m, _ in pairs:
            m._forward_hooks.clear()
""",
        ),
        (
            "each hook in a run of its own",
            """
def run_with_hooks(model, tokens, hooks):
    modules = dict(model.named_modules())
    pairs = [(modules[n], h) for n, h in hooks]
    out = model(tokens)
    for m, h in pairs:
        handle = m.register_forward_hook(lambda m, i, o, h=h: h(o, m))
        try:
            out = model(tokens)
        finally:
            handle.remove()
    return out
""",
        ),
        ("truth", RWH % ("lambda m, i, o, h=h: h(o, m) if h(o, m) is not None else o", "return model(tokens)")),
    ],
    "run_with_cache": [
        (
            "detach",
            """
def run_with_cache(model, tokens, names=None):
    points = model.hook_points
    want = list(points) if names is None else [n for n in points if names(n)] if callable(names) else list(names)
    chosen = [(n, points[n]) for n in want]
    cache, hs = {}, []
    try:
        for n, p in chosen:
            hs.append(p.register_forward_hook(lambda m, i, o, n=n: cache.__setitem__(n, o.detach().clone())))
        return model(tokens), cache
    finally:
        for h in hs: h.remove()
""",
        ),
        (
            "returns the kept one",
            """
def run_with_cache(model, tokens, names=None):
    points = model.hook_points
    want = list(points) if names is None else [n for n in points if names(n)] if callable(names) else list(names)
    chosen = [(n, points[n]) for n in want]
    cache, hs = {}, []
    def mk(n):
        def f(m, i, o):
            cache[n] = o.clone()
            return cache[n]
        return f
    try:
        for n, p in chosen:
            hs.append(p.register_forward_hook(mk(n)))
        return model(tokens), cache
    finally:
        for h in hs: h.remove()
""",
        ),
        (
            "default dict as a default argument",
            """
def run_with_cache(model, tokens, names=None, cache={}):
    points = model.hook_points
    want = list(points) if names is None else [n for n in points if names(n)] if callable(names) else list(names)
    chosen = [(n, points[n]) for n in want]
    hs = []
    def mk(n):
        def f(m, i, o):
            cache[n] = o.clone()
            return cache[n].clone()
        return f
    try:
        for n, p in chosen:
            hs.append(p.register_forward_hook(mk(n)))
        return model(tokens), cache
    finally:
        for h in hs: h.remove()
""",
        ),
        (
            "a name is a prefix",
            """
def run_with_cache(model, tokens, names=None):
    points = model.hook_points
    if names is None: want = list(points)
    elif callable(names): want = [n for n in points if names(n)]
    else: want = [n for n in points if any(n.startswith(x) for x in names)]
    cache, hs = {}, []
    def mk(n):
        def f(m, i, o):
            cache[n] = o.clone()
            return cache[n].clone()
        return f
    try:
        for n in want:
            hs.append(points[n].register_forward_hook(mk(n)))
        return model(tokens), cache
    finally:
        for h in hs: h.remove()
""",
        ),
        (
            "no function",
            """
def run_with_cache(model, tokens, names=None):
    points = model.hook_points
    want = list(points) if names is None else list(names)
    chosen = [(n, points[n]) for n in want]
    cache, hs = {}, []
    def mk(n):
        def f(m, i, o):
            cache[n] = o.clone()
            return cache[n].clone()
        return f
    try:
        for n, p in chosen:
            hs.append(p.register_forward_hook(mk(n)))
        return model(tokens), cache
    finally:
        for h in hs: h.remove()
""",
        ),
        (
            "late n",
            """
def run_with_cache(model, tokens, names=None):
    points = model.hook_points
    want = list(points) if names is None else [n for n in points if names(n)] if callable(names) else list(names)
    chosen = [(n, points[n]) for n in want]
    cache, hs = {}, []
    try:
        for n, p in chosen:
            def f(m, i, o):
                cache[n] = o.clone()
                return cache[n].clone()
            hs.append(p.register_forward_hook(f))
        return model(tokens), cache
    finally:
        for h in hs: h.remove()
""",
        ),
        (
            "one run for each",
            """
def run_with_cache(model, tokens, names=None):
    points = model.hook_points
    want = list(points) if names is None else [n for n in points if names(n)] if callable(names) else list(names)
    chosen = [(n, points[n]) for n in want]
    cache = {}
    for n, p in chosen:
        h = p.register_forward_hook(lambda m, i, o: cache.__setitem__(n, o.clone()))
        try: model(tokens)
        finally: h.remove()
    return model(tokens), cache
""",
        ),
        (
            "deepcopies at the end",
            """
def run_with_cache(model, tokens, names=None):
    points = model.hook_points
    want = list(points) if names is None else [n for n in points if names(n)] if callable(names) else list(names)
    chosen = [(n, points[n]) for n in want]
    cache, hs = {}, []
    try:
        for n, p in chosen:
            hs.append(p.register_forward_hook(lambda m, i, o, n=n: cache.__setitem__(n, o)))
        out = model(tokens)
        return out, {n: v.clone() for n, v in cache.items()}
    finally:
        for h in hs: h.remove()
""",
        ),
        (
            "stays after an error",
            """
def run_with_cache(model, tokens, names=None):
    points = model.hook_points
    want = list(points) if names is None else [n for n in points if names(n)] if callable(names) else list(names)
    chosen = [(n, points[n]) for n in want]
    cache, hs = {}, []
    def mk(n):
        def f(m, i, o):
            cache[n] = o.clone()
            return cache[n].clone()
        return f
    for n, p in chosen:
        hs.append(p.register_forward_hook(mk(n)))
    out = model(tokens)
    for h in hs: h.remove()
    return out, cache
""",
        ),
        (
            "keeps after hooking, KeyError late",
            """
def run_with_cache(model, tokens, names=None):
    points = model.hook_points
    want = list(points) if names is None else [n for n in points if names(n)] if callable(names) else list(names)
    cache, hs = {}, []
    def mk(n):
        def f(m, i, o):
            cache[n] = o.clone()
            return cache[n].clone()
        return f
    mods = dict(model.named_modules())
    try:
        for n in want:
            if n in mods:
                hs.append(mods[n].register_forward_hook(mk(n)))
        out = model(tokens)
    finally:
        for h in hs: h.remove()
    return out, {n: cache[n] for n in want}
""",
        ),
    ],
}


# What its author is told; '' where no known mistake does the same.
SAID = {
    (
        "hook_point",
        "by id of the function",
    ): "The function itself is the key, so one that is added twice runs once: give each a key of its own.",
    (
        "hook_point",
        "copies into the activation",
    ): "The replacement is written into the tensor that came in, which others may hold: let the new one take its place.",
    (
        "hook_point",
        "returns after the first replacement",
    ): "The first hook that replaces the activation ends the round: those behind it are to be called as well.",
    (
        "hook_point",
        "truth of the tensor",
    ): "A replacement that is all zeros is taken for nothing: only None leaves the activation as it is.",
    ("hook_point", "keyword call"): "",
    ("hook_point", "no grad inside"): "",
    (
        "hook_point",
        "a clone is shown",
    ): "Hooks are shown a detached activation, so no gradient flows through what they make of it: hand them the activation.",
    ("hook_point", "pops by position"): "",
    (
        "hook_point",
        "removes the last one",
    ): "The last hook is removed, whichever was added: take off the one that this function belongs to.",
    ("hook_point", "add returns nothing"): "",
    (
        "hook_point",
        "add returns the key",
    ): "What comes back is no function: return one without arguments that takes the hook off.",
    ("hook_point", "removes at once"): "",
    ("hook_point", "passes the name"): "",
    ("hook_point", "last hook skipped after self removal"): "",
    ("hook_point", "always copies"): "A copy goes out: a hook point returns the tensor it is given.",
    (
        "run_with_hooks",
        "dict of hooks",
    ): "Of several hooks on one name only the last is called: the list may name a place more than once.",
    (
        "run_with_hooks",
        "late binding",
    ): "Every hook calls the last function of the list, since a lambda looks its variables up when it is called: bind hook=hook.",
    (
        "run_with_hooks",
        "detached for hooks",
    ): "Hooks are shown a detached activation, so no gradient flows through what they make of it: hand them the activation.",
    (
        "run_with_hooks",
        "model.eval",
    ): "The model is switched to evaluation mode and stays there: leave it in the mode that it is in.",
    (
        "run_with_hooks",
        "no grad",
    ): "The output is cut from the graph (no_grad or detach): gradients must flow through hooked runs.",
    ("run_with_hooks", "pre hooks"): "",
    (
        "run_with_hooks",
        "return in finally",
    ): "The exception of a hook is swallowed: let it come out, or nobody learns of it.",
    (
        "run_with_hooks",
        "get_submodule's error",
    ): "An unknown name raises AttributeError, as get_submodule does: raise KeyError.",
    (
        "run_with_hooks",
        "removes only on success",
    ): "When a hook raises, the hooks stay on the model: remove them in a finally block.",
    (
        "run_with_hooks",
        "catches the hook's errors only",
    ): "When the model itself raises, the hooks stay on it: remove them in a finally block.",
    (
        "run_with_hooks",
        "hooks in the loop",
    ): "A name that does not exist is skipped in silence: raise KeyError, or a typing error becomes a finding.",
    ("run_with_hooks", "prefix match"): "",
    ("run_with_hooks", "a deep copy of the model"): "",
    ("run_with_hooks", "clears the hook store of the named modules"): "",
    ("run_with_hooks", "each hook in a run of its own"): "",
    ("run_with_hooks", "truth"): "",
    (
        "run_with_cache",
        "detach",
    ): "What is kept is cut from the graph: no gradient can be taken of it, nor by it. Clone it without detach.",
    (
        "run_with_cache",
        "returns the kept one",
    ): "The cache holds the very tensor that the network goes on with, so a later edit in place changes what was kept: keep a copy.",
    (
        "run_with_cache",
        "default dict as a default argument",
    ): "The cache of an earlier run is used again: make a new one in each run.",
    ("run_with_cache", "a name is a prefix"): "Unknown names are skipped without a word: raise KeyError.",
    ("run_with_cache", "no function"): "",
    ("run_with_cache", "late n"): "",
    ("run_with_cache", "one run for each"): "",
    (
        "run_with_cache",
        "deepcopies at the end",
    ): "Copies are made when the run is over, and what was edited in place on the way is copied as edited: copy in the hook.",
    (
        "run_with_cache",
        "stays after an error",
    ): "When the model or a hook raises, the hooks stay on the model: remove them in a finally block.",
    (
        "run_with_cache",
        "keeps after hooking, KeyError late",
    ): "The model runs before an unknown name is noticed: look all names up first.",
}


@pytest.mark.parametrize(("name", "text"), answers(RIGHT))
def test_a_right_answer_passes_however_it_is_written(grader, name, text):
    assert_passed(grade(grader, f"induction.{name}", text))


@pytest.mark.parametrize(("name", "text", "said"), answers(with_said(WRONG, SAID)))
def test_a_wrong_answer_is_rejected_and_told_why(grader, name, text, said):
    assert_rejected(grade(grader, f"induction.{name}", text), said)

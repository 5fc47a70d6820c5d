"""Stores, losses, labels and attribution in other styles, right and wrong, that no checker was made from."""

# ruff: noqa: E501 (the lines are as long as people write them)

import pytest

from headwork.tests.natural import assert_passed, assert_rejected, grade, listed

STORE = """
class ActivationStore:
    def __init__(self, model, hook, read, batch, capacity, seed):
        self.model, self.hook, self.read = model, hook, read
        self.batch, self.capacity = batch, capacity
        self.generator = torch.Generator().manual_seed(seed)
        self.held = None
        self.next = 0
        self.ended = False

    def __iter__(self):
        return self
"""
STORE_ROWS = (
    STORE
    + """
    def _acts(self, tokens, counts):
        with torch.no_grad():
            _, cache = self.model.run_with_cache(tokens)
        a = cache[self.hook]
        a = a.reshape(*a.shape[:2], -1)
        return a[counts]

    def __next__(self):
        if self.held is None:
            self.held = []
        if not self.ended and len(self.held) < self.capacity // 2 + self.batch:
            new = list(self.held)
            while len(new) < self.capacity:
                got = self.read(self.next)
                if got is None:
                    self.ended = True
                    break
                self.next += 1
                new += [row.clone() for row in self._acts(*got)]
            order = torch.randperm(len(new), generator=self.generator).tolist()
            self.held = [new[i] for i in order]
        if len(self.held) == 0:
            raise StopIteration
        out, self.held = self.held[:self.batch], self.held[self.batch:]
        return torch.stack(out)

    def state(self):
        return {"rows": [r.clone() for r in self.held or []], "next": self.next, "ended": self.ended, "rng": self.generator.get_state()}

    def load(self, state):
        self.held = [r.clone() for r in state["rows"]]
        self.next, self.ended = state["next"], state["ended"]
        self.generator.set_state(state["rng"])
"""
)
STORE_DRAWS = (
    STORE
    + """
    @torch.no_grad()
    def fill(self):
        while not self.ended and (self.held is None or len(self.held) < self.capacity):
            got = self.read(self.next)
            self.next += 1
            if got is None:
                self.ended = True
                return
            tokens, mask = got
            rows = []
            def grab(value, point):
                rows.append(value.detach().flatten(2)[mask])
            self.model.run_with_hooks(tokens, [(self.hook, grab)])
            self.held = rows[0] if self.held is None else torch.cat([self.held, rows[0]])

    def __next__(self):
        if self.held is None or len(self.held) - self.batch < self.capacity / 2:
            self.fill()
        if self.held is None or len(self.held) == 0:
            raise StopIteration()
        n = min(self.batch, len(self.held))
        perm = torch.randperm(len(self.held), generator=self.generator)
        out = self.held[perm[:n]]
        self.held = self.held[perm[n:]]
        return out

    def state(self):
        return dict(held=None if self.held is None else self.held.clone(), next=self.next, ended=self.ended, g=self.generator.get_state())

    def load(self, s):
        self.held = None if s["held"] is None else s["held"].clone()
        self.next = s["next"]
        self.ended = s["ended"]
        self.generator.set_state(s["g"])
"""
)
ADAM = """
def train_sae(sae, make_batch, steps, learning_rate, window, aux=32, aux_weight=1/32):
    named = list(sae.named_parameters())
    m = [torch.zeros_like(p) for _, p in named]
    v = [torch.zeros_like(p) for _, p in named]
    counter = DeadLatents(sae.W_dec.shape[0], window)
    errs = []
    for i in range(steps):
        lr = learning_rate if i <= 0.8 * steps else learning_rate * 5 * (steps - i) / steps
        x = make_batch(i)
        y, f = sae(x)
        e = (x - y).pow(2).sum(-1).mean()
        extra = aux_k(x, y, (x - sae.b_dec) @ sae.W_enc + sae.b_enc, counter.dead(), sae.W_dec, aux)
        for _, p in named:
            p.grad = None
        (e + aux_weight * extra).backward()
        project_gradient(sae.W_dec)
        with torch.no_grad():
            for k, (_, p) in enumerate(named):
                g = p.grad
                m[k] = 0.9 * m[k] + 0.1 * g
                v[k] = 0.999 * v[k] + 0.001 * g * g
                p -= lr * (m[k] / (1 - 0.9 ** (i + 1))) / ((v[k] / (1 - 0.999 ** (i + 1))).sqrt() + 1e-8)
        normalise_decoder(sae.W_dec)
        counter.update(f)
        errs.append(e.detach())
    return torch.stack(errs)
"""
ONE_HOT = """
def attention_output_sae(W_enc, W_dec, b_dec, W_O, z):
    H, D, M = W_O.shape
    which = torch.arange(H * D) // D
    onehot = F.one_hot(which, H).to(W_dec)
    p = (W_dec * W_dec) @ onehot
    centred = z.flatten(2) - b_dec
    masked = centred[:, :, None, :] * onehot.T
    return [F.normalize(p, p=1, dim=1), W_dec @ W_O.reshape(H * D, M), masked @ W_enc]
"""
ABSOLUTE = """
class Transcoder(nn.Module):
    def __init__(self, d_in, d_out, latents):
        super().__init__()
        self.W_enc = nn.Parameter(torch.randn(d_in, latents) * d_in**-0.5)
        self.b_enc = nn.Parameter(torch.zeros(latents))
        self.W_dec = nn.Parameter(torch.zeros(latents, d_out))
        self.b_dec = nn.Parameter(torch.zeros(d_out))
        self.W_skip = nn.Parameter(torch.zeros(d_in, d_out))

    def forward(self, x):
        acts = torch.clamp(x @ self.W_enc + self.b_enc, min=0)
        out = torch.addmm(self.b_dec, acts, self.W_dec)
        out = out + x @ self.W_skip
        return (out, acts)

def transcoder_loss(written, made, latents, W_dec, coefficient):
    d = W_dec.square().sum(-1).sqrt()
    return (written - made).pow(2).sum(1).mean() + coefficient * (latents.abs() * d).sum(1).mean()

def latent_connections(earlier, later):
    return F.linear(earlier.W_dec, later.W_enc.T)
"""
WINDOWS = """
def top_contexts(activity, tokens, depths, count, radius):
    n = (activity > 0).sum().item()
    count = min(count, n)
    values, order = torch.topk(activity.reshape(-1), n)
    wide_tokens = torch.full((tokens.shape[0], tokens.shape[1] + 2 * radius), -1, dtype=tokens.dtype)
    wide_tokens[:, radius:radius + tokens.shape[1]] = tokens
    wide = torch.zeros(activity.shape[0], activity.shape[1] + 2 * radius, dtype=activity.dtype)
    wide[:, radius:radius + tokens.shape[1]] = activity
    windows_t = wide_tokens.unfold(1, 2 * radius + 1, 1).flatten(0, 1)
    windows_a = wide.unfold(1, 2 * radius + 1, 1).flatten(0, 1)
    ranks = torch.tensor([[int(depth * (n - count)) + i for i in range(count)] for depth in depths], dtype=torch.long).reshape(len(depths), count)
    idx = order[ranks]
    return {"places": torch.stack(torch.unravel_index(idx, activity.shape), dim=-1), "tokens": windows_t[idx], "activity": windows_a[idx]}
"""
RANKS = """
def draw_latents(density, count, generator):
    alive = torch.where(density > 0)[0]
    keys = torch.rand(len(alive), generator=generator)
    return alive[keys.argsort()[: min(count, len(alive))]]

def label_and_predict(label, activity, tokens, count, generator):
    scores, truth = [], []
    for value in (True, False):
        places = torch.argwhere((activity > 0) == value)
        w = torch.ones(len(places))
        chosen = places[torch.multinomial(w, min(count, len(places)), replacement=False, generator=generator)]
        for t, p in chosen:
            scores.append(float(label(tokens[t, : int(p) + 1].clone())))
            truth.append(value)
    s, y = np.array(scores), np.array(truth)
    order = np.sort(s)
    ranks = (np.searchsorted(order, s, "left") + np.searchsorted(order, s, "right") + 1) / 2
    n1, n0 = y.sum(), (~y).sum()
    return float((ranks[y].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))
"""
PAIRS = """
def draw_latents(density, count, generator):
    alive = [i for i, d in enumerate(density.tolist()) if d > 0]
    order = torch.randperm(len(alive), generator=generator).tolist()
    return torch.tensor([alive[i] for i in order[:count]], dtype=torch.long)

def label_and_predict(label, activity, tokens, count, generator):
    def draw(mask):
        t, p = mask.nonzero(as_tuple=True)
        keep = torch.randperm(len(t), generator=generator)[:min(count, len(t))]
        return [label(tokens[t[i]][: p[i] + 1]) for i in keep]
    yes, no = draw(activity > 0), draw(~(activity > 0))
    wins = 0.0
    for a in yes:
        for b in no:
            wins += 1.0 if a > b else 0.5 if a == b else 0.0
    return wins / (len(yes) * len(no))
"""
MIXED = """
KINDS = ("isotropic", "covariance", "norm")

def same_size_noise(x, reconstruction, kind, generator):
    error = reconstruction - x
    rows = []
    if kind == "covariance":
        mix = torch.randn(len(x), len(x), generator=generator, dtype=x.dtype)
        noise = mix @ error
    else:
        noise = torch.randn(*x.shape, generator=generator, dtype=x.dtype)
    for xi, ei, ni in zip(x, error, noise):
        if kind == "norm":
            u = xi / xi.norm()
            along = (ei @ u) * u
            ni = ni - (ni @ u) * u
            rows.append(xi + along + ni * ((ei - along).norm() / ni.norm()))
        else:
            rows.append(xi + ni * (ei.norm() / ni.norm()))
    return torch.stack(rows)

def error_against_noise(run, sae, generator):
    def shaped(f):
        return lambda x: torch.stack(list(f(x.flatten(0, 1)).split(x.shape[1])))
    clean = run(lambda x: x)
    out = {"error": (run(shaped(lambda x: sae(x)[0])) - clean).mean()}
    out["isotropic"] = (run(shaped(lambda x: same_size_noise(x, sae(x)[0], "isotropic", generator))) - clean).mean()
    out["covariance"] = (run(shaped(lambda x: same_size_noise(x, sae(x)[0], "covariance", generator))) - clean).mean()
    out["norm"] = (run(shaped(lambda x: same_size_noise(x, sae(x)[0], "norm", generator))) - clean).mean()
    return out
"""
PIECES = """
def latent_circuit(model, tokens, layer, sae, column, query):
    logits, cache = model.run_with_cache(tokens.unsqueeze(0))
    pre = cache[f"blocks.{layer}.hook_resid_pre"].squeeze(0)
    A = cache[f"blocks.{layer}.attn.hook_pattern"].squeeze(0)[:, query, :]
    attn = model.blocks[layer].attn
    H, _, dh = attn.W_V.shape
    e = column.reshape(H, dh)
    f = sae(pre)[1]
    pieces = f[:, :, None] * sae.W_dec[None]
    rest = pre - pieces.sum(1)
    both = torch.cat([pieces, rest[:, None]], 1)
    bias = attn.b_V
    if model.config.layer_norm:
        ln = model.blocks[layer].ln1
        s = cache[f"blocks.{layer}.ln1.hook_scale"].squeeze(0)
        both = (both - both.mean(-1, keepdim=True)) / s[:, None] * ln.w
        bias = bias + torch.einsum("m,hmd->hd", ln.b, attn.W_V)
    v = torch.einsum("plm,hmd->phld", both, attn.W_V)
    a = torch.einsum("phld,hd,hp->phl", v, e, A)
    return {"latents": a[..., :-1], "others": a[..., -1], "biases": (bias * e).sum()}
"""
HEADS = """
def latent_circuit(model, tokens, layer, sae, column, query):
    x = model(tokens[None], stop_at_layer=layer)
    saved = {}
    names = [f"blocks.{layer}.attn.hook_pattern"] + ([f"blocks.{layer}.ln1.hook_scale"] if model.config.layer_norm else [])
    def keep(v, point):
        saved[point.name] = v
    model.run_with_hooks(x, [(n, keep) for n in names], start_at_layer=layer, stop_at_layer=layer + 1)
    x = x[0]
    block = model.blocks[layer]
    H, D, K = block.attn.W_V.shape
    P = saved[names[0]][0, :, query]
    if model.config.layer_norm:
        scale = saved[names[1]][0, :, 0]
        w, b = block.ln1.w, block.ln1.b
        M = torch.eye(D, dtype=x.dtype) - torch.ones(D, D, dtype=x.dtype) / D
    else:
        scale, w, b, M = torch.ones(len(tokens), dtype=x.dtype), torch.ones(D, dtype=x.dtype), torch.zeros(D, dtype=x.dtype), torch.eye(D, dtype=x.dtype)
    f = sae(x)[1]
    L, O, B = [], [], 0
    for h in range(H):
        c = column[h * K:(h + 1) * K]
        r = M @ (w * (block.attn.W_V[h] @ c))
        k = (P[h] / scale)[:, None]
        L.append(f * (sae.W_dec @ r) * k)
        O.append(((x - f @ sae.W_dec) @ r) * k[:, 0])
        B = B + (block.attn.b_V[h] + b @ block.attn.W_V[h]) @ c
    return {"latents": torch.stack(L, 1), "others": torch.stack(O, 1), "biases": B}
"""
LEFT = """
def latent_circuit(model, tokens, layer, sae, column, query):
    _, cache = model.run_with_cache(tokens[None])
    get = lambda name: cache[f"blocks.{layer}.{name}"][0]
    x, z, pattern = get("hook_resid_pre"), get("attn.hook_z"), get("attn.hook_pattern")
    W = model.blocks[layer].attn.W_V
    pieces = einops.rearrange(column, "(h d) -> h d", h=len(W))
    f = sae(x)[1]
    dirs = sae.W_dec
    def through(d):
        if not model.config.layer_norm:
            return torch.einsum("...m,hmd,hd->...h", d, W, pieces)
        return torch.einsum("...m,hmd,hd->...h", (d - d.mean(-1, keepdim=True)) * model.blocks[layer].ln1.w, W, pieces)
    scale = get("ln1.hook_scale") if model.config.layer_norm else torch.ones_like(x[:, :1])
    k = pattern[:, query].mT / scale
    latents = torch.einsum("pl,lh,ph->phl", f, through(dirs), k)
    others = through(x - f @ dirs) * k
    total = (z[query] * pieces).sum()
    return {"latents": latents, "others": others, "biases": total - latents.sum() - others.sum()}
"""

RIGHT = [
    ("activation_store", "an order for each batch", STORE_DRAWS),
    ("train_sae", "Adam by hand", ADAM),
    ("attention_output_sae", "a mask a head, in a list", ONE_HOT),
    ("transcoder", "L1 of absolute values", ABSOLUTE),
    ("top_contexts", "windows unfolded", WINDOWS),
    ("label_and_predict", "ranks", RANKS),
    ("error_against_noise", "mixtures of the errors, row by row", MIXED),
    ("latent_circuit", "the rest as one more piece", PIECES),
    ("latent_circuit", "head by head, the norm as a matrix", HEADS),
    ("latent_circuit", "biases as what is left", LEFT),
]

WRONG = [
    (
        "activation_store",
        "reads on when a batch is missing",
        STORE_ROWS.replace("self.capacity // 2 + self.batch", "self.batch"),
        "read on at half of its capacity",
    ),
    (
        "label_and_predict",
        "places by strength",
        RANKS.replace(
            "w = torch.ones(len(places))",
            "w = activity[places[:, 0], places[:, 1]] + 1e-9 if value else torch.ones(len(places))",
        ),
        "Strong places are drawn more often",
    ),
    (
        "label_and_predict",
        "one with one",
        PAIRS.replace(
            "    wins = 0.0\n",
            "    return sum((a > b) + 0.5 * (a == b) for a, b in zip(yes, no)) / min(len(yes), len(no))\n",
        ),
        "compare it with all of them",
    ),
    (
        "latent_circuit",
        "the error alone",
        PIECES.replace("rest = pre - pieces.sum(1)", "rest = pre - sae(pre)[0]"),
        "`b_dec` is written by no latent",
    ),
    (
        "latent_circuit",
        "no biases",
        LEFT.replace("total - latents.sum() - others.sum()", "torch.zeros(())"),
        "bias is missing",
    ),
]


@pytest.mark.parametrize(("name", "text"), listed(RIGHT))
def test_a_right_answer_passes_in_another_style(grader, name, text):
    assert_passed(grade(grader, f"sae.{name}", text))


@pytest.mark.parametrize(("name", "text", "said"), listed(WRONG))
def test_a_wrong_answer_in_another_style_is_rejected_with_a_sentence(grader, name, text, said):
    assert text not in {right for _, _, right in RIGHT}
    assert_rejected(grade(grader, f"sae.{name}", text), said)


USED = [
    "a name, by a probe",
    "the word the, by means",
    "after and, by a probe",
    "a name that stood before, latent 506",
    "the word lost, latent 282",
]
IDLE = [
    "a woman's name, by means",
    "the word the, by a probe",
    "a vowel first, by a probe",
    "one of the first seven, by a probe",
    "the name Ethan, latent 838",
]


def test_uses_in_another_order_and_made_by_code_pass(grader):
    text = f"USED_OR_RECOVERABLE = {{}}\nfor name in {IDLE}:\n    USED_OR_RECOVERABLE[name] = 'recoverable only'\nUSED_OR_RECOVERABLE |= {{name: 'used' for name in {USED[::-1]}}}\n"
    assert_passed(grade(grader, "sae.used_or_recoverable", text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"dict.fromkeys({USED + IDLE}, 'used')", "compare each with as much of a random direction"),
        (f"dict.fromkeys({USED + IDLE}, 'recoverable only')", "beside random ones"),
        (f"{{name: name in {USED} for name in {USED + IDLE}}}", "say 'used' or 'recoverable only'"),
        (f"{{name: 'used' for name in {USED}}}", "nothing is said of"),
        (f"[[name, 'used'] for name in {USED}]", "the answer is a dict"),
        ("{}", "nothing is said of"),
    ],
)
def test_wrong_uses_are_told_what_is_wrong(grader, text, said):
    verdict = grade(grader, "sae.used_or_recoverable", f"USED_OR_RECOVERABLE = {text}\n")
    assert_rejected(verdict)
    assert verdict.points == 0 and said in str(verdict), verdict

"""Answers to chapter `sae` as people write them, right and wrong, that no checker was made from."""

# ruff: noqa: E501 (the lines are as long as people write them)
import pytest

from headwork.tests.natural import assert_passed, assert_rejected, grade, in_frame, listed

TOY = """
class ToyModel(nn.Module):
    def __init__(self, models, features, d_hidden):
        super().__init__()
        self.W = nn.Parameter(torch.randn(models, features, d_hidden))
        self.b = nn.Parameter(torch.zeros(models, features))

    def forward(self, x):
        BODY
"""
LOSS = "def toy_loss(reconstruction, x, importance):\n    BODY\n"
BATCH = "def feature_batch(count, features, probability, relation, generator):\n    BODY\n"
SHARES = "def feature_dimensionality(W):\n    BODY\n"
TRAIN = "def train_toy(model, make_batch, importance, steps, learning_rate):\n    BODY\n"
LOOP = """
opt = torch.optim.Adam(model.parameters(), lr=learning_rate)
losses = []
for i in range(steps):
    x = make_batch(i)
    loss = LOSS
    opt.zero_grad()
    loss.sum().backward()
    opt.step()
    losses.append(KEEP)
return torch.stack(losses)
"""
WEIGHTED = "(importance.unsqueeze(1) * (x - model(x)) ** 2).mean((1, 2))"

SAE_FRAME = """
class NAME(nn.Module):
    def __init__(self, d_model, latentsMORE):
        super().__init__()
        KEEP
        self.W_enc = nn.Parameter(torch.randn(d_model, latents))
        self.b_enc = nn.Parameter(torch.zeros(latents))
        self.W_dec = nn.Parameter(torch.randn(latents, d_model))
        self.b_dec = nn.Parameter(torch.zeros(d_model))

    def encode(self, x):
        BODY

    def decode(self, latents):
        return latents @ self.W_dec + self.b_dec

    def forward(self, x):
        f = self.encode(x)
        return self.decode(f), f
"""
PLAIN = SAE_FRAME.replace("NAME", "SAE").replace("MORE", "").replace("        KEEP\n", "")
TOPK = SAE_FRAME.replace("NAME", "TopK").replace("MORE", ", k").replace("KEEP", "self.k = k")
SHARED = (
    SAE_FRAME.replace("NAME", "BatchTopK")
    .replace("MORE", ", k, rate=0.01")
    .replace("KEEP", 'self.k, self.rate = k, rate\n        self.register_buffer("threshold", torch.tensor(-1.0))')
)
GATED = """
class Gated(nn.Module):
    def __init__(self, d_model, latents):
        super().__init__()
        self.W_gate = nn.Parameter(torch.randn(d_model, latents))
        self.W_dec = nn.Parameter(torch.randn(latents, d_model))
        self.b_gate = nn.Parameter(torch.zeros(latents))
        self.r_mag = nn.Parameter(torch.zeros(latents))
        self.b_mag = nn.Parameter(torch.zeros(latents))
        self.b_dec = nn.Parameter(torch.zeros(d_model))

    def gate(self, x):
        return (x - self.b_dec) @ self.W_gate + self.b_gate

    def encode(self, x):
        m = F.relu((x - self.b_dec) @ (self.W_gate * self.r_mag.exp()) + self.b_mag)
        return m * (self.gate(x) > 0)

    def loss(self, x, coefficient):
        BODY
"""
GATED_LOSS = """
g = self.gate(x).relu()
xh = self.encode(x) @ self.W_dec + self.b_dec
aux = g @ self.W_dec.detach() + self.b_dec.detach()
return ((x - xh) ** 2).sum(-1).mean() + coefficient * g.sum(-1).mean() + ((x - aux) ** 2).sum(-1).mean()
"""
ON_TOY = """
def match_features(W_dec, directions):
    c = F.normalize(directions, dim=-1) @ F.normalize(W_dec, dim=-1).T
    return c.max(1).values, c.argmax(1)


def train_on_toy(sae, make_batch, steps, learning_rate, coefficient):
    BODY
"""
STEPS = """
opt = torch.optim.Adam(sae.parameters(), lr=learning_rate)
out = []
for i in range(steps):
    x = make_batch(i)
    r, f = sae(x)
    loss = ((x - r) ** 2).sum(-1).mean() + coefficient * f.sum(-1).mean()
    opt.zero_grad()
    loss.backward()
    BEFORE
    opt.step()
    sae.W_dec.data = F.normalize(sae.W_dec.data, dim=-1)
    out.append(loss.item())
return out
"""
PROJECT = "w = F.normalize(sae.W_dec.data, dim=-1); sae.W_dec.grad -= (sae.W_dec.grad * w).sum(-1, keepdim=True) * w"
RESAMPLE = """
n = int(dead.sum())
if n == 0:
    return
idx = torch.multinomial(losses ** 2, n, replacement=True, generator=generator)
v = x[idx] - sae.b_dec
v = v / v.norm(dim=1, keepdim=True)
scale = SCALE
with torch.no_grad():
    sae.W_dec[dead] = v
    sae.W_enc[:, dead] = (scale * v).T
    sae.b_enc[dead] = 0
    MOMENTS
"""
FORGET = """for p, at in ((sae.W_dec, (dead,)), (sae.W_enc, (slice(None), dead)), (sae.b_enc, (dead,))):
        for key in ("exp_avg", "exp_avg_sq"):
            if optimiser.state[p]:
                optimiser.state[p][key][at] = 0"""
LIVING = "0.2 * sae.W_enc.detach()[:, ~dead].norm(dim=0).mean()"
COUNTER = """
class DeadLatents:
    def __init__(self, latents, window):
        self.window = window
        self.silent = torch.zeros(latents)

    def update(self, latents):
        BODY

    def dead(self):
        return self.silent >= self.window
"""
DECODER = """
def normalise_decoder(W_dec):
    with torch.no_grad():
        W_dec.div_(W_dec.norm(dim=1, keepdim=True))


def project_gradient(W_dec):
    BODY
"""
RECOVERED = """
def put(x):
    b, p, d = x.shape
    return sae(x.reshape(b * p, d))[0].reshape(b, p, d)
c, m, z, a = [run(f).mean() for f in (lambda x: x, put, lambda x: torch.zeros_like(x), lambda x: mean + torch.zeros_like(x))]
return {"added": m - c, "recovered from zero": (z - m) / (z - c), "recovered from the mean": (a - m) / (a - c)}
"""
FRAMES = {
    "sae_forward": PLAIN,
    "sae_loss": 'def sae_loss(x, reconstruction, latents, coefficient, penalty="l1", eps=1e-6):\n    BODY\n',
    "unit_decoder": DECODER,
    "sae_on_toy": ON_TOY,
    "shrinkage": "def shrinkage(x, reconstruction, centre):\n    BODY\n",
    "threshold_or_bias": "def threshold_or_bias(pre, threshold):\n    BODY\n",
    "dead_latents": COUNTER,
    "resample_dead": "@torch.no_grad()\ndef resample_dead(sae, optimiser, dead, x, losses, generator):\n    BODY\n",
    "l0_and_density": "def l0_and_density(batches):\n    BODY\n",
    "loss_recovered": "def loss_recovered(run, sae, mean):\n    BODY\n",
    "topk": TOPK,
    "batch_topk": SHARED,
    "aux_k": "def aux_k(x, reconstruction, pre, dead, W_dec, k):\n    BODY\n",
    "gated": GATED,
    "jumprelu": "def jumprelu(pre, log_threshold, bandwidth):\n    BODY\n",
}


TOYS = {
    "toy_model": TOY,
    "toy_loss": LOSS,
    "feature_batch": BATCH,
    "feature_dimensionality": SHARES,
    "train_toy": TRAIN,
}

FRAMES |= TOYS

RIGHT = [
    ("toy_model", "bmm and clamp", "h = torch.bmm(x, self.W)\nreturn (torch.bmm(h, self.W.transpose(1, 2)) + self.b.unsqueeze(1)).clamp(min=0)"),
    ("toy_model", "baddbmm", "return F.relu(torch.baddbmm(self.b.unsqueeze(1), x @ self.W, self.W.permute(0, 2, 1)))"),
    ("toy_model", "W times its transpose first", "return torch.maximum(x @ (self.W @ self.W.mT) + self.b[:, None, :], torch.zeros_like(x))"),
    ("toy_loss", "differences the other way round", "return ((x - reconstruction) ** 2 * importance.unsqueeze(1)).flatten(1).mean(1)"),
    ("toy_loss", "einsum", "d = x - reconstruction\nreturn torch.einsum('mbf,mbf,mf->m', d, d, importance) / (x.shape[1] * x.shape[2])"),
    ("feature_batch", "ranges of one number", """
u = torch.rand(count, features, generator=generator)
v = torch.rand(count, features, generator=generator)
if relation == "correlated":
    v[:, 1::2] = v[:, ::2]
if relation == "anti-correlated":
    v[:, 1::2] = 1 - v[:, ::2]
return torch.where(v < probability, u, 0.0)
"""),
    ("feature_dimensionality", "norms", """
n = W.norm(dim=-1, keepdim=True)
dots = (W / n.clamp(min=1e-30)) @ W.transpose(-1, -2)
return (n.squeeze(-1) ** 2 / (dots ** 2).sum(-1).clamp(min=1e-60))
"""),
    ("train_toy", "the loss written out", LOOP.replace("LOSS", WEIGHTED).replace("KEEP", "loss.detach().clone()")),
    ("sae_forward", "addmm", "return torch.addmm(self.b_enc, x - self.b_dec, self.W_enc).relu()"),
    ("sae_loss", "pow", "p = latents if penalty == 'l1' else (latents + eps) ** 0.5\nreturn ((x - reconstruction) ** 2).sum(1).mean() + coefficient * p.sum(1).mean()"),
    ("unit_decoder", "data", "u = F.normalize(W_dec.data, dim=-1)\nW_dec.grad.data -= (u * W_dec.grad).sum(-1, keepdim=True) * u"),
    ("sae_on_toy", "everything inside", STEPS.replace("BEFORE", PROJECT)),
    ("threshold_or_bias", "the threshold given back", "return F.relu(pre - threshold), F.relu(pre - threshold) + threshold * (pre > threshold)"),
    ("l0_and_density", "stacked", "f = torch.cat([b for b in batches])\nreturn (f != 0).sum().item() / len(f), (f > 0).to(f.dtype).mean(0)"),
    ("loss_recovered", "four runs in a list", RECOVERED),
    ("dead_latents", "in place", "self.silent += latents.shape[0]\nself.silent[latents.max(0).values > 0] = 0"),
    ("resample_dead", "by indices", RESAMPLE.replace("SCALE", LIVING).replace("MOMENTS", FORGET)),
    ("topk", "a threshold at the k-th", "p = F.relu((x - self.b_dec) @ self.W_enc + self.b_enc)\nt = p.topk(self.k).values[:, -1:]\nreturn p * (p >= t)"),
    ("gated", "means apart", GATED_LOSS),
    ("jumprelu", "straight through", """
t = log_threshold.exp()
w = ((pre - t).abs() < bandwidth / 2).to(pre.dtype)
hard = (pre > t).to(pre.dtype)
count = hard - (w / bandwidth * t - (w / bandwidth * t).detach())
f = pre * hard - (w / bandwidth * t ** 2 / 2 - (w / bandwidth * t ** 2 / 2).detach())
return f, count.sum(-1)
"""),
]  # fmt: skip

WRONG = [
    ("toy_model", "an untied second matrix of the same values", "W2 = self.W.clone().detach()\nreturn F.relu(x @ self.W @ W2.mT + self.b[:, None])"),
    ("toy_model", "leaky", "return F.leaky_relu(x @ self.W @ self.W.mT + self.b[:, None])"),
    ("toy_model", "a residual stream", "return F.relu(x + x @ self.W @ self.W.mT + self.b[:, None])"),
    ("toy_model", "no grad", "with torch.no_grad():\n    return F.relu(x @ self.W @ self.W.mT + self.b[:, None])"),
    ("toy_model", "bias that broadcasts over networks", "return F.relu(x @ self.W @ self.W.mT + self.b)"),
    ("toy_model", "ReLU and then the bias", "return F.relu(x @ self.W @ self.W.mT) + self.b.unsqueeze(1)"),
    ("toy_model", "b used twice", "return F.relu((x - self.b[:, None]) @ self.W @ self.W.mT + self.b[:, None])"),
    ("toy_model", "capped at one", "return (x @ self.W @ self.W.mT + self.b[:, None]).clamp(0, 1)"),
    ("toy_loss", "mse_loss", "return F.mse_loss(reconstruction, x)"),
    ("toy_loss", "weights inside the square", "return ((importance[:, None] * (reconstruction - x)) ** 2).mean((1, 2))"),
    ("toy_loss", "over the batch only", "return (importance[:, None] * (reconstruction - x) ** 2).mean(1)"),
    ("toy_loss", "without mean", "return (importance[:, None] * (reconstruction - x) ** 2).mean(1).sum(1)"),
    ("toy_loss", "numpy", "return torch.tensor((importance[:, None] * (reconstruction - x) ** 2).detach().numpy().mean((1, 2)))"),
    ("feature_batch", "zeroed by dropout", "u = torch.rand(count, features, generator=generator)\nreturn F.dropout(u, 1 - probability)"),
    ("feature_batch", "one strength for the whole input", "u = torch.rand(count, 1, generator=generator)\nreturn u * (torch.rand(count, features, generator=generator) < probability)"),
    ("feature_batch", "integers", "return (torch.rand(count, features, generator=generator) < probability).long()"),
    ("feature_batch", "transposed", "return torch.rand(features, count, generator=generator)"),
    ("feature_batch", "partners redrawn", """
u = torch.rand(count, features, generator=generator)
a = torch.rand(count, features, generator=generator) < probability
if relation == "correlated":
    a[:, 1::2] |= a[:, ::2]
if relation == "anti-correlated":
    a[:, 1::2] &= ~a[:, ::2]
return u * a
"""),
    ("feature_dimensionality", "NaN", "u = W / W.norm(dim=-1, keepdim=True)\nreturn W.norm(dim=-1) ** 2 / ((u @ W.mT) ** 2).sum(-1)"),
    ("feature_dimensionality", "cosines", "u = F.normalize(W, dim=-1)\nreturn 1 / ((u @ u.mT) ** 2).sum(-1)"),
    ("feature_dimensionality", "over all networks", "w = W.flatten(0, 1)\nu = F.normalize(w, dim=-1)\nreturn (w.norm(dim=-1) ** 2 / ((u @ w.T) ** 2).sum(-1)).view(W.shape[:2])"),
    ("train_toy", "importance forgotten", LOOP.replace("LOSS", "((x - model(x)) ** 2).mean((1, 2))").replace("KEEP", "loss.detach()")),
    ("train_toy", "a number a step", LOOP.replace("LOSS", WEIGHTED).replace("KEEP", "loss.sum().detach()")),
    ("train_toy", "graphs kept", LOOP.replace("LOSS", WEIGHTED).replace("KEEP", "loss")),
    ("train_toy", "weight decay", LOOP.replace("LOSS", WEIGHTED).replace("KEEP", "loss.detach()").replace("lr=learning_rate", "lr=learning_rate, weight_decay=0.01")),
    ("train_toy", "retrained from scratch", "model = type(model)(*model.W.shape).to(model.W)\n" + LOOP.replace("LOSS", WEIGHTED).replace("KEEP", "loss.detach()")),
    ("sae_forward", "not centred", "return F.relu(x @ self.W_enc + self.b_enc)"),
    ("sae_forward", "tied", "return F.relu((x - self.b_dec) @ self.W_dec.T + self.b_enc)"),
    ("sae_forward", "data", "return F.relu((x - self.b_dec) @ self.W_enc.data + self.b_enc)"),
    ("sae_forward", "softplus", "return F.softplus((x - self.b_dec) @ self.W_enc + self.b_enc)"),
    ("sae_loss", "mse_loss", "return F.mse_loss(reconstruction, x) + coefficient * latents.abs().sum(-1).mean()"),
    ("sae_loss", "L0", "return ((x - reconstruction) ** 2).sum(-1).mean() + coefficient * (latents != 0).sum(-1).double().mean()"),
    ("sae_loss", "root of the sum", "p = latents.sum(-1)\np = p if penalty == 'l1' else (p + eps).sqrt()\nreturn (((x - reconstruction) ** 2).sum(-1) + coefficient * p).mean()"),
    ("sae_loss", "clamped root", "p = latents if penalty == 'l1' else latents.clamp(min=eps).sqrt()\nreturn (((x - reconstruction) ** 2).sum(-1) + coefficient * p.sum(-1)).mean()"),
    ("unit_decoder", "by the row, not its direction", "W_dec.grad -= (W_dec.grad * W_dec.data).sum(-1, keepdim=True) * W_dec.data"),
    ("unit_decoder", "does nothing", "pass"),
    ("unit_decoder", "unit gradients", "W_dec.grad = F.normalize(W_dec.grad, dim=-1)"),
    ("sae_on_toy", "never projected", STEPS.replace("BEFORE", "pass")),
    ("shrinkage", "ratio of norms", "return (reconstruction - centre).norm() / (x - centre).norm()"),
    ("shrinkage", "mean of ratios", "return ((reconstruction - centre) / (x - centre)).mean()"),
    ("threshold_or_bias", "swapped", "return pre * (pre > threshold), F.relu(pre - threshold)"),
    ("l0_and_density", "means of means", "d = torch.stack([(b > 0).double().mean(0) for b in batches]).mean(0)\nreturn d.sum(), d"),
    ("l0_and_density", "reads twice", "n = sum(len(b) for b in batches)\nc = sum((b > 0).sum(0) for b in batches)\nreturn c.sum() / n, c / n"),
    ("l0_and_density", "L1", "f = torch.cat(list(batches))\nreturn f.sum(-1).mean(), (f > 0).double().mean(0)"),
    ("loss_recovered", "the share that is lost", RECOVERED.replace("(z - m)", "(m - c)")),
    ("loss_recovered", "activations added", RECOVERED.replace("return sae(", "return x + sae(")),
    ("loss_recovered", "not flattened", RECOVERED.replace("x.reshape(b * p, d)", "x")),
    ("loss_recovered", "the batch's own mean", RECOVERED.replace("mean + torch", "x.mean((0, 1)) + torch")),
    ("dead_latents", "batches", "self.silent += 1\nself.silent[latents.sum(0) > 0] = 0"),
    ("dead_latents", "one batch", "self.silent = torch.where(latents.sum(0) > 0, 0, self.window)"),
    ("dead_latents", "the mean must be large", "self.silent += len(latents)\nself.silent[latents.mean(0) > 1e-4] = 0"),
    ("resample_dead", "moments kept", RESAMPLE.replace("SCALE", LIVING).replace("MOMENTS", "pass")),
    ("resample_dead", "mean over all", RESAMPLE.replace("SCALE", "0.2 * sae.W_enc.detach().norm(dim=0).mean()").replace("MOMENTS", FORGET)),
    ("resample_dead", "optimiser emptied", RESAMPLE.replace("SCALE", LIVING).replace("MOMENTS", "optimiser.state.clear()")),
    ("resample_dead", "by the loss", RESAMPLE.replace("losses ** 2", "losses").replace("SCALE", LIVING).replace("MOMENTS", FORGET)),
    ("resample_dead", "b_dec kept in", RESAMPLE.replace(" - sae.b_dec", "").replace("SCALE", LIVING).replace("MOMENTS", FORGET)),
    ("topk", "indices as values", "p = (x - self.b_dec) @ self.W_enc + self.b_enc\nreturn torch.zeros_like(p).scatter(1, p.topk(self.k).indices, 1.0)"),
    ("topk", "no ReLU", "p = (x - self.b_dec) @ self.W_enc + self.b_enc\nv, i = p.topk(self.k)\nreturn torch.zeros_like(p).scatter(1, i, v)"),
    ("batch_topk", "a budget in use as well", "f = F.relu((x - self.b_dec) @ self.W_enc + self.b_enc)\nt = f.flatten().topk(self.k * len(x)).values[-1]\nself.threshold = t.detach()\nreturn f * (f >= t)"),
    ("aux_k", "target not cut", "if not dead.any():\n    return 0 * pre.sum()\ne = x - reconstruction\nv, i = pre.masked_fill(~dead, -1e9).topk(min(k, int(dead.sum())))\nh = torch.zeros_like(pre).scatter(1, i, v.relu()) @ W_dec\nreturn ((e - h) ** 2).sum(-1).mean()"),
    ("gated", "decoder not frozen", GATED_LOSS.replace(".detach()", "")),
    ("gated", "L1 on latents", GATED_LOSS.replace("g.sum(-1)", "self.encode(x).sum(-1)")),
    ("gated", "aux all detached", GATED_LOSS.replace("self.W_dec.detach() + self.b_dec.detach()", "self.W_dec + self.b_dec").replace("(x - aux)", "(x - aux.detach())")),
    ("jumprelu", "plain autograd", "t = log_threshold.exp()\nreturn pre * (pre > t), (pre > t).to(pre.dtype).sum(-1)"),
    ("jumprelu", "a sigmoid behind", "t = log_threshold.exp()\ns = torch.sigmoid((pre - t) / bandwidth)\nh = (pre > t).to(pre.dtype)\ng = h + s - s.detach()\nreturn pre * g, g.sum(-1)"),
    ("jumprelu", "count of non-zeros", "t = log_threshold.exp()\nf = pre * (pre > t)\nreturn f, (f > 0).to(pre.dtype).sum(-1)"),
]  # fmt: skip


def answered(grader, name, body):
    return grade(grader, f"sae.{name}", in_frame(FRAMES[name], body))


@pytest.mark.parametrize(("name", "body"), listed(RIGHT))
def test_a_right_answer_passes_however_it_is_written(grader, name, body):
    assert_passed(answered(grader, name, body))


@pytest.mark.parametrize(("name", "body"), listed(WRONG))
def test_a_wrong_answer_is_rejected_with_a_sentence(grader, name, body):
    assert_rejected(answered(grader, name, body))

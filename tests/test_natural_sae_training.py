"""A store, training, heads, transcoders and MLPs as people write them, that no checker was made from."""

# ruff: noqa: E501 (the lines are as long as people write them)

import pytest

from headwork.tests.natural import assert_passed, assert_rejected, grade, listed

STORE = """
class ActivationStore:
    def __init__(self, model, hook, read, batch, capacity, seed):
        self.model, self.hook, self.read = model, hook, read
        self.batch, self.capacity = batch, capacity
        self.rng = np.random.default_rng(seed)
        self.buffer = []
        self.position = 0
        self.finished = False

    def __iter__(self):
        return self

    def refill(self):
        while sum(len(b) for b in self.buffer) < self.capacity:
            item = self.read(self.position)
            if item is None:
                self.finished = True
                return
            self.position += 1
            tokens, mask = item
            with torch.no_grad():
                acts = self.model.run_with_cache(tokens, [self.hook])[1][self.hook]
            acts = acts.reshape(acts.shape[0] * acts.shape[1], -1)[mask.reshape(-1)]
            self.buffer.append(acts)

    def __next__(self):
        total = sum(len(b) for b in self.buffer)
        if total <= self.capacity // 2 + self.batch and not self.finished:
            self.refill()
            everything = torch.cat(self.buffer)
            self.buffer = [everything[torch.from_numpy(self.rng.permutation(len(everything)))]]
        if not self.buffer or len(self.buffer[0]) == 0:
            raise StopIteration
        out = self.buffer[0][:self.batch].clone()
        self.buffer = [self.buffer[0][self.batch:].clone()]
        return out

    def state(self):
        return {"acts": [b.clone() for b in self.buffer], "position": self.position, "finished": self.finished,
                "rng": str(self.rng.bit_generator.state)}

    def load(self, state):
        self.buffer = [b.clone() for b in state["acts"]]
        self.position, self.finished = state["position"], state["finished"]
        self.rng.bit_generator.state = eval(state["rng"])
"""
TRAIN = """
def train_sae(sae, make_batch, steps, learning_rate, window, aux=32, aux_weight=1/32):
    optim = torch.optim.Adam(sae.parameters(), lr=learning_rate)
    dl = DeadLatents(sae.W_enc.shape[1], window)
    out = []
    for t in range(steps):
        optim.param_groups[0]["lr"] = learning_rate * min(1.0, (steps - t) / (0.2 * steps))
        x = make_batch(t)
        x_hat, f = sae(x)
        mse = torch.sum((x_hat - x) ** 2, dim=1).mean()
        aux_loss = aux_k(x, x_hat, x @ sae.W_enc - sae.b_dec @ sae.W_enc + sae.b_enc, dl.dead(), sae.W_dec, aux) if dl.dead().any() else 0
        optim.zero_grad()
        (mse + aux_weight * aux_loss).backward()
        project_gradient(sae.W_dec)
        optim.step()
        normalise_decoder(sae.W_dec)
        dl.update(f)
        out.append(mse.item())
    return torch.tensor(out, dtype=x.dtype)
"""
HEADS = """
def attention_output_sae(W_enc, W_dec, b_dec, W_O, z):
    H, D, M = W_O.shape
    rows = W_dec.view(-1, H, D)
    share = (rows ** 2).sum(2) / (W_dec ** 2).sum(1, keepdim=True)
    writes = sum(rows[:, h] @ W_O[h] for h in range(H))
    contributions = torch.einsum("bphd,hdl->bphl", z - b_dec.view(H, D), W_enc.view(H, D, -1))
    return share, writes, contributions
"""
CODER = """
class Transcoder(nn.Module):
    def __init__(self, d_in, d_out, latents):
        super().__init__()
        self.W_enc = nn.Parameter(torch.randn(d_in, latents) * d_in**-0.5)
        self.b_enc = nn.Parameter(torch.zeros(latents))
        self.W_dec = nn.Parameter(torch.zeros(latents, d_out))
        self.b_dec = nn.Parameter(torch.zeros(d_out))
        self.W_skip = nn.Parameter(torch.zeros(d_in, d_out))

    def forward(self, x):
        acts = F.relu(self.b_enc + x @ self.W_enc)
        return acts @ self.W_dec + self.b_dec + x @ self.W_skip, acts

def transcoder_loss(written, made, latents, W_dec, coefficient):
    norms = W_dec.pow(2).sum(1).sqrt()
    return ((made - written) ** 2).sum(1).mean() + coefficient * (latents * norms).sum(1).mean()

def latent_connections(earlier, later):
    return torch.matmul(earlier.W_dec, later.W_enc)
"""
LINEAR = """
def linearise_mlp(x, directions, W_in, b_in, W_out):
    def mlp(v):
        return F.gelu(v @ W_in + b_in, approximate="tanh") @ W_out
    J = torch.func.vmap(torch.func.jacrev(mlp))(x)
    linear = torch.einsum("bij,kj->bki", J, directions)
    moved = mlp(x.unsqueeze(1) + directions)
    return linear, moved - mlp(x).unsqueeze(1)
"""
SOURCES = {
    "activation_store": STORE,
    "train_sae": TRAIN,
    "attention_output_sae": HEADS,
    "transcoder": CODER,
    "linearise_mlp": LINEAR,
}
# fmt: off
WRONG = [  # the exercise, what is wrong, what stands there, and what stands there instead
    ("activation_store", "reads all", "< self.capacity:\n            item", "< 10**9:\n            item"),
    ("activation_store", "texts counted, not activations", "sum(len(b) for b in self.buffer) < self.capacity", "len(self.buffer) < self.capacity"),
    ("activation_store", "the mask ignored", "[mask.reshape(-1)]", ""),
    ("activation_store", "the last batch dropped", "len(self.buffer[0]) == 0", "len(self.buffer[0]) < self.batch"),
    ("activation_store", "unseeded", "default_rng(seed)", "default_rng()"),
    ("activation_store", "new readings shuffled alone", "self.buffer = [everything[torch.from_numpy(self.rng.permutation(len(everything)))]]", "self.buffer = [everything]"),
    ("activation_store", "position forgotten", 'self.position, self.finished = state["position"]', 'self.position, self.finished = 0'),
    ("activation_store", "generator forgotten", 'self.rng.bit_generator.state = eval(state["rng"])', "pass"),
    ("activation_store", "graph kept", "torch.no_grad()", "torch.enable_grad()"),
    ("train_sae", "no decay", "* min(1.0, (steps - t) / (0.2 * steps))", ""),
    ("train_sae", "decay over all", "min(1.0, (steps - t) / (0.2 * steps))", "(1 - t / steps)"),
    ("train_sae", "mean over d_model", "torch.sum((x_hat - x) ** 2, dim=1).mean()", "F.mse_loss(x_hat, x)"),
    ("train_sae", "no auxiliary loss", "(mse + aux_weight * aux_loss).backward()", "mse.backward()"),
    ("train_sae", "latents in place of what they were before", "x @ sae.W_enc - sae.b_dec @ sae.W_enc + sae.b_enc", "f"),
    ("train_sae", "no projection", "        project_gradient(sae.W_dec)\n", ""),
    ("train_sae", "normalised before the step", "        optim.step()\n        normalise_decoder(sae.W_dec)\n", "        normalise_decoder(sae.W_dec)\n        optim.step()\n"),
    ("train_sae", "the total returned", "mse.item()", "float(mse + aux_weight * aux_loss)"),
    ("train_sae", "gradients pile up", "        optim.zero_grad()\n", ""),
    ("attention_output_sae", "lengths", "(rows ** 2).sum(2) / (W_dec ** 2).sum(1, keepdim=True)", "rows.norm(dim=2) / rows.norm(dim=2).sum(1, keepdim=True)"),
    ("attention_output_sae", "d_head first", "W_dec.view(-1, H, D)", "W_dec.view(-1, D, H).transpose(1, 2)"),
    ("attention_output_sae", "bias forgotten", "z - b_dec.view(H, D)", "z"),
    ("attention_output_sae", "decoder for encoder", "W_enc.view(H, D, -1)", "W_dec.T.reshape(H, D, -1)"),
    ("attention_output_sae", "last head alone", "sum(rows[:, h] @ W_O[h] for h in range(H))", "rows[:, -1] @ W_O[-1]"),
    ("transcoder", "b_dec subtracted", "x @ self.W_enc)", "(x - self.b_dec[: x.shape[1]].mean()) @ self.W_enc)"),
    ("transcoder", "no skip", " + x @ self.W_skip", ""),
    ("transcoder", "plain L1", "(latents * norms)", "latents"),
    ("transcoder", "norms over latents", "W_dec.pow(2).sum(1).sqrt()", "W_dec.pow(2).sum().sqrt()"),
    ("linearise_mlp", "at zero", "(torch.func.jacrev(mlp))(x)", "(torch.func.jacrev(mlp))(0 * x)"),
    ("linearise_mlp", "transposed", '"bij,kj->bki"', '"bji,kj->bki"'),
    ("linearise_mlp", "exact GELU", ', approximate="tanh"', ""),
    ("linearise_mlp", "not subtracted", "moved - mlp(x).unsqueeze(1)", "moved"),
]
# fmt: on


@pytest.mark.parametrize("name", SOURCES)
def test_a_right_answer_passes(grader, name):
    assert_passed(grade(grader, f"sae.{name}", SOURCES[name]))


@pytest.mark.parametrize(("name", "old", "new"), listed(WRONG))
def test_a_wrong_answer_is_rejected_with_a_sentence(grader, name, old, new):
    assert SOURCES[name].count(old) == 1
    assert_rejected(grade(grader, f"sae.{name}", SOURCES[name].replace(old, new)))

"""A store of activations as a list of rows, and training in one long loop."""

import random

import torch


class ActivationStore:
    def __init__(self, model, hook, read, batch, capacity, seed):
        self.model, self.hook, self.read = model, hook, read
        self.batch, self.capacity = batch, capacity
        self.rng = random.Random(seed)
        self.rows = []
        self.index = 0
        self.done = False

    def __iter__(self):
        return self

    def __next__(self):
        while len(self.rows) < self.capacity and not self.done:
            got = self.read(self.index)
            self.index += 1
            if got is None:
                self.done = True
            else:
                tokens, counts = got
                seen = {}

                def keep(value, point, seen=seen):
                    seen["x"] = value.detach().clone()

                with torch.no_grad():
                    self.model.run_with_hooks(tokens, [(self.hook, keep)])
                x = seen["x"].reshape(*tokens.shape, -1)
                for i in range(tokens.shape[0]):
                    for j in range(tokens.shape[1]):
                        if counts[i, j]:
                            self.rows.append(x[i, j].clone())
        if not self.rows:
            raise StopIteration
        picked = []
        while self.rows and len(picked) < self.batch:
            place = self.rng.randrange(len(self.rows))
            self.rows[place], self.rows[-1] = self.rows[-1], self.rows[place]
            picked.append(self.rows.pop())
        return torch.stack(picked)

    def state(self):
        version, internal, gauss = self.rng.getstate()
        return {
            "rows": [row.clone() for row in self.rows],
            "index": self.index,
            "done": self.done,
            "rng": [version, list(internal), gauss],
        }

    def load(self, state):
        self.rows = [row.clone() for row in state["rows"]]
        self.index, self.done = state["index"], state["done"]
        version, internal, gauss = state["rng"]
        self.rng.setstate((version, tuple(internal), gauss))


def train_sae(sae, make_batch, steps, learning_rate, window, aux=32, aux_weight=1 / 32):
    opt = torch.optim.Adam(list(sae.parameters()), lr=learning_rate, foreach=False)
    since = torch.zeros(sae.b_enc.shape[0])
    history = torch.zeros(steps, dtype=sae.W_dec.dtype)
    for i in range(steps):
        left = (steps - i) / steps
        if left < 0.2:
            opt.param_groups[0]["lr"] = learning_rate * left / 0.2
        x = make_batch(i)
        out, acts = sae(x)
        mse = ((out - x) ** 2).sum(1).mean(0)
        history[i] = mse.item()
        dead = since >= window
        total = mse
        if int(dead.sum()) > 0:
            total = total + aux_weight * aux_k(x, out, (x - sae.b_dec) @ sae.W_enc + sae.b_enc, dead, sae.W_dec, aux)
        opt.zero_grad()
        total.backward()
        project_gradient(sae.W_dec)
        opt.step()
        normalise_decoder(sae.W_dec)
        fired = (acts > 0).sum(0) > 0
        since = torch.where(fired, torch.zeros_like(since), since + x.shape[0])
    return history


def aux_k(x, reconstruction, pre, dead, W_dec, k):
    if not dead.any():
        return 0 * pre.sum()
    left = (x - reconstruction).detach()
    alive = pre[:, dead].relu()
    values, places = alive.topk(min(k, alive.shape[1]), dim=1)
    code = torch.zeros_like(alive).scatter(1, places, values)
    return ((left - code @ W_dec[dead]) ** 2).sum(1).mean()


@torch.no_grad()
def project_gradient(W_dec):
    unit = torch.nn.functional.normalize(W_dec, dim=1)
    W_dec.grad.sub_((W_dec.grad * unit).sum(1, keepdim=True) * unit)


@torch.no_grad()
def normalise_decoder(W_dec):
    W_dec.copy_(torch.nn.functional.normalize(W_dec, dim=1))

"""A store of activations in one tensor made once, refilled where activations were taken out; training by a schedule."""

import torch


class ActivationStore:
    def __init__(self, model, hook, read, batch, capacity, seed):
        self.model, self.hook, self.read = model, hook, read
        self.batch, self.capacity, self.seed = batch, capacity, seed
        self.left = None
        self.reads = 0
        self.over = False
        self.fills = 0

    def __iter__(self):
        return self

    @torch.no_grad()
    def _more(self):
        got = self.read(self.reads)
        self.reads = self.reads + 1
        if got is None:
            self.over = True
            return None
        tokens, counts = got
        _, cache = self.model.run_with_cache(tokens, names=[self.hook])
        value = cache[self.hook]
        value = value.reshape(value.shape[0], value.shape[1], -1)
        return value[counts.nonzero(as_tuple=True)]

    def __next__(self):
        have = 0 if self.left is None else self.left.shape[0]
        if have < max(self.batch, self.capacity // 2) and not self.over:
            pieces = [] if self.left is None else [self.left]
            while have < self.capacity:
                more = self._more()
                if more is None:
                    break
                pieces.append(more)
                have += more.shape[0]
            if pieces:
                joined = torch.cat(pieces)
                generator = torch.Generator()
                generator.manual_seed(1_000_003 * self.seed + self.fills)
                self.left = joined[torch.randperm(joined.shape[0], generator=generator)]
                self.fills += 1
        if self.left is None or self.left.shape[0] == 0:
            raise StopIteration()
        out = self.left[: self.batch].clone()
        self.left = self.left[self.batch :].clone()
        return out

    def state(self):
        left = torch.zeros(0, 1) if self.left is None else self.left.clone()
        return dict(left=left, none=self.left is None, numbers=[self.reads, int(self.over), self.fills, self.seed])

    def load(self, state):
        self.left = None if state["none"] else state["left"].clone()
        self.reads, over, self.fills, self.seed = state["numbers"]
        self.over = bool(over)


def train_sae(sae, make_batch, steps, learning_rate, window, aux=32, aux_weight=1 / 32):
    optimizer = torch.optim.Adam(sae.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (steps - step) / (steps / 5)))
    dead_latents = DeadLatents(sae.W_dec.shape[0], window)
    losses = []
    for step in range(steps):
        x = make_batch(step)
        reconstruction, latents = sae(x)
        loss = (reconstruction - x).pow(2).sum(dim=-1).mean()
        losses.append(loss.detach().clone())
        pre = (x - sae.b_dec) @ sae.W_enc + sae.b_enc
        extra = aux_k(x, reconstruction, pre, dead_latents.dead(), sae.W_dec, aux)
        optimizer.zero_grad(set_to_none=True)
        (loss + aux_weight * extra).backward()
        project_gradient(sae.W_dec)
        optimizer.step()
        schedule.step()
        normalise_decoder(sae.W_dec)
        dead_latents.update(latents)
    return torch.stack(losses)


class DeadLatents:
    def __init__(self, latents, window):
        self.window = window
        self.silent = torch.zeros(latents, dtype=torch.long)

    def update(self, latents):
        self.silent += len(latents)
        self.silent[(latents > 0).any(0)] = 0

    def dead(self):
        return self.silent >= self.window


def aux_k(x, reconstruction, pre, dead, W_dec, k):
    left = (x - reconstruction).detach()
    values, places = torch.where(dead, pre, -torch.inf).topk(min(k, pre.shape[1]), dim=-1)
    code = torch.zeros_like(pre).scatter(-1, places, values.relu())
    return (left - code @ W_dec).square().sum(-1).mean() * dead.any()


@torch.no_grad()
def project_gradient(W_dec):
    along = torch.einsum("ld,ld->l", W_dec.grad, W_dec) / W_dec.square().sum(-1)
    W_dec.grad -= along[:, None] * W_dec


@torch.no_grad()
def normalise_decoder(W_dec):
    W_dec /= torch.linalg.vector_norm(W_dec, dim=1, keepdim=True)

"""How the autoencoders that are shipped were trained: on the house model's own texts, each in minutes on one core."""

from dataclasses import dataclass

import torch
from torch import Tensor

from headwork.checkers.sae.judge.data import Corpus, Told
from headwork.models.gpt2 import GPT2
from headwork.solutions.sae.sparse import SparseTopK
from headwork.solutions.sae.store import ActivationStore
from headwork.solutions.sae.training import train_sae

BATCH = 2048
CAPACITY = 65536  # activations held by the store
RATE = 2e-3
WINDOW = 20_000  # silent inputs after which a latent is dead
RESIDUAL, MLP, HEADS = "blocks.1.hook_resid_post", "blocks.2.hook_mlp_out", "blocks.2.attn.hook_z"


@dataclass(frozen=True)
class Plan:
    """One autoencoder: of which activation, how many latents, and how many of these an input keeps."""

    hook: str
    k: int
    latents: int = 1024
    steps: int = 800

    @property
    def name(self) -> str:
        return f"{self.hook}.k{self.k}"


LADDER = tuple(Plan(RESIDUAL, k) for k in (4, 8, 16, 32))  # what others are judged beside
PLANS = (*LADDER, Plan(MLP, 16), Plan(HEADS, 16))


def train(model: GPT2, plan: Plan, seed: int = 0, told: Told = lambda count: None) -> dict[str, Tensor]:
    """The tensors of an autoencoder of raw activations, and `k`. The same seed gives the same on one machine."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        assert model.tokenizer is not None
        device = next(model.parameters()).device
        corpus = Corpus(model.tokenizer, model.config.n_ctx, f"training {seed}", device=device)
        store = ActivationStore(model, plan.hook, corpus, BATCH, CAPACITY, seed)
        first = next(store)
        centre, scale = first.mean(0), spread(first)
        sae = SparseTopK(first.shape[1], plan.latents, plan.k).to(device)

        def make_batch(step: int) -> Tensor:
            told(1)
            return (next(store) - centre) / scale

        train_sae(sae, make_batch, plan.steps, RATE, WINDOW)
    return {**unscaled(sae, centre, scale), "k": torch.tensor(plan.k)}


def spread(x: Tensor) -> Tensor:
    """A number: the root of the mean square of a coordinate, from the mean. x: (batch, d_model)."""
    return (x - x.mean(0)).square().mean().sqrt()


@torch.no_grad()
def unscaled(sae: SparseTopK, centre: Tensor, scale: Tensor) -> dict[str, Tensor]:
    """The same autoencoder for activations as they are, where `sae` reads (x - centre) / scale. Rows stay of length 1.

    Latents, and so their biases, become larger by the scale.
    """
    return {
        "W_enc": sae.W_enc.detach().clone(),
        "b_enc": sae.b_enc * scale,
        "W_dec": sae.W_dec.detach().clone(),
        "b_dec": centre + scale * sae.b_dec,
    }


def stored(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """As it is shipped: in float16, but for k."""
    return {name: each if name == "k" else each.half().contiguous() for name, each in tensors.items()}

"""The exercises of chapter `sae`: Superposition and sparse autoencoders.

What to write, and why, stands in the chapter's text. Put your code in place of `raise NotImplementedError`;
names and parameters stay as they are, and helpers of your own are welcome.
`headwork check sae.toy_model` checks one of them.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from headwork.models import GPT2
from torch import Tensor, nn


# sae.toy_model: The toy model
# 3 points, about 8 minutes. Check it with: headwork check sae.toy_model
class ToyModel(nn.Module):
    """Several networks side by side, each of which squeezes its features through `d_hidden` numbers.

    `W[m, i]` is the direction that network `m` gives to feature `i`.
    """

    def __init__(self, models: int, features: int, d_hidden: int):
        super().__init__()
        self.W = nn.Parameter(torch.randn(models, features, d_hidden) * features**-0.5)
        self.b = nn.Parameter(torch.zeros(models, features))

    def forward(self, x: Tensor) -> Tensor:
        """x: (model, batch, feature), each network's own inputs. Returns what they make of it, the same shape."""
        raise NotImplementedError("write ToyModel.forward")


# sae.toy_loss: What is lost, by importance
# 2 points, about 6 minutes. Check it with: headwork check sae.toy_loss
def toy_loss(reconstruction: Tensor, x: Tensor, importance: Tensor) -> Tensor:
    """How much of the input is lost: the squared error, weighted by importance, a number for each network.

    reconstruction, x: (model, batch, feature). importance: (model, feature). Returns (model,): the mean over batch
    and features.
    """
    raise NotImplementedError("write toy_loss")


# sae.feature_batch: Sparse inputs
# 4 points, about 15 minutes. Check it with: headwork check sae.feature_batch
def feature_batch(count: int, features: int, probability: float, relation: str, generator: torch.Generator) -> Tensor:
    """Sparse inputs, (count, feature): each feature is 0, or with `probability` a number drawn evenly from 0 to 1.

    relation: who is active together. 'independent': each feature by itself. 'correlated': of the features 0 and 1,
    2 and 3, and so on, both or none. 'anti-correlated': of such a pair one or none, so `probability` is at most 0.5.
    """
    raise NotImplementedError("write feature_batch")


# sae.feature_dimensionality: Shares of a dimension
# 3 points, about 12 minutes. Check it with: headwork check sae.feature_dimensionality
def feature_dimensionality(W: Tensor) -> Tensor:
    """Which share of a hidden dimension each feature has: 1 for one of its own, 0.5 for a half, 0 for an absent one.

    W: (model, feature, d_hidden). Returns (model, feature).
    """
    raise NotImplementedError("write feature_dimensionality")


# sae.train_toy: Train toy models
# 6 points, about 20 minutes. Check it with: headwork check sae.train_toy
def train_toy(
    model: ToyModel, make_batch: Callable[[int], Tensor], importance: Tensor, steps: int, learning_rate: float
) -> Tensor:
    """Trains all networks of `model` in place, each on its own inputs, by Adam with a constant learning rate.

    make_batch: called with each step's number, gives (model, batch, feature). importance: (model, feature).
    Returns the losses before each step, (step, model), without a graph.
    """
    raise NotImplementedError("write train_toy")


# sae.sae_forward: A sparse autoencoder
# 4 points, about 12 minutes. Check it with: headwork check sae.sae_forward
class SAE(nn.Module):
    """Writes an activation as a sum of few directions: latents that are never negative, and a row of `W_dec` each."""

    def __init__(self, d_model: int, latents: int):
        super().__init__()
        directions = F.normalize(torch.randn(latents, d_model), dim=-1)
        self.W_dec = nn.Parameter(directions)
        self.W_enc = nn.Parameter(directions.T.clone())
        self.b_enc = nn.Parameter(torch.zeros(latents))
        self.b_dec = nn.Parameter(torch.zeros(d_model))

    def encode(self, x: Tensor) -> Tensor:
        """x: (batch, d_model). Returns the latents, (batch, latent), never negative."""
        raise NotImplementedError("write SAE.encode")

    def decode(self, latents: Tensor) -> Tensor:
        """latents: (batch, latent). Returns the reconstruction, (batch, d_model)."""
        raise NotImplementedError("write SAE.decode")

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x: (batch, d_model). Returns the reconstruction, (batch, d_model), and the latents, (batch, latent)."""
        latents = self.encode(x)
        return self.decode(latents), latents


# sae.sae_loss: Error and penalty
# 4 points, about 12 minutes. Check it with: headwork check sae.sae_loss
def sae_loss(
    x: Tensor, reconstruction: Tensor, latents: Tensor, coefficient: float, penalty: str = "l1", eps: float = 1e-6
) -> Tensor:
    """The squared error of an input, summed over `d_model`, plus a penalty on its latents; the mean over the batch.

    x, reconstruction: (batch, d_model). latents: (batch, latent), not negative. penalty: 'l1', the sum of the latents;
    or 'sqrt', the sum of the roots of `latent + eps`. It is multiplied by `coefficient`. Returns a number.
    """
    raise NotImplementedError("write sae_loss")


# sae.unit_decoder: Rows of length 1
# 4 points, about 12 minutes. Check it with: headwork check sae.unit_decoder
@torch.no_grad()
def project_gradient(W_dec: nn.Parameter) -> None:
    """Takes out of each row of `W_dec.grad` what would only change the length of that row of `W_dec`, in place."""
    raise NotImplementedError("write project_gradient")


@torch.no_grad()
def normalise_decoder(W_dec: Tensor) -> None:
    """Gives each row of `W_dec`, (latent, d_model), the length 1, in place."""
    raise NotImplementedError("write normalise_decoder")


# sae.sae_on_toy: Known features, recovered
# 6 points, about 25 minutes. Check it with: headwork check sae.sae_on_toy
def match_features(W_dec: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """For each true direction the cosine with the dictionary's nearest row, and which row that is.

    W_dec: (latent, d_model). directions: (feature, d_model). Returns two tensors of shape (feature,). Lengths do not
    count, signs do: a latent is never negative.
    """
    raise NotImplementedError("write match_features")


def train_on_toy(
    sae: SAE, make_batch: Callable[[int], Tensor], steps: int, learning_rate: float, coefficient: float
) -> list[float]:
    """Trains `sae` in place by Adam, with rows of `W_dec` of length 1 after each step.

    make_batch: called with each step's number, gives (batch, d_model). Returns each step's loss, from before it.
    """
    raise NotImplementedError("write train_on_toy")


# sae.shrinkage: How much is shrunk
# 2 points, about 8 minutes. Check it with: headwork check sae.shrinkage
def shrinkage(x: Tensor, reconstruction: Tensor, centre: Tensor) -> Tensor:
    """By which factor the reconstruction is too small: 1 when it is not, below 1 when it is.

    x, reconstruction: (batch, d_model). centre: (d_model,), b_dec of the autoencoder. Returns a number: the mean square
    of what is reconstructed over its mean product with the input, both counted from the centre.
    """
    raise NotImplementedError("write shrinkage")


# sae.threshold_or_bias: Bias or threshold
# 2 points, about 6 minutes. Check it with: headwork check sae.threshold_or_bias
def threshold_or_bias(pre: Tensor, threshold: Tensor) -> tuple[Tensor, Tensor]:
    """Two ways to silence weak latents: a bias, which shifts all, and a threshold, which leaves the rest as it was.

    pre: (batch, latent). threshold: (latent,), positive. Returns (batch, latent) of either.
    """
    raise NotImplementedError("write threshold_or_bias")


# sae.dead_latents: Who has fallen silent
# 3 points, about 10 minutes. Check it with: headwork check sae.dead_latents
class DeadLatents:
    """Counts for each latent how many inputs have passed since it was last active, and calls it dead after `window`."""

    def __init__(self, latents: int, window: int):
        self.window = window
        self.silent = torch.zeros(latents, dtype=torch.long)

    def update(self, latents: Tensor) -> None:
        """latents: (batch, latent). A latent that is active for any input of the batch begins to count anew."""
        raise NotImplementedError("write DeadLatents.update")

    def dead(self) -> Tensor:
        """Which latents have been silent for `window` inputs or more: (latent,), booleans."""
        raise NotImplementedError("write DeadLatents.dead")


# sae.resample_dead: Resampling
# 7 points, about 30 minutes. Check it with: headwork check sae.resample_dead
@torch.no_grad()
def resample_dead(
    sae: SAE, optimiser: torch.optim.Adam, dead: Tensor, x: Tensor, losses: Tensor, generator: torch.Generator
) -> None:
    """Points dead latents at inputs that are badly reconstructed, in place, and lets Adam forget them.

    dead: (latent,), booleans. x: (batch, d_model). losses: (batch,), how badly each input fares. Each dead latent draws
    an input of its own, with a chance in proportion to the square of its loss, from `generator` alone.
    """
    raise NotImplementedError("write resample_dead")


# sae.topk: TopK
# 3 points, about 10 minutes. Check it with: headwork check sae.topk
class TopK(SAE):
    """Keeps the `k` largest latents of each input, so that nothing has to be paid for."""

    def __init__(self, d_model: int, latents: int, k: int):
        super().__init__(d_model, latents)
        self.k = k

    def encode(self, x: Tensor) -> Tensor:
        """x: (batch, d_model). Returns (batch, latent): at most `k` of each row are not 0, and none is negative."""
        raise NotImplementedError("write TopK.encode")


# sae.batch_topk: BatchTopK, and its threshold
# 5 points, about 20 minutes. Check it with: headwork check sae.batch_topk
class BatchTopK(SAE):
    """Keeps the `k` times batch largest latents of a whole batch; when not in training, those above a threshold.

    `threshold` is a moving average, of weight `rate`, of the smallest latent kept in each batch; negative before the
    first.
    """

    threshold: Tensor

    def __init__(self, d_model: int, latents: int, k: int, rate: float = 0.01):
        super().__init__(d_model, latents)
        self.k, self.rate = k, rate
        self.register_buffer("threshold", torch.tensor(-1.0))

    def encode(self, x: Tensor) -> Tensor:
        """x: (batch, d_model). Returns (batch, latent), never negative."""
        raise NotImplementedError("write BatchTopK.encode")


# sae.aux_k: A loss for dead latents
# 4 points, about 18 minutes. Check it with: headwork check sae.aux_k
def aux_k(x: Tensor, reconstruction: Tensor, pre: Tensor, dead: Tensor, W_dec: Tensor, k: int) -> Tensor:
    """How well the dead latents would describe what the living ones have left: a loss that wakes them.

    x, reconstruction: (batch, d_model). pre: (batch, latent), before any bend. dead: (latent,), booleans.
    W_dec: (latent, d_model). The `k` largest dead latents of each input are used, fewer where there are fewer.
    Returns a number: the squared error summed over `d_model`, the mean over the batch; 0 if none is dead.
    """
    raise NotImplementedError("write aux_k")


# sae.gated: A gated autoencoder
# 6 points, about 25 minutes. Check it with: headwork check sae.gated
class Gated(nn.Module):
    """Decides by one path whether a latent is active, and by another how strong it is, both with one matrix."""

    def __init__(self, d_model: int, latents: int):
        super().__init__()
        directions = nn.functional.normalize(torch.randn(latents, d_model), dim=-1)
        self.W_dec = nn.Parameter(directions)
        self.b_dec = nn.Parameter(torch.zeros(d_model))
        self.W_gate = nn.Parameter(directions.T.clone())
        self.b_gate = nn.Parameter(torch.zeros(latents))
        self.r_mag = nn.Parameter(torch.zeros(latents))
        self.b_mag = nn.Parameter(torch.zeros(latents))

    def encode(self, x: Tensor) -> Tensor:
        """x: (batch, d_model). Returns the latents, (batch, latent)."""
        raise NotImplementedError("write Gated.encode")

    def loss(self, x: Tensor, coefficient: float) -> Tensor:
        """The error, L1 on the gates, and the error of a reconstruction from the gates alone; means over the batch."""
        raise NotImplementedError("write Gated.loss")


# sae.jumprelu: JumpReLU
# 7 points, about 30 minutes. Check it with: headwork check sae.jumprelu
def jumprelu(pre: Tensor, log_threshold: Tensor, bandwidth: float) -> tuple[Tensor, Tensor]:
    """Latents that keep their strength above a threshold, and how many there are, with gradients for the threshold.

    pre: (batch, latent), not negative. log_threshold: (latent,). Returns the latents, (batch, latent), and their
    number, (batch,).
    """
    raise NotImplementedError("write jumprelu")


# sae.loss_recovered: The loss added, and recovered
# 4 points, about 15 minutes. Check it with: headwork check sae.loss_recovered
def loss_recovered(run: Callable[[Callable[[Tensor], Tensor]], Tensor], sae: SAE, mean: Tensor) -> dict[str, Tensor]:
    """What a network's loss says of an autoencoder that takes an activation's place.

    run: called with a function, runs the network with that function applied to the activation, (batch, position,
    d_model), and gives the loss of each token, (batch, position - 1). sae: takes (batch, d_model). mean: (d_model,).
    Returns numbers: 'added', in nats, and the shares 'recovered from zero' and 'recovered from the mean'.
    """
    raise NotImplementedError("write loss_recovered")


# sae.l0_and_density: L0 and densities
# 2 points, about 8 minutes. Check it with: headwork check sae.l0_and_density
def l0_and_density(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """How many latents are active for an input, on average, and for which share of all inputs each latent is.

    batches: latents, each (batch, latent), none negative; the batches may differ in size and are read once, one at a
    time. Returns a number and (latent,), floats.
    """
    raise NotImplementedError("write l0_and_density")


# sae.activation_store: A store of activations
# 6 points, about 40 minutes. Check it with: headwork check sae.activation_store
Read = Callable[[int], tuple[Tensor, Tensor] | None]


class ActivationStore:
    """Batches of a network's activations on a corpus, each activation once, those of a text far apart.

    model: a GPT-2. hook: the name of an activation in a block; one with an axis for heads is given out with heads side
    by side. read: called with 0, 1, 2, ..., gives tokens and which positions count, both (text, position), and None at
    the end. capacity: with so many activations held, nothing more is read. The same seed gives the same batches.
    """

    def __init__(self, model: GPT2, hook: str, read: Read, batch: int, capacity: int, seed: int):
        self.model, self.hook, self.read = model, hook, read
        self.batch, self.capacity = batch, capacity
        self.generator = torch.Generator().manual_seed(seed)
        self.held: Tensor | None = None  # (activation, d_model), shuffled, not yet given out
        self.next = 0  # what is read next
        self.ended = False

    def __iter__(self) -> Iterator[Tensor]:
        return self

    @torch.no_grad()
    def __next__(self) -> Tensor:
        """A batch, (batch, d_model); the last one may be smaller. Raises StopIteration when all have been given."""
        raise NotImplementedError("write ActivationStore.__next__")

    def state(self) -> dict[str, Any]:
        """What another store needs to go on from here: tensors, numbers and booleans, by name."""
        raise NotImplementedError("write ActivationStore.state")

    def load(self, state: dict[str, Any]) -> None:
        """Goes on where the store was whose state this is."""
        raise NotImplementedError("write ActivationStore.load")


# sae.train_sae: Training an autoencoder
# 6 points, about 30 minutes. Check it with: headwork check sae.train_sae
def train_sae(
    sae: TopK,
    make_batch: Callable[[int], Tensor],
    steps: int,
    learning_rate: float,
    window: int,
    aux: int = 32,
    aux_weight: float = 1 / 32,
) -> Tensor:
    """Trains `sae` in place by Adam; the learning rate falls to 0 over the last fifth of the steps, in a line.

    make_batch: called with each step's number, gives (batch, d_model). window: after how many inputs a silent latent
    is dead. Dead ones learn by `aux_k` with k = `aux`, times `aux_weight`. Rows of W_dec have length 1 after each step.
    Returns each step's squared error from before it, (step,), the mean over the batch, without a graph.
    """
    raise NotImplementedError("write train_sae")


# sae.attention_output_sae: Each head's share in a latent
# 4 points, about 20 minutes. Check it with: headwork check sae.attention_output_sae
def attention_output_sae(
    W_enc: Tensor, W_dec: Tensor, b_dec: Tensor, W_O: Tensor, z: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Whose each latent is, what it writes, and which head made it fire.

    W_enc: (head * d_head, latent). W_dec: (latent, head * d_head). b_dec: (head * d_head,). W_O: (head, d_head,
    d_model). z: (batch, position, head, d_head). Returns each head's share in each latent, (latent, head); what a unit
    of each latent writes, (latent, d_model); and each head's part of the pre-activations, (batch, position, head,
    latent), without b_enc.
    """
    raise NotImplementedError("write attention_output_sae")


# sae.transcoder: A transcoder
# 4 points, about 20 minutes. Check it with: headwork check sae.transcoder
class Transcoder(nn.Module):
    """Describes what an MLP makes of its input by few latents, and by a matrix that skips them."""

    def __init__(self, d_in: int, d_out: int, latents: int):
        super().__init__()
        self.W_enc = nn.Parameter(torch.randn(d_in, latents) * d_in**-0.5)
        self.b_enc = nn.Parameter(torch.zeros(latents))
        self.W_dec = nn.Parameter(torch.zeros(latents, d_out))
        self.b_dec = nn.Parameter(torch.zeros(d_out))
        self.W_skip = nn.Parameter(torch.zeros(d_in, d_out))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x: (batch, d_in), what the MLP reads. Returns what it is to write, (batch, d_out), and (batch, latent)."""
        raise NotImplementedError("write Transcoder.forward")


def transcoder_loss(written: Tensor, made: Tensor, latents: Tensor, W_dec: Tensor, coefficient: float) -> Tensor:
    """The squared error, summed over d_out, and L1 of the latents times the lengths of their rows; the batch's mean.

    written, made: (batch, d_out). latents: (batch, latent). W_dec: (latent, d_out). Returns a number.
    """
    raise NotImplementedError("write transcoder_loss")


def latent_connections(earlier: Transcoder, later: Transcoder) -> Tensor:
    """How much a unit of each earlier latent adds to each later pre-activation, directly: (earlier, later latent)."""
    raise NotImplementedError("write latent_connections")


# sae.linearise_mlp: An MLP near an input
# 4 points, about 20 minutes. Check it with: headwork check sae.linearise_mlp
def linearise_mlp(x: Tensor, directions: Tensor, W_in: Tensor, b_in: Tensor, W_out: Tensor) -> tuple[Tensor, Tensor]:
    """What adding a direction to an MLP's input does to its output: by its derivative at the input, and in truth.

    x: (batch, d_model), the input. directions: (direction, d_model). W_in: (d_model, d_mlp). b_in: (d_mlp,).
    W_out: (d_mlp, d_model). The bend is GELU with tanh. Returns two tensors, (batch, direction, d_model).
    """
    raise NotImplementedError("write linearise_mlp")


# sae.house_sae: Submit an autoencoder
# 8 points, about 90 minutes. Check it with: headwork check sae.house_sae
HOUSE_SAE: str = ...


# sae.top_contexts: Contexts from all over the range
# 4 points, about 20 minutes. Check it with: headwork check sae.top_contexts
def top_contexts(activity: Tensor, tokens: Tensor, depths: list[float], count: int, radius: int) -> dict[str, Tensor]:
    """Where one latent is active, from the strongest places to the weakest, with the tokens around each.

    activity: (text, position), what the latent is at each token, never negative. tokens: (text, position). depths:
    each from 0, the strongest, to 1, the weakest. Returns 'places', (depth, count, 2), text and position; 'tokens',
    (depth, count, 2 * radius + 1), -1 outside the text; 'activity' of the same shape, 0 outside the text.
    """
    raise NotImplementedError("write top_contexts")


# sae.latent_logits: What a latent says to the logits
# 4 points, about 15 minutes. Check it with: headwork check sae.latent_logits
def latent_logits(model: GPT2, W_dec: Tensor, residual: Tensor) -> Tensor:
    """By how much one unit of each latent moves each token's logit, on average over places, counted from their mean.

    W_dec: (latent, d_model), directions in the residual stream. residual: (batch, position, d_model), the whole stream
    before the final norm, whose scale is taken as given. Returns (latent, vocab); each row has the mean 0.
    """
    raise NotImplementedError("write latent_logits")


# sae.ablate_and_steer: Ablate a latent, and steer by it
# 5 points, about 25 minutes. Check it with: headwork check sae.ablate_and_steer
Run = Callable[[Callable[[Tensor], Tensor]], Tensor]


def ablate_and_steer(run: Run, sae: SAE, latent: int, strength: float, directions: Tensor) -> dict[str, Tensor]:
    """What taking a latent out, and putting it in, does to the predictions; and what random directions do instead.

    sae: takes (batch, d_model), gives a reconstruction and latents, and has `W_dec`. strength: how much of the latent
    is put in, at every position. directions: (control, d_model), of any length. Returns Kullback-Leibler divergences
    from the unchanged predictions, in nats: 'ablated', a number, over the positions where the latent is active;
    'ablated at random', (control,); 'steered', over all positions; and 'steered at random', (control,).
    """
    raise NotImplementedError("write ablate_and_steer")


# sae.label_and_predict: A label on places that nobody has read
# 5 points, about 25 minutes. Check it with: headwork check sae.label_and_predict
def draw_latents(density: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Different latents drawn evenly from all that are ever active: (count,), or fewer where there are fewer.

    density: (latent,), 0 for a dead one. All randomness comes from `generator`.
    """
    raise NotImplementedError("write draw_latents")


def label_and_predict(
    label: Callable[[Tensor], float], activity: Tensor, tokens: Tensor, count: int, generator: torch.Generator
) -> float:
    """How well a label tells where a latent is active: the chance that it puts an active place above a silent one.

    label: called with a text up to and with a token, (length,), gives a number, larger where the latent should be
    active. activity: (text, position). tokens: (text, position). `count` active places are drawn and `count` silent
    ones, or all where there are fewer. A pair that the label finds equal counts one half.
    """
    raise NotImplementedError("write label_and_predict")


# sae.error_against_noise: An error, beside noise of its size
# 6 points, about 30 minutes. Check it with: headwork check sae.error_against_noise
def same_size_noise(x: Tensor, reconstruction: Tensor, kind: str, generator: torch.Generator) -> Tensor:
    """Activations as far from `x` as the reconstruction is, each in a random direction.

    x, reconstruction: (batch, d_model). kind: 'isotropic', all directions alike; 'covariance', normal with the errors'
    mean outer product; 'norm', all directions alike among those that keep the reconstruction's length too. Returns
    (batch, d_model).
    """
    raise NotImplementedError("write same_size_noise")


def error_against_noise(
    run: Callable[[Callable[[Tensor], Tensor]], Tensor], sae: SAE, generator: torch.Generator
) -> dict[str, Tensor]:
    """The loss that the reconstruction adds, and what noise of each kind adds, in nats.

    run: called with a change of the activation, (batch, position, d_model), gives the loss of each token. sae: takes
    (batch, d_model). The noise is drawn in the order of KINDS. Returns numbers: 'error', and one for each kind.
    """
    raise NotImplementedError("write error_against_noise")


# sae.used_or_recoverable: Used, or only recoverable?
# 6 points, about 60 minutes. Check it with: headwork check sae.used_or_recoverable
USED_OR_RECOVERABLE: dict[str, str] = ...


# sae.latent_circuit: What a latent was made of
# 5 points, about 30 minutes. Check it with: headwork check sae.latent_circuit
def latent_circuit(model: GPT2, tokens: Tensor, layer: int, sae: SAE, column: Tensor, query: int) -> dict[str, Tensor]:
    """What a latent of a layer's `hook_z` reads at one position, taken apart, with attention and norm as they are.

    tokens: (position,), one text. sae: takes the stream before block `layer`, (position, d_model), gives a
    reconstruction and latents, and has `W_dec`. column: (head * d_head,), the later latent's column of `W_enc`. Returns
    'latents', (position, head, latent), what each earlier latent brings from each position by each head; 'others',
    (position, head), what all else of the stream brings; and 'biases', a number. Their sum is z at `query` times
    `column`.
    """
    raise NotImplementedError("write latent_circuit")

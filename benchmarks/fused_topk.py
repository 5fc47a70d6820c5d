"""A training step of a TopK autoencoder in Triton kernels: the values and gradients of `SparseTopK`, in fewer passes.

Of the step, the dense encoding and the choice of the `k` largest stay PyTorch's. A kernel decodes, and can leave the
error instead of the reconstruction; one gives each kept latent its gradient; one sums both matrices' gradients and
b_enc's in one sweep over the pairs of an input and a latent, sorted by latent. A latent that many inputs keep is cut
into pieces of `CHUNK` pairs, and a last kernel adds these up. There are no atomics: two runs give the same bits.

Shapes: x (batch, d_model), values and places (batch, k), W_dec (latent, d_model), a pair for each of the batch * k.
Sums are kept in float32 for float32 and bfloat16, in float64 for float64. `TRITON_INTERPRET=1`, set before Triton is
imported, runs the kernels on a CPU. Source of the method: Gao et al. 2024, section on systems.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from headwork.solutions.sae.sparse import SparseTopK

INTERPRETED = triton.knobs.runtime.interpret
CHUNK = 8 if INTERPRETED else 128  # pairs of one latent that one program sums
# Pairs, columns and warps of a program. On a GPU each is tried; the interpreter's lets a small input have several.
TILES = ((4, 16, 1),) if INTERPRETED else ((4, 256, 4), (8, 256, 4), (16, 128, 4), (8, 512, 8))
tuned = triton.autotune(
    [triton.Config({"PAIRS": pairs, "WIDTH": width}, num_warps=warps) for pairs, width, warps in TILES],
    key=["k", "d_model"],
)


class FusedTopK(SparseTopK):
    """The same values as `SparseTopK`, and the same gradients of its parameters. The latents carry none, and x none."""

    def reconstruct(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The reconstruction, (batch, d_model), the values of its latents and which they are, both (batch, k)."""
        made, values, places = _Fused.apply(x, self.W_enc, self.b_enc, self.W_dec, self.b_dec, self.k, False)
        return made.to(x.dtype), values, places

    def squared_error(self, x: Tensor) -> Tensor:
        """(batch,), at least float32: each input's squared error, summed over `d_model`. No reconstruction is kept."""
        return _Fused.apply(x, self.W_enc, self.b_enc, self.W_dec, self.b_dec, self.k, True)[0]


class _Fused(torch.autograd.Function):
    """x and the parameters to the reconstruction, (batch, d_model), or with `error` to its squared error, (batch,)."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, W_enc: Tensor, b_enc: Tensor, W_dec: Tensor, b_dec: Tensor, k: int, error: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        x, W_dec = x.contiguous(), W_dec.contiguous()
        values, places = torch.addmm(b_enc - b_dec @ W_enc, x, W_enc).topk(k, dim=-1, sorted=False)  # (batch, k)
        values = torch.relu(values)
        out = torch.empty_like(x, dtype=torch.promote_types(x.dtype, torch.float32))
        errors = torch.empty_like(out[:, 0])  # (batch,)
        with torch.cuda.device_of(x):
            decode[(len(x),)](values, places, W_dec, b_dec, x, out, errors, k, x.shape[1], ERROR=error)
        ctx.error = error
        ctx.save_for_backward(x, W_enc, W_dec, b_dec, values, places, out if error else None)
        ctx.mark_non_differentiable(values, places)
        return errors if error else out, values, places

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        x, W_enc, W_dec, b_dec, values, places, left = ctx.saved_tensors
        if ctx.error:  # of a square: -2 times what is left
            rows, scale = left, (-2 * grads[0]).contiguous()
        else:
            rows = grads[0].contiguous()
            scale = torch.ones_like(rows[:, 0])
        to_enc, to_b_enc, to_dec = of_parameters(x, W_dec, b_dec, values, places, rows, scale)
        to_b_dec = scale @ rows - W_enc.to(scale.dtype) @ to_b_enc  # what the encoder subtracts from x is b_dec too
        kind = x.dtype
        return None, to_enc.T.to(kind), to_b_enc.to(kind), to_dec.to(kind), to_b_dec.to(kind), None, None


def of_parameters(
    x: Tensor, W_dec: Tensor, b_dec: Tensor, values: Tensor, places: Tensor, rows: Tensor, scale: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of W_enc, (latent, d_model), its transpose; of b_enc, (latent,); and of W_dec, (latent, d_model).

    rows: (batch, d_model), and scale: (batch,): their product is the gradient of the reconstruction.
    """
    (batch, k), (latents, d_model) = values.shape, W_dec.shape
    strengths = torch.empty_like(values, dtype=rows.dtype)  # (batch, k)
    weights = (values * scale[:, None]).to(rows.dtype)  # (batch, k)
    order, begins, ends, firsts, untils = pieces(places, latents)
    to_enc = rows.new_empty(len(begins), d_model)  # those of the latents, then those that are added to them
    to_b_enc, to_dec = torch.empty_like(to_enc[:, 0]), torch.empty_like(to_enc)
    with torch.cuda.device_of(x):
        strengthen[(batch,)](values, places, W_dec, rows, scale, strengths, k, d_model)
        sweep[lambda tile: (len(begins), triton.cdiv(d_model, tile["WIDTH"]))](
            order, begins, ends, strengths, weights, x, rows, b_dec, to_enc, to_b_enc, to_dec, k, d_model
        )
        join[(latents, triton.cdiv(d_model, 256))](
            firsts, untils, to_enc, to_b_enc, to_dec, latents, d_model, WIDTH=256
        )
    return to_enc[:latents], to_b_enc[:latents], to_dec[:latents]


def pieces(places: Tensor, latents: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The pairs sorted by latent, and cut into pieces of one latent and at most `CHUNK` pairs.

    places: (batch, k). Returns `order`, (pair,); where each piece begins and ends in it, (piece,); and, (latent,) both,
    which of the pieces after the first `latents` continue a latent: from `firsts` up to before `untils`. Piece i is the
    beginning of latent i. There are as many pieces as could be needed, so that no number has to come back from the
    device; those that are not needed are empty.
    """
    sorted_, order = places.flatten().int().sort(stable=True)
    every = torch.arange(latents + 1, device=places.device)
    starts = torch.searchsorted(sorted_, every.int())  # (latent + 1,)
    further = (starts.diff() - 1).clamp(min=0) // CHUNK  # (latent,): pieces after its first
    untils = further.cumsum(0)
    firsts = untils - further
    more = torch.arange(len(order) // CHUNK, device=places.device)
    owner = torch.searchsorted(untils, more, right=True).clamp(max=latents - 1)  # the last one's are past its end
    begins = torch.cat([starts[:-1], starts[owner] + (more - firsts[owner] + 1) * CHUNK])
    ends = torch.minimum(begins + CHUNK, starts[torch.cat([every[:-1], owner]) + 1])
    return order, begins, ends, firsts, untils


@tuned
@triton.jit
def decode(
    values, places, W_dec, b_dec, x, out, errors,
    k: tl.constexpr, d_model: tl.constexpr, ERROR: tl.constexpr, PAIRS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Of one input: b_dec and the sum of its `k` weighted decoder rows, to `out`, (batch, d_model).

    With ERROR what x has more than that goes to `out`, and the sum of its squares to `errors`, (batch,).
    """
    row = tl.program_id(0).to(tl.int64)
    squares = tl.zeros((WIDTH,), out.dtype.element_ty)
    for left in range(0, d_model, WIDTH):
        column = left + tl.arange(0, WIDTH)
        inside = column < d_model
        parts = tl.zeros((PAIRS, WIDTH), out.dtype.element_ty)
        for first in range(0, k, PAIRS):
            pair = first + tl.arange(0, PAIRS)
            value = tl.load(values + row * k + pair, mask=pair < k, other=0.0).to(out.dtype.element_ty)
            place = tl.load(places + row * k + pair, mask=pair < k, other=0)
            active = (value > 0)[:, None] & inside[None, :]  # the row of a latent that is 0 is not read
            parts += value[:, None] * tl.load(
                W_dec + place[:, None] * d_model + column[None, :], mask=active, other=0.0
            )
        made = tl.sum(parts, 0) + tl.load(b_dec + column, mask=inside, other=0.0)
        if ERROR:
            made = tl.load(x + row * d_model + column, mask=inside, other=0.0) - made
            squares += made * made  # columns outside are 0
        tl.store(out + row * d_model + column, made, mask=inside)
    if ERROR:
        tl.store(errors + row, tl.sum(squares, 0))


@tuned
@triton.jit
def strengthen(
    values, places, W_dec, rows, scale, strengths,
    k: tl.constexpr, d_model: tl.constexpr, PAIRS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Of one input: the gradient of each of its `k` latents before the bend, to `strengths`, (batch, k).

    It is the latent's decoder row times the reconstruction's gradient, `rows` times `scale`, and 0 where the latent is.
    """
    row = tl.program_id(0).to(tl.int64)
    for first in range(0, k, PAIRS):
        pair = first + tl.arange(0, PAIRS)
        value = tl.load(values + row * k + pair, mask=pair < k, other=0.0)
        place = tl.load(places + row * k + pair, mask=pair < k, other=0)
        products = tl.zeros((PAIRS, WIDTH), strengths.dtype.element_ty)
        for left in range(0, d_model, WIDTH):
            column = left + tl.arange(0, WIDTH)
            inside = column < d_model
            grad = tl.load(rows + row * d_model + column, mask=inside, other=0.0)
            active = (value > 0)[:, None] & inside[None, :]
            products += grad[None, :] * tl.load(
                W_dec + place[:, None] * d_model + column[None, :], mask=active, other=0.0
            )
        tl.store(strengths + row * k + pair, tl.sum(products, 1) * tl.load(scale + row), mask=pair < k)


@tuned
@triton.jit
def sweep(
    order, begins, ends, strengths, weights, x, rows, b_dec, to_enc, to_b_enc, to_dec,
    k: tl.constexpr, d_model: tl.constexpr, PAIRS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Of one piece, WIDTH columns: both matrices' gradients, (piece, d_model), and b_enc's, (piece,), in one pass."""
    piece = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    inside = column < d_model
    enc = tl.zeros((PAIRS, WIDTH), to_enc.dtype.element_ty)
    dec = tl.zeros((PAIRS, WIDTH), to_enc.dtype.element_ty)
    bias = tl.zeros((PAIRS,), to_enc.dtype.element_ty)
    first = tl.load(begins + piece)
    end = tl.load(ends + piece)
    while first < end:
        place = first + tl.arange(0, PAIRS)
        pair = tl.load(order + place, mask=place < end, other=0)
        strength = tl.load(strengths + pair, mask=place < end, other=0.0)
        weight = tl.load(weights + pair, mask=place < end, other=0.0)
        source = (pair // k)[:, None] * d_model + column[None, :]  # the pair's input
        active = ((strength != 0) | (weight != 0))[:, None] & inside[None, :]
        enc += strength[:, None] * tl.load(x + source, mask=active, other=0.0)
        dec += weight[:, None] * tl.load(rows + source, mask=active, other=0.0)
        bias += strength
        first += PAIRS
    pushed = tl.sum(bias, 0)
    centre = tl.load(b_dec + column, mask=inside, other=0.0)  # the encoder reads x - b_dec
    tl.store(to_enc + piece * d_model + column, tl.sum(enc, 0) - pushed * centre, mask=inside)
    tl.store(to_dec + piece * d_model + column, tl.sum(dec, 0), mask=inside)
    if tl.program_id(1) == 0:
        tl.store(to_b_enc + piece, pushed)


@triton.jit
def join(firsts, untils, to_enc, to_b_enc, to_dec, latents, d_model: tl.constexpr, WIDTH: tl.constexpr):
    """Adds to WIDTH columns of one latent's gradients those of its further pieces, in their order."""
    latent = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    inside = column < d_model
    piece = tl.load(firsts + latent)
    until = tl.load(untils + latent)
    if piece < until:
        enc = tl.load(to_enc + latent * d_model + column, mask=inside)
        dec = tl.load(to_dec + latent * d_model + column, mask=inside)
        bias = tl.load(to_b_enc + latent)
        while piece < until:
            further = latents + piece
            enc += tl.load(to_enc + further * d_model + column, mask=inside)
            dec += tl.load(to_dec + further * d_model + column, mask=inside)
            bias += tl.load(to_b_enc + further)
            piece += 1
        tl.store(to_enc + latent * d_model + column, enc, mask=inside)
        tl.store(to_dec + latent * d_model + column, dec, mask=inside)
        if tl.program_id(1) == 0:  # the other columns' programs may read it after this: they have no use for it
            tl.store(to_b_enc + latent, bias)

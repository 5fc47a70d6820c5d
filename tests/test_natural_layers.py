"""Answers as people write them: embedding, mask, contributions of heads, GELU, MLP and unembedding."""

import textwrap

import pytest

from headwork.grading.submission import read_text

IMPORTS = """
import copy
import math

import einops
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

"""

GELU = """
def gelu(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))

"""

MLP = """
class MLP(nn.Module):
    def __init__(self, d_model, d_mlp):
        super().__init__()
        self.W_in = nn.Parameter(torch.randn(d_model, d_mlp) * 0.02)
        self.b_in = nn.Parameter(torch.zeros(d_mlp))
        self.W_out = nn.Parameter(torch.randn(d_mlp, d_model) * 0.02)
        self.b_out = nn.Parameter(torch.zeros(d_model))

    def forward(self, x):
"""

PATTERN = """
def attention_pattern(q, k):
    scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / q.shape[-1] ** 0.5
    later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
    return scores.masked_fill(later, float("-inf")).softmax(-1)

"""

QKV = """
q = torch.einsum("bpm,hmd->bphd", residual, layer.W_Q) + layer.b_Q
k = torch.einsum("bpm,hmd->bphd", residual, layer.W_K) + layer.b_K
v = torch.einsum("bpm,hmd->bphd", residual, layer.W_V) + layer.b_V
"""

HEADS = {
    "embed": """
class Embed(nn.Module):
    def __init__(self, d_vocab, n_ctx, d_model):
        super().__init__()
        self.W_E = nn.Parameter(torch.randn(d_vocab, d_model) * 0.02)
        self.W_pos = nn.Parameter(torch.randn(n_ctx, d_model) * 0.02)

    def forward(self, tokens, start=0):
""",
    "causal_mask": "def causal_mask(n_queries, n_keys, device=None):\n",
    "head_contributions": f"{PATTERN}def head_contributions(layer, residual):\n",
    "gelu": "def gelu(x):\n",
    "mlp": GELU + MLP,
    "mlp alone": MLP,
    "unembed": "def unembed(residual, norm, W_E):\n",
}

RIGHT = [
    (
        "embed",
        "positions by arange",
        "return self.W_E[tokens] + self.W_pos[torch.arange(start, start + tokens.shape[-1])]",
    ),
    (
        "embed",
        "one-hot in the right dtype",
        """
        x = F.one_hot(tokens, self.W_E.shape[0]).to(self.W_E) @ self.W_E
        x += self.W_pos.narrow(0, start, tokens.size(1))
        return x
        """,
    ),
    (
        "embed",
        "filled position by position",
        """
        x = torch.zeros(*tokens.shape, self.W_E.shape[1], dtype=self.W_E.dtype)
        for i in range(tokens.shape[1]):
            x[:, i] = self.W_E[tokens[:, i]] + self.W_pos[start + i]
        return x
        """,
    ),
    (
        "embed",
        "index_select",
        """
        rows = self.W_E.index_select(0, tokens.flatten())
        return rows.view(*tokens.shape, -1) + self.W_pos[start:][: tokens.size(1)]
        """,
    ),
    ("causal_mask", "tril of ones", "return torch.ones(n_queries, n_keys, device=device).tril(n_keys - n_queries) > 0"),
    (
        "causal_mask",
        "negated triu",
        """
        ones = torch.ones((n_queries, n_keys), dtype=torch.bool, device=device)
        return ~torch.triu(ones, n_keys - n_queries + 1)
        """,
    ),
    ("causal_mask", "the last rows", "return torch.ones(n_keys, n_keys, device=device).tril()[-n_queries:].bool()"),
    (
        "causal_mask",
        "lists",
        """
        rows = [[key <= n_keys - n_queries + query for key in range(n_keys)] for query in range(n_queries)]
        return torch.tensor(rows, device=device)
        """,
    ),
    (
        "causal_mask",
        "past and present side by side",
        """
        past = torch.ones(n_queries, n_keys - n_queries)
        present = torch.ones(n_queries, n_queries).tril()
        return torch.cat([past, present], dim=1).bool().to(device)
        """,
    ),
    (
        "causal_mask",
        "numpy, moved only when asked",
        """
        mask = torch.from_numpy(np.tri(n_queries, n_keys, n_keys - n_queries, dtype=bool))
        return mask.to(device) if device is not None else mask
        """,
    ),
    (
        "causal_mask",
        "from minus infinity",
        """
        bias = torch.full((n_queries, n_keys), float("-inf"), device=device).triu(n_keys - n_queries + 1)
        return bias == 0
        """,
    ),
    (
        "head_contributions",
        "matrix products",
        QKV + "return ((attention_pattern(q, k) @ v.transpose(1, 2)) @ layer.W_O).transpose(1, 2)",
    ),
    (
        "head_contributions",
        "values carried through W_O first",
        f"""{QKV}
written = torch.einsum("bkhd,hdm->bkhm", v, layer.W_O)
return torch.einsum("bhqk,bkhm->bqhm", attention_pattern(q, k), written)
""",
    ),
    (
        "head_contributions",
        "the library's attention",
        f"""{QKV}
z = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=True)
return einops.einsum(z, layer.W_O, "b h q d, h d m -> b q h m")
""",
    ),
    (
        "head_contributions",
        "one head left in the layer at a time, b_O taken off again",
        f"""{QKV}
def whole(W_O):
    z = torch.einsum("bhqk,bkhd->bqhd", attention_pattern(q, k), v)
    return torch.einsum("bqhd,hdm->bqm", z, W_O) + layer.b_O

parts = []
for head in range(len(layer.W_O)):
    keep = torch.zeros(len(layer.W_O), 1, 1, dtype=layer.W_O.dtype)
    keep[head] = 1
    parts.append(whole(layer.W_O * keep) - layer.b_O)
return torch.stack(parts, 2)
""",
    ),
    (
        "gelu",
        "numpy's constants",
        "return 0.5 * x * (1 + torch.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * torch.pow(x, 3))))",
    ),
    (
        "gelu",
        "a sigmoid and the digits of the factor",
        """
        u = 0.7978845608028654 * x * (1 + 0.044715 * x * x)
        return x * torch.sigmoid(2 * u)
        """,
    ),
    (
        "gelu",
        "the factor as a tensor",
        """
        factor = torch.sqrt(torch.tensor(2 / torch.pi))
        return x.mul(0.5).mul((factor * (x + 0.044715 * x.pow(3))).tanh().add(1))
        """,
    ),
    (
        "gelu",
        "in float32 and back",
        """
        y = x.float()
        return (0.5 * y * (1 + torch.tanh(math.sqrt(2 / math.pi) * (y + 0.044715 * y**3)))).type_as(x)
        """,
    ),
    (
        "mlp",
        "addmm on rows",
        """
        batch, length, width = x.shape
        hidden = torch.addmm(self.b_in, x.reshape(-1, width), self.W_in)
        return torch.addmm(self.b_out, gelu(hidden), self.W_out).view(batch, length, width)
        """,
    ),
    (
        "mlp alone",
        "no gelu of one's own",
        """
        hidden = nn.GELU(approximate="tanh")(x @ self.W_in + self.b_in)
        return hidden @ self.W_out + self.b_out
        """,
    ),
    (
        "mlp",
        "position by position",
        """
        def one(row):
            return gelu(row @ self.W_in + self.b_in) @ self.W_out + self.b_out

        return torch.stack([torch.stack([one(row) for row in sequence]) for sequence in x])
        """,
    ),
    ("unembed", "einsum", 'return torch.einsum("bpm,vm->bpv", norm(residual), W_E)'),
    ("unembed", "from the left", "return (W_E @ norm(residual).transpose(1, 2)).transpose(1, 2)"),
    ("unembed", "products and a sum", "return (norm(residual)[:, :, None, :] * W_E).sum(-1)"),
]

CUT, IN_PLACE = "cut from the graph", "changed in place"

WRONG = [
    ("embed", "all positions", "return self.W_E[tokens] + self.W_pos", "The whole of W_pos is added"),
    (
        "embed",
        "the slice ends too early",
        "return self.W_E[tokens] + self.W_pos[start : tokens.shape[1]]",
        "ends at start + length",
    ),
    (
        "embed",
        "as many positions as sequences",
        "return self.W_E[tokens] + self.W_pos[: tokens.shape[0]]",
        "must match the size",
    ),
    (
        "embed",
        "start added to the vectors",
        "return self.W_E[tokens] + self.W_pos[: tokens.shape[1]] + start",
        "right only where start is 0",
    ),
    (
        "embed",
        "side by side",
        """
        positions = self.W_pos[start : start + tokens.shape[1]].expand(tokens.shape[0], -1, -1)
        return torch.cat([self.W_E[tokens], positions], -1)
        """,
        "put side by side",
    ),
    (
        "embed",
        "a layer made on the way",
        """
        embedding = nn.Embedding(*self.W_E.shape)
        embedding.weight.data = self.W_E.data
        return embedding(tokens) + self.W_pos[start : start + tokens.shape[1]]
        """,
        "W_E was cut from the graph",
    ),
    (
        "embed",
        "one-hot in float32",
        """
        one_hot = F.one_hot(tokens, self.W_E.shape[0]).float()
        return one_hot @ self.W_E + self.W_pos[start : start + tokens.shape[1]]
        """,
        "always float32",
    ),
    (
        "embed",
        "averaged",
        "return (self.W_E[tokens] + self.W_pos[start : start + tokens.shape[1]]) / 2",
        "0.5 times",
    ),
    (
        "embed",
        "scaled, and start forgotten",
        "return self.W_E[tokens] * math.sqrt(self.W_E.shape[-1]) + self.W_pos[: tokens.shape[1]]",
        "And: ",
    ),
    (
        "causal_mask",
        "the triangle at the upper left",
        "return torch.ones(n_queries, n_keys, device=device).tril().bool()",
        "taken for the first positions",
    ),
    (
        "causal_mask",
        "zeros and ones",
        "return torch.ones(n_queries, n_keys, device=device).tril(n_keys - n_queries)",
        "return booleans",
    ),
    (
        "causal_mask",
        "True where it is hidden",
        "return torch.ones(n_queries, n_keys, device=device).triu(n_keys - n_queries + 1).bool()",
        "True where it may",
    ),
    (
        "causal_mask",
        "without oneself",
        "return torch.ones(n_queries, n_keys, device=device).tril(n_keys - n_queries - 1).bool()",
        "its own position, too",
    ),
    (
        "causal_mask",
        "with the next",
        "return torch.ones(n_queries, n_keys, device=device).tril(n_keys - n_queries + 1).bool()",
        "also sees the next position",
    ),
    ("causal_mask", "only the new keys", "return torch.ones(n_queries, n_queries).tril().bool()", "has shape (3, 3)"),
    (
        "causal_mask",
        "a row for every key",
        "return torch.ones(n_keys, n_keys, device=device).tril().bool()",
        "There is a row for every key",
    ),
    (
        "causal_mask",
        "no mask for one query",
        """
        if n_queries == 1:
            return None
        return torch.ones(n_queries, n_keys, device=device).tril(n_keys - n_queries).bool()
        """,
        "is None",
    ),
    (
        "causal_mask",
        "the wrong sign",
        "return torch.ones(n_queries, n_keys, device=device).tril(n_queries - n_keys).bool()",
        "offset has the wrong sign",
    ),
    (
        "causal_mask",
        "no device",
        "return torch.ones(n_queries, n_keys).tril(n_keys - n_queries).bool()",
        "device is not passed on",
    ),
    (
        "causal_mask",
        "to be added",
        'return torch.full((n_queries, n_keys), float("-inf"), device=device).triu(n_keys - n_queries + 1)',
        "a mask to add to scores",
    ),
    (
        "head_contributions",
        "b_O in every head",
        f"""{QKV}
z = torch.einsum("bhqk,bkhd->bqhd", attention_pattern(q, k), v)
return torch.einsum("bqhd,hdm->bqhm", z, layer.W_O) + layer.b_O
""",
        "Every head is given b_O",
    ),
    (
        "head_contributions",
        "b_O in the last head",
        f"""{QKV}
z = torch.einsum("bhqk,bkhd->bqhd", attention_pattern(q, k), v)
out = torch.einsum("bqhd,hdm->bqhm", z, layer.W_O)
out[:, :, -1] += layer.b_O
return out
""",
        "right up to index 1 along axis 2",
    ),
    (
        "head_contributions",
        "concatenated before W_O",
        f"""{QKV}
z = torch.einsum("bhqk,bkhd->bqhd", attention_pattern(q, k), v).flatten(2)
return torch.stack([z @ layer.W_O.flatten(0, 1)] * len(layer.W_O), 2)
""",
        "Every head gets the sum of all heads",
    ),
    (
        "head_contributions",
        "reshaped",
        f"""{QKV}
z = (attention_pattern(q, k) @ v.transpose(1, 2)).reshape(v.shape)
return torch.einsum("bqhd,hdm->bqhm", z, layer.W_O)
""",
        "A plain reshape mixes positions with heads",
    ),
    (
        "head_contributions",
        "z alone",
        QKV + 'return torch.einsum("bhqk,bkhd->bqhd", attention_pattern(q, k), v)',
        "This is z",
    ),
    (
        "head_contributions",
        "an equal share for each",
        "return layer(residual)[:, :, None].expand(-1, -1, len(layer.W_O), -1) / len(layer.W_O)",
        "given for its parameters",
    ),
    (
        "head_contributions",
        "b_O set to zero first",
        f"""
with torch.no_grad():
    layer.b_O.zero_()
{QKV}
z = torch.einsum("bhqk,bkhd->bqhd", attention_pattern(q, k), v)
return torch.einsum("bqhd,hdm->bqhm", z, layer.W_O) + layer.b_O
""",
        "set to zero in place",
    ),
    (
        "head_contributions",
        "weights by .data",
        f"""{QKV}
z = torch.einsum("bhqk,bkhd->bqhd", attention_pattern(q, k), v)
return torch.einsum("bqhd,hdm->bqhm", z, layer.W_O.data)
""",
        "of W_O is absent",
    ),
    ("gelu", "the library's", 'return F.gelu(x, approximate="tanh")', "calls `gelu`"),
    ("gelu", "the library's module", 'return nn.GELU("tanh")(x)', "calls `gelu`"),
    ("gelu", "the library's in place", "return torch._C._nn.gelu_(x.clone())", "calls `gelu_`"),
    ("gelu", "the normal law", "return x * torch.distributions.Normal(0, 1).cdf(x)", "the form with erf"),
    ("gelu", "1.702", "return x * torch.sigmoid(1.702 * x)", "1.702"),
    (
        "gelu",
        "a rounded factor",
        "return 0.5 * x * (1 + torch.tanh(0.79788 * (x + 0.044715 * x**3)))",
        "The factor before the bracket is rounded",
    ),
    (
        "gelu",
        "precedence",
        "return 0.5 * x * 1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))",
        "The brackets around 1 + tanh are missing",
    ),
    (
        "gelu",
        "exponentials",
        """
        u = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
        return x * torch.exp(2 * u) / (1 + torch.exp(2 * u))
        """,
        "overflows",
    ),
    (
        "gelu",
        "in place",
        """
        x.mul_(torch.sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
        return x
        """,
        IN_PLACE,
    ),
    (
        "gelu",
        "through numpy",
        """
        a = x.detach().numpy()
        return torch.from_numpy(0.5 * a * (1 + np.tanh(np.sqrt(2 / np.pi) * (a + 0.044715 * a**3))))
        """,
        "the graph was cut",
    ),
    (
        "mlp",
        "erf inside",
        "return F.gelu(x @ self.W_in + self.b_in) @ self.W_out + self.b_out",
        "in its default form",
    ),
    (
        "mlp",
        "weights as F.linear wants them",
        "return F.linear(gelu(F.linear(x, self.W_in, self.b_in)), self.W_out, self.b_out)",
        "(out, in)",
    ),
    ("mlp", "no biases", "return gelu(x @ self.W_in) @ self.W_out", "And: The bias b_out is never added"),
    (
        "mlp",
        "the result thrown away",
        """
        hidden = x @ self.W_in + self.b_in
        gelu(hidden)
        return hidden @ self.W_out + self.b_out
        """,
        "no gelu between",
    ),
    (
        "mlp",
        "added to the stream in place",
        """
        x += gelu(x @ self.W_in + self.b_in) @ self.W_out + self.b_out
        return x
        """,
        IN_PLACE,
    ),
    (
        "mlp",
        "no gradients inside",
        """
        with torch.no_grad():
            hidden = gelu(x @ self.W_in + self.b_in)
        return hidden @ self.W_out + self.b_out
        """,
        CUT,
    ),
    ("unembed", "no norm", "return residual @ W_E.T", "never applied"),
    ("unembed", "untransposed", "return norm(residual) @ W_E", "untransposed"),
    ("unembed", "PyTorch's norm", "return F.layer_norm(residual, residual.shape[-1:]) @ W_E.T", "without `norm`"),
    ("unembed", "the last position", "return norm(residual[:, -1]) @ W_E.T", "Only the last position"),
    ("unembed", "the likeliest token", "return (norm(residual) @ W_E.T).argmax(-1)", "has shape (2, 3)"),
    (
        "unembed",
        "a linear layer with the weights copied in",
        """
        head = nn.Linear(W_E.shape[1], W_E.shape[0], bias=False)
        head.weight = nn.Parameter(W_E)
        return head(norm(residual))
        """,
        "W_E was cut from the graph",
    ),
    (
        "unembed",
        "the largest subtracted",
        """
        logits = norm(residual) @ W_E.T
        return logits - logits.max(-1, keepdim=True).values
        """,
        "which changes no probability",
    ),
    (
        "unembed",
        "the first sequence for all",
        "return (norm(residual[:1]) @ W_E.T).expand(len(residual), -1, -1)",
        "right up to index 0 along axis 0",
    ),
    (
        "unembed",
        "normalised in place",
        """
        residual.copy_(norm(residual))
        return residual @ W_E.T
        """,
        IN_PLACE,
    ),
]


def grade(grader, head, body):
    indent = "        " if "def forward" in HEADS[head] else "    "
    source = IMPORTS + HEADS[head] + textwrap.indent(textwrap.dedent(body).strip("\n"), indent)
    return grader.grade(read_text("exercises.py", source), [f"gpt2.{head.split()[0]}"]).verdicts[0]


@pytest.mark.parametrize(("head", "name", "body"), RIGHT, ids=[f"{head}: {name}" for head, name, _ in RIGHT])
def test_a_right_answer_passes_however_it_is_written(grader, head, name, body):
    verdict = grade(grader, head, body)
    assert verdict.passed and verdict.points == verdict.out_of, verdict


@pytest.mark.parametrize(("head", "name", "body", "said"), WRONG, ids=[f"{head}: {name}" for head, name, _, _ in WRONG])
def test_a_wrong_answer_is_rejected_with_what_its_author_needs_to_hear(grader, head, name, body, said):
    verdict = grade(grader, head, body)
    assert verdict.status in ("failed", "error", "forbidden") and verdict.points < verdict.out_of, verdict
    assert said in verdict.message, verdict

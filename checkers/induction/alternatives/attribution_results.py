"""Chapter `induction`: parts of the stream by hook_result, and logits by a matrix that centres and scales."""

from einops import einsum, rearrange, repeat


def head_outputs(model, tokens):
    points = [name for name in model.hook_points if name.endswith(("_embed", "hook_result", "hook_mlp_out"))]
    _, cache = model.run_with_cache(tokens, points)
    batch, length = tokens.shape
    named = [("embed", cache["hook_embed"]), ("pos_embed", cache["hook_pos_embed"])]
    for layer in range(model.config.n_layers):
        by_head = rearrange(cache[f"blocks.{layer}.attn.hook_result"], "b p h m -> h b p m")
        named += [(f"{layer}.{head}", result) for head, result in enumerate(by_head)]
        named.append((f"{layer}.bias", repeat(model.blocks[layer].attn.b_O, "m -> b p m", b=batch, p=length)))
        if f"blocks.{layer}.hook_mlp_out" in cache:
            named.append((f"{layer}.mlp", cache[f"blocks.{layer}.hook_mlp_out"]))
    return dict(named)


def logit_attribution(model, parts, residual, targets):
    U = model.unembed.W_U[:, targets]  # (d_model, batch, position)
    bias = model.unembed.b_U[targets]
    if not model.config.layer_norm:
        return einsum(parts, U, "c b p m, m b p -> c b p"), bias
    ln = model.ln_final
    bias = bias + einsum(ln.b, U, "m, m b p -> b p")
    U = ln.w[:, None, None] * U
    U = U - U.mean(0)  # centring what reads is the same as centring what is read
    sd = (residual - residual.mean(-1, keepdim=True)).square().mean(-1).add(ln.eps).sqrt()
    return einsum(parts, U, "c b p m, m b p -> c b p") / sd, bias

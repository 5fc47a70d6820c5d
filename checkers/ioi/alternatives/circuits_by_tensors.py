"""Chapter `ioi`: circuits judged with one product for all means, one run for all sets, norms for sums."""

import einops
import torch
import torch.nn.functional as F


def mean_ablate_by_template(model, tokens, template, end, abc, abc_template, kept):
    kinds, index = torch.unique(torch.cat([template, abc_template]), return_inverse=True)
    of_prompt, of_abc = index[: len(template)], index[len(template) :]
    member = F.one_hot(of_abc, len(kinds)).T  # (kind, other)

    def hook(z, point):
        layer = int(point.name.split(".")[1])
        donor = cache[point.name]
        weights = member.to(donor.dtype)
        total = torch.tensordot(weights, donor, dims=1)
        counts = weights.sum(1).clamp(min=1)
        mean = total / einops.rearrange(counts, "k -> k 1 1 1")
        mask = einops.rearrange(kept[:, layer], "b h p -> b p h 1").to(z.dtype)
        return mask * z + (1 - mask) * mean[of_prompt]

    with torch.inference_mode():
        z_names = [name for name in model.hook_points if name.endswith("hook_z")]
        _, cache = model.run_with_cache(abc, z_names)
        logits = model.run_with_hooks(tokens, [(z_names, hook)])
    return logits.gather(1, end[:, None, None].expand(-1, 1, logits.shape[-1])).squeeze(1).clone()


def faithfulness(circuit, whole, none):
    whole = whole.unsqueeze(0).expand_as(circuit)
    kept, there_is = (circuit - none).sum(-1), (whole - none).sum(-1)
    fits = 1 - F.l1_loss(circuit, whole, reduction="none").mean(-1) / F.l1_loss(none, whole, reduction="none").mean(-1)
    return kept / there_is, fits.min()


def completeness(run, circuit, sets):
    everything = torch.ones_like(circuit)
    asked = torch.cat([circuit * ~sets, everything * ~sets, everything[None], ~everything[None]])
    answers = run(asked)  # all in one
    n = len(sets)
    away = torch.norm(answers[:n] - answers[n : 2 * n], p=1, dim=-1)
    scale = torch.norm(answers[-2] - answers[-1], p=1, dim=-1)
    return torch.max(away / scale, dim=1).values


def minimality(run, circuit, sets):
    nodes = len(circuit)
    m, n = (run(circuit.new_full((nodes,), value)).mean(-1) for value in (True, False))
    best = torch.zeros(nodes, dtype=m.dtype, device=m.device)
    for K in sets:
        left = circuit & torch.logical_not(K)
        members = torch.where(left)[0]
        if len(members) == 0:
            continue
        without = left.repeat(len(members), 1)
        without[torch.arange(len(members)), members] = False
        change = run(torch.cat([left[None], without])).mean(-1)  # the first with all that is left
        share = ((change[1:] - change[0]) / (m - n)).abs().max(-1).values
        best[members] = torch.maximum(best[members], share)
    return best

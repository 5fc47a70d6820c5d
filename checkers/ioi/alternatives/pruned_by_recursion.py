"""`acdc` receiver by receiver, on a flat mask of numbers."""

import torch


def without_more(run, shape, mask, places, loss, threshold):
    """The mask after these places have been tried, the last of them first."""
    if len(places) == 0:
        return mask
    trial = mask * (torch.arange(len(mask)) != places[-1])
    new = run((trial > 0).view(shape))
    if float(new) - float(loss) < threshold:
        mask, loss = trial, new
    return without_more(run, shape, mask, places[:-1], loss, threshold)


def acdc(run, edges, threshold):
    mask = edges.flatten().float()
    places = torch.arange(len(mask))[edges.flatten()]
    return without_more(run, edges.shape, mask, places, run(edges), threshold).bool().view(edges.shape)

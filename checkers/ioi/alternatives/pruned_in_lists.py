"""`acdc` with plain lists and numbers."""

import torch


def acdc(run, edges, threshold):
    todo = [(r, s) for r in range(len(edges)) for s in range(len(edges[r])) if edges[r][s]]
    gone = []

    def loss(without):
        mask = edges.clone()
        for place in without:
            mask[place] = False
        return run(mask).item()

    now = loss(gone)
    while todo:
        edge = todo.pop()
        then = loss([*gone, edge])
        if then < now + threshold:
            gone.append(edge)
            now = then
    result = torch.zeros_like(edges)
    for r, s in edges.nonzero().tolist():
        result[r, s] = (r, s) not in gone
    return result

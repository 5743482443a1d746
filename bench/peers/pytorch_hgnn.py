"""Co-interaction graph and heterogeneous max-pool GraphSAGE in plain PyTorch."""

from __future__ import annotations

import argparse
import math
import time
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xwines_protocol import Data

DAY = 86400.0
Neighbours = tuple[
    Tensor, Tensor
]  # items sorted by type per node, and where each (node, type) begins


def build_graph(d: Data, a: argparse.Namespace) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    """Undirected edges (lo, hi) of items among a user's last `maxhist`, within `window` days."""
    n, n_types = d.n_items, d.n_types
    end = np.searchsorted(d.u, d.u, side="right")
    keep = np.arange(len(d.u)) >= end - a.maxhist
    u, i, t = d.u[keep], d.i[keep], d.t[keep]

    count = np.zeros(n * n, np.int64)
    pairs = 0
    for gap in range(1, a.maxhist):
        same_user = u[gap:] == u[:-gap]
        if a.window:
            same_user &= (t[gap:] - t[:-gap]) <= a.window * DAY
        if not same_user.any():
            break
        x, y = i[gap:][same_user], i[:-gap][same_user]
        pairs += len(x)
        count += np.bincount(np.minimum(x, y) * n + np.maximum(x, y), minlength=n * n)
    key = np.nonzero(count)[0]
    key = key[key // n != key % n]
    lo, hi, weight = key // n, key % n, count[key].astype(np.float64)
    total = len(lo)

    if (
        a.topk
    ):  # the strongest by cosine per node and neighbour type; an edge stays if either end keeps it
        degree = np.bincount(i, minlength=n).astype(np.float64)
        weight = weight / np.sqrt(degree[lo] * degree[hi])
        src, dst, both = np.r_[lo, hi], np.r_[hi, lo], np.r_[weight, weight]
        order = np.lexsort((-both, d.type[src], dst))
        group = dst[order].astype(np.int64) * n_types + d.type[src[order]]
        at = np.arange(len(group))
        first = np.r_[True, group[1:] != group[:-1]]
        place = at - np.maximum.accumulate(np.where(first, at, 0))
        kept = np.unique(order[place < a.topk] % total)
        lo, hi = lo[kept], hi[kept]
    return lo, hi, {"pairs": pairs, "edges_all": total, "edges": len(lo)}


class HGNN(nn.Module):
    """h' = act(W_type h + sum_r max_c act(W_r h_c + b_r)), the last layer linear; z = h / |h|.

    A relation is an unordered pair of item types.
    """

    def __init__(self, types: Tensor, n_types: int, d_in: int, dim: int, layers: int = 2):
        super().__init__()
        self.types, self.n_types = types, n_types
        self.by_type = [torch.where(types == j)[0] for j in range(n_types)]
        self.relation = torch.zeros(n_types, n_types, dtype=torch.long)
        relations = 0
        for x in range(n_types):
            for y in range(x, n_types):
                self.relation[x, y] = self.relation[y, x] = relations
                relations += 1

        def weights(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(*shape).uniform_(-1, 1) * math.sqrt(3 / shape[-2]))

        dims = [d_in] + [dim] * layers
        pairs = list(pairwise(dims))
        self.w_relation = nn.ParameterList([weights(relations, p, q) for p, q in pairs])
        self.b_relation = nn.ParameterList(
            [nn.Parameter(torch.zeros(relations, q)) for _, q in pairs]
        )
        self.w_self = nn.ParameterList([weights(n_types, p, q) for p, q in pairs])

    def forward(self, h: Tensor, neighbours: list[Tensor], masks: list[Tensor]) -> Tensor:
        n, n_types = len(self.types), self.n_types
        last = len(self.w_relation) - 1
        for layer in range(last + 1):
            w, b = self.w_relation[layer], self.b_relation[layer]
            width = w.shape[2]
            messages = []  # per source type: (n_types of the destination, n_source, width)
            for s in range(n_types):
                x = h[self.by_type[s]].expand(n_types, -1, -1)
                r = self.relation[s]
                messages.append(torch.relu(torch.baddbmm(b[r][:, None], x, w[r])))
            rows = torch.cat(self.by_type)
            message = torch.zeros(n_types, n, width).index_copy(1, rows, torch.cat(messages, 1))
            message = message.view(n_types * n, width)
            own = [h[self.by_type[s]] @ self.w_self[layer][s] for s in range(n_types)]
            own = torch.zeros(n, width).index_copy(0, rows, torch.cat(own))

            source = self.types[:, None, None] * n + neighbours[layer]  # (n, n_types, fanout)
            flat, mask = source.view(n * n_types, -1), masks[layer].view(n * n_types, -1)
            with torch.no_grad():  # the winner of each coordinate ...
                candidates = message.detach()[flat.view(-1)].view(*flat.shape, width)
                win = (candidates * mask[..., None]).max(1).indices
                row, on = flat.gather(1, win), mask.gather(1, win)
            # ... then a gather, so that the backward pass touches winners only
            h = own + (message.gather(0, row) * on).view(n, n_types, width).sum(1)
            h = torch.relu(h) if layer < last else h
        return F.normalize(h, dim=1)


def neighbours_by_type(lo: np.ndarray, hi: np.ndarray, d: Data) -> Neighbours:
    src, dst = np.r_[lo, hi], np.r_[hi, lo]
    order = np.lexsort((d.type[src], dst))
    src, dst = src[order], dst[order]
    group = dst.astype(np.int64) * d.n_types + d.type[src]
    begin = np.searchsorted(group, np.arange(d.n_items * d.n_types + 1))
    return torch.tensor(np.r_[src, 0]), torch.tensor(begin)


def sample(graph: Neighbours, d: Data, fanout: int) -> tuple[Tensor, Tensor]:
    """Draw neighbours with replacement: (n, n_types, fanout) items and whether there are any."""
    items, begin = graph
    shape = (d.n_items, d.n_types, 1)
    degree = (begin[1:] - begin[:-1]).view(shape)
    draw = torch.rand(d.n_items, d.n_types, fanout) * degree
    index = draw.long() + begin[:-1].view(shape)
    exists = (degree > 0).expand(d.n_items, d.n_types, fanout)
    return items[index.clamp(max=len(items) - 1)], exists


@torch.no_grad()
def embed(net: HGNN, d: Data, text: Tensor, graph: Neighbours, fanout: int, draws: int) -> Tensor:
    net.eval()
    z = torch.zeros(())
    for _ in range(draws):
        drawn = [sample(graph, d, fanout) for _ in range(2)]
        z = z + net(text, [items for items, _ in drawn], [mask.float() for _, mask in drawn])
    return F.normalize(z, dim=1)


def train_hgnn(d: Data, text: Tensor, edges, a: argparse.Namespace, stage: dict) -> Tensor:
    """Return item vectors: margin loss on 90 % of the edges, early stopping on the rest."""
    n, n_types = d.n_items, d.n_types
    types = torch.tensor(d.type)
    lo, hi = torch.tensor(edges[0]), torch.tensor(edges[1])
    shuffled = torch.randperm(len(lo))
    held_out, train = shuffled[: len(lo) // 10], shuffled[len(lo) // 10 :]
    relation = torch.minimum(types[lo], types[hi]) * n_types + torch.maximum(types[lo], types[hi])
    groups = [train[relation[train] == r] for r in relation.unique()]
    quota = max(min(len(group) for group in groups if len(group)), a.minquota)
    graph = neighbours_by_type(lo[train].numpy(), hi[train].numpy(), d)

    net = HGNN(types, n_types, text.shape[1], a.dim)
    optimizer = torch.optim.Adam(net.parameters(), lr=a.hlr, fused=True)
    held_out_negatives = torch.randint(n, (len(held_out), 50))
    blocked = torch.zeros(n * n, dtype=torch.bool)
    rows = torch.arange(n)[:, None, None] * n
    best, without_gain, snapshot, seconds = -1.0, 0, net.state_dict(), []
    for epoch in range(a.hepochs):
        begin, total = time.time(), 0.0
        net.train()
        if a.balanced:
            chosen = torch.cat([group[torch.randperm(len(group))[:quota]] for group in groups])
        else:
            chosen = train
        chosen = chosen[torch.randperm(len(chosen))]
        for batch in chosen.split(a.hbatch):
            x, y = lo[batch], hi[batch]
            flip = torch.rand(len(batch)) < 0.5
            x, y = torch.where(flip, y, x), torch.where(flip, x, y)
            # the target edge and its reverse leave the message graph
            blocked[x * n + y] = blocked[y * n + x] = True
            drawn = [sample(graph, d, a.fanout) for _ in range(2)]
            masks = [(mask & ~blocked[rows + items]).float() for items, mask in drawn]
            if a.nodedrop:
                kept = (torch.rand(n, 1, 1) >= a.nodedrop).float()
                masks = [mask * kept for mask in masks]
            blocked[x * n + y] = blocked[y * n + x] = False
            z = net(text, [items for items, _ in drawn], masks)
            negatives = torch.randint(n, (len(batch), a.nneg))
            against = (z[x][:, None] * z[negatives]).sum(-1)
            loss = F.relu(against - (z[x] * z[y]).sum(-1, keepdim=True) + a.margin).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        seconds.append(time.time() - begin)

        z = embed(net, d, text, graph, a.fanout, draws=2)
        true = (z[lo[held_out]] * z[hi[held_out]]).sum(1, keepdim=True)
        false = (z[lo[held_out]][:, None] * z[held_out_negatives]).sum(-1)
        auc = (true > false).float().mean().item()
        if a.verbose:
            print(
                f"  hgnn epoch {epoch} edges {len(chosen)} loss {total / len(chosen):.4f} "
                f"auc {auc:.4f} {seconds[-1]:.2f} s",
                flush=True,
            )
        if auc > best + 1e-4:
            best, without_gain = auc, 0
            snapshot = {k: v.clone() for k, v in net.state_dict().items()}
        else:
            without_gain += 1
            if without_gain >= a.patience:
                break
    net.load_state_dict(snapshot)
    stage.update(
        hgnn_epoch=round(float(np.median(seconds)), 3),
        hgnn_epochs=len(seconds),
        hgnn_edges_epoch=len(chosen),
        hgnn_auc=round(best, 4),
    )
    return embed(net, d, text, neighbours_by_type(*edges, d), a.fanout, a.draws)

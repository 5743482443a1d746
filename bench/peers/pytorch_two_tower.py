"""User and item towers over item vectors in plain PyTorch."""

from __future__ import annotations

import argparse
import math
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xwines_protocol import Data

DAY = 86400.0
WEAK_WEIGHT = {"all": 1.0, "soft": 0.3, "strong": 0.0}  # of a weak signal in the user's history


class Histories:
    """The recent items of users, as weights over the whole catalogue."""

    def __init__(self, d: Data, a: argparse.Namespace):
        self.a, self.n_items, self.cut = a, d.n_items, d.cut
        self.items, self.strong = torch.tensor(d.i), torch.tensor(d.s)
        self.times, self.begin = torch.tensor(d.t).double(), torch.tensor(d.ptr)

    def at_serving(self, users: Tensor) -> Tensor:
        now = torch.full((len(users),), float(self.cut), dtype=torch.double)
        return self._weights(users, self._before(self.begin[users + 1]), now)

    def in_training(self, users: Tensor, target: Tensor) -> Tensor:
        """Histories without the interaction `target`: strictly earlier ones, or all the others."""
        if self.a.hist == "causal":
            weights = self._weights(users, self._before(target), self.times[target])
        else:
            position = self.begin[users + 1][:, None] - 1 - torch.arange(self.a.maxhist + 1)[None]
            now = torch.full((len(users),), float(self.cut), dtype=torch.double)
            weights = self._weights(users, position, now, hidden=target)
        return weights

    def _before(self, end: Tensor) -> Tensor:
        return end[:, None] - 1 - torch.arange(self.a.maxhist)[None]

    def _weights(self, users, position, now, hidden=None) -> Tensor:
        valid = position >= self.begin[users][:, None]
        if hidden is not None:
            valid &= position != hidden[:, None]
        position = position.clamp(min=0)
        weight = valid.float()
        if self.a.uwindow:
            age = (now[:, None] - self.times[position]) / DAY
            weight = weight * (age <= self.a.uwindow)
        weight = weight * torch.where(self.strong[position], 1.0, WEAK_WEIGHT[self.a.weak])
        out = torch.zeros(len(users), self.n_items)
        return out.scatter_add_(1, self.items[position], weight)


class TwoTower(nn.Module):
    """Items: features. Users: per item type the mean vector, has-any, log(1 + weight)."""

    def __init__(self, d: Data, vectors: Tensor, item_features: Tensor, a: argparse.Namespace):
        super().__init__()
        self.vectors, self.item_features, self.normalize = vectors, item_features, bool(a.norm)
        types = torch.tensor(d.type)
        self.by_type = [torch.where(types == j)[0] for j in range(d.n_types)]
        widths = [int(width) for width in a.layers.split(",")]
        self.user = mlp(d.n_types * (vectors.shape[1] + 2), widths)
        self.item = mlp(item_features.shape[1], widths)
        self.shift: Tensor | None = None  # what serving adds to every user's scores

    def users(self, history: Tensor) -> Tensor:
        parts = []
        for items in self.by_type:
            weight = history[:, items]
            total = weight.sum(1, keepdim=True)
            mean = weight @ self.vectors[items] / total.clamp(min=1e-9)
            parts += [mean, (total > 0).float(), torch.log1p(total)]
        return self._output(self.user(torch.cat(parts, 1)))

    def items(self, items: Tensor) -> Tensor:
        return self._output(self.item(self.item_features[items]))

    def _output(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=1) if self.normalize else x


def mlp(d_in: int, widths: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for k, width in enumerate(widths):
        layers.append(nn.Linear(d_in, width))
        if k + 1 < len(widths):
            layers.append(nn.ReLU())
        d_in = width
    return nn.Sequential(*layers)


def in_batch_loss(score: Tensor, items: Tensor, share: Tensor, a: argparse.Namespace) -> Tensor:
    """Loss of (B, B) scores, true on the diagonal; `share`: item's part of the training data."""
    own = torch.eye(len(items), dtype=torch.bool)
    same = (items[None] == items[:, None]) & ~own
    if a.loss == "softmax":
        logits = score / a.temp - a.logq * torch.log(share)[items][None]
        return F.cross_entropy(logits.masked_fill(same, -1e9), torch.arange(len(items)))
    weight = (1 / share[items])[None].expand_as(score).masked_fill(same | own, 0)
    weight = weight / weight.sum(1, keepdim=True).clamp(min=1e-9)
    if a.loss == "hinge":
        margins = F.relu(score - score.diagonal()[:, None] + a.margin)
        return (margins * weight).sum(1).mean()
    return ((score * weight).sum(1) - score.diagonal()).mean()  # eq. 5 as printed: unbounded below


def train_two_tower(
    d: Data, vectors: Tensor, features: Tensor, label: str, a: argparse.Namespace, stage: dict
) -> TwoTower:
    torch.manual_seed(a.seed + 1)
    net = TwoTower(d, vectors, features, a)
    optimizer = torch.optim.Adam(net.parameters(), lr=a.lr, fused=True)
    histories = Histories(d, a)
    users, items = torch.tensor(d.u), torch.tensor(d.i)
    examples = torch.where(torch.tensor(d.s))[0]
    count = torch.bincount(items[examples], minlength=d.n_items).float().clamp(min=1)
    share = count / count.sum()
    steps, step = a.epochs * math.ceil(len(examples) / a.batch), 0
    seconds = []
    for epoch in range(a.epochs):
        begin, total = time.time(), 0.0
        for batch in examples[torch.randperm(len(examples))].split(a.batch):
            if a.cosine:
                for group in optimizer.param_groups:
                    group["lr"] = a.lr * 0.5 * (1 + math.cos(math.pi * step / steps))
            step += 1
            history = histories.in_training(users[batch], batch)
            if a.colddrop:
                history = history * (torch.rand(len(batch), 1) >= a.colddrop)
            score = net.users(history) @ net.items(items[batch]).T
            loss = in_batch_loss(score, items[batch], share, a)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        seconds.append(time.time() - begin)
        if a.verbose:
            mean = total / len(examples)
            print(f"  {label} epoch {epoch} loss {mean:.4f} {seconds[-1]:.2f} s", flush=True)
    if a.trend:
        recent = d.s & (d.t >= d.cut - a.trenddays * DAY)
        now = np.bincount(d.i[recent], minlength=d.n_items) + 1.0
        log_now = torch.tensor(np.log(now / now.sum()), dtype=torch.float32)
        net.shift = a.trend * a.temp * (log_now - torch.log(share))
    stage[label + "_epoch"] = round(float(np.median(seconds)), 3)
    return net


@torch.no_grad()
def scores(net: TwoTower, d: Data, a: argparse.Namespace) -> np.ndarray:
    """Return (len(eval_users), n_items)."""
    histories = Histories(d, a)
    catalogue = net.items(torch.arange(d.n_items)).T
    out = []
    for users in torch.tensor(d.eval_users).split(2048):
        score = net.users(histories.at_serving(users)) @ catalogue
        out.append(score if net.shift is None else score + net.shift)
    return torch.cat(out).numpy()


@torch.no_grad()
def mean_history_scores(vectors: Tensor, d: Data, a: argparse.Namespace) -> np.ndarray:
    """The HGNN as a recommender of its own: cosine with the mean of the history."""
    history = Histories(d, a).at_serving(torch.tensor(d.eval_users))
    return (F.normalize(history @ vectors, dim=1) @ vectors.T).numpy()

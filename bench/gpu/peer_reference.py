"""Obvious loops for what peers of relation_aggregate compute, in double."""

from __future__ import annotations

import numpy as np

from peer_inputs import Destination


def aggregate(g: Destination, messages: np.ndarray, reduce: str) -> np.ndarray:
    """Return the sum over relations of each row's maximum, mean or sum."""
    out = np.zeros((g.n_dst, messages.shape[1]))
    for row, (begin, end) in enumerate(zip(g.row_offsets[:-1], g.row_offsets[1:], strict=True)):
        if end > begin:
            taken = messages[g.cols[begin:end]]
            out[row // len(g.relations)] += getattr(np, reduce)(taken, axis=0)
    return out


def linear_gradient(g: Destination, grad_out: np.ndarray, reduce: str) -> np.ndarray:
    """Return the messages' gradients for mean and sum."""
    grad = np.zeros((g.message_rows, grad_out.shape[1]))
    for row, (begin, end) in enumerate(zip(g.row_offsets[:-1], g.row_offsets[1:], strict=True)):
        for col in g.cols[begin:end]:
            share = end - begin if reduce == "mean" else 1
            grad[col] += grad_out[row // len(g.relations)] / share
    return grad


def max_gradient(
    g: Destination, messages: np.ndarray, self_term: np.ndarray, grad_out: np.ndarray
) -> np.ndarray:
    """Return the messages' gradients through ReLU for max; duplicates of a winner share it."""
    passes = grad_out * (self_term + aggregate(g, messages, "max") > 0)
    grad = np.zeros_like(messages)
    for row, (begin, end) in enumerate(zip(g.row_offsets[:-1], g.row_offsets[1:], strict=True)):
        if end > begin:
            taken = messages[g.cols[begin:end]]
            wins = taken == taken.max(axis=0)
            for k, col in enumerate(g.cols[begin:end]):
                grad[col] += wins[k] / wins.sum(axis=0) * passes[row // len(g.relations)]
    return grad

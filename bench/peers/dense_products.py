"""A dense layer against PyTorch's, for the sizes of bench/ops/linear_bench.cpp."""

from __future__ import annotations

from statistics import median

import numpy as np

import relweave as rw
from comparison import Comparison, compared, in_turns

NEEDS = ("torch",)

# m x k x n, as in bench/ops/linear_bench.cpp
SIZES = [(20_000, 128, 384), (20_000, 384, 128), (512, 780, 512), (1_007, 384, 896)]

NAMES = tuple(f"linear_{m}x{k}x{n}_vs_torch" for m, k, n in SIZES)

ROUNDS = 7  # of each repeat; a repeat alone is a few milliseconds
LEAST_SECONDS = 0.05  # of a round, which makes as many calls as that takes


def agree(got: np.ndarray, expected: np.ndarray, k: int) -> bool:
    """Compare sums of `k` products of numbers in [-1, 1)."""
    allowed = 2 * np.finfo(np.float32).eps * (k + 1)
    return got.shape == expected.shape and bool(np.abs(got - expected).max() <= allowed)


def compare(threads: int, repeats: int) -> list[Comparison]:
    """Check, then time x (m, k) times weight (k, n) plus bias, float32, each in its own layout."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(threads)
    comparisons = []
    for m, k, n in SIZES:
        rng = np.random.default_rng(0)
        x, weight, bias = (
            rng.uniform(-1, 1, size).astype(np.float32) for size in ((m, k), (k, n), n)
        )
        their_x, their_bias = torch.from_numpy(x), torch.from_numpy(bias)
        their_weight = torch.from_numpy(weight.T.copy())  # (n, k), as torch.nn.Linear keeps it

        def ours(x=x, weight=weight, bias=bias):
            return rw.ops.linear(x, weight, bias, threads=threads)

        def peer(x=their_x, weight=their_weight, bias=their_bias):
            return functional.linear(x, weight, bias)

        with torch.inference_mode():
            same = agree(ours(), peer().numpy(), k)
            times = in_turns(ours, peer, ROUNDS * repeats, LEAST_SECONDS, threads)
        gflops = (2e-9 * m * k * n / median(t) for t in times)
        comparisons.append(
            compared(
                f"linear_{m}x{k}x{n}_vs_torch",
                "PyTorch, torch.nn.functional.linear",
                threads,
                same,
                times,
                {
                    "gflops": dict(zip(("ours", "peer"), gflops, strict=True)),
                    "torch": torch.__version__,
                },
            )
        )
    return comparisons

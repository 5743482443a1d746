"""Builds an index in parts and searches it, for its peak of memory.

Usage: python bench/peers/top_k_memory.py ours|peer ITEMS WIDTH THREADS
"""

from __future__ import annotations

import json
import sys

import numpy as np

from peak_memory import peak_mib

PARTS = 16
QUERIES = 1_000


def main() -> None:
    who, (items, width, threads) = sys.argv[1], map(int, sys.argv[2:])
    rng = np.random.default_rng(0)
    if who == "ours":
        import relweave as rw

        index = rw.ExactIndex(np.zeros((0, width), np.float32))
    else:
        import faiss

        faiss.omp_set_num_threads(threads)
        index = faiss.IndexFlatIP(width)
    for part in np.array_split(np.arange(items), PARTS):
        index.add(rng.standard_normal((len(part), width), np.float32))
    queries = rng.standard_normal((QUERIES, width), np.float32)
    if who == "ours":
        index.search(queries, k=10, threads=threads)
    else:
        index.search(queries, 10)
    print(json.dumps({"peak_mib": peak_mib()}))


if __name__ == "__main__":
    main()

"""What peers work on: the graphs that relweave_gpu_bench --dump wrote, and small ones to check."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch


@dataclass
class Relation:
    """Messages of one relation: `source_rows` of the source type, in a range of message rows."""

    id: int
    source: int
    message_base: int
    message_rows: int
    source_rows: np.ndarray | None  # None: all


@dataclass
class Destination:
    """The edges into one type: row d * len(relations) + r of the CSR names message rows."""

    type: int
    n_dst: int
    message_rows: int
    relations: list[Relation]
    row_offsets: np.ndarray
    cols: np.ndarray
    kept: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    @property
    def degrees(self) -> np.ndarray:
        return np.diff(self.row_offsets)

    def edges_of(self, relation: int) -> tuple[np.ndarray, np.ndarray]:
        """Return sources and destinations of the r-th relation, in their types' numbers."""
        if relation not in self.kept:
            r = self.relations[relation]
            own = range(relation, self.degrees.size, len(self.relations))  # rows of the CSR
            degrees = self.degrees[own.start :: own.step]
            destinations = np.repeat(np.arange(len(own)), degrees)
            if len(self.relations) == 1:
                sources = self.cols - r.message_base
            else:
                slots = np.arange(destinations.size) - np.repeat(
                    np.cumsum(degrees) - degrees, degrees
                )
                starts = self.row_offsets[:-1][own.start :: own.step]
                sources = self.cols[np.repeat(starts, degrees) + slots] - r.message_base
            if r.source_rows is not None:
                sources = r.source_rows[sources]
            self.kept[relation] = (sources.astype(np.int64), destinations)
        return self.kept[relation]


@dataclass
class Graph:
    nodes: list[int]
    destinations: list[Destination]


def load_graph(folder: Path) -> Graph:
    """Return the graph of a workload."""
    about = json.loads((folder / "graph.json").read_text(encoding="utf-8"))
    destinations = []
    for d in about["destinations"]:
        relations = [
            Relation(
                r["id"],
                r["source"],
                r["message_base"],
                r["message_rows"],
                None if r["all_sources"] else np.load(folder / f"source_rows_{r['id']}.npy"),
            )
            for r in d["relations"]
        ]
        arrays = (np.load(folder / f"{name}_{d['type']}.npy") for name in ("row_offsets", "cols"))
        destinations.append(
            Destination(d["type"], d["n_dst"], d["message_rows"], relations, *arrays)
        )
    return Graph(about["nodes"], destinations)


def small_graph(seed: int = 0) -> Graph:
    """Return a graph of two types and three relations, one of them with some sources alone."""
    rng = np.random.default_rng(seed)
    nodes = [7, 5]
    destinations = []
    for t, sources in enumerate(([0, 1], [0])):
        relations, base = [], 0
        for r, source in enumerate(sources):
            rows = np.array([1, 3, 4], dtype=np.int32) if source == 1 else None
            size = nodes[source] if rows is None else rows.size
            relations.append(Relation(10 * t + r, source, base, size, rows))
            base += size
        degrees = rng.integers(0, 4, nodes[t] * len(relations))
        cols = [
            np.sort(rng.integers(0, relation.message_rows, degree)) + relation.message_base
            for degree, relation in zip(degrees, relations * nodes[t], strict=True)
        ]
        destinations.append(
            Destination(
                t,
                nodes[t],
                base,
                relations,
                np.concatenate([[0], np.cumsum(degrees)]).astype(np.int64),
                np.concatenate(cols).astype(np.int32),
            )
        )
    return Graph(nodes, destinations)


class Values:
    """Random numbers in [-1, 1) of one type on one device; the same for the same seed and shape."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self.device, self.dtype = device, dtype

    def matrix(self, *shape: int, seed: int) -> torch.Tensor:
        generator = torch.Generator(self.device).manual_seed(seed)
        values = torch.rand(shape, generator=generator, device=self.device)
        return (2 * values - 1).to(self.dtype)

    def indices(self, size: int, below: int, seed: int) -> torch.Tensor:
        generator = torch.Generator(self.device).manual_seed(seed)
        return torch.randint(below, (size,), generator=generator, device=self.device)

    def tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(self.device)

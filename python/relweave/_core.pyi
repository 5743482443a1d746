"""Types of the compiled module. Private: use the package's own modules."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Bytes = NDArray[np.uint8]
Ids = list[int] | list[str]
Step = Callable[[str, int, int, int, int, float], Any] | None

__version__: str

def show_config() -> dict[str, Any]: ...
def start_profile() -> None: ...
def stop_profile() -> list[tuple[str, bool, int, float]]: ...
def cuda_compiled() -> bool: ...
def cuda_device_count() -> int: ...

class DeviceArray:
    @staticmethod
    def from_dlpack(producer: Any, *, device: int, function: str, argument: str) -> DeviceArray: ...
    @staticmethod
    def upload(host: Floats, *, device: int) -> DeviceArray: ...
    def to_dlpack(self, *, versioned: bool, copied: bool) -> Any: ...
    def numpy(self) -> NDArray[Any]: ...
    def copy(self) -> DeviceArray: ...
    def take(self, rows: Ints) -> DeviceArray: ...
    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def dtype(self) -> str: ...
    @property
    def device(self) -> int: ...

_Matrix = Floats | DeviceArray

def default_config() -> str: ...

class ItemGraph:
    @staticmethod
    def build(
        *,
        user: Ints,
        item: Ints,
        time: Longs,
        strong: Bytes,
        user_count: int,
        type_names: Sequence[str],
        type_offsets: Sequence[int],
        config: str,
        threads: int,
        progress: Step,
    ) -> ItemGraph: ...
    @staticmethod
    def from_links(
        *,
        type_names: Sequence[str],
        type_offsets: Sequence[int],
        lower: Ints,
        upper: Ints,
        count: Longs,
        weight: Floats,
    ) -> ItemGraph: ...
    @property
    def lower(self) -> Ints: ...
    @property
    def upper(self) -> Ints: ...
    @property
    def count(self) -> Longs: ...
    @property
    def weight(self) -> Floats: ...
    @property
    def report(self) -> dict[str, int]: ...

class HgnnModel:
    def __init__(self, config: str) -> None: ...
    def fit(
        self, graph: ItemGraph, features: _Matrix, *, threads: int, device: int, progress: Step
    ) -> tuple[dict[str, Any], BaseException | None]: ...
    def embed(
        self, graph: ItemGraph, features: _Matrix, *, threads: int, device: int
    ) -> _Matrix: ...
    def embed_new(
        self,
        graph: ItemGraph,
        features: _Matrix,
        *,
        types: Ints,
        new_features: _Matrix,
        link_new: Ints,
        link_item: Ints,
        threads: int,
        device: int,
    ) -> _Matrix: ...
    @property
    def fitted(self) -> bool: ...
    def parameters(self) -> dict[str, Floats]: ...
    def load_parameters(self, values: dict[str, Floats]) -> None: ...
    def initialize(self, graph: ItemGraph, feature_count: int) -> None: ...

class TwoTowerModel:
    def __init__(self, config: str) -> None: ...
    def fit(
        self,
        *,
        user: Ints,
        item: Ints,
        time: Longs,
        strong: Bytes,
        user_count: int,
        type_names: Sequence[str],
        type_offsets: Sequence[int],
        features: _Matrix,
        vectors: _Matrix,
        cold_vectors: _Matrix | None,
        user_features: Floats | None,
        threads: int,
        device: int,
        progress: Step,
    ) -> tuple[dict[str, Any], BaseException | None]: ...
    def item_vectors(
        self, *, types: Ints, features: _Matrix, vectors: _Matrix, threads: int, device: int
    ) -> _Matrix: ...
    def user_vectors(
        self,
        *,
        offsets: Longs,
        items: Ints,
        strong: Bytes,
        type_names: Sequence[str],
        type_offsets: Sequence[int],
        vectors: _Matrix,
        user_features: Floats | None,
        threads: int,
        device: int,
    ) -> _Matrix: ...
    @property
    def fitted(self) -> bool: ...
    @property
    def item_bias(self) -> Floats: ...
    def parameters(self) -> dict[str, Floats]: ...

class Recommender:
    extra: str
    def __init__(self, config: str) -> None: ...
    def fit(
        self,
        *,
        user: Ints,
        item: Ints,
        time: Longs,
        strong: Bytes,
        user_count: int,
        type_names: Sequence[str],
        type_offsets: Sequence[int],
        item_features: Floats,
        user_features: Floats | None = None,
        item_ids: Ids,
        user_ids: Ids,
        threads: int = 0,
        device: int = -1,
        progress: Step = None,
    ) -> BaseException | None: ...
    def refit_towers(
        self,
        *,
        user: Ints,
        item: Ints,
        time: Longs,
        strong: Bytes,
        user_count: int,
        user_ids: Ids,
        user_features: Floats | None = None,
        threads: int = 0,
        device: int = -1,
        progress: Step = None,
    ) -> BaseException | None: ...
    def refit_graph(
        self,
        *,
        user: Ints,
        item: Ints,
        time: Longs,
        strong: Bytes,
        user_count: int,
        threads: int = 0,
        device: int = -1,
        progress: Step = None,
    ) -> None: ...
    def recommend(
        self,
        offsets: Longs,
        items: Ints,
        strong: Bytes,
        *,
        user_features: Floats | None = None,
        k: int,
        exclude_seen: bool = True,
        types: Sequence[int] = (),
        allowed: Ints = ...,
        threads: int = 0,
        device: int = -1,
    ) -> tuple[Ints, Floats]: ...
    def recommend_users(
        self,
        users: Ints,
        *,
        k: int,
        exclude_seen: bool = True,
        types: Sequence[int] = (),
        allowed: Ints = ...,
        threads: int = 0,
        device: int = -1,
    ) -> tuple[Ints, Floats]: ...
    def score(
        self,
        offsets: Longs,
        items: Ints,
        strong: Bytes,
        *,
        user_features: Floats | None = None,
        threads: int = 0,
        device: int = -1,
    ) -> Floats: ...
    def score_users(self, users: Ints, *, threads: int = 0, device: int = -1) -> Floats: ...
    def similar_items(
        self, items: Ints, *, k: int, threads: int = 0, device: int = -1
    ) -> tuple[Ints, Floats]: ...
    def embed_items(
        self,
        *,
        types: Ints,
        features: Floats,
        link_new: Ints = ...,
        link_item: Ints = ...,
        threads: int = 0,
        device: int = -1,
    ) -> tuple[Floats, Floats]: ...
    def add_items(
        self,
        *,
        types: Ints,
        features: Floats,
        link_new: Ints = ...,
        link_item: Ints = ...,
        ids: Ids,
        threads: int = 0,
        device: int = -1,
    ) -> None: ...
    def save(self, path: str) -> None: ...
    @staticmethod
    def load(path: str) -> Recommender: ...
    @property
    def config(self) -> str: ...
    @property
    def fitted(self) -> bool: ...
    @property
    def type_names(self) -> list[str]: ...
    @property
    def type_offsets(self) -> list[int]: ...
    @property
    def item_ids(self) -> Ids: ...
    @property
    def item_types(self) -> Ints: ...
    @property
    def item_feature_count(self) -> int: ...
    @property
    def user_ids(self) -> Ids: ...
    @property
    def user_features(self) -> Floats: ...
    @property
    def links(self) -> tuple[Ints, Ints, Longs, Floats]: ...
    @property
    def graph_report(self) -> dict[str, int]: ...
    @property
    def hgnn_history(self) -> dict[str, Any]: ...
    @property
    def tower_history(self) -> dict[str, Any]: ...
    @property
    def general_vectors(self) -> Floats: ...
    @property
    def tower_vectors(self) -> Floats: ...
    @property
    def histories(self) -> tuple[Longs, Ints, Bytes]: ...

_EdgeArrays = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32] | None]

class Schema:
    def __init__(self, node_types: list[str], relations: list[tuple[int, str, int]]) -> None: ...
    @property
    def node_types(self) -> list[str]: ...
    @property
    def relations(self) -> list[tuple[int, str, int]]: ...

class HeteroGraph:
    def __init__(
        self,
        *,
        schema: Schema,
        node_counts: list[int],
        edges: list[_EdgeArrays],
        threads: int,
    ) -> None: ...
    @property
    def schema(self) -> Schema: ...
    def node_count(self, type: int) -> int: ...
    def edge_count(self, relation: int) -> int: ...
    def edges(self, relation: int) -> _EdgeArrays: ...

def add_reverse(
    graph: HeteroGraph, names: list[tuple[int, str]], *, threads: int
) -> HeteroGraph: ...
def remove_duplicate_edges(graph: HeteroGraph, *, weight: str, threads: int) -> HeteroGraph: ...
def remove_self_loops(graph: HeteroGraph, *, threads: int) -> HeteroGraph: ...
def induced_subgraph(graph: HeteroGraph, nodes: list[Ints], *, threads: int) -> HeteroGraph: ...
def top_neighbors(graph: HeteroGraph, k: int, *, threads: int) -> HeteroGraph: ...
def graph_report(graph: HeteroGraph, *, threads: int) -> dict[str, Any]: ...
def relation_aggregate(
    graph: HeteroGraph,
    destination: int,
    messages: Any,
    self: Any,
    *,
    reduce: str,
    relu: bool,
    l2_normalize: bool,
    reference: bool,
    keep: bool,
    threads: int,
) -> tuple[NDArray[Any], Any]: ...
def round_trip() -> float: ...
def gather_bandwidth(rows: NDArray[np.float32], list: Ints, *, threads: int) -> float: ...
def linear(
    x: NDArray[Any], weight: NDArray[Any], bias: NDArray[Any] | None, *, relu: bool, threads: int
) -> NDArray[Any]: ...

_SampledLayer = tuple[list[int], list[int], list[tuple[Ints, Ints]]]

class NeighborSampler:
    def __init__(self, graph: HeteroGraph, *, fanouts: list[int], replace: bool) -> None: ...
    def sample(
        self, seeds: list[Ints], *, seed: int, step: int, threads: int
    ) -> tuple[list[Ints], list[_SampledLayer]]: ...

class _HeteroSage:
    def __init__(
        self,
        schema: Schema,
        *,
        in_features: list[int],
        out_features: list[int],
        reduce: str,
        l2_normalize: bool,
        share_directions: bool,
        seed: int,
    ) -> None: ...
    def parameters(self) -> dict[str, NDArray[Any]]: ...
    def gradients(self) -> dict[str, NDArray[Any]]: ...
    def forward(
        self, graph: HeteroGraph, inputs: list[NDArray[Any]], *, threads: int = 0
    ) -> list[NDArray[Any]]: ...
    def backward(
        self, grad_outputs: list[NDArray[Any]], *, threads: int = 0
    ) -> list[NDArray[Any]]: ...

class HeteroSageFloat32(_HeteroSage): ...
class HeteroSageFloat64(_HeteroSage): ...

class Optimizer:  # what the optimisers have in common; not a class of the module
    def step(self, values: Any, gradients: Any, *, learning_rate: float, threads: int) -> None: ...
    def step_rows(
        self, table: Any, rows: Ints, gradients: Any, *, learning_rate: float, threads: int
    ) -> None: ...
    @property
    def moments(self) -> tuple[NDArray[Any], ...]: ...
    def restore(self, steps: int, *moments: NDArray[Any]) -> None: ...

class AdamFloat32(Optimizer):
    def __init__(
        self, size: int, *, beta1: float, beta2: float, epsilon: float, weight_decay: float
    ) -> None: ...

class AdamFloat64(Optimizer):
    def __init__(
        self, size: int, *, beta1: float, beta2: float, epsilon: float, weight_decay: float
    ) -> None: ...

class SgdFloat32(Optimizer):
    def __init__(
        self,
        size: int,
        *,
        momentum: float,
        dampening: float,
        weight_decay: float,
        nesterov: bool,
    ) -> None: ...

class SgdFloat64(Optimizer):
    def __init__(
        self,
        size: int,
        *,
        momentum: float,
        dampening: float,
        weight_decay: float,
        nesterov: bool,
    ) -> None: ...

def cosine_schedule(base: float, steps: int, step: int) -> float: ...

class _Losses:
    def margin(
        self, positive: Any, negative: Any, *, margin: float, threads: int
    ) -> tuple[float, NDArray[Any], NDArray[Any]]: ...
    def bpr(
        self, positive: Any, negative: Any, *, threads: int
    ) -> tuple[float, NDArray[Any], NDArray[Any]]: ...
    def sampled_softmax(
        self,
        scores: Any,
        target: Ints,
        log_q: Any,
        *,
        count: Any,
        row_weights: Any,
        temperature: float,
        correction: float,
        threads: int,
    ) -> tuple[float, NDArray[Any]]: ...
    def dot_product(
        self, scores: Any, target: Ints, weights: Any, *, threads: int
    ) -> tuple[float, NDArray[Any]]: ...

loss: _Losses

class _Metrics:
    @staticmethod
    def exclude(scores: Floats, offsets: Longs, items: Ints) -> None: ...
    @staticmethod
    def ranks(
        scores: Floats, offsets: Longs, items: Ints, *, groups: Ints = ..., threads: int = 0
    ) -> Longs: ...
    @staticmethod
    def ranking_metrics(
        offsets: Longs, ranks: Longs, *, k: int
    ) -> tuple[Doubles, Doubles, Doubles, Doubles]: ...
    @staticmethod
    def mark_listed(scores: Floats, *, k: int, listed: Bytes, threads: int = 0) -> None: ...

metrics: _Metrics

def expect_checkpoint_place(path: str) -> None: ...
def write_safetensors(
    path: str, tensors: list[tuple[str, str, NDArray[Any]]], metadata: dict[str, str]
) -> None: ...
def read_safetensors(
    path: str,
) -> tuple[list[tuple[str, str, list[int], Bytes]], dict[str, str]]: ...

class ExactIndex:
    def __init__(
        self,
        vectors: _Matrix,
        *,
        types: list[int] = ...,
        bias: NDArray[np.float32] | None = None,
        device: int = -1,
    ) -> None: ...
    def add(self, vectors: NDArray[np.float32]) -> None: ...
    def search(
        self,
        queries: _Matrix,
        *,
        k: int,
        excluded_offsets: NDArray[np.int64] | None = None,
        excluded_items: NDArray[np.int32] = ...,
        types: list[int] = ...,
        allowed: NDArray[np.int32] = ...,
        threads: int = 0,
    ) -> tuple[Ints | DeviceArray, _Matrix]: ...
    @property
    def size(self) -> int: ...
    @property
    def dimension(self) -> int: ...

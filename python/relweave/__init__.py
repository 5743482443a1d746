"""Graph foundation models for personalization.

Logs and item texts become one vector space for users and items of every type: interaction log ->
co-interaction item graph -> heterogeneous GNN -> two towers -> exact retrieval.

Start with `Catalog`, `InteractionLog` and `Recommender`; `evaluate` measures, `baselines` gives
what to compare with, `datasets.load_xwines` real data. Every stage is also a class of its own.
"""

from . import baselines, bench, datasets, io, loss, nn, ops, optim, plot, sampling, text
from ._core import __version__
from ._device import DeviceArray
from ._graph_report import (
    CoInteractionReport,
    DegreeSummary,
    GraphReport,
    NodeTypeReport,
    RelationReport,
)
from ._schema import Schema
from .catalog import Catalog
from .config import GraphConfig, HGNNConfig, TwoTowerConfig
from .errors import (
    ConfigError,
    CudaError,
    DeviceError,
    DTypeError,
    Error,
    GraphError,
    IndexError,
    IoError,
    NotCompiledError,
    NotFittedError,
    ShapeError,
    StoppedError,
)
from .evaluation import Comparison, Report, compare, evaluate
from .graph import HeteroGraph
from .index import ExactIndex
from .log import InteractionLog, LogReport
from .progress import Progress, ProgressBar
from .recommender import FitReport, Recommender, load
from .stages import (
    HGNN,
    CoInteractionGraph,
    EpochRecord,
    TrainingHistory,
    TwoTower,
    show_config,
)

__all__ = [
    "HGNN",
    "Catalog",
    "CoInteractionGraph",
    "CoInteractionReport",
    "Comparison",
    "ConfigError",
    "CudaError",
    "DTypeError",
    "DegreeSummary",
    "DeviceArray",
    "DeviceError",
    "EpochRecord",
    "Error",
    "ExactIndex",
    "FitReport",
    "GraphConfig",
    "GraphError",
    "GraphReport",
    "HGNNConfig",
    "HeteroGraph",
    "IndexError",
    "InteractionLog",
    "IoError",
    "LogReport",
    "NodeTypeReport",
    "NotCompiledError",
    "NotFittedError",
    "Progress",
    "ProgressBar",
    "Recommender",
    "RelationReport",
    "Report",
    "Schema",
    "ShapeError",
    "StoppedError",
    "TrainingHistory",
    "TwoTower",
    "TwoTowerConfig",
    "__version__",
    "baselines",
    "bench",
    "compare",
    "datasets",
    "evaluate",
    "io",
    "load",
    "loss",
    "nn",
    "ops",
    "optim",
    "plot",
    "sampling",
    "show_config",
    "text",
]

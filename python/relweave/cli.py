"""The command line: `relweave` or `python -m relweave`."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import _core, bench, quickstart, stages
from ._files import path_of, read_table, read_vectors
from ._summary import write_files, write_text
from .catalog import Catalog
from .config import device_number
from .errors import ConfigError, Error, describe, near_names
from .evaluation import evaluate
from .log import InteractionLog
from .recommender import Recommender
from .text import CachedEncoder, HashEncoder, SentenceTransformerEncoder

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, or 2 after printing an error, or 130 after Ctrl-C."""
    options, unknown = _parser().parse_known_args(arguments)
    if unknown:
        flags = re.findall("--[a-z-]+", options.parser.format_usage())
        hint = near_names(unknown[0].split("=")[0], flags, cutoff=0.7)
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}. {hint}".rstrip(". "))
    try:
        options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of the output left, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (Error, ImportError, OSError, UnicodeEncodeError, MemoryError) as error:
        text = " ".join(str(error).split()) or "out of memory"
        print(f"relweave {options.command}: error: {text}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"relweave {options.command}: interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="relweave", description="From logs and texts to recommendations."
    )
    parser.add_argument("--version", action="version", version=f"relweave {_core.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    def command(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run, parser=sub)
        return sub

    sub = command("quickstart", _quickstart, "run the whole pipeline on real data, in a minute")
    sub.add_argument(
        "--out",
        default="relweave-quickstart",
        metavar="FOLDER",
        help="for what it writes; default: %(default)s",
    )
    _add_training(sub)

    sub = command("fit", _fit, "train a model from files and save it")
    _add_file(sub, "--interactions", "CSV or Parquet, one row per event", required=True)
    _add_file(sub, "--items", "CSV or Parquet, one row per item", required=True)
    _add_file(sub, "--users", "CSV or Parquet with columns about users")
    _add_log_columns(sub, required=True)
    _add_item_columns(sub, "the log")
    _add_features(sub)
    sub.add_argument("--out", required=True, metavar="FOLDER", help="for the model")
    _add_training(sub)
    sub.add_argument("--no-hgnn", action="store_true", help="two towers on the features alone")
    sub.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="GROUP__NAME=VALUE",
        help="a setting, such as hgnn__epochs=5; see show-config",
    )

    sub = command("evaluate", _evaluate, "measure a model on a test log")
    _add_model(sub)
    _add_file(sub, "--test", "CSV or Parquet, one row per event", required=True)
    _add_log_columns(sub, required=False)
    sub.add_argument("--k", type=int, default=10, help="length of the lists; default: %(default)s")
    _add_file(sub, "--json", "where to write the report too")

    sub = command("recommend", _recommend, "recommend items to users, as CSV")
    _add_model(sub)
    sub.add_argument("--users", nargs="+", metavar="ID", help="default: every user of the training")
    sub.add_argument("--k", type=int, default=10, help="items per user; default: %(default)s")
    sub.add_argument("--types", nargs="+", metavar="TYPE", help="only items of these types")
    sub.add_argument("--include-seen", action="store_true", help="items of the history too")
    _add_file(sub, "--out", "CSV; default: the standard output")

    sub = command("embed", _embed, "vectors of items, known or new, as .npy")
    _add_model(sub)
    _add_file(sub, "--items", "CSV or Parquet of new items; default: the model's own")
    _add_item_columns(sub, "training")
    _add_features(sub)
    sub.add_argument(
        "--space",
        choices=["towers", "hgnn"],
        default="towers",
        help="towers: beside the users' vectors; hgnn: items alone; default: %(default)s",
    )
    _add_file(sub, "--out", ".npy; ids go beside it as .ids.csv", required=True)

    sub = command("bench", _bench, "time the library's operations on this machine")
    sub.add_argument(
        "--suite", default="cpu", choices=["cpu"], help="which operations; default: %(default)s"
    )
    sub.add_argument("--only", nargs="+", metavar="NAME", help="some of them; default: all")
    sub.add_argument("--threads", type=int, help="default: $RELWEAVE_NUM_THREADS or all processors")
    sub.add_argument(
        "--repeats", type=int, default=5, help="the median counts; default: %(default)s"
    )
    sub.add_argument("--scale", type=float, default=1.0, help="of the inputs; default: %(default)s")
    _add_file(sub, "--json", "where to write the times too")

    command("show-config", _show_config, "print version, processor features, default settings")
    return parser


def _add_file(
    parser: argparse.ArgumentParser, flag: str, text: str, *, required: bool = False
) -> None:
    parser.add_argument(flag, required=required, metavar="FILE", help=text)


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, metavar="FOLDER", help="what fit wrote")
    _add_device(parser)


def _add_column(
    parser: argparse.ArgumentParser, flag: str, text: str, *, required: bool = False
) -> None:
    parser.add_argument(flag, required=required, metavar="COLUMN", help=text)


def _add_log_columns(parser: argparse.ArgumentParser, *, required: bool) -> None:
    note = "" if required else "; default: as in training"
    _add_column(parser, "--user", f"of user ids{note}", required=required)
    _add_column(parser, "--item", f"of item ids{note}", required=required)
    _add_column(parser, "--time", f"of times{note}")
    _add_column(parser, "--signal", f"of 'strong' and 'weak'{note}")


def _add_item_columns(parser: argparse.ArgumentParser, where: str) -> None:
    _add_column(parser, "--id", f"of item ids in --items; default: as in {where}")
    _add_column(parser, "--type", "of item types")
    for flag, text in (
        ("--text", "to read as text; repeatable"),
        ("--metadata", "of numbers or categories; repeatable"),
    ):
        parser.add_argument(flag, action="append", default=[], metavar="COLUMN", help=text)


def _add_features(parser: argparse.ArgumentParser) -> None:
    _add_file(parser, "--vectors", ".npy, one row per item, in their order")
    parser.add_argument(
        "--encoder",
        metavar="NAME",
        help="instead of vectors: 'minilm', 'hash', or a sentence-transformers model",
    )


def _add_training(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument(
        "--threads", type=int, help="default: $RELWEAVE_NUM_THREADS or all processors"
    )
    _add_device(parser)
    parser.add_argument("--no-progress", action="store_true", help="no progress bars")


def _add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N; default: %(default)s")


def _quickstart(options: argparse.Namespace) -> None:
    quickstart.run(
        options.out,
        seed=options.seed,
        threads=options.threads,
        device=options.device,
        progress=not options.no_progress,
    )


def _fit(options: argparse.Namespace) -> None:
    here = "fit"
    device_number(options.device, here)
    _core.expect_checkpoint_place(path_of(options.out, here, "folder"))
    features = _features(options, here)
    columns = {
        "user": options.user,
        "item": options.item,
        "time": options.time,
        "signal": options.signal,
    }
    log = InteractionLog(read_table(options.interactions, here), **columns)
    id_column = options.id or options.item
    catalog = Catalog(
        read_table(options.items, here, _text_ids(log.items, id_column)),
        id=id_column,
        type=options.type,
        text=options.text,
        metadata=options.metadata,
    )
    if catalog.ids.dtype.kind != log.items.dtype.kind:  # in the log they only look like numbers
        table = read_table(options.interactions, here, _text_ids(catalog.ids, options.item))
        log = InteractionLog(table, **columns)
    users = None
    if options.users:
        users = read_table(options.users, here, _text_ids(log.users, options.user))
    model = Recommender(
        seed=options.seed,
        device=options.device,
        threads=options.threads,
        use_hgnn=not options.no_hgnn,
    )
    model.set_params(**dict(_setting(text) for text in options.set))
    model.fit(log, catalog, features, users, progress=not options.no_progress)
    model.save(options.out)
    print(model.fit_report_)
    print(f"model in {options.out}")


def _evaluate(options: argparse.Namespace) -> None:
    model = Recommender.load(options.model, device=options.device)
    columns = {**model.columns_.get("log", {}), **_given(options, "user", "item", "time", "signal")}
    _expect_columns(columns, ("user", "item"), options)
    table = read_table(
        options.test,
        "evaluate",
        _text_ids(model.user_ids_, columns["user"]) | _text_ids(model.item_ids_, columns["item"]),
    )
    report = evaluate(model, InteractionLog(table, **columns), options.k, name="model")
    print(report)
    if options.json:
        write_text(Path(options.json), json.dumps(report.to_dict(), indent=2) + "\n")


def _recommend(options: argparse.Namespace) -> None:
    model = Recommender.load(options.model, device=options.device)
    users = model.user_ids_ if options.users is None else _ids(options.users, model.user_ids_)
    ids, scores = model.recommend(
        users, options.k, types=options.types, exclude_seen=not options.include_seen
    )
    rows = [
        (user, rank, item, f"{score:.6g}")
        for user, row, values in zip(users.tolist(), ids.tolist(), scores.tolist(), strict=True)
        for rank, (item, score) in enumerate(zip(row, values, strict=True), start=1)
        if score != -np.inf
    ]
    _write_csv(options.out, ("user", "rank", "item", "score"), rows)


def _embed(options: argparse.Namespace) -> None:
    here = "embed"
    model = Recommender.load(options.model, device=options.device)
    if options.items is None:
        for flag in ("vectors", "encoder"):
            if getattr(options, flag):
                got, expected = f"--{flag} without --items", "both, or neither"
                raise ConfigError(describe(here, f"--{flag}", got, expected))
        vectors = model.item_vectors_ if options.space == "towers" else model.general_vectors_
        ids = model.item_ids_[: len(vectors)]
    else:
        columns = {**model.columns_.get("items", {}), **_given(options, "id", "type")}
        columns.update(
            {
                name: getattr(options, name)
                for name in ("text", "metadata")
                if getattr(options, name)
            }
        )
        _expect_columns(columns, ("id",), options)
        new = Catalog(
            read_table(options.items, here, _text_ids(model.item_ids_, columns["id"])), **columns
        )
        vectors = model.embed_items(new, _features(options, here), space=options.space)
        ids = np.empty_like(new.ids)
        ids[new.rows] = new.ids
    ids_file = Path(options.out).with_suffix(".ids.csv")
    names = io.BytesIO(_csv(("id",), [(x,) for x in ids.tolist()]).encode())
    write_files(
        {
            ids_file: lambda stream: stream.write(names.read()),
            Path(options.out): lambda stream: np.save(stream, vectors),
        }
    )
    rows, width = vectors.shape
    print(f"{rows:,} vectors of {width} numbers in {options.out}, their ids in {ids_file}")


def _bench(options: argparse.Namespace) -> None:
    prefixes = [(1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")]
    print(f"{'operation':28} {'ms':>10} {'rate':>22}  of a bare gather")

    def show(m: bench.Measurement) -> None:
        size, letter = next((p for p in prefixes if m.rate >= p[0]), prefixes[-1])
        rate = f"{m.rate / size:.1f} {letter} {m.unit}/s"
        share = "" if m.gather_share is None else f"{m.gather_share:.0%}"
        print(f"{m.name:28} {m.seconds * 1e3:10.2f} {rate:>22}  {share}".rstrip(), flush=True)

    found = bench.run(
        options.only,
        threads=options.threads,
        repeats=options.repeats,
        scale=options.scale,
        done=show,
    )
    if options.json:
        threads = options.threads or _core.show_config()["threads"]
        result = {
            "suite": options.suite,
            **bench.machine(),
            "threads": threads,
            "scale": options.scale,
            "measurements": [m.to_dict() for m in found],
        }
        write_text(Path(options.json), json.dumps(result, indent=2) + "\n")


def _show_config(options: argparse.Namespace) -> None:
    print(json.dumps(stages.show_config(), indent=2))


def _features(options: argparse.Namespace, here: str) -> Any:
    """Return what the flags name: an array or an encoder."""
    if bool(options.vectors) == bool(options.encoder):
        got = "both" if options.vectors else "neither"
        remedy = (
            "" if options.vectors else "--encoder hash needs no download, but knows no meanings."
        )
        raise ConfigError(describe(here, "--vectors, --encoder", got, "one of them", remedy))
    if options.vectors:
        return read_vectors(options.vectors, here)
    if options.encoder == "hash":
        return HashEncoder()
    hint = near_names(options.encoder, ["minilm", "hash"], cutoff=0.7)
    if options.encoder != "minilm" and hint:
        raise ConfigError(describe(here, "--encoder", repr(options.encoder), "a model", hint))
    name = None if options.encoder == "minilm" else options.encoder
    return CachedEncoder(SentenceTransformerEncoder(name))


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(describe("fit", "--set", repr(text), "GROUP__NAME=VALUE"))
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value  # a word


def _given(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def _expect_columns(
    columns: dict[str, Any], names: Sequence[str], options: argparse.Namespace
) -> None:
    for name in names:
        if columns.get(name) is None:
            raise ConfigError(
                describe(
                    options.command,
                    f"--{name}",
                    "nothing",
                    "the name of a column",
                    "The model does not tell which it was trained with.",
                )
            )


def _text_ids(ids: Any, column: str) -> set[str]:
    """Return the column if its ids have to be strings like these."""
    return {column} if ids.dtype.kind == "U" else set()


def _ids(values: Sequence[str], like: Any) -> Any:
    if like.dtype.kind == "U":
        return np.array(values)
    try:
        return np.array(values, dtype=np.int64)
    except ValueError:
        raise ConfigError(
            describe("recommend", "--users", ", ".join(values), "whole numbers, like the model's")
        ) from None


def _write_csv(path: str | None, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    if path is None:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([head, *rows])
        return
    write_text(Path(path), _csv(head, rows))


def _csv(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([head, *rows])
    return text.getvalue()

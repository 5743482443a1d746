"""Where the time of an epoch goes, of the HGNN and of the towers, on X-Wines with default settings.

Usage: python bench/epoch_profile.py [--threads 2] [--epochs 3] [--events 1] [--write PAGE]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import relweave as rw

sys.path.append(str(Path(__file__).parent / "peers"))
from markdown import replace_block, table

HEAD = ("work", "calls", "ms", "share")


def profiles(threads: int, epochs: int, share: float) -> dict[str, rw.bench.Profile]:
    """Return where the fits' time goes, of the first `share` of the training part."""
    wines = rw.datasets.load_xwines()
    catalog, log = wines.catalog(), wines.split()[0]
    log = log.select(range(int(len(log) * share)))
    graph = rw.CoInteractionGraph.build(log, catalog, threads=threads)
    with rw.bench.profile() as hgnn:
        model = rw.HGNN(config={"epochs": epochs}, threads=threads)
        model.fit(graph, wines.vectors, progress=False)
    vectors = model.vectors_
    with rw.bench.profile() as towers:
        two = rw.TwoTower(config={"epochs": epochs}, threads=threads)
        two.fit(log, catalog, wines.vectors, vectors, progress=False)
    return {"HGNN": hgnn, "towers": towers}


def show(title: str, profile: rw.bench.Profile, epochs: int) -> str:
    """Return the table of one epoch; work beside the step in rows of its own."""
    rows = [
        (
            f"`{e.name}`" + " (beside)" * e.beside,
            f"{e.calls / epochs:,.0f}",
            f"{1e3 * e.seconds / epochs:.1f}",
            "" if e.beside else f"{e.seconds / profile.seconds:.1%}",
        )
        for e in profile.entries
    ]
    rest = profile.seconds - sum(e.seconds for e in profile.entries if not e.beside)
    rows.append(("all else", "", f"{1e3 * rest / epochs:.1f}", f"{rest / profile.seconds:.1%}"))
    begin = f"{title}, {1e3 * profile.seconds / epochs:.0f} ms per epoch:\n\n"
    return begin + table(HEAD, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--events", type=float, default=1.0, help="share of the events")
    parser.add_argument("--write", type=Path, help="page whose tables are replaced")
    a = parser.parse_args()
    found = profiles(a.threads, a.epochs, a.events)
    text = "\n\n".join(show(title, profile, a.epochs) for title, profile in found.items())
    print(text)
    if a.write:
        replace_block(a.write, "profile", text)


if __name__ == "__main__":
    main()

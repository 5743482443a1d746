"""Compile every CUDA file for several architectures: no warning, no spill, no stack frame.

Prints the registers that each kernel takes, and with --write keeps them in a page, between
<!-- kernels: begin --> and <!-- kernels: end -->. Needs nvcc and the headers of cuBLAS,
no GPU.

Usage: python scripts/check_kernels.py [--archs 80,90] [--nvcc nvcc] [--write docs/ops.md]
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bench/peers"))

import markdown  # noqa: E402

FLAGS = [
    *("-std=c++20", "-O3", "--expt-relaxed-constexpr", "-Xcompiler", "-Wall,-Wextra,-Wno-restrict"),
    *("-Werror", "all-warnings", "-Xptxas", "-v"),
]


@dataclass(frozen=True)
class Kernel:
    """What ptxas says of one kernel."""

    file: str
    name: str
    registers: int
    stack_bytes: int
    spilled_bytes: int


def read_log(file: str, log: str) -> list[Kernel]:
    """Return the kernels of the log that `ptxas -v` wrote for one architecture."""
    kernels = []
    entry, stack, spilled = "", 0, 0
    for line in log.splitlines():
        if found := re.search(r"Compiling entry function '(\S+)'", line):
            entry = found[1]
        elif found := re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores", line):
            stack, spilled = int(found[1]), int(found[2])
        elif found := re.search(r"Used (\d+) registers", line):
            kernels.append(Kernel(file, entry, int(found[1]), stack, spilled))
    names = subprocess.run(
        ["c++filt", *(k.name for k in kernels)], capture_output=True, text=True, check=True
    )
    return [
        Kernel(k.file, short(name), k.registers, k.stack_bytes, k.spilled_bytes)
        for k, name in zip(kernels, names.stdout.splitlines(), strict=False)
    ]


def short(name: str) -> str:
    """Return a kernel's name with its template arguments, without namespaces and parameters."""
    name = re.sub(r"\(anonymous namespace\)::|(\w+::)+|^void ", "", name)
    return (
        re.sub(r"\((?!(bool|int)\)).*$", "", name)
        .replace("(bool)1", "true")
        .replace("(bool)0", "false")
        .replace("(int)", "")
    )


def compile_file(nvcc: str, includes: list[str], arch: str, path: Path) -> tuple[str, list[Kernel]]:
    """Return what went wrong, and the kernels."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [nvcc, *FLAGS, f"-arch=sm_{arch}", *includes, "-c", str(path), "-o", f"{folder}/o"],
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
    log = done.stdout + done.stderr
    return ("" if done.returncode == 0 else log), read_log(path.name, log)


def register_table(kernels: dict[str, list[Kernel]]) -> str:
    """Return the registers per kernel without its template arguments, smallest to largest."""
    archs = list(kernels)
    ranges: dict[tuple[str, str], dict[str, list[int]]] = {}
    for arch, found in kernels.items():
        for k in found:
            key = (k.file, k.name.split("<")[0])
            ranges.setdefault(key, {}).setdefault(arch, []).append(k.registers)
    rows = []
    for (file, name), by_arch in sorted(ranges.items()):
        cells = [
            f"{min(r)} to {max(r)}" if min(r) < max(r) else str(min(r)) for r in by_arch.values()
        ]
        rows.append([f"`{file}`", f"`{name}`", len(next(iter(by_arch.values()))), *cells])
    return markdown.table(
        ["file", "kernel", "variants", *(f"sm_{arch}" for arch in archs)], rows, 2
    )


def main() -> int:
    """Compile, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archs", default="80,90")
    parser.add_argument("--nvcc", default="nvcc")
    parser.add_argument("--include", action="append", default=[], help="more folders of headers")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--write", type=Path, help="page that lists the registers")
    a = parser.parse_args()
    includes = [f"-I{folder}" for folder in ("include", "src", *a.include)]
    files = sorted(ROOT.glob("src/**/*.cu"))
    tasks = [(arch, path) for arch in a.archs.split(",") for path in files]
    with ThreadPoolExecutor(a.jobs) as pool:
        results = list(pool.map(lambda t: compile_file(a.nvcc, includes, *t), tasks))

    kernels: dict[str, list[Kernel]] = {arch: [] for arch in a.archs.split(",")}
    failed = False
    for (arch, path), (error, found) in zip(tasks, results, strict=True):
        kernels[arch] += found
        if error:
            print(f"{path.name}, sm_{arch}: does not compile\n{error}")
            failed = True
        for k in found:
            if k.stack_bytes or k.spilled_bytes:
                print(
                    f"{path.name}, sm_{arch}: {k.name}: {k.stack_bytes} bytes of stack, "
                    f"{k.spilled_bytes} spilled, expected none"
                )
                failed = True
    print(register_table(kernels))
    if a.write:
        markdown.replace_block(a.write, "kernels", register_table(kernels))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

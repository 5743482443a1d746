"""Run the code blocks of the documents that say so: a fence opened as ```python tested.

The word `tested` after the language marks a block. The Python blocks of one file run as one script,
in order, so that later ones may use what earlier ones made; then likewise the bash blocks. Each C++
block is a program that is compiled and linked against the installed wheel, then run with the
argument `model`: the folder of a model that a block before it may have written. All blocks of a
file share a temporary folder. A block that takes too long here names what runs its commands, or
checks them, elsewhere: ```bash covered by scripts/test.sh. A block of a known language that is
neither is an error.

Usage: python tests/docs/run_snippets.py [file...]
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(\w+) tested\n(.*?)^```$", re.DOTALL | re.MULTILINE)
OPENING = re.compile(r"^```(\w+)(?: (.*))?$")

CONSUMER = """cmake_minimum_required(VERSION 3.25)
project(snippet LANGUAGES CXX)
find_package(relweave REQUIRED)
add_executable(snippet main.cpp)
target_link_libraries(snippet PRIVATE relweave::relweave)
"""


@dataclass(frozen=True)
class Snippet:
    """One block: where its code begins (1-based line), its language and its code."""

    file: Path
    line: int
    language: str
    code: str


def snippets_of(file: Path) -> list[Snippet]:
    text = file.read_text(encoding="utf-8")
    return [
        Snippet(file, text.count("\n", 0, match.start()) + 2, match[1], match[2])
        for match in FENCE.finditer(text)
    ]


def unmarked(file: Path) -> list[str]:
    """Return what to say of code blocks that are neither tested nor covered by a file."""
    said = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        fence = OPENING.match(line)
        if fence is None or fence[1] not in RUNNERS or fence[2] == "tested":
            continue
        cover = re.fullmatch(r"covered by (\S+)", fence[2] or "")
        if cover is None or not (ROOT / cover[1]).is_file():
            said.append(f"FAILED: {file.name} line {number}: neither tested nor covered by a file")
    return said


def run(command: list[str], folder: Path) -> bool:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    if done.returncode != 0:
        print(done.stdout, done.stderr, sep="\n")
    return done.returncode == 0


def in_place(snippets: list[Snippet]) -> str:
    """Join blocks with each one on the lines it has in its file, so that tracebacks name them."""
    lines: list[str] = []
    for snippet in snippets:
        lines += [""] * (snippet.line - 1 - len(lines)) + snippet.code.splitlines()
    return "\n".join(lines) + "\n"


def run_python(snippets: list[Snippet], folder: Path) -> bool:
    script = folder / f"{snippets[0].file.name}.py"
    script.write_text(in_place(snippets), encoding="utf-8")
    return run([sys.executable, str(script)], folder)


def run_bash(snippets: list[Snippet], folder: Path) -> bool:
    script = folder / f"{snippets[0].file.name}.sh"
    script.write_text("set -euo pipefail\n" + in_place(snippets), encoding="utf-8")
    return run(["bash", str(script)], folder)


def run_cpp(snippets: list[Snippet], folder: Path) -> bool:
    from relweave.build_paths import cmake_dir

    good = True
    for snippet in snippets:
        source = folder / f"cpp_{snippet.line}"
        source.mkdir()
        (source / "CMakeLists.txt").write_text(CONSUMER, encoding="utf-8")
        (source / "main.cpp").write_text(snippet.code, encoding="utf-8")
        configure = ["cmake", "-S", ".", "-B", "build", f"-Drelweave_DIR={cmake_dir()}"]
        good &= (
            run(configure, source)
            and run(["cmake", "--build", "build"], source)
            and run([str(source / "build" / "snippet"), "model"], folder)
        )
    return good


RUNNERS: dict[str, Callable[[list[Snippet], Path], bool]] = {
    "python": run_python,
    "bash": run_bash,
    "cpp": run_cpp,
}


def main(arguments: list[str]) -> int:
    files = [Path(a).resolve() for a in arguments] or [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").rglob("*.md")),
        ROOT / "bench" / "peers" / "README.md",
        ROOT / "examples" / "notebooks" / "README.md",
    ]
    passed = failed = 0
    for file in files:
        snippets = snippets_of(file)
        unknown = {s.language for s in snippets} - RUNNERS.keys()
        if unknown:
            raise SystemExit(f"{file}: no runner for {', '.join(sorted(unknown))}")
        for message in unmarked(file):
            print(message)
            failed += 1
        with tempfile.TemporaryDirectory() as folder:
            for language, runner in RUNNERS.items():
                chosen = [s for s in snippets if s.language == language]
                if not chosen:
                    continue
                good = runner(chosen, Path(folder))
                lines = ", ".join(str(s.line) for s in chosen)
                print(
                    f"{'ok' if good else 'FAILED'}: {file.name} {language} (lines {lines})",
                    flush=True,
                )
                passed, failed = passed + good, failed + (not good)
    print(f"{passed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

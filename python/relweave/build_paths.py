"""Where the C++ side of the installed package lies, for builds that link it.

The wheel carries the headers, the static library and its CMake configuration inside the package's
folder, in the layout of an install prefix::

    relweave/include/relweave/...        headers
    relweave/lib/librelweave.a           library
    relweave/lib/cmake/relweave/         relweaveConfig.cmake

so ``find_package(relweave)`` works after
``cmake -Drelweave_DIR="$(python -m relweave.build_paths)"``. Projects that build with
scikit-build-core and name relweave among their build requirements need not even that.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["cmake_dir", "include_dir"]

_PREFIX = Path(__file__).resolve().parent


def _existing(path: Path, what: str) -> str:
    if not path.is_dir():
        raise FileNotFoundError(
            f"relweave: {what}: {path} is missing. The package was not installed from a wheel; "
            "install it with pip, or point CMake at your own install prefix"
        )
    return str(path)


def cmake_dir() -> str:
    """Return the folder of ``relweaveConfig.cmake``, the value for ``relweave_DIR``."""
    return _existing(_PREFIX / "lib" / "cmake" / "relweave", "CMake configuration")


def include_dir() -> str:
    """Return the folder to add to a compiler's include path."""
    return _existing(_PREFIX / "include", "headers")


if __name__ == "__main__":
    print(cmake_dir())

#!/usr/bin/env bash
# From a fresh clone to recommendations on real data: own virtual environment, build, install, `relweave quickstart`.
# Usage: scripts/quickstart.sh [options of `relweave quickstart`]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_env.sh"

start=$SECONDS
setup_python
say "building and installing relweave (a few minutes the first time)"
pip install -q '.[pandas,plot,progress]'
say "installed after $((SECONDS - start)) s; running relweave quickstart"
relweave quickstart --out build/quickstart "$@"
say "done after $((SECONDS - start)) s. Use it: source build/venv/bin/activate"

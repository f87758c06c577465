#!/usr/bin/env bash
# Compares layersep with optimizers in PyTorch on the same data, initial weights and batches.
#
#     scripts/bench/rivals.sh [CASE...] [--python PYTHON] [options of main.py; --help lists them]
#
# Without --python it makes a virtual environment in the user's cache folder, with the packages of requirements.txt. The variables of
# pip apply, such as PIP_EXTRA_INDEX_URL for PyTorch without CUDA.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

python=
arguments=()
while [ $# -gt 0 ]; do
  case "$1" in
    --python)
      if [ $# -lt 2 ]; then echo "error: --python needs the path of a Python" >&2; exit 2; fi
      python="$2"; shift 2 ;;
    --python=*) python="${1#--python=}"; shift ;;
    *) arguments+=("$1"); shift ;;
  esac
done

if [ -z "$python" ]; then
  environment="${XDG_CACHE_HOME:-$HOME/.cache}/layersep/rivals"
  python="$environment/bin/python"
  if ! test -x "$environment/bin/pip"; then
    rm -rf "$environment"
    python3 -m venv "$environment" || { echo "error: python3 -m venv failed; install it, or name a Python with --python" >&2; exit 2; }
  fi
  "$environment/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
elif ! command -v "$python" >/dev/null; then
  echo "error: there is no Python at $python" >&2
  exit 2
fi
exec "$python" "$here/main.py" ${arguments[@]+"${arguments[@]}"}

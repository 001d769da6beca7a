# shellcheck shell=bash
# What cluster.sh and e2e.sh say, and how they end without a tool. Sourced from the project's root.

say() { printf '── %s\n' "$*"; }

die() { printf 'error: %s\n' "$*" >&2; exit 2; }

need() {
  local tool
  for tool in "$@"; do
    command -v "$tool" > /dev/null || die "$tool is not on the PATH; see docs/kubernetes.md for what a local cluster needs"
  done
}

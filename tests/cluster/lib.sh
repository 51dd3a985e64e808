# What the scripts of this folder share: where things are, and how they speak. Sourced, never run.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
kubernetes=1.36.3
cache=${STREAMWRIGHT_CACHE:-$HOME/.cache/streamwright}/cluster/$kubernetes
bin=$cache/bin
claims=/run/streamwright-clusters

say() { printf '%s\n' "$*" >&2; }
fail() { say "$(basename "$0"): $*"; exit 1; }

# The folder of a cluster, as its processes know it.
cluster_dir() { # DIR
  [ -f "$1/env" ] || fail "$1 is no cluster: tests/cluster/up makes one"
  readlink -f "$1"
}

# until_true SECONDS WHAT COMMAND…: asks again, ten times a second, and gives up with a sentence; at once where the command gives 99.
until_true() {
  local end=$((SECONDS + $1)) what=$2 code
  shift 2
  while :; do
    code=0
    "$@" >/dev/null 2>&1 || code=$?
    [ $code != 0 ] || return 0
    [ $code != 99 ] || { say "it has ended: $what"; return 1; }
    [ $SECONDS -lt $end ] || { say "gave up waiting: $what"; return 1; }
    sleep 0.1
  done
}

# Every process of the host's side of a cluster carries its folder in its environment; containers are found by their control groups.
marked() { # DIR: their process ids
  local file
  grep -lszxF "STREAMWRIGHT_CLUSTER_DIR=$1" /proc/[0-9]*/environ 2>/dev/null | while read -r file; do file=${file#/proc/}; echo "${file%/environ}"; done || true
}
control_groups() { # ID: their folders, in every hierarchy, deepest first
  find /sys/fs/cgroup -depth -type d \( -path "/sys/fs/cgroup/sw$1" -o -path "/sys/fs/cgroup/sw$1/*" -o -path "/sys/fs/cgroup/*/sw$1" -o -path "/sys/fs/cgroup/*/sw$1/*" \) 2>/dev/null || true
}
contained() { # ID: process ids of containers
  control_groups "$1" | while read -r group; do cat "$group/cgroup.procs" 2>/dev/null || true; done | sort -un
}

# The hierarchies of control groups that there are: one (v2), or one a controller (v1).
hierarchies() {
  if [ -f /sys/fs/cgroup/cgroup.controllers ]; then echo /sys/fs/cgroup; return; fi
  local file
  for file in /sys/fs/cgroup/*/cgroup.procs; do dirname "$file"; done
}

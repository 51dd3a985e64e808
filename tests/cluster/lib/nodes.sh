# Nodes: network namespaces joined by a bridge, and in each a container runtime, a kubelet and a service proxy. Sourced by `up`.
#
#   sw<ID>-outside   10.<NET>.1.1    the world outside the nodes: control plane, S3, load balancers' routes, tests
#   sw<ID>-node<N>   10.<NET>.1.1<N> pods: 10.<NET>.1<N>.0/24; load balancers: 10.<NET>.200.0/24; nothing leads to the host's network

nodes=2

# What this machine lacks for nodes and no tool would bring, a line each.
lacking() {
  [ "$(id -u)" = 0 ] || { echo "  root: user $(id -un) may not make network namespaces, mounts and control groups"; return 0; }
  ! command -v ip >/dev/null || unshare --net --mount bash -c 'ip link add one type veth peer name two && ip link add three type bridge && mount -t tmpfs none /mnt' 2>/dev/null ||
    echo "  namespaces: unshare, veth, bridge or mount is refused"
  grep -qw overlay /proc/filesystems || echo "  overlayfs: the kernel has none"
  local hierarchy probe
  for hierarchy in $(hierarchies); do
    probe=$hierarchy/sw-probe-$$
    { mkdir "$probe" && rmdir "$probe"; } 2>/dev/null || { echo "  control groups: $hierarchy is not writable"; return 0; }
  done
}

# What tests/cluster/tools brings and has not, in one line.
unbuilt() {
  local program
  for program in ip containerd containerd-shim-runc-v2 runc ctr iptables conntrack nsenter; do command -v $program >/dev/null || printf ' %s' $program; done
  for program in kube-scheduler kubelet kube-proxy coredns versitygw relay cloud; do [ -x "$bin/$program" ] || printf ' %s' $program; done
  for program in bridge host-local portmap loopback; do [ -x /usr/lib/cni/$program ] || printf ' %s' $program; done
  for program in pause probe coredns; do [ -f "$cache/images/$program.tar" ] || printf ' %s.tar' $program; done
}

# claim_id takes a number that no other cluster of this machine has: a link to this cluster's folder, so that whoever finds it can clean up.
claim_id() {
  mkdir -p $claims
  case $dir/ in /run/* | /var/lib/* | /var/log/*) fail "$dir lies where a node has folders of its own: choose one elsewhere, as under /tmp" ;; esac
  for id in $(seq 99); do
    local held
    held=$(readlink $claims/"$id" 2>/dev/null || true)
    if [ -n "$held" ] && [ ! -e "$held" ]; then "$here/down" "$held"; fi
    ln -sT "$dir" $claims/"$id" 2>/dev/null && { net=$((100 + id)); echo "id=$id" >>"$dir/env"; return; }
  done
  fail "99 clusters are up already: see $claims"
}

make_network() {
  local outside_ns=sw$id-outside i j
  ip netns add "$outside_ns"
  "${outside[@]}" bash -euc "ip link set lo up; ip link add cables type bridge; ip addr add $address/24 dev cables; ip link set cables up; sysctl -qw net.ipv4.ip_forward=1"
  for i in $(seq $nodes); do
    local ns=sw$id-node$i
    ip netns add "$ns"
    ip -n "$outside_ns" link add "node$i" type veth peer name eth0 netns "$ns"
    ip -n "$outside_ns" link set "node$i" master cables up
    ip -n "$ns" link set lo up
    ip -n "$ns" addr add "10.$net.1.1$i/24" dev eth0
    ip -n "$ns" link set eth0 up
    ip -n "$ns" route add default via "$address"
    nsenter "--net=/run/netns/$ns" sysctl -qw net.ipv4.ip_forward=1
    ip -n "$outside_ns" route add "10.$net.1$i.0/24" via "10.$net.1.1$i"
    for j in $(seq $nodes); do [ "$i" = "$j" ] || ip -n "$ns" route add "10.$net.1$j.0/24" via "10.$net.1.1$j"; done
  done
}

# The runtimes start at once and load their images; the kubelets wait for the API server.
start_nodes() {
  local i hierarchy
  for hierarchy in $(hierarchies); do
    for i in $(seq $nodes); do mkdir -p "$hierarchy/sw$id/node$i"; done
    [ -f "$hierarchy/cpuset.cpus" ] || continue
    for group in sw$id $(seq -f "sw$id/node%g" $nodes); do
      cat "$hierarchy/cpuset.cpus" >"$hierarchy/$group/cpuset.cpus"
      cat "$hierarchy/cpuset.mems" >"$hierarchy/$group/cpuset.mems"
    done
  done
  mkdir "$dir/volumes"
  for i in $(seq $nodes); do
    mkdir -p "$dir/node$i" "$dir/volumes/node$i"
    start "node$i" nsenter "--net=/run/netns/sw$id-node$i" unshare --mount --propagation private "$here/lib/node" "$dir" "$bin" "$cache/images" "$id" "$net" "$i"
  done
}

wait_for_nodes() {
  local names
  names=$(seq -f 'node/node%g' $nodes)
  # Not by `kubectl wait --for=create`, which gives up where the first look finds neither of several names.
  # shellcheck disable=SC2086 # one name a word
  until_true 60 "the nodes" "$here/kubectl" "$dir" get $names
  # shellcheck disable=SC2086
  "$here/kubectl" "$dir" wait --for=condition=Ready $names --timeout=60s >/dev/null
  "$here/kubectl" "$dir" -n kube-system wait --for=condition=Available deployment/coredns --timeout=60s >/dev/null
}

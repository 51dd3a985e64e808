# etcd, the API server and the controllers. Sourced by `up`.

free_port() { # below the ports that the system gives to outgoing connections
  local port
  while :; do
    port=$((12000 + (RANDOM * 32768 + RANDOM) % 20000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo $port
}

start_control_plane() {
  local etcd=http://$address:$etcd_port peer=http://$address:$peer_port
  start etcd "${outside[@]}" etcd --data-dir "$dir/etcd" --listen-client-urls "$etcd" --advertise-client-urls "$etcd" --listen-peer-urls "$peer" \
    --initial-advertise-peer-urls "$peer" --initial-cluster "default=$peer" --unsafe-no-fsync --log-level error
  # Every write is in the audit log at once: tests count them.
  cat >"$dir/audit.yaml" <<'E'
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, verbs: [get, list, watch]}
- {level: None, users: ["system:apiserver"]}
- {level: None, resources: [{group: coordination.k8s.io, resources: [leases]}, {group: events.k8s.io}], namespaces: [kube-node-lease, kube-system]}
- {level: Metadata}
E
  # Its garbage would cost it a fifth more of its processor time.
  GOGC=400 start apiserver "${outside[@]}" "$bin/kube-apiserver" --etcd-servers="$etcd" --bind-address="$address" --secure-port="$api_port" --advertise-address="$address" \
    --tls-cert-file="$dir/pki/server.crt" --tls-private-key-file="$dir/pki/server.key" --cert-dir="$dir/pki" \
    --service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$dir/pki/accounts.pub" --service-account-signing-key-file="$dir/pki/accounts.key" \
    --client-ca-file="$dir/pki/ca.crt" --token-auth-file="$dir/pki/tokens.csv" --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
    --service-cluster-ip-range="$services" --allow-privileged=true --kubelet-preferred-address-types=InternalIP \
    --endpoint-reconciler-type=$([ "$address" = 127.0.0.1 ] && echo none || echo lease) --audit-policy-file="$dir/audit.yaml" --audit-log-path="$dir/audit.log"
  printf 'header = "Authorization: Bearer %s"\n' "$(token admin)" >"$dir/pki/curl"
  until_true 60 "the API server, or its etcd" api_is_ready
  local server=https://$address:$api_port
  kubeconfig "$dir/pki/manager.kubeconfig" "$server" "$(token system:kube-controller-manager)"
  start controller-manager "${outside[@]}" "$bin/kube-controller-manager" --kubeconfig="$dir/pki/manager.kubeconfig" --authentication-kubeconfig="$dir/pki/manager.kubeconfig" \
    --authorization-kubeconfig="$dir/pki/manager.kubeconfig" --bind-address=127.0.0.1 --secure-port="$manager_port" --cert-dir="$dir/pki/manager" \
    --service-account-private-key-file="$dir/pki/accounts.key" --root-ca-file="$dir/pki/ca.crt" --use-service-account-credentials=true --leader-elect=false --node-monitor-grace-period=10s
}

api_is_ready() {
  { kill -0 "$(cat "$dir/etcd.pid")" && kill -0 "$(cat "$dir/apiserver.pid")"; } || return 99
  [ "$("${outside[@]}" curl -s --max-time 2 --cacert "$dir/pki/ca.crt" -K "$dir/pki/curl" "https://$address:$api_port/readyz")" = ok ]
}

# Who is who: certificates, tokens, kubeconfigs. Sourced by `up`.

issue_certificates() {
  local names="IP:127.0.0.1,IP:$address,IP:10.96.0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
  mkdir "$dir/pki"
  (
    cd "$dir/pki"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -days 30 -subj /CN=kubernetes-ca \
      -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj /CN=kube-apiserver
    openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -set_serial 2 -days 30 -out server.crt \
      -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n' "$names")
    openssl genrsa -out accounts.key 2048
    openssl rsa -in accounts.key -pubout -out accounts.pub
  ) 2>>"$dir/logs/openssl.log"
  local user
  for user in admin,system:masters system:kube-controller-manager, system:kube-scheduler, system:kube-proxy, \
    system:node:node1,system:nodes system:node:node2,system:nodes; do
    printf '%s,%s,%s,"%s"\n' "$(openssl rand -hex 16)" "${user%,*}" "${user%,*}" "${user##*,}"
  done >"$dir/pki/tokens.csv"
}

token() { # USER
  awk -F, -v user="$1" '$2 == user { print $1 }' "$dir/pki/tokens.csv"
}

kubeconfig() { # FILE SERVER TOKEN
  cat >"$1" <<E
apiVersion: v1
kind: Config
clusters: [{name: it, cluster: {server: "$2", certificate-authority-data: $(base64 -w0 "$dir/pki/ca.crt")}}]
users: [{name: me, user: {token: $3}}]
contexts: [{name: it, context: {cluster: it, user: me}}]
current-context: it
E
}

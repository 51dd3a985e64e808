# What a cluster has besides Kubernetes itself: scheduler, DNS, volumes, load balancers, an S3 server. Sourced by `up`.

bucket=streams
s3_key=harness

start_addons() {
  local inside=https://$address:$api_port i
  kubeconfig "$dir/pki/scheduler.kubeconfig" "$inside" "$(token system:kube-scheduler)"
  kubeconfig "$dir/pki/proxy.kubeconfig" "$inside" "$(token system:kube-proxy)"
  kubeconfig "$dir/pki/cloud.kubeconfig" "$inside" "$(token admin)"
  for i in $(seq $nodes); do
    kubeconfig "$dir/pki/part" "$inside" "$(token "system:node:node$i")"
    mv "$dir/pki/part" "$dir/pki/node$i.kubeconfig"
  done
  start scheduler "${outside[@]}" "$bin/kube-scheduler" --kubeconfig="$dir/pki/scheduler.kubeconfig" --authentication-kubeconfig="$dir/pki/scheduler.kubeconfig" \
    --authorization-kubeconfig="$dir/pki/scheduler.kubeconfig" --bind-address=127.0.0.1 --leader-elect=false --cert-dir="$dir/pki/scheduler"
  start cloud "${outside[@]}" "$bin/cloud" "$dir/pki/cloud.kubeconfig" "$dir/volumes" "10.$net.200"
  s3_secret=$(openssl rand -hex 16)
  mkdir "$dir/s3"
  printf 'user = "%s:%s"\naws-sigv4 = "aws:amz:us-east-1:s3"\nheader = "x-amz-content-sha256: UNSIGNED-PAYLOAD"\n' "$s3_key" "$s3_secret" >"$dir/pki/s3.curl"
  s3_inside=http://$address:7070
  {
    echo "net=$net"
    echo "s3_inside=$s3_inside"
    echo "s3_bucket=$bucket"
    echo "s3_region=us-east-1"
    echo "s3_key=$s3_key"
    echo "s3_secret=$s3_secret"
    echo "s3_folder=$dir/s3/$bucket"
  } >>"$dir/env"
  "$here/fault" "$dir" s3-back
  start relay "$bin/relay" "/run/netns/sw$id-outside" "$address:$api_port" "$address:7070"
  until_true 10 "the relay" grep -q :7070 "$dir/logs/relay.log"
  server=https://$(awk -v target="$address:$api_port" '$2 == target { print $1 }' "$dir/logs/relay.log")
  s3_here=http://$(awk -v target="$address:7070" '$2 == target { print $1 }' "$dir/logs/relay.log")
  echo "s3_here=$s3_here" >>"$dir/env"
  kubeconfig "$dir/kubeconfig" "$server" "$(token admin)"
  until_true 10 "the bucket" "${outside[@]}" curl -sf --max-time 2 -K "$dir/pki/s3.curl" -X PUT "$s3_inside/$bucket"
  "$here/kubectl" "$dir" apply --server-side -f "$here/manifests" >/dev/null
}

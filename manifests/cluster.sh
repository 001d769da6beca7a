#!/usr/bin/env bash
# The local cluster: cluster.sh up|images|deploy|delete|pin, in the order in which they are needed.
# Each step waits for the one before and may be repeated. MODE is knative (default) or standard.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=manifests/common.sh
source manifests/common.sh
# shellcheck source=manifests/versions.env
source manifests/versions.env

readonly MODE="${MODE:-knative}" NAME=weathervane REGISTRY=weathervane-registry PORT=5001
readonly WAIT=600s TAG="${TAG:-0.1.0}"

k() { kubectl --context "kind-$NAME" "$@"; }

h() { helm --kube-context "kind-$NAME" upgrade --install --wait --timeout "$WAIT" "$@"; }

# The registry beside the cluster, as https://kind.sigs.k8s.io/docs/user/local-registry/ has it.
registry() {
  if test "$(docker inspect -f '{{.State.Running}}' $REGISTRY 2> /dev/null || true)" != true; then
    docker run -d --restart=always -p "127.0.0.1:$PORT:5000" --network bridge --name $REGISTRY "$REGISTRY_IMAGE"
  fi
}

registry_in_nodes() {
  local node folder="/etc/containerd/certs.d/localhost:$PORT"
  for node in $(kind get nodes --name $NAME); do
    docker exec "$node" mkdir -p "$folder"
    printf '[host."http://%s:5000"]\n' $REGISTRY | docker exec -i "$node" cp /dev/stdin "$folder/hosts.toml"
  done
  if test "$(docker inspect -f '{{json .NetworkSettings.Networks.kind}}' $REGISTRY)" = null; then
    docker network connect kind $REGISTRY
  fi
  k apply -f manifests/registry.yaml
}

knative() {
  say "Knative Serving $KNATIVE"
  h knative-operator --namespace knative-operator --create-namespace \
    "https://github.com/knative/operator/releases/download/knative-$KNATIVE_OPERATOR/knative-operator-$KNATIVE_OPERATOR.tgz"
  sed "s/VERSION/$KNATIVE/" manifests/knative/serving.yaml | k apply --server-side -f -
  k wait --for=condition=Ready --timeout $WAIT knativeserving/knative-serving --namespace knative-serving
}

gateway() {
  say "Gateway API $GATEWAY_API, Envoy Gateway $ENVOY_GATEWAY"
  k apply --server-side -f "https://github.com/kubernetes-sigs/gateway-api/releases/download/$GATEWAY_API/standard-install.yaml"
  # The chart brings the Gateway API's CRDs as well; those above stay as they are.
  h eg oci://docker.io/envoyproxy/gateway-helm --version "$ENVOY_GATEWAY" \
    --namespace envoy-gateway-system --create-namespace
}

kserve() {
  local version=$KSERVE_KNATIVE values=(--values manifests/kserve/values.yaml)
  if test "$MODE" = standard; then
    version=$KSERVE_STANDARD
    values+=(--values manifests/standard/kserve-values.yaml)
  fi
  say "KServe $version"
  h kserve-crd oci://ghcr.io/kserve/charts/kserve-crd --version "$version" \
    --namespace kserve --create-namespace
  h kserve oci://ghcr.io/kserve/charts/kserve-resources --version "$version" \
    --namespace kserve "${values[@]}"
  if test "$MODE" = standard; then k apply --server-side -f manifests/standard/gateway.yaml; fi
}

pipelines() {
  local from="https://github.com/kubeflow/pipelines/manifests/kustomize" here=build/pipelines
  say "Kubeflow Pipelines $KUBEFLOW_PIPELINES"
  k apply --server-side -k "$from/cluster-scoped-resources?ref=$KUBEFLOW_PIPELINES"
  k wait --for=condition=established --timeout $WAIT crd/applications.app.k8s.io
  mkdir -p $here
  cp manifests/pipelines/workflow-defaults.yaml $here
  sed "s/VERSION/$KUBEFLOW_PIPELINES/" manifests/pipelines/kustomization.yaml > $here/kustomization.yaml
  k apply --server-side -k $here
  k wait --for=condition=Available --timeout $WAIT deployment --all --namespace kubeflow
}

up() {
  need docker kind kubectl helm
  say "cluster $NAME, $MODE mode"
  registry
  kind get clusters 2> /dev/null | grep -qx $NAME ||
    kind create cluster --config kind-config.yaml --image "$NODE_IMAGE" --wait "$WAIT"
  registry_in_nodes
  say "cert-manager $CERT_MANAGER"
  h cert-manager cert-manager --repo https://charts.jetstack.io --version "$CERT_MANAGER" \
    --namespace cert-manager --create-namespace --set crds.enabled=true
  if test "$MODE" = standard; then gateway; else knative; fi
  kserve
  pipelines
  say "the platform is up; next: make images deploy"
}

images() {
  need docker
  local name
  for name in predictor pipeline; do
    say "image weathervane-$name:$TAG"
    docker build --file "$(dockerfile $name)" --tag "localhost:$PORT/weathervane-$name:$TAG" .
    docker push "localhost:$PORT/weathervane-$name:$TAG"
  done
}

dockerfile() { if test "$1" = pipeline; then echo pipelines/Dockerfile; else echo "$1/Dockerfile"; fi; }

# An image as it was pushed, so that a tag that was built again is never an old image on a node.
digest() {
  docker inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "localhost:$PORT/weathervane-$1:$TAG" |
    grep -m1 "^localhost:$PORT/" | cut -d@ -f2
}

deploy() {
  need docker kubectl helm
  local predictor pipeline
  if ! { predictor="$(digest predictor)" && pipeline="$(digest pipeline)"; }; then
    die "images of $TAG are not built: make images"
  fi
  say "our chart"
  k apply -f manifests/namespace.yaml
  local values=(--values helm/weathervane/ci/kind-values.yaml)
  if test "$MODE" = standard; then values+=(--values helm/weathervane/ci/standard-values.yaml); fi
  h weathervane helm/weathervane --namespace weathervane "${values[@]}" \
    --set images.predictor.digest="$predictor" --set images.pipeline.digest="$pipeline"
  helm --kube-context "kind-$NAME" test weathervane --namespace weathervane
}

delete() {
  need docker kind
  kind delete cluster --name $NAME
  docker rm --force $REGISTRY > /dev/null 2>&1 || true
}

# Tags to digests, for versions.env and the workflows; prints what it finds and changes nothing.
pin() {
  need docker git
  local image action tag
  for image in "${NODE_IMAGE%@*}" "$REGISTRY_IMAGE"; do
    printf '%s@%s\n' "$image" "$(docker buildx imagetools inspect "$image" --format '{{.Manifest.Digest}}')"
  done
  grep -rhoE 'uses: [A-Za-z0-9._/-]+@[^ ]+ # [^ ]+' .github/workflows |
    sed -E 's/uses: ([^@]+)@[^ ]+ # (.*)/\1 \2/' | sort -u |
    while read -r action tag; do
      printf '%s %s %s\n' "$action" "$tag" "$(git ls-remote \
        "https://github.com/$(cut -d/ -f1,2 <<< "$action")" "$tag^{}" "$tag" | tail -1 | cut -f1)"
    done
}

case "$MODE" in knative | standard) ;; *) die "MODE must be knative or standard, got $MODE" ;; esac
case "${1:-}" in
  up | images | deploy | delete | pin) "$1" ;;
  *) die "say one of up, images, deploy, delete, pin" ;;
esac

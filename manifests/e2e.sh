#!/usr/bin/env bash
# On the cluster of cluster.sh with our chart: train through Kubeflow Pipelines, release the first
# model, release a second one by canary under traffic, have a bad one taken back. Repeatable.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=manifests/common.sh
source manifests/common.sh

readonly NAME=weathervane NAMESPACE=weathervane MODEL=weather TAG="${TAG:-0.1.0}"
readonly TAKEN_BACK=5
export WEATHERVANE_IMAGE="localhost:5001/weathervane-pipeline:$TAG"
work="$(mktemp -d)"
forwards=()

# shellcheck disable=SC2329  # the trap calls it
finish() {
  local one
  for one in "${forwards[@]:-}"; do test -z "$one" || kill "$one" 2> /dev/null || true; done
  rm -rf "$work"
}
trap finish EXIT

k() { kubectl --context "kind-$NAME" --namespace "$NAMESPACE" "$@"; }

forward() {
  kubectl --context "kind-$NAME" --namespace "$1" port-forward "service/$2" "$3:$4" > /dev/null &
  forwards+=($!)
}

secret() { k get secret "$1" --output "jsonpath={.data.$2}" | base64 -d; }

train() {
  weathervane pipeline submit training data=s3://weathervane/data/sample \
    'architectures=[cnn-small]' "settings=@$1" --experiment e2e --wait
}

weathervane_here() { weathervane "$@" --namespace $NAMESPACE --context "kind-$NAME" --model $MODEL; }

need kubectl weathervane python
# What a person has who works on this cluster: the store's root, MLflow's admin.
forward $NAMESPACE weathervane-store 9000 9000
forward $NAMESPACE weathervane-mlflow 5000 5000
forward kubeflow ml-pipeline 8888 8888
export WEATHERVANE_STORE_ENDPOINT=http://127.0.0.1:9000 MLFLOW_TRACKING_URI=http://127.0.0.1:5000
export KF_PIPELINES_ENDPOINT=http://127.0.0.1:8888
WEATHERVANE_STORE_ACCESS_KEY="$(secret weathervane-store MINIO_ROOT_USER)"
WEATHERVANE_STORE_SECRET_KEY="$(secret weathervane-store MINIO_ROOT_PASSWORD)"
MLFLOW_TRACKING_USERNAME="$(secret weathervane-mlflow MLFLOW_AUTH_ADMIN_USERNAME)"
MLFLOW_TRACKING_PASSWORD="$(secret weathervane-mlflow MLFLOW_AUTH_ADMIN_PASSWORD)"
export WEATHERVANE_STORE_ACCESS_KEY WEATHERVANE_STORE_SECRET_KEY
export MLFLOW_TRACKING_USERNAME MLFLOW_TRACKING_PASSWORD

say "pictures"
weathervane data sample "$work/pictures" --pictures 300
python -m tests.e2e upload "$work/pictures" data/sample

say "the first model, through Kubeflow Pipelines"
train tests/e2e/settings.yaml
weathervane_here rollout start challenger
address="$(k get inferenceservice $MODEL --output 'jsonpath={.status.url}'):8080"
python -m tests.e2e ask "$address" "$work/pictures"

say "a second one, by canary under traffic"
sed 's/seed: 1/seed: 2/' tests/e2e/settings.yaml > "$work/settings.yaml"
train "$work/settings.yaml"
python -m weathervane.local.traffic --address "$address" --model $MODEL \
  --pictures "$work/pictures" --rate 20 --out "$work/traffic.jsonl" &
forwards+=($!)
weathervane_here rollout start challenger --plan tests/e2e/plan.yaml

say "a bad one"
bad="$(python -m tests.e2e spoil)"
code=0
weathervane_here rollout start "$bad" --plan tests/e2e/plan.yaml || code=$?
test "$code" = $TAKEN_BACK || die "a bad model was to be taken back (code $TAKEN_BACK), the rollout ended with $code"
python -m tests.e2e ask "$address" "$work/pictures"
say "all of it: trained, released, by canary, and a bad model taken back"

#!/usr/bin/env bash
# On the cluster of cluster.sh with our chart: train through Kubeflow Pipelines, release a model,
# release a second one by canary under traffic, have a bad one taken back. May be run again: the
# first model is then a canary as well.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=manifests/common.sh
source manifests/common.sh

readonly NAME=weathervane NAMESPACE=weathervane MODEL=weather
readonly TAKEN_BACK=5
work="$(mktemp -d)"
forwards=() forwarded="" sending=""

# shellcheck disable=SC2329  # the trap calls it
finish() {
  local one
  for one in "${forwards[@]:-}"; do test -z "$one" || kill "$one" 2> /dev/null || true; done
  rm -rf "$work"
}
trap finish EXIT

k() { kubectl --context "kind-$NAME" --namespace "$NAMESPACE" "$@"; }

# A Service (namespace, name, port) at a free port of this machine, whose address is $forwarded.
forward() {
  local log="$work/$2.log"
  touch "$log"
  kubectl --context "kind-$NAME" --namespace "$1" port-forward "service/$2" ":$3" > "$log" &
  forwards+=($!)
  until forwarded="$(grep -m1 -oE '127\.0\.0\.1:[0-9]+' "$log")"; do
    kill -0 $! 2> /dev/null || die "service/$2 of namespace $1 cannot be reached"
    sleep 0.1
  done
  forwarded="http://$forwarded"
}

secret() { k get secret "$1" --output "jsonpath={.data.$2}" | base64 -d; }

train() {
  weathervane pipeline submit training data=s3://weathervane/data/sample \
    'architectures=[cnn-small]' "settings=@$1" --experiment e2e --wait
}

# Where the model is served; empty before the first rollout.
url() { k get inferenceservice $MODEL --ignore-not-found --output 'jsonpath={.status.url}'; }

# A canary is judged by requests. The first model of all has none, and is not a canary.
traffic() {
  test -z "$sending" || return 0
  python -m weathervane.local.traffic --address "$(url):8080" --model $MODEL \
    --pictures "$work/pictures" --rate 20 --out "$work/traffic.jsonl" &
  sending=$!
  forwards+=("$sending")
  until test -s "$work/traffic.jsonl"; do
    kill -0 "$sending" 2> /dev/null || die "no request was sent to $(url):8080"
    sleep 0.1
  done
}

release() { weathervane_here rollout start "$1" --plan tests/e2e/plan.yaml; }

ask() { python -m tests.e2e ask "$(url):8080" "$work/pictures"; }

weathervane_here() { weathervane "$@" --namespace $NAMESPACE --context "kind-$NAME" --model $MODEL; }

need kubectl weathervane python
# Steps and rollouts run in what the chart was installed with.
WEATHERVANE_IMAGE="$(k get deployment weathervane-mlflow --output 'jsonpath={.spec.template.spec.containers[0].image}')"
export WEATHERVANE_IMAGE
# What a person has who works on this cluster: the store's root, MLflow's admin.
forward $NAMESPACE weathervane-store 9000
export WEATHERVANE_STORE_ENDPOINT=$forwarded
forward $NAMESPACE weathervane-mlflow 5000
export MLFLOW_TRACKING_URI=$forwarded
forward kubeflow ml-pipeline 8888
export KF_PIPELINES_ENDPOINT=$forwarded
WEATHERVANE_STORE_ACCESS_KEY="$(secret weathervane-store MINIO_ROOT_USER)"
WEATHERVANE_STORE_SECRET_KEY="$(secret weathervane-store MINIO_ROOT_PASSWORD)"
MLFLOW_TRACKING_USERNAME="$(secret weathervane-mlflow MLFLOW_AUTH_ADMIN_USERNAME)"
MLFLOW_TRACKING_PASSWORD="$(secret weathervane-mlflow MLFLOW_AUTH_ADMIN_PASSWORD)"
export WEATHERVANE_STORE_ACCESS_KEY WEATHERVANE_STORE_SECRET_KEY
export MLFLOW_TRACKING_USERNAME MLFLOW_TRACKING_PASSWORD

say "pictures"
weathervane data sample "$work/pictures" --pictures 300
python -m tests.e2e upload "$work/pictures" data/sample

say "a model, through Kubeflow Pipelines"
train tests/e2e/settings.yaml
test -z "$(url)" || traffic
release challenger
ask

say "a second one, by canary under traffic"
sed 's/seed: 1/seed: 2/' tests/e2e/settings.yaml > "$work/settings.yaml"
train "$work/settings.yaml"
traffic
release challenger

say "a bad one"
bad="$(python -m tests.e2e spoil)"
code=0
release "$bad" || code=$?
test "$code" = $TAKEN_BACK || die "a bad model was to be taken back (code $TAKEN_BACK), the rollout ended with $code"
ask
say "all of it: trained, released, by canary, and a bad model taken back"

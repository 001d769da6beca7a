"""A dry walk of `make cluster` and `make e2e`: what would be run, in which order, and twice."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.chart import rendering
from tests.chart.rendering import ROOT
from weathervane.config import PipelineSettings, from_mapping, read_yaml
from weathervane.rollout.plan import Plan

# A tool that writes down what it is asked, and answers as its kind would.
RECORDER = """#!/bin/bash
printf '%s %s\\n' "${0##*/}" "$*" >> "$RECORD"
case "${0##*/} $*" in
  "kind get clusters") test ! -e "$STATE/cluster" || echo weathervane ;;
  "kind create cluster"*) touch "$STATE/cluster" ;;
  "kind delete cluster"*) rm -f "$STATE/cluster" "$STATE/registry" ;;
  "kind get nodes"*) echo weathervane-control-plane ;;
  "docker inspect -f {{.State.Running}}"*) test ! -e "$STATE/registry" || echo true ;;
  "docker run"*) touch "$STATE/registry" ;;
  "docker inspect -f {{json"*) test -e "$STATE/connected" && echo '{}' || echo null ;;
  "docker network connect"*) touch "$STATE/connected" ;;
  "docker inspect --format"*)
    test -n "${UNBUILT:-}" || echo "${*: -1}" | sed "s/:[^:]*$/@sha256:of-the-push/" ;;
  *"get secret"*) echo c2VjcmV0 ;;
  *"get inferenceservice"*)
    test ! -e "$STATE/served" || echo http://weather.weathervane.127.0.0.1.sslip.io ;;
  *"port-forward"*)
    test -z "${NO_WAY:-}" || exit 1
    echo "Forwarding from 127.0.0.1:54321 -> ${*##*:}"; exec sleep 60 ;;
  "python -m weathervane.local.traffic"*) echo {} > "${@: -1}"; exec sleep 60 ;;
  "python -m tests.e2e spoil") echo bad0 ;;
  "docker buildx imagetools inspect"*) echo "sha256:digest-of-$4" ;;
  "git ls-remote"*) printf 'of-the-tag\t%s\nof-the-commit\t%s^{}\n' "$4" "$4" ;;
  "weathervane rollout start bad0"*) exit "${BAD_ENDS:-5}" ;;
  "weathervane rollout start"*) touch "$STATE/served" ;;
esac
case "$*" in *" -f -"* | *" -i "*) cat > /dev/null ;; esac
"""
TOOLS = ("kind", "kubectl", "helm", "docker", "weathervane", "python", "git")
# What the scripts use of any system.
SYSTEM = ("bash", "sed", "grep", "cut", "sort", "tail", "dirname", "mktemp", "rm", "base64", "cp")
SYSTEM = (*SYSTEM, "cat", "touch", "sleep", "printf", "env", "mkdir")


class Walk:
    """A machine that has recorders instead of tools."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.record = folder / "record"
        self.bin = folder / "bin"
        self.bin.mkdir()
        for tool in TOOLS:
            (self.bin / tool).write_text(RECORDER)
            (self.bin / tool).chmod(0o755)
        for program in SYSTEM:
            for place in ("/bin", "/usr/bin"):
                if Path(place, program).exists() and not (self.bin / program).exists():
                    (self.bin / program).symlink_to(Path(place, program))

    def run(
        self, script: str, *arguments: str, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        return self._walk("/bin/bash", str(ROOT / "manifests" / script), *arguments, **variables)

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        make = shutil.which("make")
        assert make, "make is not on the PATH"
        return self._walk(make, "--no-print-directory", "--directory", str(ROOT), *arguments)

    def _walk(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env={
                "PATH": str(self.bin),
                "RECORD": str(self.record),
                "STATE": str(self.folder),
                "HOME": str(self.folder),
                **variables,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def told(self, *patterns: str) -> list[str]:
        """The commands so far that match one of the patterns, and forgets them all."""
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        self.record.unlink(missing_ok=True)
        return [line for line in lines if any(re.search(one, line) for one in patterns)]


@pytest.fixture
def walk(tmp_path: Path) -> Walk:
    return Walk(tmp_path)


INSTALLS = (r"^kind create", r"^helm .* upgrade", r"^kubectl .* (apply|wait)")
ORDER = {
    "knative": [
        "kind create cluster --config kind-config.yaml",
        "apply -f manifests/registry.yaml",
        "upgrade --install --wait --timeout 600s cert-manager",
        "upgrade --install --wait --timeout 600s knative-operator",
        "apply --server-side -f -",
        "wait --for=condition=Ready --timeout 600s knativeserving/knative-serving",
        "kserve-crd oci://ghcr.io/kserve/charts/kserve-crd --version v0.20.0",
        "kserve oci://ghcr.io/kserve/charts/kserve-resources --version v0.20.0",
        "cluster-scoped-resources?ref=2.17.0",
        "wait --for=condition=established --timeout 600s crd/applications.app.k8s.io",
        "apply --server-side -k build/pipelines",
        "wait --for=condition=Available --timeout 600s deployment --all --namespace kubeflow",
    ],
    "standard": [
        "kind create cluster --config kind-config.yaml",
        "apply -f manifests/registry.yaml",
        "upgrade --install --wait --timeout 600s cert-manager",
        "gateway-api/releases/download/v1.5.1/standard-install.yaml",
        "eg oci://docker.io/envoyproxy/gateway-helm --version v1.8.1",
        "kserve-crd oci://ghcr.io/kserve/charts/kserve-crd --version v0.21.0",
        "kserve oci://ghcr.io/kserve/charts/kserve-resources --version v0.21.0",
        "apply --server-side -f manifests/standard/gateway.yaml",
        "cluster-scoped-resources?ref=2.17.0",
        "wait --for=condition=established --timeout 600s crd/applications.app.k8s.io",
        "apply --server-side -k build/pipelines",
        "wait --for=condition=Available --timeout 600s deployment --all --namespace kubeflow",
    ],
}


@pytest.mark.parametrize("mode", ORDER)
def test_the_platform_is_installed_in_order_each_step_after_the_one_before(walk: Walk, mode: str):
    done = walk.run("cluster.sh", "up", MODE=mode)

    assert done.returncode == 0, done.stderr
    told = walk.told(*INSTALLS)
    assert len(told) == len(ORDER[mode]), told
    for line, wanted in zip(told, ORDER[mode], strict=True):
        assert wanted in line


@pytest.mark.parametrize("mode", ORDER)
def test_make_cluster_twice_is_the_script_in_that_mode_twice(walk: Walk, mode: str):
    walk.run("cluster.sh", "up", MODE=mode)
    walk.told()
    walk.run("cluster.sh", "up", MODE=mode)
    wanted = walk.told(".")

    done = walk.make("cluster", f"MODE={mode}")

    assert done.returncode == 0, done.stderr
    assert walk.told(".") == wanted
    assert ("eg oci://docker.io/envoyproxy/gateway-helm" in str(wanted)) == (mode == "standard")


@pytest.mark.parametrize(
    ("target", "script"),
    [
        ("cluster", "manifests/cluster.sh up"),
        ("images", "manifests/cluster.sh images"),
        ("deploy", "manifests/cluster.sh deploy"),
        ("cluster-delete", "manifests/cluster.sh delete"),
        ("pin", "manifests/cluster.sh pin"),
        ("e2e", "manifests/e2e.sh"),
    ],
)
def test_each_target_of_make_is_a_script(walk: Walk, target: str, script: str):
    done = walk.make("--dry-run", target)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith(script)


def test_pipelines_are_kubeflows_own_at_its_version_and_one_change_of_ours(walk: Walk):
    walk.run("cluster.sh", "up")

    made = yaml.safe_load((ROOT / "build" / "pipelines" / "kustomization.yaml").read_text())
    (resource,) = made["resources"]
    assert resource.endswith("/pipelines/manifests/kustomize/env/platform-agnostic?ref=2.17.0")
    for patch in made["patches"]:
        assert (ROOT / "build" / "pipelines" / patch["path"]).exists()


def test_a_second_walk_makes_no_second_cluster_or_registry_and_repeats_the_rest(walk: Walk):
    walk.run("cluster.sh", "up")
    first = walk.told(*INSTALLS, "^docker (run|network)")

    done = walk.run("cluster.sh", "up")

    assert done.returncode == 0, done.stderr
    second = walk.told(*INSTALLS, "^docker (run|network)")
    made_once = ("kind create", "docker run", "docker network connect")
    assert second == [line for line in first if not line.startswith(made_once)]
    assert len(first) - len(second) == len(made_once)


def test_everything_goes_to_the_cluster_that_was_made_and_to_no_other(walk: Walk):
    for script, *arguments in (("cluster.sh", "up"), ("cluster.sh", "deploy"), ("e2e.sh",)):
        walk.run(script, *arguments)
    told = walk.told("^kubectl", "^helm", "^weathervane rollout")

    assert told
    for line in told:
        assert re.search(r"--(kube-)?context kind-weathervane", line), line


def test_deploy_makes_our_namespace_installs_the_chart_and_runs_its_test(walk: Walk):
    done = walk.run("cluster.sh", "deploy", TAG="1.2.3")

    assert done.returncode == 0, done.stderr
    namespace, install, test = walk.told("^helm", "^kubectl")
    assert "apply -f manifests/namespace.yaml" in namespace
    assert "weathervane helm/weathervane --namespace weathervane" in install
    for name in ("predictor", "pipeline"):
        assert f"images.{name}.digest=sha256:of-the-push" in install
    assert "test weathervane" in test


def test_images_that_nobody_built_are_not_deployed(walk: Walk):
    done = walk.run("cluster.sh", "deploy", UNBUILT="1")

    assert done.returncode == 2
    assert "images of 0.1.0 are not built: make images" in done.stderr
    assert walk.told("^helm", "^kubectl") == []


def test_images_are_built_and_pushed_for_the_clusters_registry(walk: Walk):
    done = walk.run("cluster.sh", "images", TAG="1.2.3")

    assert done.returncode == 0, done.stderr
    told = walk.told("^docker")
    assert [line.split()[1] for line in told] == ["build", "push"] * 2
    for file in re.findall(r"--file (\S+)", " ".join(told)):
        assert (ROOT / file).exists()
    assert all("localhost:5001/weathervane-" in line for line in told)


TRAFFIC = "python -m weathervane.local.traffic --address"


def acts_of_the_whole_way(walk: Walk) -> list[str]:
    done = walk.run("e2e.sh")

    assert done.returncode == 0, done.stderr
    return walk.told("^python", "^weathervane (rollout|pipeline)", "port-forward")


def in_short(acts: list[str]) -> list[str]:
    """Without the forwards, and without traffic, which runs beside a release."""
    short = [" ".join(line.split()[:4]) for line in acts if "port-forward" not in line]
    short.remove(TRAFFIC)
    return short


def test_the_whole_way_trains_releases_asks_and_has_a_bad_model_taken_back(walk: Walk):
    acts = acts_of_the_whole_way(walk)

    assert in_short(acts) == [
        "python -m tests.e2e upload",
        "weathervane pipeline submit training",
        "weathervane rollout start challenger",
        "python -m tests.e2e ask",
        "weathervane pipeline submit training",
        "weathervane rollout start challenger",
        "python -m tests.e2e spoil",
        "weathervane rollout start bad0",
        "python -m tests.e2e ask",
    ]
    assert len({line for line in acts if "pipeline submit" in line}) == 2  # with another seed
    assert all(line.endswith("--wait") for line in acts if "pipeline submit" in line)
    assert [line.split()[-2:] for line in acts if "port-forward" in line] == [
        ["service/weathervane-store", ":9000"],
        ["service/weathervane-mlflow", ":5000"],
        ["service/ml-pipeline", ":8888"],
    ]


def test_the_whole_way_again_is_the_same_and_its_first_model_is_a_canary_too(walk: Walk):
    first = acts_of_the_whole_way(walk)
    again = acts_of_the_whole_way(walk)

    assert in_short(again) == in_short(first)

    def releases_before_traffic(acts: list[str]) -> int:
        (sent,) = (number for number, line in enumerate(acts) if line.startswith(TRAFFIC))
        return sum("rollout start challenger" in line for line in acts[:sent])

    assert releases_before_traffic(first) == 1
    assert releases_before_traffic(again) == 0


def test_a_service_that_cannot_be_reached_ends_the_way(walk: Walk):
    done = walk.run("e2e.sh", NO_WAY="1")

    assert done.returncode == 2
    assert "service/weathervane-store of namespace weathervane cannot be reached" in done.stderr


def test_a_bad_model_that_is_not_taken_back_is_a_failure(walk: Walk):
    done = walk.run("e2e.sh", BAD_ENDS="0")

    assert done.returncode == 2
    assert "a bad model was to be taken back (code 5), the rollout ended with 0" in done.stderr


def test_pin_looks_up_every_image_and_action_and_changes_nothing(walk: Walk):
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    before = [file.read_bytes() for file in workflows]
    used = {
        found
        for file in workflows
        for found in re.findall(r"uses: ([\w./-]+)@\S+ # (\S+)", file.read_text())
    }

    done = walk.run("cluster.sh", "pin")

    assert done.returncode == 0, done.stderr
    node, registry, *actions = done.stdout.splitlines()
    assert re.fullmatch(r"kindest/node:v[\d.]+@sha256:digest-of-kindest/node:v[\d.]+", node)
    assert registry == "registry:3@sha256:digest-of-registry:3"
    # A tag that is an object of its own names a commit; that one is what a workflow pins.
    assert actions == sorted(f"{action} {tag} of-the-commit" for action, tag in used)
    asked = walk.told("^git")
    assert len(asked) == len(used) >= 7
    assert all(re.search(r"https://github.com/[\w-]+/[\w-]+ v", line) for line in asked)
    assert [file.read_bytes() for file in workflows] == before


@pytest.mark.parametrize(
    ("script", "arguments", "tool"),
    [
        ("cluster.sh", ("pin",), "git"),
        *(("cluster.sh", ("up",), tool) for tool in ("kind", "kubectl", "helm", "docker")),
        ("cluster.sh", ("images",), "docker"),
        ("cluster.sh", ("deploy",), "helm"),
        ("cluster.sh", ("deploy",), "docker"),
        ("e2e.sh", (), "kubectl"),
    ],
)
def test_a_tool_that_is_missing_is_named_before_anything_is_done(
    walk: Walk, script: str, arguments: tuple[str, ...], tool: str
):
    (walk.bin / tool).unlink()

    done = walk.run(script, *arguments)

    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {tool} is not on the PATH; see docs/kubernetes.md")
    assert walk.told(".") == []


def test_a_mode_that_there_is_not_is_refused(walk: Walk):
    done = walk.run("cluster.sh", "up", MODE="serverless")

    assert done.returncode == 2
    assert "MODE must be knative or standard, got serverless" in done.stderr


def test_a_step_that_fails_stops_the_walk(walk: Walk):
    (walk.bin / "helm").write_text("#!/bin/bash\nexit 1\n")

    done = walk.run("cluster.sh", "up")

    assert done.returncode == 1
    assert walk.told("kserve", "kubeflow") == []


def test_what_the_cluster_gets_from_us_fits_its_schemas():
    from tests.platform import schemas

    schemas.needed()
    checked = []
    for file in (
        "registry.yaml",
        "namespace.yaml",
        "standard/gateway.yaml",
        "knative/serving.yaml",
        "tune-job.yaml",
    ):
        for one in yaml.safe_load_all((ROOT / "manifests" / file).read_text()):
            if one["apiVersion"].startswith("operator.knative.dev"):
                continue  # its schema is in no source that we have
            assert schemas.faults(one) == [], file
            checked.append(one["kind"])
    assert len(checked) == 8


def test_kserve_announces_the_address_that_kourier_serves():
    """With Istio it would be another one, which only Istio routes."""
    (serving,) = (
        one
        for one in yaml.safe_load_all((ROOT / "manifests/knative/serving.yaml").read_text())
        if one["kind"] == "KnativeServing"
    )
    kserve = yaml.safe_load((ROOT / "manifests/kserve/values.yaml").read_text())["kserve"]

    assert list(serving["spec"]["ingress"]) == ["kourier"]
    assert kserve["controller"]["gateway"]["disableIstioVirtualHost"] is True


def test_kind_takes_its_configuration():
    """It reads that before it looks for Docker, which is not there."""
    kind = [rendering.tool("kind"), "create", "cluster", "--config", str(ROOT / "kind-config.yaml")]

    done = subprocess.run(kind, env={"PATH": ""}, capture_output=True, text=True, check=False)

    assert "failed to get docker info" in done.stderr


def test_every_version_stands_in_one_file():
    versions = (ROOT / "manifests" / "versions.env").read_text()
    numbers = re.findall(r"^\w+=\S*?(v?\d+\.\d+\.\d+)", versions, re.MULTILINE)
    others = [ROOT / "kind-config.yaml", *(ROOT / "manifests").rglob("*.yaml")]
    others += (ROOT / "manifests").glob("*.sh")

    assert len(numbers) >= 8
    for file in others:
        assert not [number for number in numbers if number in file.read_text()], file


def test_plan_and_settings_of_the_whole_way_are_some():
    e2e = ROOT / "tests" / "e2e"
    from_mapping(Plan, read_yaml(e2e / "plan.yaml"), "plan.yaml")

    # What the script's sed changes for the second training.
    assert read_yaml(e2e / "settings.yaml")["train"]["seed"] == 1
    assert "seed: 1" in (e2e / "settings.yaml").read_text()
    from_mapping(PipelineSettings, read_yaml(e2e / "settings.yaml"), "settings.yaml")


def test_the_ports_of_cluster_gateway_and_script_are_one():
    config = yaml.safe_load((ROOT / "kind-config.yaml").read_text())
    (mapping,) = config["nodes"][0]["extraPortMappings"]
    for mode in ("knative/serving.yaml", "standard/gateway.yaml"):
        (service,) = (
            one
            for one in yaml.safe_load_all((ROOT / "manifests" / mode).read_text())
            if one["kind"] == "Service"
        )
        assert service["spec"]["ports"][0]["nodePort"] == mapping["containerPort"]
    assert f':{mapping["hostPort"]}"' in (ROOT / "manifests" / "e2e.sh").read_text()

"""A release of the chart with recorders for the registry: what is published, and signed."""

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.chart.rendering import ROOT, helm, pods, tool

REGISTRY = "ghcr.io/owner/weathervane"
PROGRAMS = {
    # Another digest for each image.
    "docker": 'case "$4" in *-predictor:v1.2.3) d=a ;; *-pipeline:v1.2.3) d=b ;; *) exit 1\nesac\n'
    'printf "sha256:%064d\\n" 0 | tr 0 $d',
    "helm": 'case "$1" in push) cp "$2" "$STATE/published.tgz"; echo "$*" >> "$STATE/record"\n'
    'test -n "${MUTE:-}" || printf "Digest: sha256:%064d\\n" 0 >&2 ;; *) exec "$HELM" "$@" ;; esac',
    "cosign": 'echo "cosign $*" >> "$STATE/record"',
}


def release(folder: Path, version: str, **variables: str) -> subprocess.CompletedProcess[str]:
    for name, script in PROGRAMS.items():
        (folder / name).write_text(f"#!/bin/bash\n{script}\n")
        (folder / name).chmod(0o755)
    return subprocess.run(
        [ROOT / ".ci" / "release-chart", version, REGISTRY],
        env={
            "PATH": f"{folder}:/usr/bin:/bin",
            "STATE": str(folder),
            "HELM": tool("helm"),
            "HOME": str(folder),
            **variables,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_chart_of_a_release_names_its_images_by_digest_and_is_signed(tmp_path: Path):
    before = (ROOT / "helm/weathervane/values.yaml").read_bytes()

    done = release(tmp_path, "v1.2.3")

    assert done.returncode == 0, done.stderr
    published = f"{REGISTRY}/charts/weathervane@sha256:{'0' * 64}"
    assert done.stdout.strip() == published
    pushed, signed = (tmp_path / "record").read_text().splitlines()
    assert pushed.endswith(f"weathervane-1.2.3.tgz oci://{REGISTRY}/charts")
    assert signed == f"cosign sign --yes {published}"
    rendered = helm("template", chart=tmp_path / "published.tgz").stdout
    found = tuple(filter(None, yaml.safe_load_all(rendered)))
    assert {one["image"] for _, pod in pods(found) for one in pod["containers"]} == {
        f"{REGISTRY}/weathervane-predictor@sha256:{'a' * 64}",
        f"{REGISTRY}/weathervane-pipeline@sha256:{'b' * 64}",
        "quay.io/minio/minio@sha256:14cea493d9a34af32f524e538b8346cf79f3321eff8e708c1e2960462bd8936e",
    }
    assert found[0]["metadata"]["labels"]["app.kubernetes.io/version"] == "v1.2.3"
    assert (ROOT / "helm/weathervane/values.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("version", "variables", "said"),
    [
        ("1.2.3", {}, "a version such as v1.2.3, got 1.2.3"),
        ("v1.2.4", {}, ""),  # whose images are not there
        ("v1.2.3", {"MUTE": "1"}, "helm told no digest"),
    ],
)
def test_nothing_is_signed_that_was_not_published(
    tmp_path: Path, version: str, variables: dict[str, str], said: str
):
    done = release(tmp_path, version, **variables)

    assert done.returncode != 0
    assert said in done.stderr
    record = tmp_path / "record"
    assert not record.exists() or "cosign" not in record.read_text()

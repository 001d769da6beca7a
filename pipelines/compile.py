"""Pipelines to YAML: ``python -m pipelines.compile`` rewrites what lies beside their sources.

In: the pipeline functions. Out: ``<name>.yaml`` each, which is what one runs or submits, and
``<name>.manifest.yaml``, the same as objects for `kubectl apply`, where Kubeflow Pipelines keeps
pipelines as objects; the same bytes whenever nothing changed.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.image import IMAGE

if TYPE_CHECKING:
    from kfp.dsl.base_component import BaseComponent

# Compiled beside their sources and checked in, so that a change is seen where it acts.
BESIDE = Path(__file__).parent
TRAINING = "training.yaml"
RELEASE = "release.yaml"
NAMES = ("training", "training-in-shards", "release")


def compile_all(folder: Path, image: str = IMAGE) -> tuple[Path, ...]:
    """Compile every pipeline into ``folder``, and return the files' paths.

    Args:
        folder: made when it is absent.
        image: what the steps run in, as the cluster's nodes name it.
    """
    from kfp import compiler
    from kfp.compiler.compiler_utils import KubernetesManifestOptions

    folder.mkdir(parents=True, exist_ok=True)
    compiled = []
    for name in NAMES:
        pipeline = _placed(name, image)
        path = folder / f"{name}.yaml"
        compiler.Compiler().compile(pipeline, str(path))
        manifest = path.with_suffix(".manifest.yaml")
        # A version never changes (backend/src/apiserver/webhook/pipelineversion_webhook.go), so
        # that another content has another name.
        content = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        compiler.Compiler().compile(
            pipeline,
            str(manifest),
            kubernetes_manifest_format=True,
            kubernetes_manifest_options=KubernetesManifestOptions(
                pipeline_version_name=f"{pipeline.name}-{content}", include_pipeline_manifest=True
            ),
        )
        compiled += [path, manifest]
    return tuple(compiled)


def as_submitted(name: str, image: str) -> dict[str, Any]:
    """A pipeline as the API of Kubeflow Pipelines takes it: what kfp reads out of the YAML."""
    from google.protobuf import json_format

    pipeline = _placed(name, image)
    return {
        "pipeline_spec": json_format.MessageToDict(pipeline.pipeline_spec),
        "platform_spec": json_format.MessageToDict(pipeline.platform_spec),
    }


def _placed(name: str, image: str) -> "BaseComponent":
    from pipelines.on_cluster import place
    from pipelines.release import release_pipeline
    from pipelines.training import sharded_training_pipeline, training_pipeline

    pipeline = {
        "training": training_pipeline,
        "training-in-shards": sharded_training_pipeline,
        "release": release_pipeline,
    }[name]
    place(pipeline, image)
    return pipeline


if __name__ == "__main__":
    for path in compile_all(BESIDE):
        print(path)

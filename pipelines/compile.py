"""Pipelines to YAML: ``python -m pipelines.compile`` rewrites what lies beside their sources.

In: the pipeline functions. Out: ``<name>.yaml`` each, the same bytes whenever nothing changed.
"""

from pathlib import Path

from components.image import IMAGE

# Compiled beside their sources and checked in, so that a change is seen where it acts.
BESIDE = Path(__file__).parent
TRAINING = "training.yaml"
RELEASE = "release.yaml"


def compile_all(folder: Path, image: str = IMAGE) -> tuple[Path, ...]:
    """Compile every pipeline into ``folder``, and return the files' paths.

    Args:
        folder: made when it is absent.
        image: what the steps run in, as the cluster's nodes name it.
    """
    from kfp import compiler

    from pipelines.on_cluster import place
    from pipelines.release import release_pipeline
    from pipelines.training import training_pipeline

    folder.mkdir(parents=True, exist_ok=True)
    compiled = []
    for name, pipeline in ((TRAINING, training_pipeline), (RELEASE, release_pipeline)):
        path = folder / name
        executors = pipeline.pipeline_spec.deployment_spec["executors"]
        for executor in executors.fields.values():
            executor.struct_value["container"]["image"] = image
        place(pipeline.platform_spec, executors)
        compiler.Compiler().compile(pipeline, str(path))
        compiled.append(path)
    return tuple(compiled)


if __name__ == "__main__":
    for path in compile_all(BESIDE):
        print(path)

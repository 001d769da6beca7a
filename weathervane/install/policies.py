"""Who may do what in the store. Pure.

In: a role and the bucket. Out: its policy, in the language of AWS IAM, which MinIO reads as well:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
"""

from typing import Any

# Below these an object is found by `weathervane.registry.store`; MLflow's server keeps its own.
MODELS, PROBES, EVALUATIONS, ARTIFACTS = "models", "probes", "evaluations", "mlflow"

# For each role what it reads and what it writes, by first part of the key; "*" is everything.
READS = {
    # KServe's storage initializer, before a predictor starts.
    "predictor": (MODELS,),
    # The Job that drives a rollout reads a package's description and its probes.
    "rollout": (MODELS, PROBES),
    # Pictures to train on may lie anywhere in the bucket.
    "pipeline": ("*",),
    "mlflow": (ARTIFACTS,),
}
WRITES = {
    "predictor": (),
    "rollout": (),
    "pipeline": (MODELS, PROBES, EVALUATIONS),
    "mlflow": (ARTIFACTS,),
}
# What lies there is named by its content and stays; only MLflow takes its own away again.
DELETES = {"predictor": (), "rollout": (), "pipeline": (), "mlflow": (ARTIFACTS,)}
ROLES = tuple(READS)


def policy(role: str, bucket: str) -> dict[str, Any]:
    """The policy of a role."""
    whole = f"arn:aws:s3:::{bucket}"

    def below(parts: tuple[str, ...]) -> list[str]:
        return [f"{whole}/*" if part == "*" else f"{whole}/{part}/*" for part in parts]

    listing: dict[str, Any] = {
        "Effect": "Allow",
        "Action": ["s3:ListBucket"],
        "Resource": [whole],
    }
    if "*" not in READS[role]:
        listing["Condition"] = {"StringLike": {"s3:prefix": [f"{part}/*" for part in READS[role]]}}
    statements = [
        listing,
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": below(READS[role])},
    ]
    if WRITES[role]:
        # A large file goes in parts, and an upload that fails takes them away again.
        actions = ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:PutObject"]
        statements.append({"Effect": "Allow", "Action": actions, "Resource": below(WRITES[role])})
    if DELETES[role]:
        statements.append(
            {"Effect": "Allow", "Action": ["s3:DeleteObject"], "Resource": below(DELETES[role])}
        )
    return {"Version": "2012-10-17", "Statement": statements}

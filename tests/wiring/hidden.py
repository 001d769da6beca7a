"""What is secret is nowhere but in Secrets, after all that the other files of this folder did.

Each installation has tokens of its own in every secret value: its Job made them, or somebody
planted them before (`installation.PLANTED`), and nobody else knows them.
"""

import base64
import json

from tests.chart.rendering import CHART, text
from tests.wiring.installation import PLANTED, SECRET
from tests.wiring.serving import Serving

# What Secrets hold that is no secret: addresses, and names of users.
OPEN = {
    *("WEATHERVANE_STORE_ENDPOINT", "WEATHERVANE_STORE_BUCKET", "WEATHERVANE_STORE_REGION"),
    *("WEATHERVANE_STORE_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "MINIO_ROOT_USER"),
    *("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_AUTH_ADMIN_USERNAME"),
    # SQLite on MLflow's own volume.
    *("MLFLOW_BACKEND_STORE_URI", "basic_auth.ini"),
}


def test_no_secret_is_in_a_log_an_object_a_pipeline_or_mlflow(serving: Serving):
    site = serving.site
    values = {
        value.encode()
        for secret in site.secrets.values()
        for key, value in secret.items()
        if key not in OPEN
    }
    # Also as a Secret or a header would hold it.
    hidden = values | {base64.b64encode(value).rstrip(b"=") for value in values}
    assert len(values) == 9 + len(PLANTED)
    assert all(len(value) >= 32 for value in values)
    objects_there = [
        site.cluster.objects.get(key)
        for key in site.cluster.objects.every_key()
        if key[0] != SECRET
    ]
    root = site.store("root")
    stored = [one.object_name for one in root.list_objects("weathervane", recursive=True)]
    files = (
        *(CHART.parents[1] / "pipelines").glob("*.yaml"),
        *site.folder.glob("*.log"),
        *(site.folder / "runs").rglob("*"),
        *(site.folder / "releases").rglob("*"),
        *(site.folder / "mlflow" / "data").glob("*.db"),
    )
    places = {
        "the rendered chart": text("default").encode(),
        "what the cluster holds besides Secrets": json.dumps(objects_there).encode(),
        **{
            f"stored {name}": root.get_object(bucket_name="weathervane", object_name=name).read()
            for name in stored
        },
        **{str(path): path.read_bytes() for path in files if path.is_file()},
    }

    assert {"ConfigMap", "InferenceService", "Job"} <= {one["kind"] for one in objects_there}
    assert {"models", "probes"} <= {name.partition("/")[0] for name in stored}
    leaks = [where for where, found in places.items() for one in hidden if one in found]
    assert leaks == []

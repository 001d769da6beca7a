"""What `make e2e` does to a cluster besides kubectl and weathervane: ``python -m tests.e2e …``.

In: the store and MLflow by the environment, addresses as arguments. Out: 0, or one line that says
what went wrong.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from weathervane.config import store_from_environment, tracking_uri
from weathervane.registry.store import Store

MODEL = "weather"


def upload(folder: Path, prefix: str) -> None:
    """Bring pictures to the store, as whoever owns the data does."""
    print(Store(store_from_environment()).upload_folder(folder, prefix))


def train(definition: Path, endpoint: str, prefix: str, seed: int) -> None:
    """Run the training pipeline on Kubeflow Pipelines and wait for its end."""
    from kfp import Client

    settings = {
        "gate": {"min_accuracy": 0.3, "min_macro_f1": 0.2, "min_class_recall": 0.0, "max_ece": 1.0},
        "train": {"seed": seed, "epochs": 6},
    }
    data = Store(store_from_environment()).uri(prefix)
    client = Client(host=endpoint)
    run = client.create_run_from_pipeline_package(
        str(definition),
        arguments={"data": data, "architectures": ["cnn-small"], "settings": settings},
        enable_caching=False,
        experiment_name="e2e",
    )
    ended = client.wait_for_run_completion(run.run_id, timeout=3600)
    if ended.state != "SUCCEEDED":
        sys.exit(f"error: the pipeline's run {run.run_id} ended as {ended.state}")


def ask(address: str, folder: Path) -> None:
    """Send V2 requests through the gateway; every one must be answered."""
    from weathervane.client import classify

    pictures = [path.read_bytes() for path in sorted(folder.rglob("*.*"))[:20]]
    answers = list(classify(address, MODEL, pictures, timeout_seconds=30))
    print(f"{len(answers)} pictures answered, the first as {answers[0].label}")


def spoil() -> None:
    """Put a package with permuted labels into the store, and print its digest."""
    from weathervane.registry.lineage import fetch_champion
    from weathervane.registry.spoil import relabel_package
    from weathervane.registry.store import package_key
    from weathervane.registry.versions import Registry

    config = store_from_environment()
    store = Store(config)
    with tempfile.TemporaryDirectory() as scratch:
        good = fetch_champion(
            Registry(tracking_uri(), store=config), store, MODEL, Path(scratch, "good")
        )
        if good is None:
            sys.exit(f"error: {MODEL} has no champion")
        labels = (*good.labels[1:], good.labels[0])
        bad = relabel_package(good, labels, Path(scratch, "bad"))
        store.upload_folder(bad.folder, package_key(MODEL, bad.digest))
    print(bad.digest)


def main(arguments: Sequence[str]) -> None:
    """Do one of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e")
    acts = parser.add_subparsers(dest="act", required=True)
    one = acts.add_parser("upload")
    one.add_argument("folder", type=Path)
    one.add_argument("prefix")
    one = acts.add_parser("train")
    one.add_argument("definition", type=Path)
    one.add_argument("endpoint")
    one.add_argument("prefix")
    one.add_argument("--seed", type=int, default=0)
    one = acts.add_parser("ask")
    one.add_argument("address")
    one.add_argument("folder", type=Path)
    acts.add_parser("spoil")
    told = vars(parser.parse_args(arguments))
    {"upload": upload, "train": train, "ask": ask, "spoil": spoil}[told.pop("act")](**told)


if __name__ == "__main__":
    main(sys.argv[1:])

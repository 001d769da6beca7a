"""A service as many are written, an upload to ``model.predict``: ``plain PACKAGE PORT``."""

import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, UploadFile

from tests.bench.predictor.peers.classifier import Classifier
from weathervane.local.ports import LOOPBACK


def application(folder: Path) -> FastAPI:
    """One picture a request; the framework's threads call the model."""
    app = FastAPI()
    classifier = Classifier(folder, "keras", threads=1)

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/predict")
    def predict(file: UploadFile) -> dict[str, object]:
        probabilities = classifier.probabilities(file.file.read())
        return {
            "label": classifier.package.labels[int(probabilities.argmax())],
            "probabilities": probabilities.tolist(),
        }

    return app


if __name__ == "__main__":
    package, port = sys.argv[1:]
    uvicorn.run(application(Path(package)), host=LOOPBACK, port=int(port), access_log=False)

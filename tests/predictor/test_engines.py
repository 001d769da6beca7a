"""The package says which engine it needs; both answer as the SavedModel did."""

import importlib.util
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from predictor import engines
from predictor.engines.litert import LiteRtEngine
from tests.asking import Asker
from tests.predictor.running import running
from weathervane.data import images
from weathervane.errors import PackageError
from weathervane.registry.package import Package


def test_a_package_with_litert_is_served_by_litert(tiny_package: Package):
    engine = engines.start(tiny_package, threads=2)

    assert isinstance(engine, LiteRtEngine)
    tiny_package.check_golden(
        lambda picture: engine.probabilities(images.load(picture, tiny_package.size))
    )


def test_without_tensorflow_a_package_without_litert_is_told_what_to_do(
    tensorflow_package: Package, monkeypatch: pytest.MonkeyPatch
):
    find: Callable[..., Any] = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "tensorflow" else find(name)
    )

    with pytest.raises(PackageError, match="package the model with LiteRT, or use") as refused:
        engines.start(tensorflow_package, threads=1)

    assert "\n" not in str(refused.value)


@pytest.mark.process
def test_tensorflow_serves_what_litert_cannot(tensorflow_package: Package):
    options = ("--package", str(tensorflow_package.folder), "--digest", tensorflow_package.digest)
    golden = tensorflow_package.golden()
    with running(*options) as predictor, Asker(predictor) as asker:
        platform = httpx.get(f"{predictor.rest}/v2/models/weather").json()["platform"]
        one_by_one = [asker.binary(one.picture) for one in golden]
        together = asker.batch([one.picture for one in golden] * 2)

    wanted = np.array([one.probabilities for one in golden])
    assert platform == "tensorflow"
    assert np.array(one_by_one) == pytest.approx(wanted, abs=1e-4)
    assert together == pytest.approx(np.concatenate([wanted, wanted]), abs=1e-4)

"""A package in a real predictor that listens for a moment."""

import shutil
from dataclasses import fields
from pathlib import Path

import pytest

from tests.local.sites import STAND_IN
from weathervane.errors import PackageError
from weathervane.local.smoke import smoke_test
from weathervane.registry.package import Description, Package, seal

pytestmark = pytest.mark.process


def test_a_good_package_answers_every_golden_picture(tiny_package: Package):
    assert smoke_test(tiny_package) == len(tiny_package.golden())


def test_a_predictor_that_answers_otherwise_is_found_out(tiny_package: Package):
    with pytest.raises(PackageError, match="golden picture 1 is answered smoke-test"):
        smoke_test(tiny_package, predictor=STAND_IN)


def test_a_package_that_the_predictor_refuses_is_refused_in_its_words(
    tiny_package: Package, tmp_path: Path
):
    shutil.copytree(tiny_package.folder, tmp_path / "package")
    told = {one.name: getattr(tiny_package, one.name) for one in fields(Description)}
    other = seal(tmp_path / "package", Description(**told | {"preprocessing": "0"}))

    with pytest.raises(PackageError, match=r"predictor ended: error: .*preprocessing '0'"):
        smoke_test(other)

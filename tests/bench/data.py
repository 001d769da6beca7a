"""``python -m tests.bench.data``: validation against its bounds: speed, memory, what it finds.

The pictures are made in a temporary folder, 18,038 of 40 KB by default. Each measurement runs in a
process of its own; validation stands between two runs of only reading and decoding the same files.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import combinations, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from tests.bench.data_pictures import (
    DISGUISES,
    TILES,
    cut,
    draw_tiles,
    encoded,
    turned_by_exif,
    write_pictures,
)
from tests.bench.figures import Figure, at_least, at_most, holds, noted, publish
from tests.hostile_pictures import BOMBS, mutated
from tests.soak.pictures import refusal_ms
from weathervane.config import ValidationConfig
from weathervane.data.looking import look
from weathervane.data.looks import merge
from weathervane.data.manifest import build
from weathervane.data.report import Report
from weathervane.data.validation import judge, validate

_PICTURES = 18_038
_MAX_RATIO, _MAX_DOUBLING, _MAX_SECOND = 1.6, 2.1, 0.1
_MAX_PEAK_MIB, _MAX_GROWTH_MIB = 600, 128
_DAMAGED = 2000
# One core must be able to look at a damaged picture in this time; all of them are small.
_MAX_SECONDS_A_DAMAGED_ONE = 0.05
# What each file of the odd ones must be told for, by a part of its name.
_ODD = {
    "exif_orient": "WV302",
    "mode_RGBA": "WV304",
    "huge_6000x4000": "WV206",
    "huge": "WV309",
    "is_GIF": "WV203",
    "lfs_pointer": "WV202",
    "ext_jpg": "WV301",
}


def measured(task: str, folder: Path, cache: Path | None = None) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.data_tasks", task, str(folder)]
    answer = subprocess.run(
        [*command, *([str(cache)] if cache else [])], check=True, capture_output=True, text=True
    )
    return dict(json.loads(answer.stdout.splitlines()[-1]))


def speed_figures(tiles: Path, place: Path, pictures: int) -> list[Figure]:
    """Time and memory at a quarter, a half and all of the pictures, and of a second run."""
    checks = {}
    for count in (pictures // 4, pictures // 2, pictures):
        folder = place / str(count)
        write_pictures(tiles, folder, count)
        before = measured("decode", folder)["seconds"]
        checks[count] = measured("check", folder, place / f"{count}.parquet")
        after = measured("decode", folder)["seconds"]
        decoding = (before + after) / 2
    files = [path.stat().st_size for path in folder.rglob("*.jpg")]
    second = measured("check", folder, place / f"{pictures}.parquet")
    every, half, quarter = checks[pictures], checks[pictures // 2], checks[pictures // 4]
    size = sum(files) / len(files) / 1000
    drawn = len(np.load(tiles, mmap_mode="r"))
    return [
        noted(
            "pictures",
            f"{len(files):,} of {size:.0f} KB, each four of {drawn} scenes",
        ),
        noted("only reading and decoding them, mean of before and after", f"{decoding:.1f} s"),
        noted("complete validation, with reports and cache", f"{every['seconds']:.1f} s"),
        at_most(
            "the second by the first", _round(every["seconds"] / decoding), _MAX_RATIO, " times"
        ),
        at_most(
            "twice the pictures take",
            _round(every["seconds"] / half["seconds"]),
            _MAX_DOUBLING,
            " times",
        ),
        at_most("peak of memory", round(every["peak_mib"]), _MAX_PEAK_MIB, " MiB"),
        at_most(
            f"more than with {pictures // 4:,}",
            round(every["peak_mib"] - quarter["peak_mib"]),
            _MAX_GROWTH_MIB,
            " MiB",
        ),
        at_most(
            "a second run without changes, by the first",
            _round(second["seconds"] / every["seconds"]),
            _MAX_SECOND,
            " times",
        ),
    ]


def _round(figure: float) -> float:
    return round(figure, 3)


def disguise_figures(tiles: Path, place: Path) -> list[Figure]:
    """Copies in every disguise: how many of them are found, and how many others are not."""
    drawn = list(np.load(tiles))
    folder = place / "originals"
    for number, picture in enumerate(drawn):
        _write(folder / "rainy" / f"{number:03d}.png", encoded(picture, ".png"))
    alone = _pairs(validate(folder), "cluster")
    figures = [at_most("different pictures taken for the same", len(alone), 0)]
    for name, disguise in DISGUISES.items():
        for number, picture in enumerate(drawn):
            data = encoded(disguise(picture), ".png")
            _write(folder / "sunny" / f"{number:03d}.png", data)
        report = validate(folder)
        conflicts = [each.path[-7:-4] for each in report.pictures if each.left_out == "conflict"]
        share = 100 * _found(report, "cluster", len(drawn))
        figures.append(at_least(f"found: {name}", round(share, 1), 99, " %"))
        if name == next(iter(DISGUISES)):
            told = 100 * len(set(conflicts)) / len(drawn)
            figures.append(
                at_least("of these, told as conflicting labels", round(told, 1), 99, " %")
            )
    for number in range(len(drawn)):
        data = (folder / "rainy" / f"{number:03d}.png").read_bytes()
        _write(folder / "sunny" / f"{number:03d}.png", data)
    figures.append(
        at_least(
            "found: the same bytes",
            100 * _found(validate(folder), "cluster", len(drawn)),
            100,
            " %",
        )
    )
    rng = np.random.default_rng(4)
    for share in (0.02, 0.05):
        for number, picture in enumerate(drawn):
            part = cut(picture, share, (rng.uniform(), rng.uniform()))
            _write(folder / "sunny" / f"{number:03d}.png", encoded(part, ".png"))
        found = 100 * _found(validate(folder), "scene", len(drawn))
        figures.append(at_least(f"of one scene: {share:.0%} cut off", round(found, 1), 99, " %"))
    return figures


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _found(report: Report, kind: str, count: int) -> float:
    """The share of originals that are of one cluster or scene with their copy."""
    names = {each.path: getattr(each, kind) for each in report.pictures}
    return (
        sum(
            names[f"rainy/{number:03d}.png"] == names[f"sunny/{number:03d}.png"]
            for number in range(count)
        )
        / count
    )


def _pairs(report: Report, kind: str) -> set[tuple[str, str]]:
    groups: dict[str, list[str]] = {}
    for each in report.pictures:
        groups.setdefault(getattr(each, kind), []).append(each.path)
    return {pair for paths in groups.values() for pair in combinations(sorted(paths), 2)}


def photograph_figures(photographs: Path, place: Path) -> list[Figure]:
    """Duplicates among real photographs, odd files, and manifests from shards."""
    rows = list(csv.DictReader((photographs / "messy" / "clusters.csv").open(encoding="utf-8")))
    clusters: dict[str, list[str]] = {}
    for row in rows:
        clusters.setdefault(row["cluster"], []).append(row["file"])
    true = {pair for paths in clusters.values() for pair in combinations(sorted(paths), 2)}
    told = _pairs(
        validate(photographs / "messy", ValidationConfig(max_unreadable_share=1)), "cluster"
    )
    report = validate(photographs / "photos")
    same, scenes = (
        {path for pair in _pairs(report, kind) for path in pair} for kind in ("cluster", "scene")
    )
    share = 100 * len(same) / len(report.pictures)
    odd = place / "odd" / "sunny"
    odd.parent.mkdir()
    odd.symlink_to(photographs / "odd")
    findings = validate(odd.parent, ValidationConfig(max_unreadable_share=1)).findings
    given = {
        path.name: {each.code for each in findings if (f"sunny/{path.name}",) in each.examples}
        for path in sorted((photographs / "odd").iterdir())
    }
    right = sum(
        next(code for part, code in _ODD.items() if part in name) in codes
        for name, codes in given.items()
    )
    build(report).write(place / "one.parquet")
    shards = [look(photographs / "photos", shard=shard, shards=8) for shard in range(8)]
    build(judge(merge(shards[::-1]))).write(place / "eight.parquet")
    equal = (place / "one.parquet").read_bytes() == (place / "eight.parquet").read_bytes()
    return [
        at_least("`messy`: pairs found", round(100 * len(told & true) / len(true), 1), 95, " %"),
        at_most("`messy`: pairs that are none", len(told - true), 0),
        at_most("`photos`: pictures in a cluster", round(share, 2), 1, " %"),
        noted("`photos`: of one scene with another, parts included", f"{len(scenes)}"),
        holds(
            "`odd`: files with the right finding", f"{right}", f"{len(given)}", right == len(given)
        ),
        holds("`photos` in 1 and in 8 shards: the same bytes", str(equal), "True", equal),
    ]


def hostile_figures(tiles: Path, place: Path) -> list[Figure]:
    """A picture that claims 900 megapixels, and damaged ones."""
    fault, make = BOMBS["PNG of 900 megapixels"]
    drawn = np.load(tiles)[:9]
    originals = [
        encoded(picture, extension)
        for picture, extension in zip(drawn, (".jpg", ".png", ".webp") * 3, strict=True)
    ]
    for number, data in enumerate(islice(mutated(originals, 1), _DAMAGED)):
        _write(place / "damaged" / "rainy" / f"{number}.jpg", data)
    outcome = measured("check", place / "damaged")
    return [
        at_most(
            "a PNG of 30,000x30,000 is refused in", round(refusal_ms(make(), fault), 2), 20, " ms"
        ),
        noted("damaged pictures", f"{_DAMAGED}, of which {outcome['readable']:.0f} can be decoded"),
        at_most(
            "looking at each of them, a core",
            _round(outcome["seconds"] * (os.cpu_count() or 1) / _DAMAGED),
            _MAX_SECONDS_A_DAMAGED_ONE,
            " s",
        ),
        at_most("peak of memory with them", round(outcome["peak_mib"]), _MAX_PEAK_MIB, " MiB"),
    ]


def memory_figures(tiles: Path, place: Path) -> list[Figure]:
    """What one large picture takes: one that is refused by its header, and the largest that is not.

    The second is turned by its EXIF orientation as well.
    """
    tile = np.load(tiles, mmap_mode="r")[0]
    taken = {}
    for width, height in ((6000, 4000), (4730, 3550)):
        data = encoded(cv2.resize(tile, (width, height)))
        _write(place / f"{width}" / "rainy" / "one.jpg", turned_by_exif(data, 6))
        taken[width] = measured("one", place / f"{width}")["taken_mib"]
    pixels = 4730 * 3550 * 3 / 2**20
    return [
        at_most(
            "memory for a file of 6000x4000, beyond what is there",
            round(taken[6000], 1),
            round(6000 * 4000 * 3 / 2**20, 1),
            " MiB",
        ),
        noted(
            "for one of 4730x3550 that is decoded and turned, by its pixels",
            f"{taken[4730] / pixels:.2f} times: the decoder's, and the copy that Python gets",
        ),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the table, write the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.data", description=__doc__)
    parser.add_argument("--pictures", type=int, default=_PICTURES)
    parser.add_argument("--tiles", type=int, default=TILES)
    options = parser.parse_args(arguments)
    photographs = os.environ.get("WEATHER_PHOTOS")
    begun = time.monotonic()
    with TemporaryDirectory() as scratch:
        place, tiles = Path(scratch), Path(scratch, "tiles.npy")
        draw_tiles(tiles, options.tiles)
        figures = disguise_figures(tiles, place)
        if photographs:
            figures += photograph_figures(Path(photographs), place)
        else:
            print("WEATHER_PHOTOS is not set: nothing is measured on photographs")
        figures += hostile_figures(tiles, place)
        figures += memory_figures(tiles, place)
        figures += speed_figures(tiles, place, options.pictures)
    minutes = (time.monotonic() - begun) / 60
    command = "make bench-data"
    if options.pictures != _PICTURES:
        command += f' OPTIONS="--pictures {options.pictures}"'
    return publish(command, figures, f"{minutes:.0f} minutes, most of them to make pictures.")


if __name__ == "__main__":
    sys.exit(main())

"""What was seen once is not read again, and shards amount to one; or they say why not."""

import os
import shutil
from dataclasses import replace
from itertools import islice

import pytest
from PIL import Image

from tests.hostile_pictures import mutated
from weathervane.data.looking import look
from weathervane.data.looks import known_from, merge, read_looks, write_looks
from weathervane.data.manifest import build
from weathervane.data.scan import Look, Stamp, Unreadable, scan
from weathervane.data.validation import judge, validate
from weathervane.errors import DataError

LATER_NS = 10_000_000_000


@pytest.fixture
def folder(folder_of):
    """Twenty of a class, some of them odd."""
    folder = folder_of({"rainy": 20, "sunny": 20})
    (folder / "rainy" / "empty.jpg").touch()
    (folder / "rainy" / "copy.jpg").write_bytes((folder / "rainy" / "001.jpg").read_bytes())
    with Image.open(folder / "sunny" / "003.jpg") as picture:
        picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "sunny" / "flip.png")
    return folder


def looked_at_later(looks: dict[str, Look]) -> dict[str, Look]:
    """The same looks, taken when the files were no longer fresh."""
    return {
        path: replace(
            each, stamp=replace(each.stamp, looked_at_ns=each.stamp.looked_at_ns + LATER_NS)
        )
        for path, each in looks.items()
    }


def scanned(folder, known=None) -> dict[str, Look]:
    paths = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*"))
    return {each.path: each for each in scan(folder, paths, known)}


def test_what_was_written_is_read(folder, tmp_path):
    looks = look(folder)
    write_looks(tmp_path / "looks.parquet", looks)

    again = read_looks(tmp_path / "looks.parquet")

    assert again.listing == looks.listing
    for one, two in zip(looks.looks, again.looks, strict=True):
        assert (one.path, one.stamp) == (two.path, two.stamp)
        if isinstance(one.found, Unreadable):
            assert one.found == two.found
        else:
            assert (one.found.thumbnail == two.found.thumbnail).all()
            assert replace(one.found, thumbnail=0) == replace(two.found, thumbnail=0)
    assert judge(again) == judge(looks) == validate(folder)


def test_an_unchanged_file_is_not_read_again(folder):
    known = looked_at_later(scanned(folder))

    assert all(each is known[each.path] for each in scanned(folder, known).values())


def touch(path):
    path.write_bytes(path.read_bytes())


def grow(path):
    path.write_bytes(path.read_bytes() + b"\0")


def swap_and_keep_the_time(path):
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(bytes(data))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [touch, grow, swap_and_keep_the_time])
def test_a_changed_file_is_read_again_and_only_that(change, folder):
    known = looked_at_later(scanned(folder))
    change(folder / "rainy" / "005.jpg")

    again = scanned(folder, known)

    assert [path for path in again if again[path] is not known[path]] == ["rainy/005.jpg"]


def test_a_file_that_was_fresh_when_looked_at_is_not_trusted():
    stamp = Stamp(size=1, modified_ns=10**10, changed_ns=10**10, looked_at_ns=10**10 + 10**9)
    state = type("State", (), {"st_size": 1, "st_mtime_ns": 10**10, "st_ctime_ns": 10**10})()

    assert not stamp.still_holds(state)
    assert replace(stamp, looked_at_ns=13 * 10**9).still_holds(state)


def test_a_cache_is_made_used_and_of_another_version_ignored(folder, tmp_path, monkeypatch):
    cache = tmp_path / "cache.parquet"
    first = validate(folder, cache=cache)
    assert len(known_from(cache)) == 43
    assert validate(folder, cache=cache) == first

    monkeypatch.setattr("weathervane.data.looks.VERSION", "another")

    assert known_from(cache) == {}
    with pytest.raises(DataError, match="another version: look again"):
        read_looks(cache)


def test_the_same_pictures_are_compared_once(folder, tmp_path, monkeypatch):
    cache, pairs = tmp_path / "cache.parquet", tmp_path / "cache.parquet.pairs"
    first = validate(folder, cache=cache)
    (folder / "rainy" / "copy.jpg").rename(folder / "sunny" / "copy.jpg")
    other = validate(folder)
    assert other != first

    assert validate(folder, cache=cache) == other
    monkeypatch.setattr("weathervane.data.kept_pairs.find_duplicates", None)
    assert validate(folder, cache=cache) == other
    pairs.write_text("no pairs")
    with pytest.raises(TypeError):
        validate(folder, cache=cache)


def test_what_is_no_cache_is_refused(folder, tmp_path):
    (tmp_path / "cache.parquet").write_bytes(b"PAR1 or so")

    with pytest.raises(DataError, match="holds no looks"):
        validate(folder, cache=tmp_path / "cache.parquet")


def sharded(folder, shards: int):
    return [look(folder, shard=shard, shards=shards) for shard in range(shards)]


def test_eight_shards_write_the_bytes_of_one(folder, tmp_path):
    # Each shard has pictures of its own, as on a cluster, and they come in any order.
    shutil.copytree(folder, tmp_path / "elsewhere" / "pictures")
    parts = [look(tmp_path / "elsewhere" / "pictures", shard=0, shards=8), *sharded(folder, 8)[1:]]

    build(validate(folder)).write(tmp_path / "one.parquet")
    build(judge(merge(parts[::-1]))).write(tmp_path / "eight.parquet")

    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "eight.parquet").read_bytes()


def test_a_missing_shard_and_shards_of_other_files_are_refused(folder):
    parts = sharded(folder, 4)

    with pytest.raises(DataError, match="nobody looked at 10 of the files, such as rainy"):
        merge([*parts[:3]])
    (folder / "rainy" / "new.jpg").touch()
    with pytest.raises(DataError, match="saw different files"):
        merge([*parts[:3], look(folder, shard=3, shards=4)])
    with pytest.raises(DataError, match="no looks"):
        merge([])


@pytest.mark.parametrize("cores", [1, 7])
def test_the_digest_knows_neither_cores_nor_the_order_of_files_nor_the_place(
    cores, folder, tmp_path, monkeypatch
):
    digest = build(validate(folder)).digest
    other = tmp_path / "copied"
    for path in sorted(folder.rglob("*.*"), reverse=True):
        target = other / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)

    monkeypatch.setattr("os.cpu_count", lambda: cores)

    assert build(validate(other)).digest == digest


def test_damaged_pictures_are_each_seen_or_refused(tmp_path, encode, draw):
    originals = [encode(draw(1)), encode(draw(2), ".png"), encode(draw(3), ".webp")]
    (tmp_path / "rainy").mkdir()
    for number, data in enumerate(islice(mutated(originals, 7), 150)):
        (tmp_path / "rainy" / f"{number}.jpg").write_bytes(data)

    found = [each.found for each in look(tmp_path).looks]

    assert len(found) == 150
    refused = sum(isinstance(each, Unreadable) for each in found)
    assert 15 < refused < 145

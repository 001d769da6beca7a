"""Archives are hostile until proven otherwise: what is refused leaves nothing, and good ones work.

The first half is row 26 of the reliability bar.
"""

import bz2
import gzip
import io
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from weathervane.data.sources import archives, entries
from weathervane.errors import DataError

Pack = Callable[..., bytes]


def tar(*names: str, size: int = 3, **header: object) -> bytes:
    """A tar of entries of ``size`` zeros, each with these fields of its header."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as file:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = size if header.get("type", tarfile.REGTYPE) == tarfile.REGTYPE else 0
            for key, value in header.items():
                setattr(info, key, value)
            file.addfile(info, io.BytesIO(bytes(info.size)))
    return packed.getvalue()


def tgz(*names: str, **header: object) -> bytes:
    return gzip.compress(tar(*names, **header), 9)


def zip_(*names: str, size: int = 3, mode: int = 0o100644, **header: object) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name in names:
            info = zipfile.ZipInfo("placeholder")
            info.filename, info.external_attr = name, mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            for key, value in header.items():
                setattr(info, key, value)
            file.writestr(info, bytes(size))
    return packed.getvalue()


def sparse_tar() -> bytes:
    return tar("a/b.jpg", type=tarfile.GNUTYPE_SPARSE)


def pax(text: bytes, size: int | None = None) -> bytes:
    """A pax header, that may lie about its length, and a file."""
    info = tarfile.TarInfo("header")
    info.type, info.size = tarfile.XHDTYPE, len(text) if size is None else size
    return info.tobuf(tarfile.USTAR_FORMAT) + text + bytes(-len(text) % 512) + tar("a/b.jpg")


def altered_zip(offset: int, value: bytes, size: int = 3) -> bytes:
    """A zip of one file with these bytes in its table of contents."""
    data = bytearray(zip_("a/b.jpg", size=size))
    place = data.rindex(b"PK\x01\x02") + offset
    data[place : place + len(value)] = value
    return bytes(data)


def many(count: int) -> list[str]:
    return [f"a/{number}.jpg" for number in range(count)]


DEVICES = [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
LEADING_OUT = ["../b.jpg", "a/../../b.jpg", "a/..", "/etc/passwd", "//etc/passwd", "C:/b.jpg"]
HOSTILE = [
    *(
        (pack, (name,), {}, "absolute|leads out")
        for pack in (tar, tgz, zip_)
        for name in LEADING_OUT
    ),
    *((pack, ("a\\..\\b.jpg",), {}, "a sign") for pack in (tar, zip_)),
    *((pack, ("a/b\n.jpg",), {}, "a sign") for pack in (tar, zip_)),
    (tar, ("a/b.jpg",), {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "symbolic link"),
    (tar, ("a/b.jpg",), {"type": tarfile.LNKTYPE, "linkname": "/etc/passwd"}, "hard link"),
    *((tgz, ("a/b.jpg",), {"type": kind}, "device|pipe") for kind in DEVICES),
    *((zip_, ("a/b.jpg",), {"mode": kind | 0o644}, "a link") for kind in (0o120000, 0o020000)),
    (zip_, ("a/b.jpg",), {"mode": 0o010644}, "a link, a device or a pipe"),
    (sparse_tar, (), {}, "sparse"),
    (pax, (b"22 GNU.sparse.major=1\n",), {}, "sparse"),
    (pax, (b"18 path=../b.jpg\n\n",), {}, "leads out"),
    (pax, (b"", 1 << 30), {}, "too long"),
    (pax, (b"9999 path=x\n",), {}, "a pax header that is none"),
    # Bombs: 16 MiB of zeros in 16 KiB, as one file or as several.
    *((pack, ("a/b.jpg",), {"size": 16 << 20}, "times its size") for pack in (tgz, zip_)),
    *((pack, many(16), {"size": 1 << 20}, "times its size") for pack in (tgz, zip_)),
    (tar, ("a/b.jpg", "a/b.jpg"), {}, "the same file"),
    *((pack, ("a/b.jpg", "a/B.jpg"), {}, "the same file") for pack in (tar, zip_)),
    *((pack, ("a/b.jpg", "A/c.jpg"), {}, "the same file") for pack in (tar, zip_)),
    *((pack, ("a/\u00e9", "a/e\u0301"), {}, "the same file") for pack in (tar, zip_)),
    *((pack, ("a/b", "a/b/c.jpg"), {}, "the same file") for pack in (tar, zip_)),
    *((pack, ("a/b/c.jpg", "a/b"), {}, "the same file") for pack in (tar, zip_)),
    *((pack, (f"a/{'b' * 300}",), {}, "too long") for pack in (tar, zip_)),
    *((pack, ("a/" * 30 + "b",), {}, "too long") for pack in (tar, zip_)),
    (altered_zip, (8, b"\1\0"), {}, "encrypted"),
    (altered_zip, (10, b"\x0e\0"), {}, "compressed in a way"),
    # The table says 3 bytes where 16 MiB lie.
    (altered_zip, (24, b"\3\0\0\0", 16 << 20), {}, "damaged"),
    (lambda: b"\xfd7zXZ\0" + bytes(99), (), {}, "xz is not read; pack"),
    (lambda: b"a rainy day" * 99, (), {}, "no zip or tar"),
    (lambda: gzip.compress(b"a rainy day" * 99), (), {}, "checksum is wrong"),
    (lambda: tar("a/b.jpg")[:700], (), {}, "cut short"),
    (lambda: tgz("a/b.jpg")[:-20], (), {}, "cut short"),
    (lambda: zip_("a/b.jpg")[:-30], (), {}, "damaged"),
]


@pytest.mark.parametrize(("pack", "arguments", "header", "why"), HOSTILE)
def test_what_a_hostile_archive_asks_for_is_refused_and_nothing_is_written(
    pack: Pack, arguments: tuple, header: dict, why: str, tmp_path: Path
):
    archive = tmp_path / "archive"
    archive.write_bytes(pack(*arguments, **header))

    with pytest.raises(DataError, match=f"archive is not unpacked: .*({why})"):
        archives.unpack(archive, tmp_path / "out" / "pictures")

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [archive]
    assert not any((tmp_path / "out").iterdir())


@pytest.mark.parametrize("pack", [tar, zip_])
def test_more_entries_than_any_set_of_pictures_has_are_refused(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(entries, "MAX_ENTRIES", 20)
    (tmp_path / "archive").write_bytes(pack(*many(21)))

    with pytest.raises(DataError, match="over 20 entries"):
        archives.unpack(tmp_path / "archive", tmp_path / "out")


def test_a_table_of_contents_of_any_length_is_not_read(tmp_path: Path):
    data = bytearray(zip_("a/b.jpg"))
    # The end record: as if there were a table of 100 MiB.
    data[-10:-6] = (100 << 20).to_bytes(4, "little")
    with (tmp_path / "archive").open("wb") as file:
        file.write(b"PK\3\4")
        file.seek(100 << 20)
        file.write(data)

    with pytest.raises(DataError, match="entries"):
        archives.unpack(tmp_path / "archive", tmp_path / "out")


@pytest.mark.parametrize(
    ("pack", "inflate"),
    [(tar, bytes), (tar, gzip.compress), (tar, bz2.compress), (zip_, bytes)],
)
def test_a_good_archive_becomes_its_folder(pack: Pack, inflate, tmp_path: Path):
    names = ("rainy/a.jpg", "./rainy/b.jpg", "sunny/deep/c.jpg", f"sunny/{'ö' * 90}.jpg")
    hidden = (".DS_Store", "__MACOSX/._a.jpg", "rainy/.b.jpg")
    (tmp_path / "archive").write_bytes(inflate(pack(*names, *hidden, size=3000)))

    folder = archives.unpack(tmp_path / "archive", tmp_path / "out")

    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert folder == tmp_path / "out"
    assert written == {name.removeprefix("./") for name in names}
    assert {path.stat().st_size for path in folder.rglob("*.jpg")} == {3000}


def test_long_names_of_both_kinds_are_read(tmp_path: Path):
    for number, kind in enumerate((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT)):
        with tarfile.open(tmp_path / f"{number}.tar", "w", format=kind) as file:
            name = f"sunny/{'ab' * 60}/{'cd' * 40}.jpg"
            info = tarfile.TarInfo(name)
            info.size = 700
            file.addfile(info, io.BytesIO(b"x" * 700))
            file.addfile(tarfile.TarInfo("rainy/z.jpg"))

        folder = archives.unpack(tmp_path / f"{number}.tar", tmp_path / f"out-{number}")

        assert (folder / name).read_bytes() == b"x" * 700
        assert (folder / "rainy" / "z.jpg").exists()


def test_a_folder_around_the_class_folders_is_taken_off(tmp_path: Path):
    (tmp_path / "archive").write_bytes(zip_("pictures/rainy/a.jpg", "pictures/sunny/b.jpg"))
    (tmp_path / "single").write_bytes(zip_("rainy/a.jpg", "rainy/b.jpg"))

    assert archives.unpack(tmp_path / "archive", tmp_path / "out") == tmp_path / "out" / "pictures"
    # A class is not: its name would be lost.
    assert archives.unpack(tmp_path / "single", tmp_path / "other") == tmp_path / "other"


def test_a_damaged_archive_is_unpacked_or_refused_and_stays_in_its_folder(tmp_path: Path):
    rng = random.Random(26)
    names = [f"rainy/{number}.jpg" for number in range(4)]
    originals = [pack(*names, size=900) for pack in (tar, tgz, zip_)]
    outcomes = set()
    for number in range(300):
        data = bytearray(originals[number % 3])
        for _ in range(rng.randint(1, 8)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        archive, out = tmp_path / "archive", tmp_path / f"{number}"
        archive.write_bytes(data[: rng.randint(1, len(data))] if number % 5 == 0 else data)
        try:
            archives.unpack(archive, out)
        except DataError:
            outcomes.add("refused")
            assert not out.exists()
        else:
            outcomes.add("unpacked")
    assert outcomes == {"refused", "unpacked"}
    assert all(path.name.isdecimal() or path.name == "archive" for path in tmp_path.iterdir())

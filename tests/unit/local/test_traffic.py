import pytest

from weathervane.errors import UsageError
from weathervane.local.traffic import main, read_pictures


def test_pictures_are_found_in_subfolders_and_nothing_else_is(tmp_path):
    (tmp_path / "Schnee").mkdir()
    (tmp_path / "Schnee" / "ä.JPG").write_bytes(b"a")
    (tmp_path / "b.webp").write_bytes(b"b")
    (tmp_path / "notes.txt").write_bytes(b"c")

    assert sorted(read_pictures(tmp_path)) == [b"a", b"b"]


def test_of_many_pictures_an_even_selection_is_taken(tmp_path):
    for number in range(450):
        (tmp_path / f"{number:03d}.jpg").write_bytes(str(number).encode())

    taken = [int(picture) for picture in read_pictures(tmp_path)]

    assert taken == list(range(0, 450, 3))


def test_a_folder_without_pictures_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="no JPEG"):
        read_pictures(tmp_path)


@pytest.mark.parametrize("wrong", [("--rate", "0"), ("--pictures", "/nowhere")])
def test_wrong_usage_is_one_line_and_code_2(tmp_path, capsys, wrong):
    (tmp_path / "a.jpg").write_bytes(b"a")
    right = {
        "--address": "http://127.0.0.1:1",
        "--model": "weather",
        "--pictures": str(tmp_path),
        "--out": str(tmp_path / "out.jsonl"),
    }
    arguments = {**right, **dict([wrong])}

    code = main([part for pair in arguments.items() for part in pair])

    assert code == 2
    assert capsys.readouterr().err.count("\n") == 1

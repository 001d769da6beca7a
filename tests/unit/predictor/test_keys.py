"""Keys: read from files or the environment, and compared with what a request presents."""

import base64
from hashlib import sha256
from pathlib import Path

import pytest

from predictor.access import Access, read_access
from predictor.protocol import ProtocolError
from weathervane.errors import UsageError


def hashed(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def test_keys_come_from_a_file_or_else_the_environment(tmp_path: Path):
    file = tmp_path / "keys"
    file.write_text(f"# of the weather room\n{hashed('one')}  one\n\n{hashed('two')}\n")
    environment = {"WEATHERVANE_API_KEYS": hashed("three"), "WEATHERVANE_ADMIN_KEYS": hashed("me")}

    assert read_access(file, None, environment) == Access(
        inference=(hashed("one"), hashed("two")), admin=(hashed("me"),)
    )
    assert read_access(None, None, environment).inference == (hashed("three"),)
    assert read_access(None, None, {}) == Access()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no key"),
        ("# nobody yet\n", "holds no key"),
        ("a-key-in-the-clear\n", "line 1 of .* must begin with 64 hex digits"),
        (f"{hashed('one')}\n{hashed('two')[:-1]}\n", "line 2 of "),
        (hashed("one").upper(), "line 1 of "),
        (hashed("one") + "0", "line 1 of "),
    ],
)
def test_a_wrong_file_is_refused_and_not_shown(tmp_path: Path, text: str, told: str):
    file = tmp_path / "keys"
    file.write_text(text)

    with pytest.raises(UsageError, match=told) as refused:
        read_access(file, None, {})

    assert "a-key-in-the-clear" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(UsageError, match=r"cannot read the keys in .*nowhere"):
        read_access(None, tmp_path / "nowhere", {})


def test_without_keys_everybody_classifies_and_nobody_is_an_admin():
    access = Access()

    access.check_inference(None)
    access.check_inference("Bearer anything")
    for authorization in (None, "", "Bearer ", "Bearer anything"):
        with pytest.raises(ProtocolError):
            access.check_admin(authorization)


def test_an_admin_may_classify_and_a_user_is_no_admin():
    access = Access(inference=(hashed("user"),), admin=(hashed("admin"),))

    access.check_inference("Bearer admin")
    access.check_admin("Bearer admin")
    access.check_inference("Bearer user")
    with pytest.raises(ProtocolError) as refused:
        access.check_admin("Bearer user")
    assert refused.value.status == 401


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer kü",
        "bearer  kü ",
        "Basic " + base64.b64encode("me:kü".encode()).decode(),
        "Basic " + base64.b64encode("kü:kü".encode()).decode(),
    ],
)
def test_a_key_may_come_in_either_scheme(authorization: str):
    Access(inference=(hashed("kü"),)).check_inference(authorization)

"""Passwords: refused where they would be kept, struck out where they would be printed."""

from __future__ import annotations

import pytest

from nastk.errors import UserError
from nastk.secrets import refuse_passwords, without_passwords


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:planted@host/db",
        "'postgresql://me:a@b,planted$@host:5432/db'",
        "x://host/db?a=b&password=planted",
    ],
)
def test_a_word_with_a_password_is_refused_by_its_name_alone(address: str) -> None:
    with pytest.raises(UserError, match=r"^storage.url: has a password") as refused:
        refuse_passwords(["trials=3", f"storage.url={address}"])
    assert "planted" not in str(refused.value)
    assert "planted" not in without_passwords(f"{address}: not understood")


def test_addresses_without_a_password_pass() -> None:
    words = ["storage.url=postgresql://me@host:5432/db", "executor.address=ray://head:10001", "run=a:b@c", "-m"]
    refuse_passwords(words)
    assert without_passwords(" ".join(words)) == " ".join(words)

"""Passwords: refused where they would be kept, struck out where they would be printed."""

from __future__ import annotations

import pytest

from nastk.cli.passwords import refuse_passwords, without_passwords
from nastk.errors import UserError
from nastk.storages.grpc import GrpcProxy
from nastk.storages.postgresql import Postgresql


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:planted@host/db",
        "'postgresql://me:a@b,planted$@host:5432/db'",
        "x://host/db?a=b&password=planted",
        "postgresql://host/me:planted@db",
        "me:planted@host",
        "{host: 'me:planted@host'}",
    ],
)
def test_a_word_with_a_password_is_refused_by_its_name_alone(address: str) -> None:
    with pytest.raises(UserError, match=r"^storage.url: has a password") as refused:
        refuse_passwords(["trials=3", f"storage.url={address}"])
    assert "planted" not in str(refused.value)
    assert "planted" not in without_passwords(f"storage.url={address!r}: not understood")
    if "://" in address:
        assert "planted" not in without_passwords(f"{address}: not understood")


@pytest.mark.parametrize("name", ["storage", "storage.host", "target.host", "executor.address", "data.hub.url"])
def test_a_machines_name_may_hold_one_too(name: str) -> None:
    with pytest.raises(UserError, match=f"^{name}: has a password"):
        refuse_passwords([f"+{name}=me:planted@host"])


def test_what_a_file_says_of_a_machine_is_not_shown_where_it_may_hold_one() -> None:
    for made in (lambda: GrpcProxy(host="me:planted@host"), lambda: Postgresql(url="postgresql://host/me:planted@db")):
        with pytest.raises(UserError) as refused:
            made()
        assert "planted" not in str(refused.value)


def test_addresses_without_a_password_pass() -> None:
    words = ["storage.url=postgresql://me@host:5432/db", "executor.address=ray://head:10001", "run=a:b@c", "-m"]
    words += ["executor.address=head:6379", "target.host=me@board", "storage={url: postgresql://me@host:5432/db}"]
    words += ["export.licence='CC-BY-4.0, by me@example.org'"]
    refuse_passwords(words)
    assert without_passwords(" ".join(words)) == " ".join(words)

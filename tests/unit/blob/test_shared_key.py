"""Shared Key against Microsoft's own signing, and what of it may be seen."""

import logging

import pytest
from azure.storage.blob._shared.authentication import _storage_header_sort

from mountd.definitions import AccountKey, SasToken, Secret
from mountd.emulator import Emulator
from mountd.errors import StoreError
from mountd.stores.shared_key import string_to_sign
from tests.unit.blob.conftest import on_emulator, opened

NAMES = ["x-ms-meta-a_b", "x-ms-meta-a1b", "x-ms-meta-ab", "x-ms-meta-a", "x-ms-meta-_a", "x-ms-version", "x-ms-date"]
NAMES += [
    "x-ms-blob-type",
    "x-ms-blob-content-type",
    "x-ms-client-request-id",
    "x-ms-meta-hdi_isfolder",
    "x-ms-access-tier",
]
NAMES += ["x-ms-meta-a__b", "x-ms-meta-a_1", "x-ms-meta-z9", "x-ms-meta-z_", "x-ms-copy-source", "x-ms-content-crc64"]


def test_headers_are_in_the_services_order() -> None:
    text = string_to_sign("PUT", "acct", "/c/k", {}, dict.fromkeys(NAMES, "v"))
    ours = [line.split(":")[0] for line in text.split("\n") if line.startswith("x-ms-")]
    assert ours == [name for name, _ in _storage_header_sort([(name, "v") for name in NAMES])]


def test_the_documented_form() -> None:
    text = string_to_sign(
        "GET",
        "acct",
        "/c",
        {"restype": "container", "comp": "list"},
        {"x-ms-version": "v", "x-ms-date": "d", "Content-Length": "0"},
    )
    assert text == "GET\n" + "\n" * 11 + "x-ms-date:d\nx-ms-version:v\n/acct/c\ncomp:list\nrestype:container"


async def test_no_secret_is_logged_or_said(emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    emulator.container("data").put("k", b"x")
    sas = emulator.sas("data", "l")  # lists, and may not read
    caplog.set_level(logging.DEBUG)
    for credential in (SasToken(Secret(sas)), AccountKey(Secret(emulator.key))):
        async with opened(on_emulator(emulator, credential=credential)) as store:
            async for page in store.list(""):
                version = page.info(0).version
            said = repr(store)
            try:
                await store.read(version, 0, 1)
            except StoreError as error:
                said += repr(error) + str(error) + repr(error.__cause__) + repr(error.__context__)
        signature = sas.split("sig=")[1].split("&")[0]
        for secret in (signature, emulator.key):
            assert secret not in said
            assert secret not in caplog.text

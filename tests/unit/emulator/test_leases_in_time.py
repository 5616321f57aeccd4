"""Leases as their time passes, by a clock that the test moves; what differential cases cannot wait for."""

from collections.abc import Iterator

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobClient, BlobLeaseClient, BlobServiceClient

from mountd.emulator import Emulator, EmulatorSettings


class Time:
    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def blob(time: Time) -> Iterator[BlobClient]:
    with Emulator(settings=EmulatorSettings(clock=time)) as emulator:
        emulator.container("data").put("x", b"1")
        sas = emulator.account_sas("rwdlac", time.now + 10_000)
        with BlobServiceClient(emulator.endpoint, credential=sas, retry_total=0) as service:
            yield service.get_blob_client("data", "x")


def failure(caught: pytest.ExceptionInfo[HttpResponseError]) -> str:
    return caught.value.error_code


def state(blob: BlobClient) -> str:
    return blob.get_blob_properties().lease.state


def test_a_lease_expires(blob: BlobClient, time: Time) -> None:
    lease = blob.acquire_lease(15)
    with pytest.raises(HttpResponseError) as caught:
        blob.upload_blob(b"2", overwrite=True)
    assert failure(caught) == "LeaseIdMissing"
    time.now += 16
    assert state(blob) == "expired"
    with pytest.raises(HttpResponseError) as caught:
        blob.set_blob_metadata({"a": "1"}, lease=lease)
    assert failure(caught) == "LeaseLost"


def test_an_expired_lease_can_be_renewed_while_nobody_changed_the_blob(blob: BlobClient, time: Time) -> None:
    lease = blob.acquire_lease(15)
    time.now += 16
    lease.renew()
    assert state(blob) == "leased"


def test_a_write_after_expiry_ends_the_lease(blob: BlobClient, time: Time) -> None:
    lease = blob.acquire_lease(15)
    time.now += 16
    blob.upload_blob(b"2", overwrite=True)
    with pytest.raises(HttpResponseError) as caught:
        lease.renew()
    assert failure(caught) == "LeaseIdMismatchWithLeaseOperation"


def test_renewing_counts_from_now(blob: BlobClient, time: Time) -> None:
    lease = blob.acquire_lease(15)
    time.now += 10
    lease.renew()
    time.now += 10
    assert state(blob) == "leased"


def test_breaking_takes_its_period_and_no_longer_than_the_lease(blob: BlobClient, time: Time) -> None:
    lease = blob.acquire_lease(15)
    time.now += 5
    assert lease.break_lease(60) == 10
    assert state(blob) == "breaking"
    time.now += 11
    assert state(blob) == "broken"
    blob.upload_blob(b"2", overwrite=True)
    assert state(blob) == "available"


def test_breaking_an_infinite_lease_without_a_period_is_at_once(blob: BlobClient) -> None:
    lease = blob.acquire_lease(-1)
    assert lease.break_lease() == 0
    assert state(blob) == "broken"


def test_after_a_change_the_old_id_is_no_lease(blob: BlobClient) -> None:
    old = blob.acquire_lease(-1)
    new = "22222222-2222-2222-2222-222222222222"
    BlobLeaseClient(blob, old.id).change(new)
    with pytest.raises(HttpResponseError) as caught:
        blob.upload_blob(b"2", overwrite=True, lease=old.id)
    assert failure(caught) == "LeaseIdMismatchWithBlobOperation"
    blob.upload_blob(b"2", overwrite=True, lease=new)

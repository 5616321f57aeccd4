"""Whatever is stored comes back: credentials, definitions, mappings, sealed values."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mountd.definitions import (
    AccountKey,
    ClientCertificate,
    ClientSecret,
    Credential,
    DatastoreDefinition,
    DatastoreKind,
    Freshness,
    ManagedIdentity,
    MappingDefinition,
    MappingOptions,
    SasToken,
    Secret,
    WorkloadIdentity,
)
from mountd.errors import (
    WrongKey,
)
from mountd.registry.credentials import from_json, to_json
from mountd.registry.records import datastore_from_json, datastore_to_json, mapping_from_json, mapping_to_json
from mountd.registry.secrets import Cipher

words = st.text(max_size=20)
secrets = st.builds(Secret, words)
credentials = st.one_of(
    st.builds(AccountKey, secrets),
    st.builds(SasToken, secrets),
    st.builds(ManagedIdentity, words),
    st.builds(ClientSecret, words, words, secrets, words),
    st.builds(ClientCertificate, words, words, secrets, st.none() | secrets, words),
    st.builds(WorkloadIdentity, words, words, words, words),
)


@given(credentials)
def test_any_credential_comes_back(credential: Credential) -> None:
    assert from_json(to_json(credential)) == credential


@given(st.builds(DatastoreDefinition, words, st.sampled_from(DatastoreKind), note=words, allow_http=st.booleans()))
def test_any_definition_comes_back_without_its_credential(definition: DatastoreDefinition) -> None:
    text = datastore_to_json(replace(definition, credential=AccountKey(Secret("hidden9"))))
    assert "hidden9" not in text
    assert datastore_from_json(definition.name, text, definition.credential) == definition


@given(
    st.builds(MappingDefinition, words, words, words, st.builds(MappingOptions, freshness=st.sampled_from(Freshness)))
)
def test_any_mapping_comes_back(mapping: MappingDefinition) -> None:
    assert mapping_from_json(mapping_to_json(mapping)) == mapping


@given(words, st.text(), st.binary(min_size=32, max_size=32))
def test_a_sealed_value_opens_only_as_it_was_sealed(name: str, text: str, key: bytes) -> None:
    cipher = Cipher(key)
    sealed = cipher.seal("credential", name, text)
    assert cipher.open("credential", name, sealed) == text
    changed = bytearray(sealed)
    changed[-1] ^= 1
    for purpose, other, value in (
        ("other", name, sealed),
        ("credential", name + "x", sealed),
        ("credential", name, bytes(changed)),
    ):
        with pytest.raises(WrongKey):
            cipher.open(purpose, other, value)

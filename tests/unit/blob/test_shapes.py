"""Entries read by their shape are what the parser reads; what has no shape is left to it, in its place."""

from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from mountd.stores.blob import pages, shapes
from mountd.stores.blob.pages import parse_page
from mountd.types import ListPage

DATE = "Sun, 22 Nov 2026 23:19:04 GMT"


def properties(etag: str = "0x8D1", size: str = "7", kind: str = "BlockBlob", rest: str = "") -> str:
    return (
        f"<Creation-Time>{DATE}</Creation-Time><Last-Modified>{DATE}</Last-Modified><Etag>{etag}</Etag>"
        f"<Content-Length>{size}</Content-Length><Content-Type>text/plain</Content-Type><Content-Encoding />"
        f"<BlobType>{kind}</BlobType>{rest}<ServerEncrypted>true</ServerEncrypted>"
    )


def blob(name: str, inside: str = properties(), behind: str = "<OrMetadata />") -> str:
    return f"<Blob><Name>{name}</Name><Properties>{inside}</Properties>{behind}</Blob>"


def answer(*entries: str, prolog: str = '<?xml version="1.0" encoding="utf-8"?>', encoding: str = "utf-8") -> bytes:
    listed = "".join(entries)
    return f"{prolog}<EnumerationResults><Blobs>{listed}</Blobs><NextMarker /></EnumerationResults>".encode(encoding)


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many blobs the parser was given, part by part."""
    counts: list[int] = []
    original = pages._append_parsed

    def counted(page: ListPage, blobs: etree._Element) -> None:
        counts.append(len(blobs.findall("Blob")))
        original(page, blobs)

    monkeypatch.setattr(pages, "_append_parsed", counted)
    return counts


def by_parser(body: bytes, monkeypatch: pytest.MonkeyPatch) -> ListPage:
    with monkeypatch.context() as patch:
        patch.setattr(pages, "SHAPES", 0)
        return parse_page(body)


def same(body: bytes, monkeypatch: pytest.MonkeyPatch) -> ListPage:
    page = parse_page(body)
    assert page == by_parser(body, monkeypatch)
    return page


def test_regular_entries_are_not_given_to_the_parser(parsed: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    body = answer(*(blob(f"d/k{number}") for number in range(2000)))
    page = parse_page(body)
    assert page.keys == [f"d/k{number}" for number in range(2000)]
    assert parsed == []
    assert page == by_parser(body, monkeypatch)


def test_an_entry_without_a_shape_stands_in_its_place(parsed: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    strange = blob("k2a", behind="<Metadata><is_symlink>true</is_symlink></Metadata><OrMetadata />")
    prefix = "<BlobPrefix><Name>k2b/</Name></BlobPrefix>"
    body = answer(blob("k1"), blob("k2"), strange, prefix, blob("k3"))
    page = parse_page(body)
    assert (page.keys, page.folders, list(page.traits)) == (["k1", "k2", "k2a", "k3"], ["k2b/"], [2])
    assert parsed == [1]
    assert page == by_parser(body, monkeypatch)


def test_several_shapes_in_one_page(parsed: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    copied = properties(rest="<CopyId>1</CopyId>")
    body = answer(*(blob(f"k{number}", copied if number % 3 else properties()) for number in range(60)))
    assert parse_page(body).keys == [f"k{number}" for number in range(60)]
    assert parsed == []
    same(body, monkeypatch)


@pytest.mark.parametrize(
    "entry",
    [
        blob("k", properties(kind="AppendBlob")),
        blob("k", properties(rest="<AccessTier>Archive</AccessTier>")),
        blob("k", properties(rest="<ResourceType>directory</ResourceType>")),
        blob("k", properties().replace("<Content-Encoding />", "<Content-Encoding>gzip</Content-Encoding>")),
        blob("k", behind="<Metadata><a>1</a></Metadata>"),
        blob("k", behind="<Metadata><Blob>1</Blob><Name>2</Name></Metadata>"),
        blob("k", properties(size="")),
        blob("k", properties().replace(f"<Last-Modified>{DATE}</Last-Modified>", "")),
        blob("k", properties(etag="&quot;0x1&quot;")),
        blob("k", properties(etag='"0x1"')),
        blob("k&#10;&#x4e;"),
        blob("k\nl"),
        blob("k\r\nl"),
        blob("k<![CDATA[<Blob>]]>"),
        blob("k%01").replace("<Name>", '<Name Encoded="true">'),
        blob("k", behind="<!-- " + blob("hidden") + " --><OrMetadata />"),
        "<!-- " + blob("hidden") + " -->",
        "<?pi " + blob("hidden") + " ?>",
        blob("k").replace("<Properties>", "<Properties >"),
        "\n  " + blob("k") + "\n",
    ],
)
def test_what_is_unusual_is_as_the_parser_has_it(entry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    same(answer(blob("a"), entry, blob("z"), entry.replace("k", "zz", 1)), monkeypatch)
    same(answer(entry, blob("z")), monkeypatch)
    same(answer(entry), monkeypatch)


def test_entities_of_names(monkeypatch: pytest.MonkeyPatch, parsed: list[int]) -> None:
    names = ["a&b", "<x>", "&amp;", "&lt;", "\"'", "é\u2028\U0001f600", "&amp"]
    quoted = {'"': "&quot;", "'": "&apos;"}
    body = answer(*(blob(escape(name, quoted)) for name in names))
    assert parse_page(body).keys == names
    assert parsed == []
    same(body, monkeypatch)


def test_bytes_that_are_not_utf_8_are_refused() -> None:
    with pytest.raises(ValueError):
        parse_page(answer(blob("a"), blob("é"), encoding="latin-1"))


def test_another_encoding_is_the_parsers(monkeypatch: pytest.MonkeyPatch, parsed: list[int]) -> None:
    body = answer(blob("é"), prolog='<?xml version="1.0" encoding="iso-8859-1"?>', encoding="latin-1")
    assert parse_page(body).keys == ["é"]
    assert parsed == [1]
    assert parse_page(b"\xef\xbb\xbf" + answer(blob("é"))).keys == ["é"]  # the service's own first bytes
    assert parsed == [1]


def test_a_wrong_date_is_refused_by_shape_and_by_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    body = answer(blob("a", properties().replace("22 Nov", "22 Nix")))
    for count in (shapes._WIDTH, 0):
        monkeypatch.setattr(pages, "SHAPES", count)
        with pytest.raises(ValueError, match="Nix"):
            parse_page(body)


TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8)
ENTRY = st.builds(
    blob,
    TEXT.map(escape),
    st.builds(
        properties,
        st.sampled_from(["0x1", '"0x2"']),
        st.integers(0, 2**62).map(str),
        st.sampled_from(["BlockBlob"] * 5 + ["PageBlob"]),
        st.sampled_from(["", "<CopyId>1</CopyId>", "<CopyId />", "<AccessTier>Hot</AccessTier>", "<X>&amp;</X>"]),
    ),
    st.sampled_from(["", "<OrMetadata />", "<Metadata />", "<Metadata><a>b</a></Metadata>"]),
)
FOLDER = TEXT.map(lambda name: f"<BlobPrefix><Name>{escape(name)}/</Name></BlobPrefix>")


@given(st.lists(st.one_of(ENTRY, ENTRY, ENTRY, FOLDER), max_size=30), st.integers(1, 2000))
def test_by_shape_and_by_parser_a_page_is_the_same(entries: list[str], cut: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "SLICE", cut)
        same(answer(*entries), patch)

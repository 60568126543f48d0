"""Files of the Graph API: what is fetched is what Meta says it is, and nothing endless, huge or foreign is taken."""

import base64
import hashlib
import io
from collections.abc import Iterator
from datetime import timedelta
from itertools import count

import pytest

from infra.graph.access import GraphAccess, GraphClient
from infra.graph.media import FetchedFile, GraphMedia, NotFetched, NotUploaded, TooLarge, Uploaded, UploadRefused
from infra.local.ports import free_port
from tests.support.graph import NUMBER, TOKEN, Graph, graph_running, message
from tests.support.media_source import CONTENT, MediaSource, media_source

HASH = hashlib.sha256(CONTENT).hexdigest()
MOST = 100_000


@pytest.fixture
def source() -> Iterator[MediaSource]:
    with media_source() as running:
        yield running


@pytest.fixture(scope="module")
def graph() -> Iterator[Graph]:
    with graph_running() as running:
        yield running


def media_at(url: str, token: str = TOKEN, **more: object) -> GraphMedia:
    return GraphMedia(GraphClient(GraphAccess(url, "v24.0", token, read_seconds=2)), **more)  # type: ignore[arg-type]


def fetch(source: MediaSource, sha256: str | None = HASH, most: int = MOST) -> tuple[FetchedFile, bytes]:
    into = io.BytesIO()
    return media_at(source.url).fetch("77", NUMBER, sha256, most, into), into.getvalue()


def test_a_file_is_fetched_with_the_token_and_for_its_number_only(source: MediaSource) -> None:
    """Meta refuses ids of other numbers if the number is named."""
    assert (FetchedFile(len(CONTENT), HASH), CONTENT) == fetch(source)
    assert source.asked == [
        (f"/v24.0/77?phone_number_id={NUMBER}", f"Bearer {TOKEN}"),
        ("/_media/v24.0/77", f"Bearer {TOKEN}"),
    ]


def test_meta_may_state_the_hash_in_base64_or_not_at_all(source: MediaSource) -> None:
    source.info = {"sha256": base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()}
    fetch(source, None)
    source.info = {"sha256": None, "file_size": None}
    fetch(source, None)


def test_what_has_another_hash_is_not_taken(source: MediaSource) -> None:
    source.info = {"sha256": "0" * 64}
    with pytest.raises(NotFetched, match="another hash"):
        fetch(source, "1" * 64)


@pytest.mark.parametrize("status", [401, 404, 500, 503])
def test_a_download_that_is_refused_can_be_tried_again(source: MediaSource, status: int) -> None:
    source.status = status
    with pytest.raises(NotFetched, match=f"HTTP {status}"):
        fetch(source)
    source.status = 200
    fetch(source)


def test_an_answer_without_a_file_says_why(source: MediaSource) -> None:
    source.info, source.info_status = {"error": {"code": 100, "message": "does not exist"}}, 400
    with pytest.raises(NotFetched, match="Meta's error 100"):
        fetch(source)
    source.info, source.info_status = {}, 500
    with pytest.raises(NotFetched, match="HTTP 500"):
        fetch(source)


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "https://fbsbx.com.example.org/x",
        "https://evil.example/?.fbsbx.com",
        "http://lookaside.fbsbx.com/x",
        "https://lookaside.fbsbx.com:8443/x",
        "https://evilfbsbx.com/x",
        "file:///etc/passwd",
        "https://[broken",
    ],
)
def test_nobody_but_meta_gets_the_token(source: MediaSource, url: str | None) -> None:
    source.info = {"url": url}
    with pytest.raises(NotFetched, match="no address of its own"):
        fetch(source)
    assert 1 == len(source.asked)


def test_no_redirect_is_followed(source: MediaSource) -> None:
    source.status = 302
    with pytest.raises(NotFetched, match="HTTP 302"):
        fetch(source)
    assert 2 == len(source.asked)


def test_what_is_too_large_is_not_even_asked_for(source: MediaSource) -> None:
    source.info = {"file_size": MOST + 1}
    with pytest.raises(TooLarge):
        fetch(source)
    assert 1 == len(source.asked)


def test_an_endless_download_ends_at_the_limit(source: MediaSource) -> None:
    source.endless, source.stated, source.info = True, None, {"file_size": None}
    with pytest.raises(TooLarge):
        fetch(source)
    assert source.sent < 50 * MOST


def test_a_download_that_breaks_off_is_not_taken(source: MediaSource) -> None:
    source.stated = len(CONTENT) + 10
    with pytest.raises(NotFetched):
        fetch(source)
    source.stated, source.info = len(CONTENT) - 10, {"sha256": None}
    with pytest.raises(NotFetched, match="bytes instead of"):
        fetch(source, None)


def test_a_download_that_stands_still_ends(source: MediaSource) -> None:
    source.gate.clear()
    with pytest.raises(NotFetched, match="ReadTimeout"):
        fetch(source)


def test_a_download_that_trickles_ends(source: MediaSource) -> None:
    """Each part comes in time, but all of it would take for ever."""
    moments = count(0.0, 1_000_000.0)
    media = media_at(source.url, clock=lambda: next(moments))
    with pytest.raises(NotFetched, match="took too long"):
        media.fetch("77", NUMBER, HASH, MOST, io.BytesIO())


def test_a_download_ends_when_the_process_is_to_stop(source: MediaSource) -> None:
    with pytest.raises(NotFetched, match="was stopped"):
        media_at(source.url).fetch("77", NUMBER, HASH, MOST, io.BytesIO(), lambda: False)


def test_meta_away_is_tried_again() -> None:
    media = media_at(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(NotFetched, match="could not be asked"):
        media.fetch("77", NUMBER, None, MOST, io.BytesIO())
    outcome = media.upload(NUMBER, "a", "image/jpeg", io.BytesIO(b"x"), 1)
    assert isinstance(outcome, NotUploaded)


def test_an_uploaded_file_can_be_sent_and_fetched_again(graph: Graph) -> None:
    """Against the stand-in, which checks as Meta does."""
    media = media_at(graph.url)
    outcome = media.upload(
        NUMBER, 'Anna\'s "photo"; größe.jpg\r\nX: y', "image/jpeg", io.BytesIO(CONTENT), len(CONTENT)
    )
    assert isinstance(outcome, Uploaded)
    assert 200 == graph.post(message("image", {"id": outcome.meta_id})).status
    into = io.BytesIO()
    assert FetchedFile(len(CONTENT), HASH) == media.fetch(outcome.meta_id, NUMBER, None, MOST, into)
    with pytest.raises(NotFetched):
        media.fetch(outcome.meta_id, "440000000000009", None, MOST, io.BytesIO())


def test_an_upload_that_meta_does_not_take_is_refused_with_its_code(graph: Graph) -> None:
    outcome = media_at(graph.url).upload(NUMBER, "a.exe", "application/x-dosexec", io.BytesIO(b"MZ"), 2)
    assert outcome == UploadRefused(131053, "Meta's error 131053")


def test_an_upload_waits_for_a_new_token(graph: Graph) -> None:
    outcome = media_at(graph.url, "expired").upload(NUMBER, "a", "image/jpeg", io.BytesIO(b"x"), 1)
    assert outcome == NotUploaded("Meta's error 190", timedelta(minutes=1))

"""Files of the Graph API: fetching what customers sent, and uploading what is to be sent to them."""

import hashlib
import secrets
from collections.abc import Callable, Iterator
from datetime import timedelta
from time import monotonic
from typing import BinaryIO, NamedTuple
from urllib.parse import urlsplit

from domain.inbound.whatsapp.parts import sha256_of
from domain.messages.files import transfer_seconds
from domain.sending.graph_errors import answer_error
from infra.graph.access import GraphClient, MetaAnswer, NoAnswer, NotReached, TooLong

_METAS = (".fbsbx.com", ".facebook.com", ".fbcdn.net", ".whatsapp.net")
"""Hosts of downloads, besides that of the Graph API: nobody else gets the token."""
_PART = 64 * 1024


class FetchedFile(NamedTuple):
    """A file that was fetched. `sha256`: of its bytes, in hexadecimal digits."""

    size: int
    sha256: str


class NotFetched(Exception):
    """The file could not be fetched; another attempt may succeed. The message names the cause, without personal
    data."""


class TooLarge(Exception):
    """The file is larger than files of its kind may be."""


class Uploaded(NamedTuple):
    """Meta has the file, under this id, for thirty days."""

    meta_id: str


class NotUploaded(NamedTuple):
    """Meta does not have the file yet; the upload may be repeated after `wait`."""

    reason: str
    wait: timedelta


class UploadRefused(NamedTuple):
    """Meta does not take the file."""

    code: int
    reason: str


UploadOutcome = Uploaded | NotUploaded | UploadRefused


class GraphMedia:
    """Fetches and uploads files, from any number of threads."""

    def __init__(self, api: GraphClient, clock: Callable[[], float] = monotonic) -> None:
        self._api = api
        self._clock = clock

    def fetch(
        self,
        media_id: str,
        phone_number_id: str,
        sha256: str | None,
        most: int,
        into: BinaryIO,
        goes_on: Callable[[], bool] = lambda: True,
    ) -> FetchedFile:
        """Writes the file of a customer's message to `into`. `sha256`: as the message says it; `most`: bytes;
        `goes_on`: asked between two parts. Blocks at most as long as `transfer_seconds` allows, and two time-outs more.
        Raises NotFetched, TooLarge."""
        answer = self._info(media_id, phone_number_id)
        url, size, stated = answer.body.get("url"), answer.body.get("file_size"), answer.body.get("sha256")
        if not isinstance(url, str) or not self._is_metas(url):
            raise NotFetched("Meta's answer has no address of its own to download from")
        if isinstance(size, int) and size > most:
            raise TooLarge
        until = self._clock() + transfer_seconds(size if isinstance(size, int) else most)
        digest = hashlib.sha256()

        def keep(part: bytes) -> None:
            if self._clock() > until:
                raise NotFetched("the download took too long")
            if not goes_on():
                raise NotFetched("the process was stopped")
            digest.update(part)
            into.write(part)

        try:
            status, received = self._api.download(url, most, keep)
        except TooLong:
            raise TooLarge from None
        except (NotReached, NoAnswer) as error:
            raise NotFetched(f"the download failed ({error})") from None
        if status != 200:
            raise NotFetched(f"the download was answered with HTTP {status}")
        if isinstance(size, int) and size != received:
            raise NotFetched(f"the download has {received:,} bytes instead of {size:,}")
        found = digest.hexdigest()
        known = {sha256, sha256_of(stated)} - {None}
        if known and found not in known:
            raise NotFetched("the download has another hash than Meta says")
        return FetchedFile(received, found)

    def upload(self, phone_number_id: str, name: str, mime_type: str, file: BinaryIO, size: int) -> UploadOutcome:
        """Uploads a file, read from where it stands; raises nothing. Repeating an upload does no harm: Meta gives each
        an id of its own."""
        boundary = secrets.token_hex(16)
        safe = "".join(c if c.isalnum() or c in "._- " else "_" for c in name).encode("ascii", "replace").decode()
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="messaging_product"\r\n\r\nwhatsapp\r\n'
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{safe.replace("?", "_")}"\r\n'
            f"Content-Type: {mime_type}\r\n\r\n"
        ).encode()
        tail = f"\r\n--{boundary}--\r\n".encode()

        def parts() -> Iterator[bytes]:
            yield head
            while part := file.read(_PART):
                yield part
            yield tail

        length = len(head) + size + len(tail)
        try:
            answer = self._api.upload(
                f"{phone_number_id}/media", parts(), length, f"multipart/form-data; boundary={boundary}"
            )
        except (NotReached, NoAnswer) as error:
            return NotUploaded(f"Meta could not be reached ({error})", timedelta())
        return _uploaded(answer)

    def _info(self, media_id: str, phone_number_id: str) -> MetaAnswer:
        try:
            answer = self._api.get(media_id, {"phone_number_id": phone_number_id})
        except (NotReached, NoAnswer) as error:
            raise NotFetched(f"Meta could not be asked ({error})") from None
        if answer.error is not None:
            raise NotFetched(f"Meta's error {answer.error.get('code')}")
        if answer.status != 200:
            raise NotFetched(f"Meta answered with HTTP {answer.status}")
        return answer

    def _is_metas(self, url: str) -> bool:
        """Returns whether the token may be sent there: to the Graph API itself, or with TLS to a host of Meta's."""
        try:
            found = urlsplit(url)
            origin = (found.scheme, found.hostname, found.port)
        except ValueError:
            return False
        if origin == self._api.origin:
            return True
        return found.scheme == "https" and found.port in (None, 443) and (found.hostname or "").endswith(_METAS)


def _uploaded(answer: MetaAnswer) -> UploadOutcome:
    code = answer.error.get("code") if answer.error is not None else None
    if type(code) is int and abs(code) < 2**31:
        meaning = answer_error(code, answer.status)
        if meaning.kind in ("wait", "unknown"):
            return NotUploaded(f"Meta's error {code}", meaning.wait)
        return UploadRefused(code, f"Meta's error {code}")
    id_ = answer.body.get("id")
    if answer.status != 200 or not isinstance(id_, str) or not id_:
        return NotUploaded(f"HTTP {answer.status}", timedelta())
    return Uploaded(id_[:256])

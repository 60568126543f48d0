"""The store of files: a bucket of S3, or of a server that speaks S3. A file's key is the SHA-256 of its bytes, so the
same file is kept once, and storing it again does no harm."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_T = TypeVar("_T")

CONNECT_SECONDS, READ_SECONDS = 3, 30
THUMBNAIL = "-thumbnail"
"""Ends the key of a picture made small."""
_PART = 64 * 1024


class StoreUnavailable(Exception):
    """The store did not take or give a file. The message names the cause, without keys and secrets."""


class FileMissing(StoreUnavailable):
    """The store does not have the file."""


@dataclass(frozen=True, slots=True)
class StoreAccess:
    """How to reach the store. `endpoint`: None for Amazon's own; `key`: (id, secret); None for AWS's default credential
    chain."""

    bucket: str
    region: str
    endpoint: str | None = None
    key: tuple[str, str] | None = field(default=None, repr=False)
    read_seconds: float = READ_SECONDS

    def client(self) -> "S3Client":
        """Returns a client, which may be used from any number of threads."""
        config = Config(
            region_name=self.region,
            connect_timeout=CONNECT_SECONDS,
            read_timeout=self.read_seconds,
            retries={"total_max_attempts": 2},  # storing and reading may be repeated
            # other servers than Amazon's know neither bucket hosts nor its newer checksums
            s3={"addressing_style": "path" if self.endpoint else "auto"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        key_id, secret = self.key or (None, None)
        session = boto3.Session(aws_access_key_id=key_id, aws_secret_access_key=secret)
        return session.client("s3", endpoint_url=self.endpoint, config=config)


class S3FileStore:
    """Stores and reads files, from any number of threads. The methods raise StoreUnavailable."""

    def __init__(self, access: StoreAccess) -> None:
        self._bucket = access.bucket
        self._client = access.client()

    def put(self, key: str, file: BinaryIO) -> None:
        """Stores a file, read from where it stands to its end."""
        # never a type that a browser would show, for those who open the store directly
        self._ask(
            lambda: self._client.put_object(
                Bucket=self._bucket, Key=key, Body=file, ContentType="application/octet-stream"
            )
        )

    def read(self, key: str, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yields a file in parts, from byte `begin` up to but without `end`. Raises FileMissing before the first
        part."""
        whole = begin == 0 and end is None
        options: dict[str, Any] = {} if whole else {"Range": f"bytes={begin}-{'' if end is None else end - 1}"}
        answer = self._ask(lambda: self._client.get_object(Bucket=self._bucket, Key=key, **options))
        return self._parts(answer["Body"])

    def delete(self, key: str) -> None:
        """Deletes a file, also one that is not there."""
        self._ask(lambda: self._client.delete_object(Bucket=self._bucket, Key=key))

    def check(self) -> None:
        """Raises StoreUnavailable unless the bucket can be reached."""
        self._ask(lambda: self._client.head_bucket(Bucket=self._bucket))

    def _parts(self, body: Any) -> Iterator[bytes]:  # noqa: ANN401 - botocore's stream
        try:
            yield from body.iter_chunks(_PART)
        except (BotoCoreError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from None

    def _ask(self, request: Callable[[], _T]) -> _T:
        try:
            return request()
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "unknown")
            if code in ("NoSuchKey", "404"):
                raise FileMissing("the store does not have the file") from None
            raise StoreUnavailable(f"the store answered {code}") from None
        except (BotoCoreError, OSError) as error:
            raise StoreUnavailable(f"the store could not be reached ({type(error).__name__})") from None

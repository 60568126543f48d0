"""Parts of messages that customers, and colleagues in the phone app, send: a file, and the advertisement or post that a
customer came from. As Meta reports them; what is missing there is None."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MAX_NAME = 256
"""Longest name or id, in characters."""

_Name = Annotated[str, Field(max_length=MAX_NAME)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ReceivedMedia(_Part):
    """A file in a message. `id`: Meta's id, under which it can be fetched for seven days; `sha256`: 64 hexadecimal
    digits; `seconds`: the duration of a voice message or a video, if Meta says it; `voice`: whether it was recorded in
    WhatsApp."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")]
    mime_type: _Name | None = None
    file_name: _Name | None = None
    caption: str | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    seconds: int | None = None
    voice: bool = False


class AdReferral(_Part):
    """The advertisement or post from which a customer wrote. `click_id`: Meta's id of the click."""

    source_type: _Name | None = None
    source_id: _Name | None = None
    source_url: str | None = None
    headline: str | None = None
    body: str | None = None
    click_id: Annotated[str, Field(max_length=1024)] | None = None

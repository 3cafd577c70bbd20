"""What is posted to announce a change: Flagger's event as it is, or as little as a CI job has to say, even nothing."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kubeprobe.intake import refusal
from kubeprobe.plan.changed import Announcement
from probe_sdk.wire import cut

WHAT = "an announcement"
MESSAGE_BYTES = 256
BY_BYTES = 128
"""What a Change keeps of them."""
PRINTABLE = r"^[^\x00-\x1f\x7f]*$"


class FlaggerMetadata(BaseModel):
    """What Flagger tells of an event."""

    model_config = ConfigDict(frozen=True)

    event_message: str = Field("", alias="eventMessage", description="What happened, as Flagger tells it.")


class Announced(BaseModel):
    """A change that somebody announces; fields that are not named here are passed over."""

    model_config = ConfigDict(frozen=True)

    namespace: str = Field("", max_length=63, pattern=PRINTABLE, description="Namespace of what changes.")
    name: str = Field("", max_length=253, pattern=PRINTABLE, description="What changes; the gate's name if left out.")
    checksum: str = Field(
        "",
        max_length=256,
        description="What tells this release from the one before it, such as a commit or a digest: announced again, "
        "it is the same change. Left out, each announcement is a change of its own.",
    )
    by: str = Field("", description="Who changes it; where callers have to say who they are, that is taken instead.")
    message: str = Field("", description="What is changed, as a line for people; 256 bytes are kept.")
    link: str = Field("", max_length=256, pattern=PRINTABLE, description="Address at which there is more about it.")
    metadata: FlaggerMetadata | None = Field(None, description="As Flagger sends it: eventMessage is the message.")


def read_announcement(body: bytes, caller: str) -> Announcement:
    """What is announced.

    Args:
        body: as it was posted; empty for a change of which nothing is said.
        caller: who posted it; empty where that is not known.

    Raises:
        RefusalError: it is not an announcement.
    """
    try:
        said = Announced.model_validate_json(body) if body.strip() else Announced()
    except ValidationError as error:
        raise refusal.malformed(WHAT, error) from error
    message = said.message or (said.metadata.event_message if said.metadata else "")
    return Announcement(
        namespace=said.namespace,
        name=said.name,
        key=said.checksum,
        by=cut(_line(caller or said.by), BY_BYTES),
        message=cut(_line(message), MESSAGE_BYTES),
        link=said.link,
    )


def _line(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())

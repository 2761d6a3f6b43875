"""The files that a command reads beside its settings: the configured catalog and the state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from airbyte_cdk.models import (
    AirbyteStateMessage,
    AirbyteStateMessageSerializer,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    ConfiguredAirbyteStreamSerializer,
)
from serpyco_rs import SchemaValidationError

from source_airtable.errors import InvalidFileError

if TYPE_CHECKING:
    from serpyco_rs import Serializer

_Message = TypeVar("_Message")


def read_catalog(path: str) -> ConfiguredAirbyteCatalog:
    """Read a configured catalog; raises InvalidFileError, which names the stream at fault.

    Shape: `{"streams": [{"stream": {"name": "sales_crm/contacts/tblltp8DGLhqbUmjK",
    "json_schema": {…}, "supported_sync_modes": ["full_refresh"]}, "sync_mode": "full_refresh",
    "destination_sync_mode": "overwrite"}]}`.
    """
    catalog = _read_json(path, "--catalog")
    streams = catalog.get("streams") if isinstance(catalog, dict) else None
    if not isinstance(streams, list):
        raise InvalidFileError(option="--catalog", reason="it has no list of streams")
    configured: list[ConfiguredAirbyteStream] = []
    for place, stream in enumerate(streams):
        name = _name_of(stream)
        facts: dict[str, Any] = {"option": "--catalog", "stream": name or f"number {place + 1}"}
        if not name:
            raise InvalidFileError(**facts, reason="the stream has no name")
        if not isinstance(stream["stream"].get("json_schema"), dict):
            raise InvalidFileError(**facts, reason="the stream has no json_schema")
        configured.append(_load(ConfiguredAirbyteStreamSerializer, stream, facts))
    return ConfiguredAirbyteCatalog(streams=configured)


def read_state(path: str | None) -> list[AirbyteStateMessage]:
    """Read the states of streams; raises InvalidFileError, which names the stream at fault.

    Shape: `[{"type": "STREAM", "stream": {"stream_descriptor": {"name": "comments"},
    "stream_state": {…}}}]`. An empty file name, list or object holds none.
    """
    states = _read_json(path, "--state") if path else []
    if not states:
        return []
    if not isinstance(states, list):
        raise InvalidFileError(option="--state", reason="it is not a list of states")
    messages = []
    for place, state in enumerate(states):
        stream = state.get("stream") if isinstance(state, dict) else None
        descriptor = stream.get("stream_descriptor") if isinstance(stream, dict) else None
        name = descriptor.get("name") if isinstance(descriptor, dict) else None
        facts = {"option": "--state", "stream": name or f"number {place + 1}"}
        message = _load(AirbyteStateMessageSerializer, state, facts)
        if message.stream is None and message.global_ is None:
            raise InvalidFileError(**facts, reason="the state has no stream")
        messages.append(message)
    return messages


def _read_json(path: str, option: str) -> Any:  # noqa: ANN401 - any JSON
    try:
        return json.loads(Path(path).read_text("utf-8-sig"))
    except OSError as failure:
        raise InvalidFileError(
            option=option, reason=f"the file cannot be read: {failure.strerror}"
        ) from None
    except ValueError:
        raise InvalidFileError(option=option, reason="the file does not hold JSON") from None


def _name_of(configured: object) -> str | None:
    stream = configured.get("stream") if isinstance(configured, dict) else None
    name = stream.get("name") if isinstance(stream, dict) else None
    return name if isinstance(name, str) and name else None


def _load(serializer: Serializer[_Message], message: object, facts: dict[str, Any]) -> _Message:
    try:
        return serializer.load(message)
    except SchemaValidationError as invalid:
        # Name the place, not the value, which may be a secret.
        places = sorted({error.instance_path.rpartition("/")[2] for error in invalid.errors})
        named = ", ".join(place for place in places if place) or "its form"
        raise InvalidFileError(**facts, reason=f"{named} cannot be used") from None
    except (TypeError, ValueError, AttributeError, KeyError):
        raise InvalidFileError(**facts, reason="its form cannot be used") from None

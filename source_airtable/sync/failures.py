"""Failures of streams, in the order in which their traces go out.

The platform takes the first failure that it sees as the sync's. So what a later sync may cure goes
out at once, what a person must mend waits for the end, and missing tables come last.
"""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING

from airbyte_cdk.models import FailureType, StreamDescriptor
from airbyte_cdk.utils import AirbyteTracedException

from source_airtable.errors import AirtableError, BaseNotFoundError, TableNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airbyte_cdk.models import AirbyteMessage

LOGGER = logging.getLogger("airbyte.source_airtable")

_PASSING_FIRST = (
    FailureType.transient_error,
    FailureType.system_error,
    FailureType.config_error,
)


class Failures:
    """Collects failures, and decides when each trace goes out."""

    def __init__(self, *, may_miss_tables: bool) -> None:
        self._may_miss_tables = may_miss_tables
        self._by_stream: dict[str, list[AirbyteTracedException]] = {}
        self._late: list[AirbyteMessage] = []
        self._last: list[AirbyteMessage] = []

    def skips(self, failure: Exception) -> bool:
        """Tell whether the settings allow skipping what is missing."""
        return self._may_miss_tables and is_gone(failure)

    def note(self, stream_name: str, failure: Exception) -> Iterator[AirbyteMessage]:
        """Note why a stream fails, and emit its trace now or keep it for the end.

        Tables that fail with the same kind of error share one trace. A table or base that is gone
        has its own.
        """
        traced = _as_traced(failure)
        noted = self._by_stream.setdefault(stream_name, [])
        is_repeated = not is_gone(traced) and any(type(one) is type(traced) for one in noted)
        noted.append(traced)
        if is_repeated:
            LOGGER.warning("Stream %s failed for another table too: %s", stream_name, traced)
            return
        message = traced.as_sanitized_airbyte_message(StreamDescriptor(name=stream_name))
        if isinstance(traced, TableNotFoundError):
            self._last.append(message)
        elif traced.failure_type is FailureType.config_error:
            self._late.append(message)
        else:
            yield message

    def late_messages(self) -> Iterator[AirbyteMessage]:
        """Emit the traces that were kept: what a person must mend, missing tables last."""
        yield from self._late
        yield from self._last

    def raise_if_any(self, stream_count: int) -> None:
        """Raise one error that names the streams that failed, if one did."""
        if not self._by_stream:
            return
        kinds = {one.failure_type for noted in self._by_stream.values() for one in noted}
        raise AirbyteTracedException(
            message=f"{len(self._by_stream)} of {stream_count} streams failed: "
            f"{', '.join(self._by_stream)}. Each one's own message above says why.",
            internal_message="streams failed",
            failure_type=next(kind for kind in _PASSING_FIRST if kind in kinds),
        )


def is_gone(failure: Exception) -> bool:
    """Tell whether a failure is that a table, or its base, is not there any more."""
    return isinstance(failure, (TableNotFoundError, BaseNotFoundError))


def _as_traced(failure: Exception) -> AirbyteTracedException:
    """Give a failure that Airbyte can show; the text of an unexpected one may hold a cell."""
    if isinstance(failure, (AirtableError, AirbyteTracedException)):
        return failure
    frames = "".join(traceback.format_tb(failure.__traceback__))
    return AirbyteTracedException(
        message=f"An unexpected error ended the stream ({type(failure).__name__}). Report it to "
        "the connector's authors; the log holds the place.",
        internal_message=f"{type(failure).__name__} at:\n{frames}",
        failure_type=FailureType.system_error,
    )

"""What goes wrong in a sync: noted by stream, told in an order that the platform understands.

The platform takes the first failure that it sees for the sync's: what a later sync may cure goes
out at once, what a person must mend waits for the end, and tables that are missing come last.
"""

from __future__ import annotations

import logging
from itertools import chain
from typing import TYPE_CHECKING

from airbyte_cdk.models import FailureType, TraceType
from airbyte_cdk.utils import AirbyteTracedException

from source_airtable.errors import BaseNotFoundError, TableNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airbyte_cdk.models import AirbyteMessage

LOGGER = logging.getLogger("airbyte.source_airtable")

_HOPEFUL_FIRST = (
    FailureType.transient_error,
    FailureType.system_error,
    FailureType.config_error,
)


def is_gone(failure: Exception) -> bool:
    """Tell whether a failure is that a table, or its base, is not there any more."""
    return isinstance(failure, (TableNotFoundError, BaseNotFoundError))


class StreamFailures:
    """Notes why streams fail, keeps back what can wait, and sums it up."""

    def __init__(self, *, may_miss_tables: bool) -> None:
        self._may_miss_tables = may_miss_tables
        self._noted: dict[str, list[Exception]] = {}
        self._skipped: set[str] = set()
        self._told_kinds: set[tuple[str, type[Exception]]] = set()
        self._late_messages: dict[bool, list[AirbyteMessage]] = {False: [], True: []}

    def note(self, stream_name: str, failure: Exception) -> None:
        """Note why a stream fails; each of its tables may have a reason of its own."""
        self._noted.setdefault(stream_name, []).append(failure)

    @property
    def by_stream(self) -> dict[str, list[Exception]]:
        """The failures of each stream that has some."""
        return {stream_name: noted for stream_name, noted in self._noted.items() if noted}

    def skips(self, stream_name: str, failure: Exception) -> bool:
        """Tell whether the settings allow to go on without what a stream misses; warns of it."""
        if not (is_gone(failure) and self._may_miss_tables):
            return False
        self._skipped.add(stream_name)
        LOGGER.warning("Stream %s is skipped, as on_missing_table says: %s", stream_name, failure)
        return True

    def keep_back(self, message: AirbyteMessage) -> bool:
        """Keep a failure that a person must mend until the end, and drop what need not be told.

        Tells whether the message was kept, so that it is not to go out now.
        """
        trace = message.trace
        if trace is None or trace.type is not TraceType.ERROR or trace.error is None:
            return False
        descriptor = trace.error.stream_descriptor
        noted = self._noted.get(descriptor.name, []) if descriptor else []
        # Of another table of the stream there may be another failure.
        told_as = trace.error.message
        failure = next((one for one in noted if getattr(one, "message", None) == told_as), None)
        if descriptor and failure is not None:
            if self.skips(descriptor.name, failure):
                noted.remove(failure)
                return True
            if self._is_repeated(descriptor.name, failure):
                return True
        if trace.error.failure_type is not FailureType.config_error:
            return False
        self._late_messages[isinstance(failure, TableNotFoundError)].append(message)
        return True

    def late_messages(self, *, are_missing: bool) -> Iterable[AirbyteMessage]:
        """Give what was kept back: of tables that are missing, or all else."""
        return self._late_messages[are_missing]

    def explain(self, incomplete: Iterable[str], failed: Exception) -> None:
        """Note a failure for streams that ended incomplete, where no other is known."""
        for stream_name in set(incomplete) - set(self.by_stream) - self._skipped:
            self.note(stream_name, failed)
        if not self.by_stream and not self._skipped:
            raise failed

    def raise_for_all(self, stream_count: int) -> None:
        """Raise one error that names the streams that failed, if one did."""
        failed = self.by_stream
        if not failed:
            return
        failures = chain.from_iterable(failed.values())
        kinds = {getattr(failure, "failure_type", None) for failure in failures}
        raise AirbyteTracedException(
            message=f"{len(failed)} of {stream_count} streams failed: {', '.join(failed)}. "
            "The reason for each one is in its own message above.",
            internal_message="streams failed",
            failure_type=next((kind for kind in _HOPEFUL_FIRST if kind in kinds), None)
            or FailureType.system_error,
        )

    def _is_repeated(self, stream_name: str, failure: Exception) -> bool:
        """Tell whether another table of the stream has failed for the same reason.

        A table or base that is gone is told of each time, since it is another one.
        """
        kind = (stream_name, type(failure))
        if is_gone(failure) or kind not in self._told_kinds:
            self._told_kinds.add(kind)
            return False
        return True

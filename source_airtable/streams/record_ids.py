"""A set of record ids that takes a fifth of the memory of Python's own."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# "rec" and 14 characters out of 62: the first two of them spread the ids evenly over 3,844 buckets.
_PREFIX_LENGTH = len("rec")
_BUCKET_LENGTH = _PREFIX_LENGTH + 2
_SEPARATOR = b"\n"


class RecordIdSet:
    """Remembers record ids, at 13 bytes each and half a megabyte once.

    An id is kept as the bytes behind its bucket's key, one after the other. Ids of any other form
    are kept as well, if they hold no line break.
    """

    def __init__(self) -> None:
        self._buckets: defaultdict[str, bytearray] = defaultdict(lambda: bytearray(_SEPARATOR))
        self._count = 0

    def __len__(self) -> int:
        """Count the ids."""
        return self._count

    def __iter__(self) -> Iterator[str]:
        """Emit the ids, in no order."""
        for start, bucket in self._buckets.items():
            for rest in bucket[1:-1].split(_SEPARATOR) if len(bucket) > 1 else ():
                yield start + rest.decode()

    def add(self, record_id: str) -> bool:
        """Add an id, and tell whether it is new."""
        bucket = self._buckets[record_id[:_BUCKET_LENGTH]]
        rest = record_id[_BUCKET_LENGTH:].encode() + _SEPARATOR
        if _SEPARATOR + rest in bucket:
            return False
        bucket += rest
        self._count += 1
        return True

"""The scopes that Airtable asks of a token.

See https://airtable.com/developers/web/api/scopes
"""

from __future__ import annotations

SCHEMA_SCOPE = "schema.bases:read"
"""Lists bases, and reads the tables and fields of each."""
RECORDS_SCOPE = "data.records:read"
COMMENTS_SCOPE = "data.recordComments:read"
"""Only the stream `comments` needs it."""
WEBHOOKS_SCOPE = "webhook:manage"
"""Only the incremental method `webhooks` needs it."""

"""How a sync runs: each table is scanned by a worker, and the main thread tells Airbyte."""

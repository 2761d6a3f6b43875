"""What Airbyte sees: one module for each kind of stream, its declaration beside its row code."""

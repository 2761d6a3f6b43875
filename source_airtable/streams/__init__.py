"""What Airbyte reads: streams over tables, and the engine's queue between them and the output."""

"""Runs a sync: workers scan tables, and the main thread writes the messages."""

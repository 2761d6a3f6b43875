"""Tests that run the whole connector, and the Airtable simulator they run against."""

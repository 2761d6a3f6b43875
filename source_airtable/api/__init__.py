"""Requests to Airtable over HTTP, with rate limits, authentication and retries."""

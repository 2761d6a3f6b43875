"""All that knows HTTP: from a request to a page of JSON, paced, authorised and retried."""

"""The REST API: what other programs ask syncd over HTTP."""

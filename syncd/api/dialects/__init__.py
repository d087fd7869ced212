"""Other systems' ways to ask for runs, for callers that speak them already: thin, over the one core."""

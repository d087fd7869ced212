"""One program for each peer, run in an environment of its own: `sync`, `dump`, `lose`, and what it can do besides."""

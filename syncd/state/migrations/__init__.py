"""The history of the state's schema, applied in order when a state is opened."""

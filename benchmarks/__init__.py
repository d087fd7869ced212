"""What syncd takes and how long: programs to run by hand."""

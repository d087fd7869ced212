"""Each stage of a sync alone, beside what the machine allows it."""

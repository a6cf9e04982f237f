"""Sound as a source of modulation: heard, analysed at once, and never kept."""

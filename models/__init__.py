"""The networks that ship with livedream, and how they were trained."""

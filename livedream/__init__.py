"""livedream: a mirror that dreams."""

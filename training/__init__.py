"""Training of dreamnet: a small network learns to dream like a large one. See README.md beside this file."""

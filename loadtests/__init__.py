"""Load scenarios: locustfiles, one per question."""

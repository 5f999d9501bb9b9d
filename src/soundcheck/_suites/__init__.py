"""The suites, scenarios and recipes as a wheel ships them; empty in a clone, which has its own."""

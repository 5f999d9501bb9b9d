"""The conformance suites: one module per area of the contract, rule and test together."""

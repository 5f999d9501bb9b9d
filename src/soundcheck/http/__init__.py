"""Sending requests and recording what came back: facts only, no judgement."""

"""The tests: one package, so that helpers are imported absolutely as `tests.…` and checked by mypy like the rest."""

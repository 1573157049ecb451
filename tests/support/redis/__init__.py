"""A real Redis for tests, and the tests of the cache that need one."""

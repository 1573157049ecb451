"""Media from outside: untrusted bytes, which are fetched and decoded within limits. It knows no stream."""

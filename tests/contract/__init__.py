"""One suite per port, run on the fake or embedded adapter and on the real one; a known gap of a fake is a strict xfail."""

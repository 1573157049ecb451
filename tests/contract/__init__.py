"""One suite per port, run on the fake or embedded adapter and the real thing; what a fake cannot do is a strict xfail."""

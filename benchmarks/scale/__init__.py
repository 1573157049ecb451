"""What Millrace needs at a given load: `python -m benchmarks.scale`; the model is explained in docs/scale.md."""

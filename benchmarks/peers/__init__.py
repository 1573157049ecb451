"""A Millrace worker of tickets beside what people write with other libraries: same stream, model, store and machine."""

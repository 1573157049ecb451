"""Single modules in isolation: no input or output, and a clock that the test moves by hand."""

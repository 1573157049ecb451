"""Single modules by themselves: no input or output, a clock that is moved by hand."""

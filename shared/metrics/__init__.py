"""The metrics of a process: their catalogue, their series, and the observer that updates them."""

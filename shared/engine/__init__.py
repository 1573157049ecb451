"""The engine: gather, process, settle. It knows records, outcomes and ports, but no stream by name."""

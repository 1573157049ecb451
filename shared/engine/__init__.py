"""The engine: gather, process, settle. Knows records, outcomes and ports; knows no stream."""

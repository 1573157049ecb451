"""Vectors of many files at once, without Kafka and Qdrant: extracted to arrays by shards, and plotted."""

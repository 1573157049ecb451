"""The data on topics and in the vector store: pydantic models and names, but no behaviour."""

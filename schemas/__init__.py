"""What travels on topics and into the vector store: pydantic models and names, nothing that runs."""

"""What crosses an edge: specs, errors and summaries as pydantic models."""

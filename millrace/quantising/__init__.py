"""`millrace models build`: int8 models for the CPU, made of models in float32."""

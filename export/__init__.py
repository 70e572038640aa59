"""From a model specification to a checked ONNX artifact, and from a user's .onnx file to a model source."""

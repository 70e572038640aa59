"""What can be measured: model specifications, the catalog, inputs, and when two outputs agree."""

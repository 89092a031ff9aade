//! Nothing: the mistakes are in `examples/`.

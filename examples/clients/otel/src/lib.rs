//! Operations as OpenTelemetry sees them: `tests/spans.rs`.

//! Configuration, telemetry, task groups and shutdown

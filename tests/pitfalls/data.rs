//! Setting up data connections: 34 to 53.

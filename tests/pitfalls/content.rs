//! File content and completeness: 54 to 73.

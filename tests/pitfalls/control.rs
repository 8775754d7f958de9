//! The dialogue on the control connection: 1 to 33.

//! What the capture does to the traffic: 81 to 88.

//! Listings: 74 to 80.

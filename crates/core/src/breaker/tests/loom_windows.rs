//! Models of the windows.

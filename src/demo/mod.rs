//! A scripted town of agencies with real components.

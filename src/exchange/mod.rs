//! Orders the steps: one file per noun, and the sequencer that commits them.

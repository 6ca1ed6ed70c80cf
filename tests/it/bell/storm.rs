//! By luck: writers and listeners with random delays at every step, and what became of each commit.

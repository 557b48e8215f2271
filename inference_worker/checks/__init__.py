"""Registry work in the worker: prove a package sound on this machine, in a process that may die without harm. See README.md."""

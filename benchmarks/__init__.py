"""How fast and how frugal tinygrad_ml is: one workload a file, beside what a user would pick instead."""

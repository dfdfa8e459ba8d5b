"""Freed memory is kept for the next operation.

Eager code frees its temporaries at once and asks for as many again. glibc hands freed memory back to the
system as soon as 128 KB of it lie at the end of the heap, and every page that is asked for again costs a page
fault: in training steps on arrays of 100 KB, more than half of the time. It waits for 64 MB in a program
that has once freed a block of 32 MB; so one is freed here. The block is never written to and takes no memory.
Whoever sets ``MALLOC_TRIM_THRESHOLD_`` decides instead, and other allocators do not care.
"""

import numpy as np

#: The largest block that glibc learns from, less its own header.
_LARGEST = 2**25 - 2**13


def keep_freed_memory() -> None:
    """Free a block that is large enough for glibc to raise its thresholds."""
    np.empty(_LARGEST, np.uint8)
